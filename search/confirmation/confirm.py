"""The confirmation: the best trials are trained again with fresh seeds and judged by other real images.

A search chooses its winner by the value that it reports, of one training each, so that value is too low. Here the best
trials and the best of the literature race (statistics/confidence.py). Each training takes the next fresh seed; seeds,
images seen and the noise that samples start from are the same for all contenders. The images that judge them serve
nothing else. The winner, and the contenders that cannot be told from it, are measured on the test set once.

All of it takes the time that the search left it. A contender that is beaten beyond doubt, or that there is no time for,
is not trained again; a training begins only if it ends in time.
"""

from dataclasses import replace
from typing import Any

from analysis.run.code import copy_code
from analysis.run.events import End, Start
from analysis.run.run import Run
from analysis.statistics.confirmed import confirmation_result
from analysis.text.words import fmd_text, listed
from search.confirmation.race import Race
from search.confirmation.race_time import RaceTime
from search.confirmation.selection import Selection, select
from search.confirmation.test_evaluation import measure_on_test_images
from search.execution.ending import Left, ending_of, loss_text, rays_addresses
from search.execution.tune import Parts, Status, run_trials
from search.history import History, end_state
from search.progress.budget import OVERTIME, as_clock
from search.progress.notes import Notes
from search.progress.recorder import Recorder
from search.progress.terminal import Display
from search.progress.time_spent import TimeSpent
from search.reserve import END_SECONDS, check_seconds, needed
from search.schedulers import Scheduler
from search.settings import Settings
from search.time_limit import TimeLimit
from search.trackers.sending import Trackers
from trainables.data.images import Images
from trainables.metric.checks import LEAST, CheckReference
from trainables.metric.fmd import Reference

# With 256, as in a search, half of a good model's FMD is bias (metric/evaluation.py); a GPU has time for as many as
# there are real ones.
SAMPLES = {"cpu": 2_048, "gpu": 5_000}


def confirm(
    run: Run, settings: Settings, images: Images, reference: Reference, notes: Notes, trackers: Trackers | None = None
) -> Status:
    """Race the best trials of a search that has ended, and test the winners; Ray must be connected.

    Called again on the same run, the confirmation goes on where it was interrupted. `reference` is the search's, and
    `trackers` are told of the trainings.
    """
    before = run.confirmed()
    judge = _judge(settings, images, reference, {} if before is None else before.settings())
    left = notes.budget.left() - END_SECONDS
    selection = select(run, settings, judge.n / reference.n, left, seconds_of_checks(settings, images))
    _announce(run, selection, settings, reference, judge, notes)
    if not selection.chosen:
        return "done"
    nested = before or run.begin_confirmation()
    most = trainings_at_most(nested, selection.chosen, settings.seeds)
    full = replace(settings, name=nested.name, grace_images=settings.max_images, trials=most, report_every=0, draws=1)
    # Of a few images the shares would tell nothing.
    checks = CheckReference.build(images, judge.split, judge.n, judge.weights) if judge.n >= LEAST else None
    nested.update_settings(**_card(run, full, selection, judge), real={} if checks is None else checks.real)
    copy_code(run, nested)
    status = _race(nested, full, selection, images, judge, checks, reference, notes, trackers)
    return _test(run, nested, full, images, judge, notes) if status == "done" else status


def samples_that_judge(settings: Settings, images: Images) -> int:
    """Return how many samples of each training a confirmation compares with real images."""
    most = SAMPLES["gpu" if settings.gpus_per_trial else "cpu"]
    return min(most, len(images.search), len(images.confirm))


def seconds_of_checks(settings: Settings, images: Images) -> float:
    """Return the seconds that checking the samples of one training takes; on a GPU they are next to none."""
    return 0.0 if settings.gpus_per_trial else check_seconds(samples_that_judge(settings, images), len(images.train))


def trainings_at_most(nested: Run, chosen: list[Start], seeds: int) -> int:
    """Return the most trainings that a race can have, with those of earlier contenders in the confirmation's run."""
    names = {start.trial for start in chosen}
    earlier = [start for start in nested.starts().values() if start.repeats not in names]
    return len(earlier) + seeds * len(chosen)


def _announce(
    run: Run, selection: Selection, settings: Settings, reference: Reference, judge: Reference, notes: Notes
) -> None:
    """Say how the search ended and what comes next."""
    if not selection.costs:
        notes.say("search done: no trial has a result")
        return
    first, chosen = next(iter(selection.costs)), selection.chosen
    best = f"search done: best {first} FMD {fmd_text(run.reports()[first][-1].fmd)} of {reference.n:,} samples"
    if chosen:
        costs = [selection.costs[start.trial] for start in chosen]
        about = as_clock(min(needed(costs, settings.slots) + END_SECONDS, max(0.0, notes.budget.left())))
        again = f"{listed([start.trial for start in chosen])} {'is' if len(chosen) == 1 else 'are'} trained again"
        lower = ", whose FMD is lower for that alone: compare the values in brackets" if judge.n > reference.n else ""
        notes.say(f"{best}; now {again} with fresh seeds, about {about} left")
        notes.say(f"each is judged by {judge.n:,} samples{lower}")
    else:
        notes.say(f"{best}; there is no time to train it again")
    for line in selection.left_out.values():
        notes.say(line)


def _test(run: Run, nested: Run, settings: Settings, images: Images, judge: Reference, notes: Notes) -> Status:
    result = confirmation_result(run)
    if result is None:
        return "done"
    ending = ending_of(run, notes.budget.used)
    try:
        with ending.watched(rays_addresses()):
            measure_on_test_images(nested, settings, result, images, judge, notes, ending)
    except KeyboardInterrupt:
        return "interrupted"
    except Left:
        status = ending.status()
        if status == "lost":
            notes.say(loss_text(run, ending))
        return status
    return "done"


def _judge(settings: Settings, images: Images, reference: Reference, before: dict[str, Any]) -> Reference:
    """Return the reference of the race; a race that goes on keeps the number of samples that it began with."""
    n = before.get("metric", {}).get("n", samples_that_judge(settings, images))
    return Reference.build(images, "confirm", n, reference.layer, reference.weights)


def _card(run: Run, settings: Settings, selection: Selection, judge: Reference) -> dict[str, Any]:
    kept = {name: run.settings()[name] for name in ("versions", "data", "classifier")}
    return {
        "settings": settings.saved(),
        **kept,
        "metric": judge.card(),
        "contenders": [start.trial for start in selection.chosen],
        "left_out": selection.left_out,
        "cut": selection.is_short,
        "tested": False,
    }


def _race(
    nested: Run,
    settings: Settings,
    selection: Selection,
    images: Images,
    judge: Reference,
    checks: CheckReference | None,
    reference: Reference,
    notes: Notes,
    trackers: Trackers | None,
) -> Status:
    scheduler = Scheduler(settings.rungs, settings.reduction_factor)
    history = History(nested.events(), scheduler)
    for name in sorted(history.reports.keys() - history.ended.keys()):  # killed between a report and its end
        history.ended[name] = end_state(history.last_report(name), history.full)
        nested.append(End(name, history.ended[name]))
    budget, chosen = notes.budget, selection.chosen
    clock = RaceTime(nested, budget, selection.costs, chosen[0].trial, settings.slots)
    race = Race(settings.seed, settings.seeds, chosen, nested.events(), clock.has_time, settings.tune_guidance)
    display = Display(settings, notes, clock.after)
    spent = TimeSpent.load(settings.slots, nested.settings())
    recorder = Recorder(nested, history, spent, display, race.tries, trackers=trackers)
    limit = TimeLimit(scheduler, budget.left, OVERTIME * budget.limit)
    parts = Parts(nested, settings, race, limit, recorder)
    status = run_trials(parts, images, judge, checks, reference if settings.tune_guidance else None)
    if status == "done" and race.is_cut:
        notes.say("there is no time for more trainings: some have fewer seeds than it would take to tell them apart")
        nested.update_settings(cut=True)
    return status
