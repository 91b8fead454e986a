"""One session of a search: assembles its parts, runs search and confirmation, and closes the run's records."""

import atexit
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from rich.console import Console

from analysis.run.code import write_code
from analysis.run.earlier import EarlierTrial
from analysis.run.events import End
from analysis.run.lock import run_lock
from analysis.run.run import Run
from analysis.text.commands import Commands
from analysis.text.process import INTERRUPTED, interruptible, leave
from analysis.text.words import counted
from search.confirmation.confirm import confirm, samples_that_judge, seconds_of_checks
from search.earlier.earlier_runs import take_over
from search.earlier.warm_start import WarmStart
from search.execution.cluster import require_shared
from search.execution.connection import disconnect
from search.execution.local import ray_here
from search.execution.mps import mps
from search.execution.packing import best
from search.execution.threads import overruled, take_threads
from search.execution.tune import Parts, Status, run_trials
from search.history import History
from search.machine import Cluster, Machine
from search.progress.budget import Budget, as_clock
from search.progress.failures import in_one_line
from search.progress.notes import Notes
from search.progress.recorder import Recorder
from search.progress.terminal import Display
from search.progress.time_spent import TimeSpent
from search.schedulers import SCHEDULERS
from search.search_time import SearchTime
from search.settings import Settings
from search.space.space import Space
from search.study.dashboard import Dashboard
from search.study.journal import open_study
from search.study.queue import TrialQueue
from search.summary import card, close, require_same_data, require_same_metric
from search.time_limit import TimeLimit
from search.trackers.known import trackers_of
from search.trackers.sending import Trackers
from trainables.data.images import Images
from trainables.metric.classifier_training import ensure_classifier, ensure_others
from trainables.metric.fmd import Reference
from trainables.parts import parts
from trainables.trial import real_picture

# Share of the budget for which trials may run on once the time of the search is up; then they are cut off.
GRACE = 0.05


def run_session(
    run: Run | None,
    settings: Settings,
    space: Space,
    images: Images,
    machine: Machine | Cluster,
    given: Mapping[str, Any],
    began: float,
) -> int:
    """Search, confirm and print the result; return the exit status.

    A `run` of None makes a new one. `settings` follow from the options `given`, and are checked for `machine`; a
    cluster is connected already. `began` is when the command began, by the monotonic clock.

    Raises:
        MachineError, RunError, SettingsError, WeightsError: one line, before the search begins.
    """
    budget = Budget(settings.time_budget, 0.0 if run is None else run.used_seconds(), began)
    notes = Notes(budget, Console(), given.get("quiet", False))
    measures_gpu = given.get("trials_per_gpu") == "auto"
    if isinstance(machine, Machine):
        take_threads(machine.cpus)
    with interruptible(), _sharing_gpus(settings, space, images, machine, notes, measures_gpu) as shared:
        if run is not None:
            require_same_data(run, images.checksums, f"--resume {run.name}")
        weights = ensure_classifier(images, notes.say)
        if settings.confirm:
            ensure_others(images, notes.say)
        reference = Reference.build(images, weights=weights)
        earlier = take_over(shared, images.checksums, reference.card()) if run is None else None
        if run is not None:
            require_same_metric(run, reference.version)
        if line := overruled(shared.cpus_per_trial):
            notes.say(line)
        try:
            with _ray(machine, shared, images, notes):
                # The folder is made last: where something is refused, nothing of the name is taken.
                run = run or Run.create(shared.storage_path, shared.name)
                status = _in_run(run, shared, space, images, reference, earlier, notes)
            with in_one_line(run):
                code = close(run, status)
            if status in ("interrupted", "lost"):
                # What is left of a Ray that was lost would wait for a minute when Python ends, then end it by itself.
                atexit.register(leave, code)
            return code
        except KeyboardInterrupt:
            if run is None:
                raise
            run.update_settings(status="interrupted")
            print(f"interrupted; to go on: {Commands.here(run).resume()}")
            return INTERRUPTED


def _in_run(
    run: Run,
    settings: Settings,
    space: Space,
    images: Images,
    reference: Reference,
    earlier: list[EarlierTrial] | None,
    notes: Notes,
) -> Status:
    with run_lock(run, notes.say), in_one_line(run):
        if earlier is not None:  # the run is new, or was half made with other earlier runs
            run.write_earlier_trials(earlier)
        run.update_settings(**card(settings, space, images, reference))
        run.write(run.real_images, real_picture(images))
        if space.code is not None:  # last: settings without it go on from the file itself
            write_code(run, space.code, [f"{family}/{name}" for family, name in parts()])
        trackers = trackers_of(settings.log_to, run, notes.say)
        try:
            status = search(run, settings, space, images, reference, notes, trackers)
            if status == "done" and settings.confirm:
                run.update_settings(status="running")
                status = confirm(run, settings, images, reference, notes, trackers)
                run.update_settings(status="interrupted" if status == "lost" else status)
        finally:
            trackers.close()
            run.update_settings(**notes.budget.used())
    if status == "done":
        notes.say("done; ranking and report follow")
    return status


@contextmanager
def _ray(machine: Machine | Cluster, settings: Settings, images: Images, notes: Notes) -> Iterator[None]:
    """Start Ray on a machine, or check a cluster that is connected, and disconnect at the end."""
    if isinstance(machine, Machine):
        notes.say(f"data and metric are ready; Ray starts on {counted(machine.cpus, 'core')}")
        with ray_here(machine, data_bytes=images.nbytes):
            yield
        return
    try:
        require_shared(settings.storage_path)
        yield
    finally:
        disconnect()


def close_again(run: Run, why: str) -> int:
    """Say why a run has nothing left to do, write and print its result again, and return the exit status.

    The session before may have been killed while it wrote the result.
    """
    with run_lock(run), in_one_line(run):
        print(f"nothing is left to do: {why}")
        return close(run, "done")


def search(
    run: Run,
    settings: Settings,
    space: Space,
    images: Images,
    reference: Reference,
    notes: Notes,
    trackers: Trackers | None = None,
) -> Status:
    """Search until the trials or the time are used up, or a signal interrupts; Ray must be connected.

    The run's folder holds everything at every moment: called again on the same run, this goes on where it ended.
    `trackers` are told of its trials.
    """
    budget = notes.budget
    scale = samples_that_judge(settings, images) / reference.n
    clock = SearchTime(run, settings, budget, scale, seconds_of_checks(settings, images))
    warm_start = WarmStart.of(run.earlier_trials(), space, settings.rungs[-1])
    scheduler = SCHEDULERS[settings.scheduler](settings.rungs, settings.reduction_factor, warm_start.leading)
    history = History(run.events(), scheduler)
    limit = TimeLimit(scheduler, clock.left, GRACE * budget.limit, history.numbered_reports())
    display = Display(settings, notes, clock.after)
    study = open_study(run.study_file, settings, space, history, display.note)
    queue = TrialQueue(settings, space, study, scheduler, limit.has_time, warm_start)
    for name, state in queue.resume(history):
        run.append(End(name, state))
        history.ended[name] = state
    for name in history.unlogged_pauses():
        run.append(End(name, "PAUSED"))
    recorder = Recorder(
        run,
        history,
        TimeSpent.load(settings.slots, run.settings()),
        display,
        queue.tries,
        paused=scheduler.paused,
        kept_checkpoints=settings.kept_checkpoints,
        dashboard=Dashboard(run, study),
        trackers=trackers,
    )
    queue.on_prune, queue.note = recorder.on_prune, display.note
    if warm_start.earlier and not history.starts:
        notes.say(f"warm start: {warm_start.summary(settings.sampler)}")
    _announce(settings, clock, notes)
    return run_trials(Parts(run, settings, queue, limit, recorder), images, reference)


def _announce(settings: Settings, clock: SearchTime, notes: Notes) -> None:
    rungs = ", ".join(f"{rung:,}" for rung in settings.rungs)
    until = as_clock(max(0.0, notes.budget.limit - clock.after()))
    notes.say(
        f"the search begins: {settings.trials} trials at the most, {settings.slots} at a time, compared at {rungs} "
        f"images, until about {until} of {as_clock(notes.budget.limit)}"
    )


@contextmanager
def _sharing_gpus(
    settings: Settings, space: Space, images: Images, machine: Machine | Cluster, notes: Notes, measures: bool
) -> Iterator[Settings]:
    """Yield the settings, with the number of trials on a GPU that was measured to be best if `measures`."""
    if not measures:
        with mps() if settings.mps else nullcontext(enter_result=True) as as_before:
            if not as_before:
                notes.say("MPS does not work any more: the kernels of trials on one GPU run by turns")
            yield settings
        return
    with mps() if isinstance(machine, Machine) else nullcontext(enter_result=False) as shared:
        trials = best(space, images.shape, machine, settings.cpus_per_trial, notes.say)
        notes.say("their kernels run at the same time, by MPS" if shared else "their kernels run by turns, without MPS")
        yield settings.sharing(trials, machine, mps=shared)
