"""`python search/evaluate.py RUN [TRIAL ...]`: evaluate trained trials in more ways than a search does; see --help."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    # Python put this folder first on the path, where its modules hide others of their name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from analysis.text.process import carry_out
from search.command_line import parse_evaluate
from search.declaration import SettingsError
from search.options import EvaluateOptions

if TYPE_CHECKING:
    from analysis.run.events import Start
    from analysis.run.run import Run

# Imports inside functions: torch takes two seconds, and --help and usage errors do not need it.
# The noise differs from the one that the search ranked by, which counts up from the search's own --seed.
SEED = 1_000_000_000


def main(arguments: Sequence[str] | None = None, command: str = "search/evaluate.py") -> int:
    """Run the command line; return the exit status: 0, 2 for a usage error, 3 without a result, 130 if interrupted."""
    return carry_out(command, lambda: _evaluate(parse_evaluate(arguments, command)))


def _evaluate(given: EvaluateOptions) -> int:
    from analysis.run.evaluations import to_table  # pyarrow and numpy take a third of a second
    from analysis.run.run import Run
    from search.trust import install_parts

    run = Run.open(given.run)
    install_parts(run, given.trust)
    rows = _measured(run, _chosen(run, given.trials), given)
    if not rows:
        return 3
    _print(run, to_table(rows), given.format)
    return 0


def _chosen(run: Run, names: Sequence[str]) -> dict[str, Start]:
    """Return the start of each trial to evaluate, by name."""
    started, reported = run.starts(), run.reports()
    kept = [name for name in run.kept_checkpoints() if name in reported]
    if not kept:
        raise SettingsError(f"{run.uri} keeps no checkpoints, so there is nothing to evaluate; give another run")
    for name in names:
        if name not in kept:
            there = f"those of which it does: {', '.join(kept)}"
            raise SettingsError(f"{run.uri} keeps no checkpoint of a trial {name!r} that has reported; {there}")
    return {name: started[name] for name in dict.fromkeys(names or kept)}


def _measured(run: Run, starts: dict[str, Start], given: EvaluateOptions) -> list[dict[str, Any]]:
    """Return the row of the real images and those of the trials, each stored in the run; nothing if there is none."""
    from analysis.run.evaluations import REAL, store
    from analysis.run.storage import Folder
    from search.winner.models import load_images
    from trainables.checkpoint import CheckpointError
    from trainables.config import Variant
    from trainables.metric.classifier_training import ensure_classifier
    from trainables.metric.evaluation import Evaluation, measure
    from trainables.trial import Plan, Trial

    changes = {"sampler/kind": given.sampler, "sampler/steps": given.steps}
    changed = {name: value for name, value in changes.items() if value is not None}
    if given.no_clip:
        changed["sampler/clip"] = False
    variants = {name: Variant.from_flat({**start.variant, **changed}) for name, start in starts.items()}
    settings = run.begun_settings()["settings"]
    images = load_images(run, given.data_dir)
    plan = Plan(tuple(settings["rungs"]), settings["seed"])
    try:
        weights = ensure_classifier(images, _say)
        bench = Evaluation(
            images, given.split, given.samples, plan.resolve_device(), weights=weights, restored=given.restored
        )
    except ValueError as error:
        raise SettingsError(f"--samples: {error}") from None
    if bench.inception_missing:
        _say(f"no Inception-FID: {bench.inception_missing}")
    common = {"split": given.split, "samples": bench.n, "metric": bench.reference.version}
    rows: list[dict[str, Any]] = []
    for number, (name, start) in enumerate(starts.items(), start=1):
        since = time.monotonic()
        try:
            trial = Trial(name, variants[name], start.seed, plan, images, bench.reference, Folder(run.uri))
        except CheckpointError as error:
            _say(f"[{number}/{len(starts)}] {name}: {error}")
            continue
        columns = measure(bench, trial, SEED)
        if columns is not None:
            rows.append({"trial": name, "baseline": start.baseline, **common, **columns})
            store(run, rows[-1])
        nothing = "diverged, or ended meanwhile: there is nothing to evaluate"
        outcome = nothing if columns is None else f"FMD {columns['fmd']:.1f}"
        _say(f"[{number}/{len(starts)}] {name}: {outcome}, {time.monotonic() - since:.0f} s")
    if rows:
        rows.insert(0, {"trial": REAL, **common, **bench.real()})
        store(run, rows[0])
    return rows


def _print(run: Run, table: Any, form: str) -> None:
    from rich.console import Console

    from analysis.text import formats
    from analysis.text.evaluations import terminal_tables

    if form == "csv":
        formats.write_values(table, form)
        return
    if form == "json":
        formats.write_json(formats.rows_without_nulls(table))
        return
    console = Console()
    console = console if console.is_terminal else Console(width=120)
    first = table.slice(0, 1).to_pylist()[0]
    console.print(
        f"{run.name}: {first['samples']:,} samples against the {first['split']} images, FMD {first['metric']}",
        *terminal_tables(table),
        sep="\n\n",
        highlight=False,
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
