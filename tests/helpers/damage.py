"""Copies of a run of which one file is damaged at random, by bytes, lines or values, or lost."""

import json
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

LOST = 0.1  # share of the copies of which a file is lost
# What a value is replaced by: of wrong types, too large, not finite, and what is made to be obeyed.
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 7, 2**70, 1e308, float("nan"), float("inf"), "", "x", [], [[]], {}, {"a": 1}),
    *("../../x", "\x1b[31mred", "=HYPERLINK(1)", "FAILED", "a" * 5000, "\udc80", "\u202etxt"),
)


Damage = Callable[[bytes, random.Random], bytes]


def damaged(whole: Path, folder: Path, files: Sequence[str], seed: int) -> Path:
    """Copy a run into `folder` and damage or lose one of its files."""
    rng, run = random.Random(seed), folder / "run"
    shutil.copytree(whole, run)
    path = run / rng.choice(files)
    if rng.random() < LOST:
        path.unlink()
        return run
    ways: list[Damage] = [damaged_bytes]
    if path.suffix in (".json", ".jsonl", ".journal"):
        ways += [damaged_lines, damaged_values, damaged_values]
    path.write_bytes(rng.choice(ways)(path.read_bytes(), rng))
    return run


def damaged_bytes(data: bytes, rng: random.Random) -> bytes:
    """Cut, zero or flip some bytes."""
    at, length = rng.randrange(len(data)), rng.choice((1, 16, 300))
    how = rng.randrange(4)
    if how == 0:
        return data[:at]
    if how == 1:
        return data[:at] + bytes(len(data[at : at + length])) + data[at + length :]
    if how == 2:
        return data[:at] + data[at + length :]
    flipped = bytearray(data)
    flipped[at] ^= 1 << rng.randrange(8)
    return bytes(flipped)


def damaged_lines(data: bytes, rng: random.Random) -> bytes:
    """Lose, repeat, exchange or add a line."""
    lines = data.splitlines(keepends=True)
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    how = rng.randrange(4)
    if how == 0:
        del lines[one]
    elif how == 1:
        lines.insert(other, lines[one])
    elif how == 2:
        lines[one], lines[other] = lines[other], lines[one]
    else:
        lines.insert(one, rng.choice((b"\n", b"{}\n", b"[]\n", bytes(9) + b"\n", b"null\n", b"[" * 9999 + b"\n")))
    return b"".join(lines)


def damaged_values(data: bytes, rng: random.Random) -> bytes:
    """Replace a value somewhere in a line of JSON, or in the whole, or a name of one."""
    lines = [data] if data.startswith(b"{\n") else data.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    content = json.loads(lines[at])
    part = content
    while True:
        key = rng.choice(list(part))
        if not (isinstance(part[key], dict) and part[key] and rng.random() < 0.7):
            break
        part = part[key]
    if rng.random() < 0.8:
        part[key] = rng.choice(VALUES)
    else:
        part[rng.choice(("a", "\x1b[31m", "=1"))] = part.pop(key)
    lines[at] = json.dumps(content).encode() + b"\n"
    return b"".join(lines)
