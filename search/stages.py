"""The stages of a session: data and metric are checked, then come the search, the confirmation and the result."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

from rich.console import Console

from analysis.process import INTERRUPTED, interruptible
from analysis.run.earlier import EarlierTrial
from analysis.run.lock import run_lock
from analysis.run.run import Run, RunError
from analysis.run.user_files import write_code, write_features
from analysis.text.commands import Commands
from analysis.text.words import counted
from search.confirmation.confirm import confirm
from search.earlier.earlier_runs import take_over
from search.execution.cluster import require_shared
from search.execution.local import ray_here
from search.execution.mps import mps
from search.execution.packing import best
from search.execution.threads import overruled, take_threads
from search.execution.tune import Status
from search.machine import Cluster, Machine
from search.progress.budget import Budget
from search.progress.failures import in_one_line
from search.progress.notes import Notes
from search.resuming import require_same_data, require_same_metric
from search.searching import search
from search.session import Session
from search.settings import Settings
from search.space.space import Space
from search.summary import card, close
from search.trackers.known import trackers_of
from trainables.data.images import Images
from trainables.metric.classifier_training import ensure_others, ensure_weights
from trainables.metric.feature_file import FeatureFile
from trainables.metric.fmd import Reference
from trainables.parts import parts
from trainables.trial import TrialData, real_picture


def run_session(
    run: Run | None,
    settings: Settings,
    space: Space,
    images: Images,
    file: FeatureFile | None,
    machine: Machine | Cluster,
    given: Mapping[str, Any],
    began: float,
) -> int:
    """Search, confirm and print the result; return the exit status.

    A `run` of None makes a new one. `file` has the features to rank by, if not those of the classifier. `settings`
    follow from the options `given`, and are checked for `machine`; a cluster is connected already. `began` is when the
    command began, by the monotonic clock.

    Raises:
        UsageError: one line, before the search begins.
    """
    budget = Budget(settings.time_budget, 0.0 if run is None else run.used_seconds(), began)
    notes = Notes(budget, Console(), given.get("quiet", False))
    measures_gpu = given.get("trials_per_gpu") == "auto"
    if isinstance(machine, Machine):
        take_threads(machine.cpus)
    with interruptible(), _sharing_gpus(settings, space, images, machine, notes, measures_gpu) as shared:
        data = TrialData(images, _reference(run, shared, images, file, notes))
        earlier = take_over(shared, images.checksums, data.reference.card()) if run is None else None
        if line := overruled(shared.cpus_per_trial):
            notes.say(line)
        try:
            with _ray(machine, shared, images, notes):
                # The folder is made last: where something is refused, nothing of the name is taken.
                run = run or Run.create(shared.storage_path, shared.name)
                status = _in_run(run, shared, space, data, earlier, notes)
            return _closed(run, status)
        except KeyboardInterrupt:
            if run is None:
                raise
            with suppress(RunError), run_lock(run):  # another process may have gone on with it
                run.update_settings(status="interrupted")
            print(f"interrupted; to go on: {Commands.here(run).resume()}")
            return INTERRUPTED


def close_again(run: Run, why: str) -> int:
    """Say why a run has nothing left to do, write and print its result again, and return the exit status.

    The session before may have been killed while it wrote the result.
    """
    with run_lock(run), in_one_line(run):
        print(f"nothing is left to do: {why}")
        return close(run, "done")


def _reference(
    run: Run | None, settings: Settings, images: Images, file: FeatureFile | None, notes: Notes
) -> Reference:
    """Return what samples are scored against; a `run` that goes on must have begun with these images and this metric.

    Classifiers that are missing are trained, and features by `file` computed: those of the confirmation, too.
    """
    if run is not None:
        require_same_data(run, images.checksums, f"--resume {run.name}")
    splits = ("search", "confirm", "test") if settings.confirm else ("search", "confirm")
    weights = ensure_weights(images, file, splits, notes.say)
    if settings.confirm:
        ensure_others(images, notes.say)
    reference = Reference.build(images, weights=weights)
    if run is not None:
        require_same_metric(run, reference.version)
    return reference


def _in_run(
    run: Run,
    settings: Settings,
    space: Space,
    data: TrialData,
    earlier: list[EarlierTrial] | None,
    notes: Notes,
) -> Status:
    with run_lock(run, notes.say), in_one_line(run):
        if earlier is not None:  # the run is new, or was half made with other earlier runs
            run.write_earlier_trials(earlier)
        run.update_settings(**card(settings, space, data.images, data.reference))
        run.write(run.real_images, real_picture(data.images))
        if space.code is not None:  # last: settings without it go on from the file itself
            write_code(run, space.code, [f"{family}/{name}" for family, name in parts()])
        if (file := data.reference.weights.file) is not None:
            write_features(run, file)
        session = Session(run, settings, data, notes, trackers_of(settings.log_to, run, notes.say))
        try:
            status = search(session, space)
            if status == "done" and settings.confirm:
                run.update_settings(status="running")
                status = "failed"
                try:
                    status = confirm(session)
                finally:
                    run.update_settings(status="interrupted" if status == "lost" else status)
        finally:
            session.trackers.close()
            run.update_settings(**notes.budget.used())
    if status == "done":
        notes.say("done; ranking and report follow")
    return status


def _closed(run: Run, status: Status) -> int:
    """Write and print the result of a session; return the exit status."""
    with run_lock(run), in_one_line(run):
        return close(run, status)


@contextmanager
def _ray(machine: Machine | Cluster, settings: Settings, images: Images, notes: Notes) -> Iterator[None]:
    """Start Ray on a machine until the end, or check a cluster that is connected."""
    if isinstance(machine, Machine):
        notes.say(f"data and metric are ready; Ray starts on {counted(machine.cpus, 'core')}")
        with ray_here(machine, data_bytes=images.nbytes):
            yield
        return
    require_shared(settings.storage_path)
    yield


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
