"""The last step of a confirmation: its possible winners and the best of the literature on the test images, once."""

from dataclasses import dataclass
from typing import Any

from analysis.run import evaluations
from analysis.run.events import Start
from analysis.run.run import Run
from analysis.run.storage import Folder
from analysis.statistics.confirmed import ConfirmationResult
from search.execution.tasks import each_on_a_slot
from search.progress.budget import OVERTIME, as_clock
from search.progress.failures import reason
from search.progress.notes import Notes
from search.reserve import END_SECONDS, START_SECONDS, cost_of_another, in_waves
from search.settings import Settings
from trainables.config import Variant
from trainables.data.mnist import Images
from trainables.diffusion.generation import generate
from trainables.diffusion.process import Diverged
from trainables.diffusion.samplers import nfe
from trainables.metric.fmd import Reference
from trainables.trial import Plan, Trial


@dataclass(frozen=True)
class Bench:
    """What every process that measures models is given."""

    plan: Plan
    run_uri: str
    images: Images
    reference: Reference
    """That of the test images."""


def measure_on_test_images(
    nested: Run, settings: Settings, result: ConfirmationResult, images: Images, notes: Notes
) -> None:
    """Measure the trainings of a race that has ended on the test images, into the evaluation of its run `nested`.

    The contenders that may be the best and the best of the literature are measured, each once. The number of samples is
    that of the race, or that of the test images if there are fewer. Nothing is chosen by these numbers. Samples start
    from noise of the training's own seed, which neither the search nor the race used for samples. Models that there is
    no time for are measured once the run goes on.
    """
    bench = _bench(nested, settings, result.metric["n"], images)
    nested.write_settings({**nested.settings(), "final_metric": bench.reference.card()})
    starts = _to_measure(nested, result, bench.reference)
    reports = {start.trial: nested.reports()[start.trial][-1] for start in starts}
    if starts:
        seconds = [cost_of_another(report).test for report in reports.values()]
        about = as_clock(START_SECONDS + in_waves(seconds, settings.slots) + END_SECONDS)
        notes.say(f"race done; now {_count(starts)} measured on the test images, about {about} to the end")
    budget, measured = notes.budget, 0
    tasks = each_on_a_slot(measure, bench, starts, settings, lambda: budget.left() < -OVERTIME * budget.limit)
    for start, row in tasks:
        if isinstance(row, Exception):
            notes.say(f"{start.trial} could not be measured on the test images: {reason(str(row))}")
            continue
        measured += 1
        if row is not None:
            common = {"split": "test", "samples": bench.reference.n, "metric": bench.reference.version}
            evaluations.store(nested, {"trial": start.trial, "baseline": start.baseline, **common, **row})
            fmd = f"FMD {row['fmd']:.4g} ({row['fmd_normalised']:.3f})"
            notes.say(f"{start.trial:<22} {'test':>9} images  {fmd:<17}  {measured} of {len(starts)}")
    if measured < len(starts):
        notes.say(f"{len(starts) - measured} of {len(starts)} models are not measured on the test images")
    nested.write_settings({**nested.settings(), **budget.used(), "tested": measured == len(starts)})


def measure(bench: Bench, start: Start) -> dict[str, Any] | None:
    """Return the columns of a training's model on the test images; None if its samples diverge."""
    variant, folder = Variant.from_flat(dict(start.variant)), Folder(bench.run_uri)
    trial = Trial(start.trial, variant, start.seed, bench.plan, bench.images, bench.reference, folder)
    diffusion, sampling = trial.trainer.averaged(), variant.sampler
    try:
        samples = generate(diffusion, sampling, bench.reference.n, bench.images.shape, trial.source, start.seed)
    except Diverged:
        return None
    score = bench.reference.score(samples, trial.classifier)
    return {
        "images_seen": trial.trainer.images_seen,
        "sampler": sampling.kind,
        "steps": sampling.steps,
        "nfe": nfe(sampling.kind, diffusion.T, sampling.steps),
        "noise": start.seed,
        "fmd": score.fmd,
        "fmd_se": score.se,
        "fmd_normalised": score.normalised,
        "fmd_corrected": score.corrected,
    }


def _bench(nested: Run, settings: Settings, samples: int, images: Images) -> Bench:
    plan = Plan(settings.rungs, settings.seed, device="cuda" if settings.gpus_per_trial else "cpu")
    available = len(images.search) + len(images.confirm)  # of which the floor is made
    return Bench(plan, nested.uri, images, Reference.build(images, "test", min(samples, len(images.test), available)))


def _to_measure(nested: Run, result: ConfirmationResult, reference: Reference) -> list[Start]:
    """Return the trainings that are still to be measured, those of the best contender first."""
    literature = [standing for standing in result.standings if standing.baseline][:1]
    wanted = [standing.trial for standing in result.standings if standing.tied or standing in literature]
    done = {(row["trial"], row["noise"], row["metric"]) for row in evaluations.stored(nested).to_pylist()}
    starts, reported = nested.starts().values(), nested.reports()
    missing = [s for s in starts if s.repeats in wanted and (s.trial, s.seed, reference.version) not in done]
    return sorted((s for s in missing if s.trial in reported), key=lambda s: wanted.index(str(s.repeats)))


def _count(starts: list[Start]) -> str:
    return "1 model is" if len(starts) == 1 else f"{len(starts)} models are"
