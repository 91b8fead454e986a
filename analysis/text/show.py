"""How a ranking reads: as texts, with each configuration in a few words."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import pyarrow as pa

from analysis.run.tables import fields
from analysis.statistics.confirmed import Standing
from analysis.text.formats import Sheet

Row = dict[str, Any]
COLUMNS = ("rank", "trial", "FMD ± s.e.", "norm.", "corr.", "train", "configuration", "remarks")
STANDING = ("trial", "FMD", "norm.", "95 % interval", "seeds", "P(best)", "configuration", "remarks")
TEXTS = ("trial", "configuration", "remarks")
PLAIN = ("kind", "target", "activation")  # values that say themselves what they are
STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "RUNNING": "running", "FAIL": "failed"}


def describe(configuration: Row) -> str:
    """Return a configuration, or a part of one, in a few words: `morph x0 lr=0.002`.

    Kinds and the like come first, without a name. Any other value follows the last part of its field's name, or the
    last two parts where two fields share the last.
    """
    given = {name: value for name, value in configuration.items() if value is not None}
    last = {name: name.rsplit("/", 1)[-1] for name in given}
    uses = Counter(last.values())
    words = [str(given[name]) for part in PLAIN for name in given if last[name] == part]
    for name in given:
        if last[name] not in PLAIN:
            short = last[name] if uses[last[name]] == 1 else ".".join(name.split("/")[-2:])
            words.append(f"{short}={_short(given[name])}")
    return " ".join(words)


def heading(name: str, metric: Row, trials: pa.Table) -> str:
    """Return lines that say what is ranked: the run and its state, the metric with its floor and blank value."""
    states = Counter(trials["state"].to_pylist())
    counts = [f"{states[state]} {word}" for state, word in STATES.items() if states[state]]
    lines = [f"{name}: {', '.join([f'{len(trials)} trials', *counts])}"]
    if metric:
        floor, blank = (f"{metric[name]:.4g}" for name in ("floor", "blank"))
        lines.append(
            f"FMD {metric['version']}: real against real images {floor} (norm. 0), a blank set {blank} (norm. 1)"
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
    lines.append(f"Where a row does not say otherwise: {describe(shared)}")
    return "\n".join(lines)


def sheet(ranking: pa.Table, trials: pa.Table, shared: Row) -> Sheet:
    """Return a ranking as texts, a part for each budget; for the arguments see `cells`."""
    return Sheet(COLUMNS, TEXTS, cells(ranking, trials, shared))


def cells(ranking: pa.Table, trials: pa.Table, shared: Row) -> list[tuple[str, list[list[str]]]]:
    """Return a ranking as text: for each budget its name and its rows, those with one text for each of `COLUMNS`.

    Args:
        ranking: as `analysis.rank.rank` makes it.
        trials: the table of trials that it ranks.
        shared: the values that are not worth a word.
    """
    errors = [100 * (error or 0.0) for error in ranking["fmd_se"].to_pylist()]
    scale = min((value for value in [*ranking["fmd"].to_pylist(), *errors] if value), default=1.0)
    digits = max(0, 2 - math.floor(math.log10(scale)))  # three significant ones of the best, one of its error
    words = configurations(trials, shared)
    return [
        ("no report yet" if images is None else f"{images:,} images", [_cells(row, digits, words) for row in rows])
        for images, rows in groupby(ranking.to_pylist(), key=lambda row: row["images_seen"])
    ]


def configurations(trials: pa.Table, shared: Row) -> dict[str, str]:
    """Return by trial what its configuration has of its own: of a baseline's only kinds, and what the search varies."""
    names = fields(trials)
    rows = trials.select(["trial", "baseline", *names]).to_pylist()
    searched = {name for row in rows if not row["baseline"] for name in names if row[name] is not None} - shared.keys()
    words = {}
    for row in rows:
        own = {name: row[name] for name in names if row[name] != shared.get(name)}
        if row["baseline"]:
            own = {n: value for n, value in own.items() if n in searched or n.rsplit("/", 1)[-1] in PLAIN}
        words[row["trial"]] = describe(own)
    return words


def _cells(row: Row, digits: int, words: dict[str, str]) -> list[str]:
    state = "diverged" if row["diverged"] else STATES[row["state"]]
    seconds = "-" if row["train_seconds"] is None else f"{row['train_seconds']:.0f} s"
    return [
        ("~" if row["tied"] else "") + str(row["rank"] or "-"),
        row["trial"],
        "-" if row["fmd"] is None else f"{row['fmd']:.{digits}f} ± {_number(row['fmd_se'], digits)}",
        _number(row["fmd_normalised"], 3),
        _number(row["fmd_corrected"], digits),
        seconds,
        words[row["trial"]],
        f"{row['baseline'] or ''} {state}".strip(),
    ]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _short(value: str | float) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def standing_sheet(standings: Sequence[Standing], words: dict[str, str]) -> Sheet:
    """Return the standings of a confirmation as a table; `words` are those of `configurations`."""
    return Sheet(STANDING, TEXTS, [("", [_standing(standing, words) for standing in standings])])


def _standing(standing: Standing, words: dict[str, str]) -> list[str]:
    low, high = f"{standing.normalised_low:.3f}", f"{standing.normalised_high:.3f}"
    remarks = ["may be the best"] * standing.tied + ["left the race"] * standing.dropped
    return [
        standing.trial,
        f"{standing.fmd:.4g}",
        f"{standing.normalised:.3f}",
        f"{low} to {high}",
        str(len(standing.fmds)),
        f"{100 * standing.p_best:.0f} %",
        words.get(standing.trial, ""),
        " ".join([standing.baseline, ", ".join(remarks)]).strip(),
    ]
