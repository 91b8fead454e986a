"""The search of a session: its parts are assembled, and its trials run."""

from analysis.run.events import End
from search.confirmation.selection import judging_of
from search.earlier.warm_start import WarmStart
from search.execution.tune import Parts, Status, run_trials
from search.history import History
from search.progress.budget import as_clock
from search.progress.notes import Notes
from search.progress.recorder import Recorder
from search.progress.terminal import Display
from search.schedulers import SCHEDULERS
from search.search_time import SearchTime
from search.session import Session
from search.settings import Settings
from search.space.space import Space
from search.study.dashboard import Dashboard
from search.study.journal import open_study
from search.study.queue import TrialQueue
from search.time_limit import TimeLimit

# Share of the budget for which trials may run on once the time of the search is up; then they are cut off.
GRACE = 0.05


def search(session: Session, space: Space) -> Status:
    """Search until the trials or the time are used up, or a signal interrupts; Ray must be connected.

    The run's folder holds everything at every moment: called again on the same run, this goes on where it ended.
    """
    run, settings, notes = session.run, session.settings, session.notes
    clock = SearchTime(run, settings, notes.budget, judging_of(settings, session.data))
    warm_start = WarmStart.of(run.earlier_trials(), space, settings.rungs[-1])
    scheduler = SCHEDULERS[settings.scheduler](settings.rungs, settings.reduction_factor, warm_start.unstopped)
    history = History(run.events(), scheduler)
    limit = TimeLimit(scheduler, clock.left, GRACE * notes.budget.limit, history.numbered_reports())
    display = Display(settings, notes, clock.after)
    study = open_study(run.study_file, settings, space, history, notes.say)
    queue = TrialQueue(settings, space, study, scheduler, limit.has_time, warm_start)
    for name, state in queue.resume(history):
        run.append(End(name, state))
        history.ended[name] = state
    for name in history.unlogged_pauses():
        run.append(End(name, "PAUSED"))
    recorder = Recorder(
        run,
        history,
        display,
        queue.tries,
        paused=scheduler.paused,
        kept_checkpoints=settings.kept_checkpoints,
        dashboard=Dashboard(run, study),
        trackers=session.trackers,
    )
    queue.on_prune, queue.note = recorder.on_prune, notes.say
    if warm_start.earlier and not history.starts:
        notes.say(f"warm start: {warm_start.summary(settings.sampler)}")
    _announce(settings, clock, notes)
    return run_trials(Parts(run, settings, queue, limit, recorder), session.data)


def _announce(settings: Settings, clock: SearchTime, notes: Notes) -> None:
    rungs = ", ".join(f"{rung:,}" for rung in settings.rungs)
    until = as_clock(max(0.0, notes.budget.limit - clock.after()))
    notes.say(
        f"the search begins: {settings.trials} trials at the most, {settings.slots} at a time, compared at {rungs} "
        f"images, until about {until} of {as_clock(notes.budget.limit)}"
    )
