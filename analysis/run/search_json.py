"""The format of search.json, and what the content of an earlier format becomes."""

import json
from typing import Any

from analysis.run.values import (
    COUNT,
    FLAG,
    LINES,
    NAME,
    NUMBER,
    OBJECT,
    SOME,
    TEXT,
    VALUE,
    Kind,
    by_name,
    check,
    having,
    many,
    optional,
)

# Format 1 names no format, and has other names of schedulers. Up to format 2 the time budget was that of the search
# alone, and the confirmation took about as long again.
FORMAT = 3
# What is read from here other than as text, by its place; what a search goes on by is checked by its options, too.
_CARD = {
    "version": TEXT,
    "layer": TEXT,
    "n": COUNT,
    "split": TEXT,
    "floor": NUMBER,
    "floor_sd": optional(NUMBER),
    "blank": NUMBER,
}
_DOMAIN = having({"low": NUMBER, "high": NUMBER, "log": FLAG, "least": NUMBER, "most": NUMBER})
_TOP = {
    "format": COUNT,
    "status": TEXT,
    "settings": OBJECT,
    "space": LINES,
    "versions": by_name(TEXT),
    "data": by_name(TEXT),
    "data_card": optional(by_name(LINES)),
    "classifier": TEXT,
    "domains": by_name(_DOMAIN),
    "origin": OBJECT,
    "changes": by_name(TEXT),
    "every": optional(SOME),
    "metric": optional(OBJECT),
    "final_metric": OBJECT,
    "default": optional(by_name(VALUE)),
    "real": by_name(optional(NUMBER)),
    "code": OBJECT,
    "features": OBJECT,
    "used_seconds": NUMBER,
    "wall_seconds": NUMBER,
    "seconds": by_name(NUMBER),
    "slots": COUNT,
    "slot_seconds": NUMBER,
    "overhead": optional(NUMBER),
    "idle": optional(NUMBER),
    "confirm_by": many(TEXT),
    "starting_point": FLAG,
    "contenders": many(TEXT),
    "left_out": by_name(TEXT),
    "cut": FLAG,
    "tested": FLAG,
}
_PARTS: dict[str, dict[str, Kind]] = {
    "settings": {
        "name": TEXT,
        "storage_path": LINES,
        "space": LINES,
        "space_digest": TEXT,
        "dataset": TEXT,
        "data_dir": optional(LINES),
        "image_size": optional(SOME),
        "channels": optional(SOME),
        "background": TEXT,
        "skip_damaged": FLAG,
        "groups": optional(LINES),
        "features": optional(LINES),
        "fixed": by_name(TEXT),
        "trained": optional(many(LINES, least=2, most=2)),
        "warm_start": many(LINES),
        "only": many(TEXT),
        "exact": FLAG,
        "trials": SOME,
        "time_budget": NUMBER,
        "rungs": many(COUNT, least=1),
        "max_images": COUNT,
        "grace_images": COUNT,
        "report_every": COUNT,
        "scheduler": TEXT,
        "reduction_factor": SOME,
        "sampler": TEXT,
        "against": optional(TEXT),
        "seed": COUNT,
        "draws": SOME,
        "confirm": COUNT,
        "confirm_by": many(TEXT),
        "seeds": COUNT,
        "tune_guidance": FLAG,
        "cpus_per_trial": NUMBER,
        "gpus_per_trial": NUMBER,
        "hang_limit": NUMBER,
        "slots": SOME,
        "mps": FLAG,
        "address": optional(TEXT),
        "kept_checkpoints": SOME,
        "log_to": many(TEXT),
    },
    "metric": _CARD,
    "final_metric": _CARD,
    "code": {"files": many(LINES), "parts": many(LINES)},
    "origin": {"run": TEXT, "trial": NAME, "anew": FLAG},
    "data_card": {},
    "features": {"name": TEXT, "sha256": TEXT},
}
# A part that is not empty has all of these.
_MEASURED = ("version", "n", "split", "floor", "blank")
_SEARCHED = ("name", "space", "fixed", "dataset", "data_dir", "trained", "rungs", "seed", "confirm", "seeds")
_REQUIRED = {
    "settings": (*_SEARCHED, "trials", "time_budget", "cpus_per_trial", "gpus_per_trial"),
    "metric": _MEASURED,
    "final_metric": _MEASURED,
    "code": ("files", "parts"),
    "origin": ("run", "trial", "anew"),
    "data_card": ("images",),
    "features": ("name", "sha256"),
}
RENAMED_SCHEDULERS = {"promotion": "asha", "asha": "asha-stopping"}


def translated(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a search.json in the names and meanings of today's format; values may be texts."""
    if "settings" not in content or int(content.get("format", 1)) >= FORMAT:
        return content
    settings = content["settings"]
    if "format" not in content:
        scheduler = RENAMED_SCHEDULERS.get(settings.get("scheduler"), settings.get("scheduler"))
        settings = {**settings, "scheduler": scheduler}
    if "time_budget" in settings and str(settings.get("confirm", "0")) != "0":
        settings = {**settings, "time_budget": _doubled(settings["time_budget"])}
    return {**content, "format": FORMAT, "settings": settings}


def _doubled(value: float | str) -> float | str:
    return f"{2 * float(value):g}" if isinstance(value, str) else 2 * value


def read(data: bytes) -> dict[str, Any]:
    """Return what a search.json says, in the names of today's format.

    Raises:
        ValueError: it is not JSON, lacks a value, or has one of a wrong type. The caller puts the file's name before
            the message.
    """
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON, {error}") from None
    try:
        _require_types(content)
    except ValueError as error:
        raise ValueError(f"is damaged, {error}") from None
    return translated(content)


def _require_types(content: Any) -> None:
    """Raise ValueError where a value of a search.json is of a wrong type, or lacks what it has to have."""
    check(content, _TOP)
    for part, kinds in _PARTS.items():
        if content.get(part):
            check(content[part], kinds, f"{part}/")
            missing = [name for name in _REQUIRED[part] if name not in content[part]]
            if missing:
                raise ValueError(f"{part} has no {', '.join(missing)}")
