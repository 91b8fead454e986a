"""Say how far one configuration is behind another."""

from analysis.statistics.two_way import Behind
from analysis.text.words import fmd_form, fmd_text, interval_text


def how_far(behind: Behind, measure: str = "FMD") -> str:
    """Return how far a configuration is behind, with its interval: "3.2 % worse (95 % interval 1.1 to 5.4 %)".

    `measure` is the name of what is compared, for a text such as "6.7 times its FMD".
    """
    at = "" if behind.share < 1 else "at "
    return f"{at}{amount(behind, measure)} ({interval_of(behind)})"


def amount(behind: Behind, measure: str = "FMD") -> str:
    """Return how far a configuration is behind: "3.2 % worse", or "6.70 times its FMD" of one that is far behind."""
    if behind.share < 1:
        return f"{100 * behind.share:.1f} % worse"
    return f"{fmd_text(1 + behind.share)} times its {measure}"


def interval_of(behind: Behind) -> str:
    """Return the interval of `amount`: "95 % interval 1.1 to 5.4 %"."""
    if behind.share < 1:
        return f"95 % interval {interval_text(100 * behind.low, 100 * behind.high, '.1f')} %"
    form = fmd_form(1 + behind.share)
    return f"95 % interval {interval_text(1 + behind.low, 1 + behind.high, form)} times"


def behind_text(behind: Behind | None) -> str:
    """Return how far one is behind the best, with the interval: in per cent, or how many times its FMD is the best's.

    It is a dash for the best.
    """
    if behind is None:
        return "-"
    if behind.share >= 1:
        form = fmd_form(1 + behind.share)
        return f"{1 + behind.share:{form}} times ({interval_text(1 + behind.low, 1 + behind.high, form)})"
    return f"{100 * behind.share:.1f} % ({interval_text(100 * behind.low, 100 * behind.high, '.1f')})"
