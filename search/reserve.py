"""The reserve of a search: the seconds that its confirmation and the test images need, planned from its reports.

A training of the confirmation goes to the full budget of images and is judged by more samples than in the search. Its
seconds follow from what the trial took in the search. Everything here is a function of numbers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from trainables.report import GUIDANCES, Report

# Fresh seeds of each contender that are planned for; one seed tells nothing of the spread.
SEEDS = 2
# Shares of the budget that are kept back: before any trial has reported, and at the most.
UNKNOWN, MOST = 0.45, 0.6
# Sampling and scoring of n times as many samples takes n to the power of this as long, because a part of the work stays
# the same: 8 times as many took 5 to 6 times as long.
GROWTH = 0.85
# CPU-seconds that checking 2,048 samples against 50,000 training images takes (trainables/metric/checks.py).
CHECK_SECONDS = 4.0
# Time for the processes that train, or that measure on the test images, to import torch.
START_SECONDS = 5.0
# Time after the last measurement to stop Ray and to write the ranking and the report.
END_SECONDS = 6.0
# Share by which a plan may exceed what is left, because contenders leave the race early.
TOLERANCE = 0.15


@dataclass(frozen=True)
class Cost:
    """Seconds of one training of a contender, and of its model's measurement on the test images."""

    training: float
    test: float
    seeds: int = SEEDS
    """Trainings that are still to be planned for: fewer than `SEEDS` where the confirmation goes on"""


@dataclass(frozen=True)
class Judging:
    """How a confirmation scores a training, relative to the search."""

    scale: float
    """Its number of samples, as a multiple of the search's."""
    checks: float = 0.0
    """Seconds that checking these samples takes"""


def check_seconds(samples: int, training: int) -> float:
    """Return the CPU-seconds that checking so many samples against so many training images takes."""
    return CHECK_SECONDS * samples / 2_048 * training / 50_000


def cost(reports: Sequence[Report], images: int, judging: Judging, trained: int = 0, chooses: bool = False) -> Cost:
    """Return the cost of training a trial again.

    Args:
        reports: the trial's; its pace is that of the last, and its samples take no longer than they did once, because
            the first in a process take several times as long as later ones. The confirmation scores at the end only.
        images: of the full budget.
        judging: how the confirmation judges the training.
        trained: with how many fresh seeds it has been trained again.
        chooses: whether its first training also tries other guidances; that time is spread over its trainings.
    """
    one_set = min(
        known(report.sample_seconds, report.score_seconds) / (report.draws + len(report.between_at))
        for report in reports
    )
    beside = known(reports[-1].setup_seconds) + judging.scale**GROWTH * one_set
    choice = (1 + len(GUIDANCES)) * one_set / SEEDS if chooses else 0.0
    training = training_seconds(reports[-1], images) + beside + judging.checks + choice
    return Cost(training, beside, max(0, SEEDS - trained))


def cost_of_another(report: Report) -> Cost:
    """Return the cost of one more training like the one that reported."""
    beside = beside_training(report)
    return Cost(known(report.train_seconds) + beside, beside)


def beside_training(report: Report) -> float:
    """Return the seconds of a report that were not training."""
    return known(report.setup_seconds, report.sample_seconds, report.score_seconds)


def training_seconds(report: Report, images: int) -> float:
    """Return the seconds of training on so many images, at the pace of a report."""
    pace = report.images_per_second  # 0 where nothing is trained, only sampled
    return images / pace if pace > 0 else 0.0


def known(*seconds: float) -> float:
    """Return the sum of what a report has of these seconds; a report of another version may lack some."""
    return math.fsum(one for one in seconds if math.isfinite(one))


def in_waves(seconds: Sequence[float], slots: int) -> float:
    """Return the wall seconds of tasks that run `slots` at a time, the longest first, each wave after the last.

    It is exact for tasks of equal length, and otherwise more than the tasks take.
    """
    return math.fsum(sorted(seconds, reverse=True)[::slots])


def needed(costs: Sequence[Cost], slots: int) -> float:
    """Return the wall seconds in which contenders get the seeds that they lack of `SEEDS`, and are all tested.

    Without contenders they are 0.
    """
    if not costs:
        return 0.0
    trainings = in_waves([one.training for one in costs for _ in range(one.seeds)], slots)
    return 2 * START_SECONDS + trainings + in_waves([one.test for one in costs] * SEEDS, slots)


def reserve(costs: Sequence[Cost], contenders: int, slots: int, limit: float) -> float:
    """Return the seconds of a time budget that are kept back for the confirmation.

    Contenders for which there would be no time even with all that may be kept back do not count.

    Args:
        costs: of those that would contend by the reports so far, the best first; those that are missing cost the mean.
        contenders: how many there will be; 0 without a confirmation.
        slots: trainings at a time.
        limit: the time budget.
    """
    if not contenders:
        return 0.0
    if not costs:
        return UNKNOWN * limit
    mean = Cost(fmean(one.training for one in costs), fmean(one.test for one in costs))
    complete = [*costs, *[mean] * (contenders - len(costs))]
    counted = [complete[index] for index in affordable(complete, slots, MOST * limit)]
    return min(needed(counted, slots), MOST * limit)


def affordable(costs: Sequence[Cost], slots: int, left: float) -> list[int]:
    """Return the indices of the contenders that can be confirmed in the seconds that are left.

    An earlier one goes before a later one. The first is among them if one training of it takes no longer than is left.
    """
    within, chosen = (1 + TOLERANCE) * left, list[int]()
    for index, one in enumerate(costs):
        fits = needed([*(costs[other] for other in chosen), one], slots) <= within
        if fits or (index == 0 and START_SECONDS + one.training <= left):
            chosen.append(index)
    return chosen
