"""Ray Tune, adapted: what it asks of a searcher, a scheduler, a callback and a stopper is passed on to plain objects.

Ray Tune itself remembers nothing: the run's log is all that a resume reads, so none of these adapters is pickled with
its state. Tune stops a paused trial too, which frees its process; the queue returns it again once it is promoted, and
the trial continues from its checkpoint. Tune's own pause would hold on to the trial's state.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from ray import tune
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from analysis.run.events import Start, from_json, to_json
from analysis.run.run import Run
from search.execution.ending import Ending, Left, ending_of, loss_text, rays_addresses
from search.execution.first_worker import FirstWorker
from search.execution.pulse import Pulse
from search.execution.worker import make_trainable
from search.progress.failures import left_its_machine
from search.progress.recorder import Recorder
from search.schedulers import Decision
from search.settings import Settings
from search.time_limit import TimeLimit
from search.tries import Tries
from trainables.domain import UsageError
from trainables.report import Report
from trainables.trial import TrialData

Status = Literal["done", "interrupted", "lost", "failed"]


@dataclass(frozen=True)
class Health:
    """How a session's processes are doing, and whether it ends early."""

    first: FirstWorker
    pulse: Pulse
    ending: Ending


class TrialSource(Protocol):
    """What runs next: the queue of a search, or the race of a confirmation."""

    tries: Tries

    @property
    def interrupted(self) -> int:
        """How many interrupted trials are still to run again."""

    def next_trial(self) -> Start | None:
        """Return the next trial to run, None where there is none now."""

    def on_report(self, trial: Start, report: Report) -> None:
        """Record a report of a trial that continues."""

    def on_end(self, trial: Start, last: Report | None, failed: bool) -> None:
        """Handle the end of a trial's process."""

    def finish(self) -> None:
        """Handle the end of all trials."""


@dataclass(frozen=True)
class Parts:
    """The plain objects that one session of a run is made of."""

    run: Run
    settings: Settings
    source: TrialSource
    limit: TimeLimit
    recorder: Recorder


def run_trials(parts: Parts, data: TrialData) -> Status:
    """Run trials until nothing is left to do, the time is over, a signal interrupts or Ray is lost.

    The records are always written. Ray must be connected. Of `data.chooses_by` only those trials make use whose start
    says that they choose.
    """
    recorder = parts.recorder
    first = FirstWorker(recorder.display.notes.say)
    pulse = Pulse(parts.settings.hang_limit, recorder.display.notes.say, recorder.display.advanced)
    ending = ending_of(parts.run, recorder.display.notes.budget.used, pulse)
    tuner = _make_tuner(parts, make_trainable(parts.run, parts.settings, data), Health(first, pulse, ending))
    status: Status = "failed"
    try:
        with ending.watched(rays_addresses()):
            recorder.display.open(parts.source.interrupted)
            _fit(tuner, ending)
        first.require(at_the_end=True)
        parts.source.finish()
        status = "done"
    except Left:
        status = ending.status()
    finally:
        recorder.display.close()
        recorder.write(status="interrupted" if status == "lost" else status)
        recorder.close()
    if status == "lost":
        recorder.display.notes.say(loss_text(parts.run, ending))
    return status


def _fit(tuner: tune.Tuner, ending: Ending) -> None:
    """Let Tune run the trials; an error that comes of the end of Ray is raised as Left."""
    try:
        tuner.fit()
    except UsageError:
        raise
    except Exception:  # Tune raises whatever the end of Ray leads to; any other error goes on its way
        if not ending.begins_soon():
            raise
        raise Left from None


class _Unsaved:
    """An adapter that Ray Tune pickles, for a restore that is never used, without its state."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class TuneSearcher(_Unsaved, Searcher):
    """Gives Ray Tune the trials of a source."""

    def __init__(self, source: TrialSource, health: Health) -> None:
        super().__init__(metric="fmd", mode="min")
        self._source, self._health = source, health
        self._running: dict[str, Start] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Return the configuration of the next trial, None while one that runs decides, or FINISHED."""
        if self._health.ending.begun:
            return None
        start = self._source.next_trial()
        if start is not None:
            self._health.first.asked()
            self._running[trial_id] = start
            return to_json(start)
        return None if self._running else Searcher.FINISHED  # type: ignore[return-value]  # as Ray has it

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Pass on a report of a trial that continues."""
        self._source.on_report(self._running[trial_id], Report.from_dict(result))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Pass on the end of a trial; its last report did not come to `on_trial_result` if it stopped the trial."""
        start = self._running.pop(trial_id)
        if error and self._health.ending.begun:
            return  # the trial left because the session ends; it goes on when the run is resumed
        last = Report.from_dict(result) if result and "images_seen" in result else None
        self._source.on_end(start, last, failed=error)

    def save(self, checkpoint_path: str) -> None:
        """Save nothing."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing."""


class TuneScheduler(_Unsaved, FIFOScheduler):
    """Gives Ray Tune the decisions of a scheduler; trials start in the order of their source."""

    def __init__(self, limit: TimeLimit, tries: Tries) -> None:
        super().__init__()
        self._limit, self._tries = limit, tries

    def on_trial_result(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> str:
        """Return STOP for a trial that pauses or stops, else CONTINUE."""
        decision = self._limit.on_report(trial.config["number"], Report.from_dict(result))
        return str(TrialScheduler.CONTINUE if decision is Decision.CONTINUE else TrialScheduler.STOP)

    def on_trial_error(self, tune_controller: TuneController, trial: Trial) -> None:
        """Forgive a failure that its machine is the cause of, before the source counts it."""
        if left_its_machine(_error(trial)):
            self._tries.forgive(trial.config["number"])


class TuneCallback(_Unsaved, tune.Callback):
    """Passes on to a recorder what Ray Tune tells of its trials."""

    def __init__(self, recorder: Recorder, health: Health) -> None:
        self._recorder, self._health = recorder, health

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Pass on that a trial starts, or starts again."""
        self._health.first.begins()
        self._health.pulse.starts(_name(trial), trial.temporary_state.ray_actor)
        self._recorder.on_start(_start(trial))

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """Pass on a report, and whether the trial leaves its process with it."""
        self._recorder.on_report(_start(trial), Report.from_dict(result), leaves=bool(result.get("done")))

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Pass on that a trial has left its process."""
        self._health.pulse.leaves(_name(trial))
        self._recorder.on_end(_start(trial))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Pass on that a trial has failed, unless the session ends: what ends it may have ended the trial, too."""
        self._health.pulse.leaves(_name(trial))
        if not self._health.ending.begun:
            self._recorder.on_error(_start(trial), _error(trial))

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Pass on that Tune went once round its loop, a tenth of a second at most when nothing happens."""
        self._health.first.require()
        self._health.pulse.look()
        self._recorder.on_step()


class TuneStopper(_Unsaved, tune.Stopper):
    """Ends a session at Tune's next step, its trials as they are, once its time is over or `ending` has begun."""

    def __init__(self, health: Health, is_over: Callable[[], bool] = lambda: False) -> None:
        self._health, self._is_over = health, is_over

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Stop no single trial."""
        return False

    def stop_all(self) -> bool:
        """Return whether the time is over; raise Left where the session ends early."""
        self._health.ending.leave()
        return self._is_over()


def _make_tuner(parts: Parts, trainable: Any, health: Health) -> tune.Tuner:
    run = parts.run
    run.clear_ray()
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=TuneSearcher(parts.source, health),
            scheduler=TuneScheduler(parts.limit, parts.source.tries),
            num_samples=-1,  # no limit: the source ends the search
            max_concurrent_trials=parts.settings.slots,
            reuse_actors=True,
            trial_name_creator=_name,
            trial_dirname_creator=_name,
        ),
        run_config=tune.RunConfig(
            name=run.ray.name,
            storage_path=run.uri,
            verbose=0,
            callbacks=[TuneCallback(parts.recorder, health)],
            stop=TuneStopper(health, parts.limit.is_over),
        ),
    )


def _name(trial: Trial) -> str:
    return str(trial.config["trial"])


def _start(trial: Trial) -> Start:
    start = from_json(trial.config)
    assert isinstance(start, Start)
    return start


def _error(trial: Trial) -> str:
    return Path(str(trial.error_file)).read_text()
