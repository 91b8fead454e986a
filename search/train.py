"""`python search/train.py RUN [TRIAL] --images N`: train a trial longer than its search did; see --help."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if __name__ == "__main__":
    # Python put this folder first on the path, where its modules hide others of their name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from analysis.text.process import carry_out
from search.command_line import parsed
from search.declaration import SettingsError
from search.execution.threads import ENVIRONMENT
from search.options import TrainOptions

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

    from analysis.run.events import Start
    from analysis.run.run import Run
    from trainables.data.images import Images
    from trainables.metric.fmd import Reference
    from trainables.report import Report
    from trainables.trial import Plan

TRAIN = """\
Train the model that won a search, or another trial, on more images than the
search did. The training becomes a run of its own beside RUN, which the other
commands take: generate, evaluate, export, rank, report. A checkpoint is saved
at least every minute. After ctrl-C the same command goes on, also with a larger
--images. Given the new run as RUN, it goes on with that.

Of a trial that the confirmation trained again with fresh seeds, the training
with the lowest FMD is trained on; FMD is measured as it was there, so that the
numbers compare with those of the trial.

The learning rate goes on by the trial's own rule, training.lr_decay. none: it
stays as it is, and training goes on as if the search had asked for more images.
plateau: it keeps the factor that it has come down to. cosine: it is that of a
cosine over all --images at the images seen, so it rises at once from the 0 that
it had ended at, and FMD can be worse for some time; --anew begins such a
training from fresh weights, without the jump. --set training.lr_decay=cosine
ends a training at the constant rate with a decay. There is no second warm-up.
The averaged weights average over the same share of all steps.
"""
EXAMPLES = """\
examples:
  python search/train.py runs/mine --images 2e6
      train the winner on, and score it ten times on the way
  python search/train.py runs/mine --images 2e6 --set training.lr_decay=cosine
  python search/train.py runs/mine 018-gaussian --images 5e5 --anew
  python search/generate.py runs/mine-018-gaussian-anew
      generate with the result, also while it is in training

exit status: 0 done; 2 a usage error; 3 the training diverged;
130 interrupted
"""


def main(arguments: Sequence[str] | None = None, command: str = "search/train.py") -> int:
    """Run the command line; return the exit status: 0, 2 for a usage error, 3 if it diverged, 130 if interrupted."""
    os.environ |= ENVIRONMENT  # as that of a trial: the last bits of an FMD depend on the threads of numpy
    return carry_out(command, lambda: _train(parsed(TrainOptions, command, TRAIN, EXAMPLES, arguments)))


# Imports inside functions: torch takes two seconds, and --help and usage errors do not need it.
def _train(given: TrainOptions) -> int:
    from analysis.run.lock import run_lock
    from analysis.run.run import Run
    from search.trust import install_parts
    from search.winner.longer import longer_run

    run = Run.open(given.run)
    install_parts(run, given.trust)
    longer = longer_run(run, given)
    try:
        with run_lock(longer):
            return _go_on(longer, given)
    finally:
        longer.close()


def _go_on(run: Run, given: TrainOptions) -> int:
    from analysis.page.report import write_report
    from analysis.run.events import End
    from analysis.text.commands import Commands, short
    from analysis.text.next_steps import uses
    from search.history import end_state
    from search.winner.longer import begin_session
    from search.winner.models import load_images, reference_of

    images = load_images(run, given.data_dir)
    reference = reference_of(run, images)
    start, plan = begin_session(run, given)
    print(f"{start.trial} in {short(run.uri)}: on to {plan.rungs[-1]:,} images; FMD {reference.version}", flush=True)
    with leaving() as leaves:
        has_ended = _advance(run, start, plan, images, reference, leaves)
    last = run.reports().get(start.trial, [None])[-1]
    run.append(End(start.trial, end_state(last, plan.rungs[-1]) if has_ended else "PAUSED"))
    run.update_settings(status="done" if has_ended else "interrupted")
    run.write_tables()
    print(f"the whole report      {short(write_report(run))}")
    for sentence, command in uses(run, Commands.here(run)):
        print(f"{sentence}\n    {command}")
    if not has_ended:
        print("interrupted: the same command goes on")
        return 130
    return 3 if last is None or last.diverged else 0


def _advance(
    run: Run, start: Start, plan: Plan, images: Images, reference: Reference, leaves: Callable[[], bool]
) -> bool:
    """Train to each rung, record and say what is reported there; return whether it came to its end."""
    from rich.console import Console
    from rich.progress import Progress

    from analysis.run.storage import Folder
    from search.progress.tensorboard import TensorBoardWriter
    from trainables.config import Variant
    from trainables.trial import Preempted, Trial

    console, tensorboard = Console(highlight=False), TensorBoardWriter(run)
    tensorboard.start(start)
    with Progress(*_columns(), console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("training", total=plan.rungs[-1])
        trial = Trial(
            start.trial,
            Variant.from_flat(dict(start.variant)),
            start.seed,
            plan,
            images,
            reference,
            Folder(run.uri),
            alive=lambda: progress.update(bar, completed=trial.trainer.images_seen),
            should_leave=leaves,
        )
        if trial.trainer.patience.lost:
            raise SettingsError(
                "training.patience has ended it; --set training.patience=0 and a new --name train it on"
            )
        try:
            for report in trial.reports():
                run.bring(start.trial)
                if run.append(report):
                    tensorboard.report(report)
                    run.write_tables()
                console.print(_line(report))
        except Preempted:
            console.print(f"{trial.trainer.images_seen:>11,} images  saved")
            return False
    return True


def _line(report: Report) -> str:
    if report.diverged:
        return f"{report.images_seen:>11,} images  diverged"
    fmd = f"FMD {report.fmd:.4g} ± {report.fmd_se:.2g} ({report.fmd_normalised:.3f})"
    return f"{report.images_seen:>11,} images  {fmd:<28}  {report.images_per_second:,.0f} images/s"


def _columns() -> list[ProgressColumn]:
    from rich.progress import BarColumn, MofNCompleteColumn, TimeElapsedColumn, TimeRemainingColumn

    return [BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()]


@contextmanager
def leaving() -> Iterator[Callable[[], bool]]:
    """Yield whether ctrl-C or SIGTERM has asked to leave; asked once more, they interrupt at once."""
    asked: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        restore()
        print("leaves after this step, or once its samples are scored; again leaves at once", file=sys.stderr)

    for number in before:
        signal.signal(number, ask)
    try:
        yield lambda: bool(asked)
    finally:
        restore()


if __name__ == "__main__":
    sys.exit(main())
