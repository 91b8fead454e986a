"""What search/train.py does: it trains a trial longer than its search did, and records that as a run of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

from analysis.page.report import write_report
from analysis.process import on_stops, write_at_once
from analysis.run.events import End, Start
from analysis.run.lock import run_lock
from analysis.run.run import Run
from analysis.run.storage import Folder
from analysis.text.commands import Commands, short
from analysis.text.next_steps import uses
from analysis.text.words import fmd_text
from search.execution.threads import take_threads, threads_of
from search.history import end_state
from search.progress.tensorboard import TensorBoardWriter
from search.trust import open_trusted
from search.winner.longer import begin_session, longer_run
from search.winner.models import load_images, reference_of
from search.winner.options import TrainOptions
from trainables.config import Variant
from trainables.report import Report
from trainables.trial import Plan, Preempted, Trial, TrialData


def train(given: TrainOptions) -> int:
    """Train a trial on, record and print what is reported; return the exit status: 3 if it diverged, 130 if left early.

    Raises:
        UsageError: there is no such model, or nothing is left to train.
    """
    run = open_trusted(given.run, trusts=given.trust)
    longer = longer_run(run, given)
    try:
        with run_lock(longer):
            return _go_on(longer, given)
    finally:
        longer.close()


def _go_on(run: Run, given: TrainOptions) -> int:
    # As in the search: the last bits depend on it, and beside other work two threads of a small network mostly wait.
    take_threads(threads_of(run.begun_settings()["settings"]["cpus_per_trial"]))
    images = load_images(run, given.data_dir)
    reference = reference_of(run, images, trusts=given.trust)
    start, plan = begin_session(run, given)
    print(f"{start.trial} in {short(run.uri)}: on to {plan.rungs[-1]:,} images; FMD {reference.version}", flush=True)
    has_ended = False
    try:
        with leaving() as leaves:
            has_ended = _advance(run, start, plan, TrialData(images, reference), leaves)
    finally:
        run.update_settings(status="done" if has_ended else "interrupted")
    last = run.reports().get(start.trial, [None])[-1]
    run.append(End(start.trial, end_state(last, plan.rungs[-1]) if has_ended else "PAUSED"))
    run.write_tables()
    print(f"the whole report      {short(write_report(run))}")
    for sentence, command in uses(run, Commands.here(run)):
        print(f"{sentence}\n    {command}")
    if not has_ended:
        print("interrupted: the same command goes on")
        return 130
    return 3 if last is None or last.diverged else 0


def _advance(run: Run, start: Start, plan: Plan, data: TrialData, leaves: Callable[[], bool]) -> bool:
    """Train to each rung, record and say what is reported there; return whether it came to its end."""
    console, tensorboard = Console(highlight=False), TensorBoardWriter(run)
    tensorboard.start(start)
    columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("training", total=plan.rungs[-1])
        trial = Trial(
            start.trial,
            Variant.from_flat(dict(start.variant)),
            start.seed,
            plan,
            data,
            Folder(run.uri),
            alive=lambda: progress.update(bar, completed=trial.trainer.images_seen),
            should_leave=leaves,
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
    fmd = f"FMD {fmd_text(report.fmd, report.fmd_se)} ({report.fmd_normalised:.3f})"
    return f"{report.images_seen:>11,} images  {fmd:<28}  {report.images_per_second:,.0f} images/s"


@contextmanager
def leaving() -> Iterator[Callable[[], bool]]:
    """Yield whether a signal that stops a command has come; a second one raises KeyboardInterrupt."""
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        if len(asked) > 1:
            raise KeyboardInterrupt
        write_at_once(2, "leaves after this step, or once its samples are scored; again leaves at once\n")

    with on_stops(ask):
        yield lambda: bool(asked)
