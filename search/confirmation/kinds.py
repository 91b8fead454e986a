"""The option --confirm-by: which kinds of configurations a confirmation compares."""

from analysis.statistics.kinds import NONE
from search.declaration import SettingsError
from search.settings import Settings
from search.space.space import Space
from trainables.config import domain_of, full_name
from trainables.domain import ConfigError, Uniform


def fields_compared(settings: Settings, space: Space) -> tuple[str, ...]:
    """Return the whole names of the fields of --confirm-by, by default the space's, without those that are fixed.

    Raises:
        SettingsError: a field is unknown, the space does not vary it, or it is a real number.
    """
    if settings.confirm_by == NONE:
        return NONE
    if settings.confirm_by:
        named = [_named(given, space) for given in settings.confirm_by]
        return tuple(_varied(name, space) for name in named if name not in space.fixed)
    declared = [_known(given, f"space {space.given}: CONFIRM_BY has") for given in space.confirm_by]
    return tuple(name for name in declared if name in space.names)


def _named(given: str, space: Space) -> str:
    last = [name for name in space.names if name.rpartition("/")[2] == given]
    return last[0] if len(last) == 1 else _known(given, "--confirm-by")


def _varied(name: str, space: Space) -> str:
    given = name.replace("/", ".")
    choices = [other.replace("/", ".") for other in space.names if not isinstance(domain_of(other), Uniform)]
    right = f"give one of {', '.join([*choices, *NONE])}"
    if name not in space.names:
        raise SettingsError(f"--confirm-by {given}: space {space.given} does not vary it; {right}")
    if isinstance(domain_of(name), Uniform):
        raise SettingsError(f"--confirm-by {given}: a real number has no kinds; {right}")
    return name


def _known(given: str, where: str) -> str:
    try:
        name = full_name(given.replace(".", "/"))
        domain_of(name)
    except ConfigError as error:
        raise SettingsError(f"{where} {given}: {error}") from None
    return name
