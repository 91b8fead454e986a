"""`python search/evaluate.py RUN [TRIAL ...]`: evaluate trained trials in more ways than a search does; see --help."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    # Python put this folder first on the path, where its modules hide others of their name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from search.command_line import parse_evaluate
from search.declaration import SettingsError
from search.options import EvaluateOptions
from trainables.domain import UsageError

if TYPE_CHECKING:
    from analysis.run.events import Start
    from analysis.run.run import Run
    from trainables.config import Variant
    from trainables.data.mnist import Images
    from trainables.metric.evaluation import Evaluation

# Imports inside functions: torch takes two seconds, and --help and usage errors do not need it.
# The noise differs from the one that the search ranked by, which counts up from the search's own --seed.
SEED = 1_000_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 0, 2 for a usage error, 3 without a result, 130 if interrupted."""
    try:
        return _evaluate(parse_evaluate(arguments))
    except UsageError as error:
        print(f"search/evaluate.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _evaluate(given: EvaluateOptions) -> int:
    from analysis.run.evaluations import REAL, store, to_table  # pyarrow and numpy take a third of a second
    from analysis.run.run import Run

    run = Run.open(given.run)
    starts = _chosen(run, given.trials)
    variants = {name: _variant(dict(start.variant), given) for name, start in starts.items()}
    settings, images = _data(run, given.data_dir)
    bench = _bench(images, given)
    if bench.inception_missing:
        _say(f"no Inception-FID: {bench.inception_missing}")
    common = {"split": given.split, "samples": bench.n, "metric": bench.reference.version}
    rows: list[dict[str, Any]] = []
    for number, (name, variant) in enumerate(variants.items(), start=1):
        since = time.monotonic()
        measured = _measure(run, settings, images, bench, name, variant, starts[name].seed)
        if measured is not None:
            rows.append({"trial": name, "baseline": starts[name].baseline, **common, **measured})
            store(run, rows[-1])
        nothing = "diverged, or ended meanwhile: there is nothing to evaluate"
        outcome = nothing if measured is None else f"FMD {measured['fmd']:.1f}"
        _say(f"[{number}/{len(variants)}] {name}: {outcome}, {time.monotonic() - since:.0f} s")
    if not rows:
        return 3
    rows.insert(0, {"trial": REAL, **common, **asdict(bench.real())})
    store(run, rows[0])
    _print(run, to_table(rows), given.format)
    return 0


def _chosen(run: Run, names: Sequence[str]) -> dict[str, Start]:
    """Return the start of each trial to evaluate, by name.

    Raises:
        SettingsError: a trial's checkpoint is not kept, or none is.
    """
    started, reported = run.starts(), run.reports()
    kept = [name for name in run.kept_checkpoints() if name in reported]
    if not kept:
        raise SettingsError(f"{run.uri} keeps no checkpoints, so there is nothing to evaluate; give another run")
    for name in names:
        if name not in kept:
            there = f"those of which it does: {', '.join(kept)}"
            raise SettingsError(f"{run.uri} keeps no checkpoint of a trial {name!r} that has reported; {there}")
    return {name: started[name] for name in dict.fromkeys(names or kept)}


def _variant(flat: dict[str, Any], given: EvaluateOptions) -> Variant:
    from trainables.config import Variant

    changes = {"sampler/kind": given.sampler, "sampler/steps": given.steps}
    return Variant.from_flat(flat | {name: value for name, value in changes.items() if value is not None})


def _data(run: Run, data_dir: str | None) -> tuple[dict[str, Any], Images]:
    from trainables.data.mnist import load

    if "settings" not in run.settings():
        raise SettingsError(f"{run.uri} ended before it began; give another run")
    settings = run.settings()["settings"]
    return settings, load(settings["dataset"], data_dir or settings["data_dir"])


def _bench(images: Images, given: EvaluateOptions) -> Evaluation:
    from trainables.metric.evaluation import Evaluation

    try:
        return Evaluation(images, given.split, given.samples, _device())
    except ValueError as error:
        raise SettingsError(f"--samples: {error}") from None


def _measure(
    run: Run, settings: dict[str, Any], images: Images, bench: Evaluation, name: str, variant: Variant, seed: int
) -> dict[str, Any] | None:
    """Return the columns of one trial; None if it diverged."""
    from analysis.run.storage import Folder
    from trainables.metric.evaluation import measure
    from trainables.trial import Plan, Trial

    plan = Plan(tuple(settings["rungs"]), settings["seed"], device=_device())
    trial = Trial(name, variant, seed, plan, images, bench.reference, Folder(run.uri))
    return measure(bench, trial, SEED, restored=True)


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


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
