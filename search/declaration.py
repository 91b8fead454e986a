"""Options declared as fields of dataclasses.

A field such as `trials: int = option(whole(1), "Number of variants to try.", 64, group="budget")` is all there is
to an option: the command line, `--help`, `--config`, search.json, the check of its range and --resume read it there.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any

from analysis.run import values
from trainables.domain import UsageError


class SettingsError(UsageError):
    """Options that are invalid or do not go together."""


class Resume(Enum):
    """What --resume does with an option."""

    FIXED = "the run keeps the value that it began with, and the option is refused"
    CHANGEABLE = "a value that is given replaces the one that the run has"
    PER_SESSION = "the value that the run had is forgotten: it is given again, or is the default"


@dataclass(frozen=True)
class Kind:
    """The values that an option takes."""

    parse: Callable[[Any], Any]
    """Returns the value that a text writes; raises LookupError or ValueError where it writes none."""
    holds: Callable[[Any], bool]
    """Returns whether a value is of its type and in range; one that search.json has was never a text."""
    right: str
    """What would be right, as an error says it: "give a number above 0"."""
    metavar: str | None = "NAME"
    argparse: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of argparse's `add_argument`."""
    nested: bool = False
    """Whether `parse` takes lists and mappings of texts as well."""


def whole(least: int, most: int, reason: str = "") -> Kind:
    """Return the kind of the whole numbers from `least` to `most`; `reason` says why there is no smaller one."""
    right = f"give a whole number from {least} to {most:,}{reason}"
    return Kind(int, lambda value: values.COUNT.holds(value) and least <= value <= most, right, "N")


def between(least: float, most: float, or_0: bool = False) -> Kind:
    """Return the kind of the numbers from `least` to `most`, and of 0 if `or_0`."""
    right = f"give {'0, or ' if or_0 else ''}a number from {least:g} to {spoken(most)}"

    def holds(value: Any) -> bool:
        return values.NUMBER.holds(value) and (least <= value <= most or (or_0 and value == 0))

    return Kind(float, holds, right, "X")


def one_of(names: Iterable[str], old: Mapping[str, str] | None = None) -> Kind:
    """Return the kind of some names; `old` maps names that are still accepted to those of today."""
    known, renamed = tuple(names), old or {}
    return Kind(lambda text: renamed.get(text, text), known.__contains__, f"give one of {', '.join(known)}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != ""


def are_texts(value: Any) -> bool:
    """Return whether a value is a tuple of texts."""
    return isinstance(value, tuple) and all(map(_is_text, value))


def _are_assignments(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_is_text, (*value, *value.values())))


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _assignments(given: list[str] | dict[str, str]) -> dict[str, str]:
    pairs = given.items() if isinstance(given, dict) else [text.split("=", 1) for text in given]
    found = {name.strip(): value.strip() for name, value in pairs}
    if not all(found) or not all(found.values()):
        raise ValueError(given)
    return found


TEXT = Kind(str, _is_text, "give a text that is not empty")
FLAG = Kind(_flag, values.FLAG.holds, "give true or false", None, {"action": "store_const", "const": "true"})
NAMES = Kind(tuple, are_texts, "give names", argparse={"nargs": "*", "default": []}, nested=True)
ASSIGNMENTS = Kind(
    _assignments,
    _are_assignments,
    "give NAME=VALUE, such as network.kind=cnn",
    "NAME=VALUE",
    {"action": "append"},
    nested=True,
)


@dataclass(frozen=True)
class Sized:
    """A default for a machine without a GPU, and one for a machine with GPUs."""

    cpu: Any
    gpu: Any

    def on(self, gpus: float) -> Any:
        """Return the default for so many GPUs."""
        return self.gpu if gpus else self.cpu


@dataclass(frozen=True)
class Option:
    """An option of a command."""

    kind: Kind
    help: str
    default: Any = None
    """A value, `Sized`, or None where it follows from other things."""
    resume: Resume = Resume.FIXED
    group: str = ""
    metavar: str | None = None
    """In place of the kind's."""
    shown: str = ""
    """The default in words, where it is no value."""
    flag: str = ""
    """As the command line has it, such as "--max-images"; without dashes it is a position."""

    @property
    def key(self) -> str:
        """Name of the option in a file of options."""
        return self.flag.removeprefix("--").replace("-", "_")

    def read(self, text: Any, label: str) -> Any:
        """Return the value that a text writes; `label` begins the error."""
        try:
            is_refused = isinstance(text, Mapping) and self.kind is not ASSIGNMENTS
            if is_refused or not (isinstance(text, str) or self.kind.nested):
                raise ValueError(text)
            value = self.kind.parse(text)
        except (AttributeError, LookupError, TypeError, ValueError):  # what a file of options may hold
            raise SettingsError(f"{label} {spoken(text)}: {self.kind.right}") from None
        self.require(value, label)
        return value

    def require(self, value: Any, label: str = "") -> None:
        """Raise SettingsError if a value is out of range."""
        if not self.kind.holds(value):
            raise SettingsError(f"{label or self.flag} {spoken(value)}: {self.kind.right}")

    def explanation(self) -> str:
        """Return the help with the default."""
        shown = self.shown
        if isinstance(self.default, Sized):
            shown = f"{spoken(self.default.cpu)} without a GPU, {spoken(self.default.gpu)} with one"
        elif not shown and isinstance(self.default, int | float | str) and self.kind is not FLAG:
            shown = spoken(self.default)
        return f"{self.help} (default: {shown})" if shown else self.help


def option(*of_option: Any, **named: Any) -> Any:
    """Return the field of a dataclass that declares an `Option`; its flag is the field's name unless one is given."""
    return field(metadata={"option": Option(*of_option, **named)})


def options(cls: type) -> Mapping[str, Option]:
    """Return the options that a dataclass declares, by the names of its fields, in order."""
    declared = {entry.name: entry.metadata["option"] for entry in fields(cls) if "option" in entry.metadata}
    return {name: replace(one, flag=one.flag or "--" + name.replace("_", "-")) for name, one in declared.items()}


def completed(cls: type, given: Mapping[str, Any], gpus: float = 0) -> dict[str, Any]:
    """Return a value of every option that a dataclass declares: as given, or the default for so many GPUs."""
    defaults = {name: declared.default for name, declared in options(cls).items()}
    on_machine = {name: one.on(gpus) if isinstance(one, Sized) else one for name, one in defaults.items()}
    return on_machine | {name: value for name, value in given.items() if name in defaults}


def spoken(value: Any) -> str:
    """Return a value as people read it: 5,400,000 and not 5.4e+06."""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, str) and not value.strip():
        return repr(value)
    if isinstance(value, float):
        return f"{value:,.12g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
