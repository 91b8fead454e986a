"""The section with the noise schedules of the best few trials."""

from math import ceil

from analysis.page.context import ReportContext, plain
from analysis.page.elements import Figure
from analysis.page.plots import axis, figure
from analysis.statistics.schedules import CURVES, ScheduleCurve, schedule_curves

POINTS = 200  # of a line at most: more are not seen


def schedules(context: ReportContext) -> dict[str, object] | None:
    """Return a plot for each of alpha_bar, beta and log-SNR over t / T."""
    found = schedule_curves([context.rows[name] for name in context.best])
    if not found:
        return None
    known = [(context.trial_cell(one.trials[0]).colour, one.name, one.trials) for one in found]
    return {"figures": [_figure(context, found, curve) for curve in CURVES], "known": known}


def _figure(context: ReportContext, found: list[ScheduleCurve], curve: str) -> Figure:
    traces = []
    for one in reversed(found):
        every = ceil(one.T / POINTS)
        values = getattr(one, curve)
        steps = sorted({*range(1, one.T + 1, every), one.T})
        about = f"{plain(', '.join(one.trials))}<br>{plain(one.name)}"
        traces.append(
            {
                "x": [t / one.T for t in steps],
                "y": [values[t - 1] for t in steps],
                "mode": "lines",
                "line": {"color": context.colour(one.trials[0]), "width": 2},
                "hovertext": [f"{about}<br>{CURVES[curve]} {values[t - 1]:.4g} at t = {t} of {one.T}" for t in steps],
            }
        )
    upper = axis("", type="log", exponentformat="power") if curve == "beta" else axis("")
    return figure(traces, axis("t / T", range=[0, 1]), upper, label=CURVES[curve])
