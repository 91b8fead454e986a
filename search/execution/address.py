"""Which Ray cluster a search joins, if any: what the option says, or else the environment."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from search.machine import MachineError

AUTO, LOCAL = "auto", "local"  # instead of an address: the one of the environment, and no cluster
WAIT = 5.0  # seconds for a connection; Ray itself tries for minutes, with warnings
ALONE = f"--address {LOCAL} searches on this machine alone"


@dataclass(frozen=True)
class Address:
    """A Ray that answers."""

    text: str
    """HOST:PORT"""
    source: str
    """What named it, with the address, such as "--address head:6379"."""


def address_of(given: str | None) -> Address | None:
    """Return the address of the cluster to join, None for this machine alone.

    It is `given`; else RAY_ADDRESS; else where a Ray of this user's listens that `ray start` started here.

    Raises:
        MachineError: nothing listens at the address that is given, or none is found for "auto".
    """
    named = os.environ.get("RAY_ADDRESS")
    for text, name in ((given, "--address"), (named, "RAY_ADDRESS")):
        if text == LOCAL:
            return None
        if text and text != AUTO:
            source = f"{name} {text}"
            if reason := _refusal(text):
                other = "" if given == text else f"; {ALONE}"
                raise MachineError(f"{source}: no Ray cluster can be reached there ({reason}){other}")
            return Address(text, source)
    started = _started()
    if started and not _refusal(started):
        return Address(started, f"`ray start` at {started}")
    if AUTO in (given, named):
        raise MachineError(f"--address {AUTO}: no Ray runs here that you started with `ray start`; give HOST:PORT")
    return None


def _refusal(address: str) -> str:
    """Return why nothing can be heard at HOST:PORT, "" where something listens."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        return "give HOST:PORT"
    try:
        socket.create_connection((host.strip("[]"), int(port)), WAIT).close()
    except (OSError, OverflowError) as error:
        return str(error)
    return ""


def _started() -> str | None:
    """Return the address that `ray start` of this user left here."""
    temporary = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    left = Path(temporary) / "ray" / "ray_current_cluster"
    try:
        return left.read_text().strip() if left.stat().st_uid == os.getuid() else None
    except OSError:
        return None
