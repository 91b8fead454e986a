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

from analysis.run.events import End, Start
from analysis.run.run import Run
from analysis.run.user_files import copy_user_files
from analysis.statistics.confirmed import confirmation_result
from analysis.text.words import fmd_text, listed
from search.confirmation.on_test_images import measure_on_test_images
from search.confirmation.race import Race, RaceTime
from search.confirmation.selection import Selection, judging_of, samples_that_judge, select
from search.execution.ending import Left, ending_of, loss_text, rays_addresses
from search.execution.tune import Parts, Status, run_trials
from search.history import History, end_state
from search.progress.budget import OVERTIME, as_clock
from search.progress.recorder import Recorder
from search.progress.terminal import Display
from search.reserve import END_SECONDS, needed
from search.schedulers import Scheduler
from search.session import Session
from search.settings import Settings
from search.time_limit import TimeLimit
from trainables.metric.checks import LEAST, CheckReference
from trainables.metric.fmd import Reference
from trainables.trial import TrialData


def confirm(session: Session) -> Status:
    """Race the best trials of a search that has ended, and test the winners; Ray must be connected.

    Called again on the same run, the confirmation goes on where it was interrupted.
    """
    run, settings, data, notes = session.run, session.settings, session.data, session.notes
    before = run.confirmed()
    judge = _judge(settings, data, {} if before is None else before.settings())
    selection = select(run, settings, judging_of(settings, data, judge.n), notes.budget.left() - END_SECONDS)
    _announce(session, selection, judge)
    if not selection.chosen:
        return "done"
    nested = before or run.begin_confirmation()
    most = trainings_at_most(nested, selection.chosen, settings.seeds)
    full = replace(settings, name=nested.name, grace_images=settings.max_images, trials=most, report_every=0, draws=1)
    # Of a few images the shares would tell nothing.
    checks = CheckReference.build(data.images, judge.split, judge.n, judge.weights) if judge.n >= LEAST else None
    nested.update_settings(**_card(run, full, selection, judge), real={} if checks is None else checks.real)
    copy_user_files(run, nested)
    judged = TrialData(data.images, judge, checks, data.reference if settings.tune_guidance else None)
    race = replace(session, run=nested, settings=full, data=judged)
    status = _race(race, selection)
    return _test(run, race) if status == "done" else status


def trainings_at_most(nested: Run, chosen: list[Start], seeds: int) -> int:
    """Return the most trainings that a race can have, with those of earlier contenders in the confirmation's run."""
    names = {start.trial for start in chosen}
    earlier = [start for start in nested.starts().values() if start.repeats not in names]
    return len(earlier) + seeds * len(chosen)


def _announce(session: Session, selection: Selection, judge: Reference) -> None:
    """Say how the search ended and what comes next."""
    run, settings, reference, notes = session.run, session.settings, session.data.reference, session.notes
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


def _test(run: Run, race: Session) -> Status:
    """Measure the winners of the race in a run's confirmation on the test images."""
    result = confirmation_result(run)
    if result is None:
        return "done"
    ending = ending_of(run, race.notes.budget.used)
    try:
        with ending.watched(rays_addresses()):
            measure_on_test_images(race, result, ending)
    except KeyboardInterrupt:
        return "interrupted"
    except Left:
        status = ending.status()
        if status == "lost":
            race.notes.say(loss_text(run, ending))
        return status
    return "done"


def _judge(settings: Settings, data: TrialData, before: dict[str, Any]) -> Reference:
    """Return the reference of the race; a race that goes on keeps the number of samples that it began with."""
    n = before.get("metric", {}).get("n", samples_that_judge(settings, data.images))
    return Reference.build(data.images, "confirm", n, data.reference.layer, data.reference.weights)


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


def _race(session: Session, selection: Selection) -> Status:
    """Train the contenders again, in the run of a confirmation."""
    nested, settings, notes, chosen = session.run, session.settings, session.notes, selection.chosen
    scheduler = Scheduler(settings.rungs, settings.reduction_factor)
    history = History(nested.events(), scheduler)
    for name in sorted(history.reports.keys() - history.ended.keys()):  # killed between a report and its end
        history.ended[name] = end_state(history.last_report(name), history.full)
        nested.append(End(name, history.ended[name]))
    clock = RaceTime(nested, notes.budget, selection.costs, chosen[0].trial, settings.slots)
    race = Race(settings.seed, settings.seeds, chosen, nested.events(), clock.has_time, settings.tune_guidance)
    recorder = Recorder(nested, history, Display(settings, notes, clock.after), race.tries, trackers=session.trackers)
    limit = TimeLimit(scheduler, notes.budget.left, OVERTIME * notes.budget.limit)
    status = run_trials(Parts(nested, settings, race, limit, recorder), session.data)
    if status == "done" and race.is_cut:
        notes.say("there is no time for more trainings: some have fewer seeds than it would take to tell them apart")
        nested.update_settings(cut=True)
    return status
