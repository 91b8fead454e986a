"""Assembles a search from its parts - study, rungs, trials, records - and runs it with Ray Tune until it ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

import ray
from ray import tune
from ray.tune.search import Searcher

from analysis.run.run import Run
from search.execution.stopping import Stopping
from search.progress.recorder import Recorder
from search.progress.terminal import Display
from search.settings import Settings

if TYPE_CHECKING:
    from ray.tune.experiment import Trial

Status = Literal["done", "interrupted", "failed"]


class Interruptible(tune.Stopper):
    """Ends a search at its next step, with its trials as they are, once it is `interrupted`."""

    def __init__(self, recorder: Recorder) -> None:
        """Let the search go on."""
        self.interrupted = False
        self._recorder = recorder

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune pickles its stopper for a restore that never comes."""
        return {}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Stop no single trial."""
        return False

    def stop_all(self) -> bool:
        """Return whether the search is to end; if so, the records are written first.

        Tune now waits up to 15 seconds for trials in the middle of their training, and many a system that sends SIGTERM
        kills before that.
        """
        if self.interrupted:
            self._recorder.write(status="interrupted")
        return self.interrupted


def disconnect() -> None:
    """Disconnect from Ray, and stop the one that this process started."""
    ray.shutdown()


def run_tuner(
    tuner: tune.Tuner,
    recorder: Recorder,
    stopper: Interruptible,
    again: int,
    at_the_end: Callable[[], None] = lambda: None,
) -> Status:
    """Run until nothing is left to do, or until a signal interrupts; whatever happens, the records are written.

    Args:
        tuner: as `make_tuner` returns it.
        recorder: its records.
        stopper: what a signal interrupts it by.
        again: how many interrupted trials it goes on with.
        at_the_end: called when nothing is left to do.
    """
    status: Status = "failed"
    try:
        with interrupting(stopper, recorder.display):
            recorder.display.open(again)
            tuner.fit()
        if not stopper.interrupted:
            at_the_end()
        status = "interrupted" if stopper.interrupted else "done"
    finally:
        recorder.display.close()
        recorder.write(status=status)
        recorder.close()
    return status


def make_tuner(
    run: Run,
    settings: Settings,
    trainable: Any,
    searcher: Searcher,
    scheduler: Stopping,
    recorder: Recorder,
    stopper: Interruptible,
) -> tune.Tuner:
    """Return a new Tuner of a run, which goes on as its parts do: Ray Tune itself remembers nothing."""
    run.clear_ray()
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler,
            num_samples=-1,  # the searcher says when it is enough
            max_concurrent_trials=settings.slots,
            reuse_actors=True,
            trial_name_creator=_name,
            trial_dirname_creator=_name,
        ),
        run_config=tune.RunConfig(
            name=run.ray.name,
            storage_path=run.uri,
            verbose=0,
            callbacks=[recorder],
            stop=stopper,
        ),
    )


def _name(trial: Trial) -> str:
    return str(trial.config["trial"])


@contextmanager
def interrupting(stopper: Interruptible, display: Display) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM end the search in order, and the second at once."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        if stopper.interrupted:
            display.close()
            os._exit(130)
        stopper.interrupted = True
        # Not print: the signal may have come in the middle of one.
        os.write(2, b"\nInterrupted: what was reported is kept. Once more to quit at once.\n")

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
