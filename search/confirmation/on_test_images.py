"""The last step of a confirmation: its possible winners and the best of the literature on the test images, once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analysis.run import evaluations
from analysis.run.events import Start
from analysis.run.run import Run
from analysis.run.storage import Folder
from analysis.run.user_files import read_code
from analysis.statistics.confirmed import ConfirmationResult
from analysis.text.words import fmd_text
from search.execution.ending import Ending
from search.execution.tasks import each_on_a_slot
from search.execution.worker import plan_of
from search.progress.budget import OVERTIME, as_clock
from search.progress.failures import reason
from search.reserve import END_SECONDS, START_SECONDS, cost_of_another, in_waves
from search.session import Session
from trainables.checkpoint import CheckpointError, from_bytes
from trainables.config import Variant
from trainables.evaluation import sample
from trainables.metric.fmd import Reference
from trainables.parts import install
from trainables.trial import Plan, Trial, TrialData
from trainables.user_code import UserCode


@dataclass(frozen=True)
class Bench:
    """What every process that measures models is given."""

    plan: Plan
    run_uri: str
    data: TrialData
    """That of the race, by which a model that is trained again is judged again."""
    reference: Reference
    """That of the test images."""
    code: UserCode | None = None
    """The user's own file, which may define parts of the models."""


def measure_on_test_images(race: Session, result: ConfirmationResult, ending: Ending) -> None:
    """Measure the trainings of a race that has ended on the test images, into the evaluation of its run.

    The contenders that may be the best and the best of the literature are measured, each once. The number of samples is
    that by which the race judged, or that of the test images if there are fewer. Nothing is chosen by these numbers.
    Samples start from noise of the training's own seed, which neither the search nor the race used for samples. A model
    whose checkpoint is gone or damaged is trained again. Models that there is no time for are measured once the run
    goes on.

    Raises:
        Left: a signal interrupts, or Ray is lost; `ending` knows which.
    """
    nested, notes, bench = race.run, race.notes, _bench(race)
    nested.update_settings(final_metric=bench.reference.card())
    starts = _to_measure(nested, result, bench.reference)
    lost = dict(_without_model(nested, starts))
    costs = {start.trial: cost_of_another(nested.reports()[start.trial][-1]) for start in starts}
    # What each model that is not measured yet is expected to take.
    seconds = {name: cost.test + (cost.training if name in lost else 0) for name, cost in costs.items()}

    def left(start: float = 0.0) -> str:
        """Return how much time is left to the command, in words."""
        return f"{as_clock(start + in_waves(list(seconds.values()), race.settings.slots) + END_SECONDS)} left"

    def is_over() -> bool:
        """Return whether the time budget and the overtime that measurements may take are used up."""
        return notes.budget.left() < -OVERTIME * notes.budget.limit

    for why in lost.values():
        notes.say(f"{why}; it is trained again")
    if starts:
        models = "1 model is" if len(starts) == 1 else f"{len(starts)} models are"
        notes.say(f"race done; now {models} measured on the test images, about {left(START_SECONDS)}")
    common = {"split": "test", "samples": bench.reference.n, "metric": bench.reference.version}
    for start, row in each_on_a_slot(measure, bench, starts, race.settings, is_over, ending):
        if isinstance(row, Exception):
            notes.say(f"{start.trial} could not be measured on the test images: {reason(str(row))}")
            continue
        del seconds[start.trial]
        if row is not None:  # else its samples diverged
            evaluations.store(nested, {"trial": start.trial, "baseline": start.baseline, **common, **row})
            fmd = f"FMD {fmd_text(row['fmd'])} ({row['fmd_normalised']:.3f})"
            notes.say(f"{start.trial:<22} {'test':>9} images  {fmd:<17}  {left()}")
    if seconds:
        notes.say(f"{len(seconds)} of {len(starts)} models are not measured on the test images")
    nested.update_settings(**notes.budget.used(), tested=not seconds)


def measure(bench: Bench, start: Start) -> dict[str, Any] | None:
    """Return the columns of a training's model on the test images; None if its samples diverge.

    A training without a checkpoint is done again, with the noise that the race gave it.
    """
    if bench.code is not None:
        install(bench.code)
    variant, folder = Variant.from_flat(dict(start.variant)), Folder(bench.run_uri)
    plan = replace(bench.plan, sampling_seed=start.noise(bench.plan.sampling_seed))
    trial = Trial(start.trial, variant, start.seed, plan, bench.data, folder)
    for _ in trial.reports():
        pass  # at once with the report of the checkpoint
    sampled = sample(trial, bench.reference.n, start.seed)
    if sampled is None:
        return None
    score = bench.reference.score(sampled[0], trial.classifier)
    fmds = {"fmd": score.fmd, "fmd_se": score.se, "fmd_normalised": score.normalised, "fmd_corrected": score.corrected}
    return sampled[1] | fmds


def _without_model(nested: Run, starts: Sequence[Start]) -> Iterator[tuple[str, str]]:
    """Yield each training whose checkpoint is gone or damaged, and the reason; a damaged one is deleted."""
    folder = Folder(nested.uri)
    for start in starts:
        checkpoint = folder.load_checkpoint(start.trial)
        if checkpoint is None:
            yield start.trial, f"the checkpoint of {start.trial} is gone"
            continue
        try:
            from_bytes(checkpoint, start.trial)
        except CheckpointError as error:
            folder.drop_checkpoint(start.trial)
            yield start.trial, str(error)


def _bench(race: Session) -> Bench:
    images, judge = race.data.images, race.data.reference
    available = len(images.search) + len(images.confirm)  # of which the floor is made
    reference = Reference.build(images, "test", min(judge.n, len(images.test), available), judge.layer, judge.weights)
    return Bench(plan_of(race.settings), race.run.uri, TrialData(images, judge), reference, read_code(race.run))


def _to_measure(nested: Run, result: ConfirmationResult, reference: Reference) -> list[Start]:
    """Return the trainings that are still to be measured, those of the best contender first."""
    literature = [standing for standing in result.standings if standing.baseline][:1]
    wanted = [standing.trial for standing in result.standings if standing.tied or standing in literature]
    done = {(row["trial"], row["noise"], row["metric"]) for row in evaluations.stored(nested).to_pylist()}
    starts, reported = nested.starts().values(), nested.reports()
    missing = [s for s in starts if s.repeats in wanted and (s.trial, s.seed, reference.version) not in done]
    return sorted((s for s in missing if s.trial in reported), key=lambda s: wanted.index(str(s.repeats)))
