"""The noise schedules of trials: beta, alpha_bar and log-SNR at every step."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainables.domain import ConfigError, construct

# What is shown of a schedule at each step, and how a plot or a table names it.
CURVES = {"alpha_bar": "alpha_bar", "beta": "beta", "log_snr": "log-SNR"}


@dataclass(frozen=True)
class ScheduleCurve:
    """A schedule at t = 1, ..., T: beta_t, alpha_bar_t and the natural logarithm of SNR = alpha_bar / (1 - alpha_bar).

    Attributes:
        trials: those that have the schedule, in the order given.
        settings: its fields, without "schedule/".
    """

    trials: tuple[str, ...]
    settings: dict[str, Any]
    beta: tuple[float, ...]
    alpha_bar: tuple[float, ...]
    log_snr: tuple[float, ...]

    @property
    def T(self) -> int:
        """The number of steps."""
        return len(self.beta)

    @property
    def name(self) -> str:
        """The kind of the schedule and its fields that are not False, in words."""
        fields = {name.rpartition("/")[2]: value for name, value in self.settings.items() if name != "kind"}
        told = [
            name if value is True else f"{name}={value:.4g}" for name, value in fields.items() if value is not False
        ]
        return ", ".join([str(self.settings["kind"]), *told])


def schedule_curves(rows: Sequence[Mapping[str, Any]]) -> list[ScheduleCurve]:
    """Return each schedule of some rows of a table of trials; one that this version does not know is left out."""
    settings: dict[str, dict[str, Any]] = {
        row["trial"]: {
            name.removeprefix("schedule/"): value
            for name, value in row.items()
            if name.startswith("schedule/") and value is not None
        }
        for row in rows
    }
    distinct: list[dict[str, Any]] = []
    for found in settings.values():
        if found.get("kind") is not None and found not in distinct:
            distinct.append(found)
    curves = (_curve(tuple(name for name, own in settings.items() if own == one), one) for one in distinct)
    return [curve for curve in curves if curve is not None]


def _curve(trials: tuple[str, ...], settings: dict[str, Any]) -> ScheduleCurve | None:
    from trainables.diffusion.schedules import SCHEDULES  # torch takes two seconds

    kind = str(settings["kind"])
    fields = {name.removeprefix(f"{kind}/"): value for name, value in settings.items() if name != "kind"}
    try:
        alpha_bar = construct(SCHEDULES[kind], f"schedule/{kind}", fields).alpha_bar()
    except (ConfigError, KeyError):
        return None
    beta = (1 - alpha_bar[1:] / alpha_bar[:-1]).tolist()
    left = alpha_bar[1:].tolist()
    return ScheduleCurve(
        trials, settings, tuple(beta), tuple(left), tuple(math.log(share / (1 - share)) for share in left)
    )
