"""Write the noise schedules of a run's best trials as text."""

from dataclasses import asdict
from typing import Any

from analysis.run.run import Run
from analysis.statistics.ranking import rank_run
from analysis.statistics.schedules import CURVES, ScheduleCurve, schedule_curves
from analysis.text.formats import Block, Part, Sheet

BEST = 5  # as many as have a colour on the page
STEPS = 10


def schedule_blocks(run: Run) -> list[Block]:
    """Return a table of beta, alpha_bar and log-SNR at t = T/10, ..., T for each schedule of the best trials."""
    found = _of_the_best(run)
    if not found:
        return ["No trial with a known schedule has reported."]
    parts: list[Part] = []
    for one in found:
        steps = dict.fromkeys(max(1, round(one.T * k / STEPS)) for k in range(1, STEPS + 1))
        rows = [[f"{t:,}", *(f"{getattr(one, curve)[t - 1]:.4g}" for curve in CURVES)] for t in steps]
        parts.append((f"{one.name}: {', '.join(one.trials)}", rows))
    title = (
        f"Noise schedules of the best {BEST} trials; log-SNR is the natural logarithm of alpha_bar / (1 - alpha_bar)."
    )
    return [title, Sheet(("t", *CURVES.values()), ("t",), parts)]


def schedule_content(run: Run) -> list[dict[str, Any]]:
    """Return the schedules of the best trials as plain values, at every t from 1 to T."""
    return [asdict(one) for one in _of_the_best(run)]


def _of_the_best(run: Run) -> list[ScheduleCurve]:
    best = [row["trial"] for row in rank_run(run).to_pylist() if row["rank"] is not None][:BEST]
    rows = {row["trial"]: row for row in run.trials().to_pylist()}
    return schedule_curves([rows[name] for name in best])
