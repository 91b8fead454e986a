"""What search/evaluate.py does: it measures trained trials, stores the numbers in their run and prints them."""

import time
from collections.abc import Sequence
from typing import Any

from analysis.run.evaluations import REAL, store, to_table
from analysis.run.events import Start
from analysis.run.run import Run
from analysis.run.storage import Folder
from analysis.statistics.winner import KEEPS_NOTHING, kept_trials, models_of, run_keeping
from analysis.text import formats
from analysis.text.evaluations import terminal_tables
from analysis.text.words import fmd_text
from search.declaration import SettingsError
from search.trust import open_trusted
from search.winner.models import load_images, say, weights_of
from search.winner.options import EvaluateOptions
from trainables.checkpoint import CheckpointError
from trainables.config import Flat, Variant
from trainables.diffusion.samplers import SAMPLERS
from trainables.evaluation import Evaluation, measure
from trainables.trial import Plan, Trial, TrialData

# Of the noise; the search ranked by other noise, whose seeds count up from its own --seed.
SEED = 1_000_000_000


def evaluate(given: EvaluateOptions) -> int:
    """Evaluate trials and print their numbers; return the exit status, 3 where none could be evaluated.

    Raises:
        UsageError: there is no such run or trial, or a value does not go with it.
    """
    run, starts = _chosen(open_trusted(given.run, trusts=given.trust), given.trials)
    rows = _measured(run, starts, given)
    if not rows:
        return 3
    _print(run, to_table(rows), given.format)
    return 0


def _chosen(run: Run, names: Sequence[str]) -> tuple[Run, dict[str, Start]]:
    """Return the run that keeps the models to evaluate, and the start of each trial, by name."""
    found, known = run_keeping(run, names), models_of(run)
    if not known:
        raise SettingsError(f"{run.uri} {KEEPS_NOTHING}")
    kept = kept_trials(found)
    for name in names:
        if name not in kept:
            there = f"those of which it does: {', '.join(known)}"
            raise SettingsError(f"{run.uri} keeps no checkpoint of a trial {name!r} that has reported; {there}")
    if found is not run:
        say(f"the search keeps none of these models: those of its confirmation, {found.uri}, are evaluated")
    started = found.starts()
    return found, {name: started[name] for name in names or kept}


def _measured(run: Run, starts: dict[str, Start], given: EvaluateOptions) -> list[dict[str, Any]]:
    """Return the row of the real images and those of the trials, each stored in the run; nothing if there is none."""
    changes = {"sampler/kind": given.sampler, "sampler/steps": given.steps}
    changed: Flat = {name: value for name, value in changes.items() if value is not None}
    if given.sampler not in (None, *(kind for kind, sampler in SAMPLERS.items() if sampler.noisy)):
        changed["sampler/eta"] = 0.0  # that of the trial's own sampler has no meaning
    if given.no_clip:
        changed["sampler/clip"] = False
    variants = {name: Variant.from_flat({**start.variant, **changed}) for name, start in starts.items()}
    settings = run.begun_settings()["settings"]
    images = load_images(run, given.data_dir)
    plan = Plan(tuple(settings["rungs"]), settings["seed"])
    weights = weights_of(run, images, given.split, trusts=given.trust)
    try:
        bench = Evaluation(
            images, given.split, given.samples, plan.resolve_device(), weights=weights, restored=given.restored
        )
    except ValueError as error:
        raise SettingsError(f"--samples: {error}") from None
    if bench.inception_missing:
        say(f"no Inception-FID: {bench.inception_missing}")
    common = {"split": given.split, "samples": bench.n, "metric": bench.reference.version}
    rows: list[dict[str, Any]] = []
    for number, (name, start) in enumerate(starts.items(), start=1):
        since = time.monotonic()
        try:
            trial = Trial(name, variants[name], start.seed, plan, TrialData(images, bench.reference), Folder(run.uri))
        except CheckpointError as error:
            say(f"[{number}/{len(starts)}] {name}: {error}")
            continue
        columns = measure(bench, trial, SEED)
        if columns is not None:
            rows.append({"trial": name, "baseline": start.baseline, **common, **columns})
            store(run, rows[-1])
        nothing = "diverged, or ended meanwhile: there is nothing to evaluate"
        outcome = nothing if columns is None else f"FMD {fmd_text(columns['fmd'])}"
        say(f"[{number}/{len(starts)}] {name}: {outcome}, {time.monotonic() - since:.0f} s")
    if rows:
        rows.insert(0, {"trial": REAL, **common, **bench.real()})
        store(run, rows[0])
    return rows


def _print(run: Run, table: Any, form: str) -> None:

    if form == "csv":
        formats.write_values(table, form)
        return
    if form == "json":
        formats.write_json(formats.rows_without_nulls(table))
        return
    first = table.slice(0, 1).to_pylist()[0]
    console = formats.output()
    console.print(
        f"{run.name}: {first['samples']:,} samples against the {first['split']} images, FMD {first['metric']}",
        *terminal_tables(table, console.width),
        sep="\n\n",
        highlight=False,
    )
