"""Say how far one configuration is behind another."""

from analysis.statistics.two_way import Behind
from analysis.text.words import fmd_form, interval_text


def how_far(behind: Behind) -> str:
    """Return how far a configuration is behind, with its interval: "3.2 % worse (95 % interval 1.1 to 5.4 %)"."""
    at = "" if behind.share < 1 else "at "
    return f"{at}{amount(behind)} ({interval_of(behind)})"


def amount(behind: Behind, measure: str = "FMD") -> str:
    """Return how far a configuration is behind: "3.2 % worse", or "6.70 times its FMD" of one that is far behind.

    `measure` is the name of what is compared.
    """
    value, _, unit = _figures(behind)
    return f"{value} {unit} worse" if behind.share < 1 else f"{value} {unit} its {measure}"


def interval_of(behind: Behind) -> str:
    """Return the interval of `amount`: "95 % interval 1.1 to 5.4 %"."""
    _, interval, unit = _figures(behind)
    return f"95 % interval {interval} {unit}"


def behind_text(behind: Behind | None) -> str:
    """Return how far one is behind the best, with the interval: in per cent, or how many times its FMD is the best's.

    It is a dash for the best.
    """
    if behind is None:
        return "-"
    value, interval, unit = _figures(behind)
    return f"{value} {unit} ({interval})"


def _figures(behind: Behind) -> tuple[str, str, str]:
    """Return how far one is behind, its interval and their unit: per cent, or times of one that is far behind."""
    values = (behind.share, behind.low, behind.high)
    if behind.share < 1:
        form, unit, (value, low, high) = ".1f", "%", (100 * share for share in values)
    else:
        form, unit, (value, low, high) = fmd_form(1 + behind.share), "times", (1 + share for share in values)
    return f"{value:{form}}", interval_text(low, high, form), unit
