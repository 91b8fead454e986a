"""The format of search.json, and what the content of an earlier format becomes."""

from typing import Any

# Format 1 names no format, and has other names of schedulers.
FORMAT = 2
RENAMED_SCHEDULERS = {"promotion": "asha", "asha": "asha-stopping"}


def translated(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a search.json in the names of today's format."""
    if "format" in content or "settings" not in content:
        return content
    settings = content["settings"]
    scheduler = RENAMED_SCHEDULERS.get(settings.get("scheduler"), settings.get("scheduler"))
    return {**content, "format": FORMAT, "settings": {**settings, "scheduler": scheduler}}
