"""The format of search.json, and what the content of an earlier format becomes."""

from typing import Any

# Format 1 names no format, and has other names of schedulers. Up to format 2 the time budget was that of the search
# alone, and the confirmation took about as long again.
FORMAT = 3
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
