"""The trials that a confirmation trains again, of those that contend, and by how many samples it judges them."""

from dataclasses import dataclass

from analysis.run.events import Start
from analysis.run.run import Run
from search.confirmation.contenders import beaten, contenders, cost_of_each, fresh_seeds
from search.progress.budget import as_clock
from search.reserve import Cost, Judging, affordable, check_seconds
from search.settings import Settings
from trainables.data.images import Images
from trainables.trial import TrialData

# With 256, as in a search, half of a good model's FMD is bias (trainables/evaluation.py); a GPU has time for as many as
# there are real ones.
SAMPLES = {"cpu": 2_048, "gpu": 5_000}


@dataclass(frozen=True)
class Selection:
    """The trials that race, and why others of those that contend do not."""

    chosen: list[Start]
    costs: dict[str, Cost]
    """Of every trial that contends, the best first"""
    left_out: dict[str, str]
    """What is said of each trial that is not trained again, by its name"""
    is_short: bool
    """Whether there is no time for one of them"""


def select(run: Run, settings: Settings, judging: Judging, left: float) -> Selection:
    """Return which trials race: those that contend, are not beaten beyond doubt, and can be trained in time.

    Args:
        run: the search, which has ended.
        settings: its settings.
        judging: how the confirmation judges.
        left: seconds for the trainings and the test images.
    """
    reports, full, seeds = run.reports(), settings.rungs[-1], fresh_seeds(run)
    contending = contenders(run, settings.confirm, full)
    costs = cost_of_each(run, settings, contending, judging)
    reasons = beaten(contending, reports, full)
    settled = reasons.keys() | seeds.keys()
    fresh = [start.trial for start in contending if start.trial not in settled]
    kept = affordable([costs[name] for name in fresh], settings.slots, left)
    late = [name for index, name in enumerate(fresh) if index not in kept]
    reasons |= {name: f"no time for a training of {as_clock(costs[name].training)}" for name in late}
    return Selection(
        chosen=[start for start in contending if start.trial not in reasons],
        costs=costs,
        left_out={
            start.trial: f"{start.baseline or start.trial} was not trained again: {reasons[start.trial]}"
            for start in contending
            if start.trial in reasons
        },
        is_short=bool(late),
    )


def samples_that_judge(settings: Settings, images: Images) -> int:
    """Return how many samples of each training a confirmation compares with real images."""
    most = SAMPLES["gpu" if settings.gpus_per_trial else "cpu"]
    return min(most, len(images.search), len(images.confirm))


def judging_of(settings: Settings, data: TrialData, samples: int | None = None) -> Judging:
    """Return how a confirmation judges, by so many samples or else by as many as a new one; `data` is the search's."""
    n = samples or samples_that_judge(settings, data.images)
    # On a GPU the checks take next to no time.
    checks = 0.0 if settings.gpus_per_trial else check_seconds(n, len(data.images.train))
    return Judging(n / data.reference.n, checks)
