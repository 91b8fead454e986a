"""Write a ranking as text, with each configuration in a few words."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

import pyarrow as pa

from analysis.run.run import Run
from analysis.statistics.confirmed import confirmation_result
from analysis.statistics.ranking import MetricCard, Row, metric_card, rank, rank_run, shared_values
from analysis.text import formats
from analysis.text.answer import answer
from analysis.text.configuration import describe_configuration, describe_trials
from analysis.text.confirmation import confirmation_blocks
from analysis.text.formats import Block, Part, Sheet, Terms
from analysis.text.words import column_form, count_states, counted, fmd_text, number, with_error

COLUMNS = ("rank", "trial", "FMD ± s.e.", "norm.", "corr.", "train", "configuration", "remarks")
TEXTS = ("trial", "configuration", "remarks")
DROPS = ("corr.", "train", "remarks", "norm.", "configuration")

HOW_TO_READ = "FMD: lower is better; budgets do not compare. ~: within two standard errors of the row above."

DIFFERENCES = "configuration: what differs from that of {first}, of baselines the most important; --verbose shows all."


def run_heading(name: str, card: MetricCard, trials: pa.Table) -> str:
    """Return lines that say what is ranked: the run, its trials by state, the metric with its floor and blank value."""
    counts = count_states(trials["state"].to_pylist())
    total = counted(len(trials), "trial")
    lines = [f"{name}: {total}, {counts}" if counts else f"{name}: {total}"]
    if card:
        floor, blank = fmd_text(card["floor"]), fmd_text(card["blank"])
        lines.append(
            f"FMD {card['version']}: real against real images {floor} (norm. 0), black images {blank} (norm. 1)"
        )
    return "\n".join(lines)


def legend(trials: pa.Table, shared: Row) -> str:
    """Return lines that say how to read a ranking, and the part of the configurations that its rows leave out."""
    return "\n".join([HOW_TO_READ, *configuration_legend(trials, shared)])


def configuration_legend(trials: pa.Table, shared: Row) -> list[str]:
    """Return lines that say what the rows of a ranking leave out of the configurations."""
    lines = []
    names = sorted(set(trials["baseline"].to_pylist()) - {"", None})
    if names:
        lines.append(
            f"{', '.join(names)}: baselines, configurations of the literature, in full in spaces/baselines.py; rows "
            "have the most important of them."
        )
    which = "another row" if names else "a row"
    lines.append(f"Where {which} does not say otherwise: {describe_configuration(shared)}")
    return lines


def ranking_parts(ranking: pa.Table, words: Mapping[str, str]) -> list[Part]:
    """Return a ranking of `rank` as text: for each budget its name and its rows, a text for each of `COLUMNS`.

    `words` describe the trials' configurations.
    """
    rows = ranking.to_pylist()
    form = column_form(rows)
    return [
        ("no report yet" if images is None else f"{images:,} images", [_texts(row, form, words) for row in of_budget])
        for images, of_budget in groupby(rows, key=lambda row: row["images_seen"])
    ]


def place_text(row: Row) -> str:
    """Return the rank of a row as text, after a ~ where it ties with the row above."""
    place = "-" if row["rank"] is None else str(row["rank"])
    return f"~{place}" if row["tied"] else place


def remarks(row: Row) -> str:
    """Return the name of a baseline and the state of a trial."""
    state = "diverged" if row["diverged"] else row["state"].lower()
    return f"{row['baseline'] or ''} {state}".strip()


def _texts(row: Row, form: str, words: Mapping[str, str]) -> list[str]:
    return [
        place_text(row),
        row["trial"],
        "-" if row["fmd"] is None else with_error(row["fmd"], row["fmd_se"], form),
        number(row["fmd_normalised"]),
        number(row["fmd_corrected"], form),
        "-" if row["train_seconds"] is None else f"{row['train_seconds']:.0f} s",
        words[row["trial"]],
        remarks(row),
    ]


def ranking_blocks(run: Run, verbose: bool, most: int | None = None) -> list[Block]:
    """Return the ranking of a run, the tables of its confirmation, if there is one, and the answer.

    Configurations are told in full if `verbose`, else as what differs from the best that the search drew. The ranking
    has `most` rows at the most, all without it.
    """
    trials, result, found = run.trials(), confirmation_result(run), answer(run)
    blocks = trials_blocks(run, trials, verbose, most)
    if result is not None:
        blocks += confirmation_blocks(run, result, describe_trials(trials, shared_values(trials)))
    if found is not None:
        blocks.append(Terms("What came out", found.lines()))
    return blocks


def trials_blocks(run: Run, trials: pa.Table, verbose: bool = True, most: int | None = None) -> list[Block]:
    """Return the ranking of some or all of a run's trials, with what explains it; see `ranking_blocks`."""
    card, shared = metric_card(run), shared_values(trials)
    ranking = rank(trials, card.get("floor"))
    first = None if verbose else _reference(ranking)
    words = describe_trials(trials, shared, first)
    parts = ranking_parts(ranking.slice(0, most), words)
    if most is not None and len(ranking) > most:
        parts.append((f"and {len(ranking) - most} more", []))
    explained = HOW_TO_READ if first is None else f"{HOW_TO_READ} {DIFFERENCES.format(first=first)}"
    explained = legend(trials, shared) if verbose else explained
    return [run_heading(run.name, card, trials), Sheet(COLUMNS, TEXTS, parts, drops=DROPS), explained]


def _reference(ranking: pa.Table) -> str | None:
    """Return the trial by whose configuration the others are told: no baseline, from which all of a search differ."""
    rows = ranking.select(["trial", "baseline"]).to_pylist()
    return next((row["trial"] for row in [*(one for one in rows if not one["baseline"]), *rows]), None)


def ranking_content(run: Run, trials: pa.Table, ranking: pa.Table) -> dict[str, Any]:
    """Return a ranking of some or all of a run's trials as plain values, with the metric and what the trials share."""
    shared = {name: value for name, value in shared_values(trials).items() if name not in ranking.column_names}
    rows = formats.rows_without_nulls(ranking)
    return {"run": run.name, "metric": metric_card(run), "shared": shared, "ranking": rows}


def write_ranking(run: Run) -> None:
    """Write the run's ranking.csv; for its columns see `analysis.statistics.ranking.rank`."""
    run.write(run.ranking, formats.csv(rank_run(run)).encode())
