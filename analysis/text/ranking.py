"""Write a ranking as text, with each configuration in a few words."""

import math
from collections.abc import Mapping
from itertools import groupby
from typing import Any

import pyarrow as pa

from analysis.run.run import Run
from analysis.statistics.confirmed import confirmation_result
from analysis.statistics.ranking import MetricCard, Row, metric_card, rank, rank_run, shared_values
from analysis.text import formats
from analysis.text.configuration import describe_configuration, describe_trials
from analysis.text.confirmation import confirmation_blocks
from analysis.text.formats import Block, Part, Sheet
from analysis.text.words import count_states, number

COLUMNS = ("rank", "trial", "FMD ± s.e.", "norm.", "corr.", "train", "configuration", "remarks")
TEXTS = ("trial", "configuration", "remarks")


def run_heading(name: str, card: MetricCard, trials: pa.Table) -> str:
    """Return lines that say what is ranked: the run, its trials by state, the metric with its floor and blank value."""
    counts = count_states(trials["state"].to_pylist())
    lines = [f"{name}: {len(trials)} trials, {counts}" if counts else f"{name}: {len(trials)} trials"]
    if card:
        floor, blank = f"{card['floor']:.4g}", f"{card['blank']:.4g}"
        lines.append(
            f"FMD {card['version']}: real against real images {floor} (norm. 0), a blank set {blank} (norm. 1)"
        )
    return "\n".join(lines)


def legend(trials: pa.Table, shared: Row) -> str:
    """Return lines that say how to read a ranking, and the part of the configurations that its rows leave out."""
    lines = ["FMD: lower is better; budgets do not compare. ~: within two standard errors of the row above."]
    names = sorted(set(trials["baseline"].to_pylist()) - {"", None})
    if names:
        lines.append(
            f"{', '.join(names)}: baselines, configurations of the literature, in full in spaces/baselines.py."
        )
    lines.append(f"Where a row does not say otherwise: {describe_configuration(shared)}")
    return "\n".join(lines)


def ranking_parts(ranking: pa.Table, words: Mapping[str, str]) -> list[Part]:
    """Return a ranking as text: for each budget its name and its rows, those with one text for each of `COLUMNS`.

    Args:
        ranking: as `analysis.statistics.ranking.rank` makes it.
        words: the description of each trial's configuration.
    """
    errors = [100 * (error or 0.0) for error in ranking["fmd_se"].to_pylist()]
    scale = min((value for value in [*ranking["fmd"].to_pylist(), *errors] if value), default=1.0)
    digits = max(0, 2 - math.floor(math.log10(scale)))  # three significant ones of the best, one of its error
    return [
        (
            "no report yet" if images is None else f"{images:,} images",
            [_texts(row, f".{digits}f", words) for row in rows],
        )
        for images, rows in groupby(ranking.to_pylist(), key=lambda row: row["images_seen"])
    ]


def _texts(row: Row, form: str, words: Mapping[str, str]) -> list[str]:
    state = "diverged" if row["diverged"] else row["state"].lower()
    place = "-" if row["rank"] is None else str(row["rank"])
    return [
        f"~{place}" if row["tied"] else place,
        row["trial"],
        "-" if row["fmd"] is None else f"{row['fmd']:{form}} ± {number(row['fmd_se'], form)}",
        number(row["fmd_normalised"]),
        number(row["fmd_corrected"], form),
        "-" if row["train_seconds"] is None else f"{row['train_seconds']:.0f} s",
        words[row["trial"]],
        f"{row['baseline'] or ''} {state}".strip(),
    ]


def ranking_blocks(run: Run) -> list[Block]:
    """Return the result of a run's confirmation, if there is one, and its ranking, with what explains them."""
    trials, card = run.trials(), metric_card(run)
    shared = shared_values(trials)
    words = describe_trials(trials, shared)
    sheet = Sheet(COLUMNS, TEXTS, ranking_parts(rank(trials, card.get("floor")), words))
    blocks: list[Block] = [run_heading(run.name, card, trials), sheet, legend(trials, shared)]
    result = confirmation_result(run)
    return blocks if result is None else confirmation_blocks(run, result, words) + blocks


def ranking_content(run: Run) -> dict[str, Any]:
    """Return the run's ranking as plain values, with the metric and the values that the trials share."""
    ranking = rank_run(run)
    shared = {name: value for name, value in shared_values(run.trials()).items() if name not in ranking.column_names}
    rows = formats.rows_without_nulls(ranking)
    return {"run": run.name, "metric": metric_card(run), "shared": shared, "ranking": rows}


def write_ranking(run: Run) -> None:
    """Write the run's ranking.csv; for its columns see `analysis.statistics.ranking.rank`."""
    run.write(run.ranking, formats.csv(rank_run(run)).encode())
