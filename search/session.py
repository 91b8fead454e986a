"""One session of a search: assembles its parts, runs search and confirmation, and closes the run's records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console

from analysis.run.events import End
from analysis.run.lock import run_lock
from analysis.run.run import Run
from search.confirmation import confirm
from search.execution.cluster import require_shared, start_ray
from search.execution.mps import mps
from search.execution.packing import best
from search.execution.tune import Parts, Status, disconnect, run_trials
from search.history import History
from search.machine import Cluster, Machine
from search.progress.budget import Budget
from search.progress.disk import in_one_line
from search.progress.recorder import Recorder
from search.progress.terminal import Display
from search.schedulers import SCHEDULERS
from search.settings import Settings
from search.space.space import Space
from search.study.dashboard import Dashboard
from search.study.journal import open_study
from search.study.queue import TrialQueue
from search.summary import card, close, require_same, resume_command
from search.time_limit import TimeLimit
from trainables.data.mnist import Images
from trainables.metric.classifier_training import ensure_classifier
from trainables.metric.fmd import Reference


def run_session(
    run: Run | None,
    settings: Settings,
    space: Space,
    images: Images,
    machine: Machine | Cluster,
    *,
    quiet: bool,
    measures_gpu: bool,
) -> int:
    """Search, confirm and print the result; return the exit status.

    Args:
        run: the run to go on with; None makes a new one.
        settings: checked, for `machine`.
        space: the search space.
        images: the data set.
        machine: where trials run; a cluster is connected already.
        quiet: print only the result.
        measures_gpu: measure first how many trials share a GPU.

    Raises:
        MachineError, RunError, SettingsError, WeightsError: one line, before the search begins.
    """
    with _sharing_gpus(settings, space, images, machine, quiet, measures_gpu) as shared:
        if isinstance(machine, Cluster):
            require_shared(shared.storage_path)
        weights = ensure_classifier(images, _silent if quiet else print)
        reference = Reference.build(images, weights=weights)
        if run is not None:
            require_same(run, images.checksums, reference.version)
        return _in_run(
            run or Run.create(shared.storage_path, shared.name), shared, space, images, reference, machine, quiet
        )


def _in_run(
    run: Run,
    settings: Settings,
    space: Space,
    images: Images,
    reference: Reference,
    machine: Machine | Cluster,
    quiet: bool,
) -> int:
    try:
        with run_lock(run), in_one_line(run):
            run.write_settings({**run.settings(), **card(settings, space, images, reference)})
            if isinstance(machine, Machine):
                start_ray(machine, data_bytes=images.nbytes)
            try:
                status = _search_and_confirm(run, settings, space, images, reference, quiet)
            finally:
                disconnect()
            return close(run, settings, status)
    except KeyboardInterrupt:
        print(f"interrupted; to go on: {resume_command(run)}")
        return 130


def _search_and_confirm(
    run: Run, settings: Settings, space: Space, images: Images, reference: Reference, quiet: bool
) -> Status:
    status = search(run, settings, space, images, reference, quiet)
    if status == "done" and settings.confirm:
        status = confirm(run, settings, images, reference, quiet)
    return status


def search(run: Run, settings: Settings, space: Space, images: Images, reference: Reference, quiet: bool) -> Status:
    """Search until the trials or the time are used up, or a signal interrupts; Ray must be connected.

    The run's folder holds everything at every moment: called again on the same run, this goes on where it ended.
    """
    budget = Budget.load(settings.slots, settings.time_budget, run.settings())
    scheduler = SCHEDULERS[settings.scheduler](settings.rungs, settings.reduction_factor, space.leading)
    history = History(run.events(), scheduler)
    display = Display(settings, budget, Console(), quiet)
    study = open_study(run.study_file, settings, space, history, display.note)
    queue = TrialQueue(settings, space, study, scheduler, budget.out_of_time)
    for name, state in queue.resume(history):
        run.append(End(name, state))
        history.ended[name] = state
    for name in history.unlogged_pauses():
        run.append(End(name, "PAUSED"))
    recorder = Recorder(
        run,
        history,
        budget,
        display,
        queue.tries,
        paused=scheduler.paused,
        kept_checkpoints=settings.kept_checkpoints,
        dashboard=Dashboard(run, study),
    )
    queue.on_prune = recorder.on_prune
    parts = Parts(run, settings, queue, TimeLimit(scheduler, budget.has_time), recorder)
    return run_trials(parts, images, reference)


@contextmanager
def _sharing_gpus(
    settings: Settings, space: Space, images: Images, machine: Machine | Cluster, quiet: bool, measures: bool
) -> Iterator[Settings]:
    """Yield the settings, with the number of trials on a GPU that was measured to be best if `measures`."""
    if not measures:
        with mps() if settings.mps else nullcontext():
            yield settings
        return
    say: Callable[[str], None] = _silent if quiet else print
    with mps() if isinstance(machine, Machine) else nullcontext(False) as shared:
        trials = best(space, images.shape, machine, settings.cpus_per_trial, say)
        say("their kernels run at the same time, by MPS" if shared else "their kernels run by turns, without MPS")
        yield settings.sharing(trials, machine, shared)


def _silent(line: str) -> None:
    """Print nothing."""
