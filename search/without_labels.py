"""A search on images without labels: it draws only networks that know no classes."""

from typing import Any

from search.declaration import SettingsError

FIELD = "network.conditioning"


def without_classes(given: dict[str, Any], dataset: str) -> dict[str, Any]:
    """Return the options given, with the conditioning of networks fixed to none.

    Raises:
        SettingsError: it is fixed to something else.
    """
    fixed = {name.replace("/", "."): text for name, text in given["fixed"].items()}
    asked = fixed.get(FIELD, "none")
    if asked != "none":
        raise SettingsError(f"--set {FIELD}={asked}: {dataset} has no labels of two classes or more; leave it out")
    return {**given, "fixed": {**fixed, FIELD: "none"}}
