"""Laws of Ray Tune's adapters: they pass on what happens, say what Tune does next, and keep no state in a pickle."""

import io
import math
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher
from rich.console import Console

from analysis.run.events import Start, to_json
from analysis.run.run import Run
from search.execution import pulse
from search.execution.ending import Ending, Left
from search.execution.first_worker import FirstWorker
from search.execution.pulse import Pulse
from search.execution.tune import Health, TuneCallback, TuneScheduler, TuneSearcher, TuneStopper
from search.history import History
from search.machine import Machine
from search.progress.budget import Budget
from search.progress.notes import Notes
from search.progress.recorder import Recorder
from search.progress.terminal import Display
from search.schedulers import ASHA, ASHAStopping
from search.settings import Settings
from search.time_limit import TimeLimit
from search.tries import MAX_FAILURES, Tries
from trainables.report import Report
from trainables.trial import PREEMPTED

RUNGS = (100, 300, 900)
STARTS = [Start(f"{number:03d}-x", number, seed=7, baseline="", variant={"a": 0.5, "b": "c"}) for number in range(3)]


class Source:
    """Gives trials in their order, and keeps what it is told."""

    def __init__(self, starts: list[Start]) -> None:
        self.tries, self.starts, self.heard = Tries(), list(starts), list[tuple[Any, ...]]()
        self.interrupted = 0

    def next_trial(self) -> Start | None:
        return self.starts.pop(0) if self.starts else None

    def on_report(self, trial: Start, report: Report) -> None:
        self.heard.append(("report", trial, report))

    def on_end(self, trial: Start, last: Report | None, failed: bool) -> None:
        self.heard.append(("end", trial, last, failed))

    def finish(self) -> None:
        self.heard.append(("finish",))


def result(images_seen: int, fmd: float, **more: object) -> dict[str, Any]:
    """A report as Ray Tune passes it on, with fields of Tune's own."""
    values = {"trial": "000-x", "images_seen": images_seen, "fmd": fmd, "diverged": False, "images_per_second": 10.0}
    return {**values, "training_iteration": 1, "done": False, **more}


def tune_trial(start: Start, error: Path | None = None) -> Any:
    state = SimpleNamespace(ray_actor=None)
    return SimpleNamespace(config=to_json(start), error_file=str(error) if error else None, temporary_state=state)


def make_health() -> Health:
    watched = Pulse(600.0)
    return Health(FirstWorker(print), watched, Ending(lambda: None, trials=watched))


def make_recorder(folder: Path, tries: Tries | None = None) -> Recorder:
    given = {"name": "run", "trials": 7, "max_images": 900, "grace_images": 100}
    settings = Settings.resolve(given, "widths", "", Machine(2, 0))
    run, notes = Run.create(folder, "run"), Notes(Budget(100.0), Console(file=io.StringIO()), quiet=True)
    return Recorder(run, History([], ASHA(RUNGS, 3)), Display(settings, notes), tries or Tries())


def test_the_searcher_gives_trials_then_none_while_one_runs_and_then_finished() -> None:
    source = Source(STARTS[:2])
    searcher = TuneSearcher(source, make_health())
    assert [searcher.suggest("a"), searcher.suggest("b")] == [to_json(start) for start in STARTS[:2]]
    assert searcher.suggest("c") is None
    searcher.on_trial_complete("a", result(100, 5.0))
    assert searcher.suggest("c") is None
    source.starts.append(STARTS[0])  # it is promoted
    assert searcher.suggest("c") == to_json(STARTS[0])
    for trial_id in ("b", "c"):
        searcher.on_trial_complete(trial_id, result(300, 4.0))
    assert searcher.suggest("d") == Searcher.FINISHED


def test_the_searcher_passes_on_reports_and_ends() -> None:
    source = Source(STARTS)
    searcher = TuneSearcher(source, make_health())
    for trial_id in ("a", "b", "c"):
        searcher.suggest(trial_id)
    searcher.on_trial_result("a", result(100, 5.0))
    searcher.on_trial_complete("a", result(300, 4.0, done=True))
    searcher.on_trial_complete("b", error=True)
    searcher.on_trial_complete("c", {"config": {}})  # a trial without a report
    (_, reported, report), (_, ended, last, failed), *others = source.heard
    assert (reported, report.images_seen, report.fmd) == (STARTS[0], 100, 5.0)
    assert (ended, last.images_seen, last.fmd, failed) == (STARTS[0], 300, 4.0, False)
    assert others == [("end", STARTS[1], None, True), ("end", STARTS[2], None, False)]


def test_the_scheduler_decides_by_the_trials_number_and_stops_those_that_pause_or_stop() -> None:
    stopping = TuneScheduler(TimeLimit(ASHAStopping(RUNGS, 3), lambda: math.inf), Tries())
    decisions = [
        stopping.on_trial_result(None, tune_trial(start), result(100, fmd))  # type: ignore[arg-type]
        for start, fmd in zip(STARTS, (5.0, 6.0, 4.0), strict=True)
    ]
    assert decisions == [TrialScheduler.CONTINUE, TrialScheduler.STOP, TrialScheduler.CONTINUE]
    asha = ASHA(RUNGS, 3)
    pausing = TuneScheduler(TimeLimit(asha, lambda: math.inf), Tries())
    assert pausing.on_trial_result(None, tune_trial(STARTS[0]), result(100, 5.0)) == TrialScheduler.STOP  # type: ignore[arg-type]
    assert asha.promote(more=False, idle=True) == 0
    assert pausing.on_trial_result(None, tune_trial(STARTS[0]), result(100, 5.0)) == TrialScheduler.CONTINUE  # type: ignore[arg-type]


@pytest.mark.parametrize("failures", [0, MAX_FAILURES])
def test_a_failure_that_its_machine_is_the_cause_of_costs_a_trial_none_of_its_tries(
    failures: int, tmp_path: Path
) -> None:
    tries, error = Tries(), tmp_path / "error.txt"
    scheduler = TuneScheduler(TimeLimit(ASHA(RUNGS, 3), lambda: math.inf), tries)

    def fail(last: str) -> bool:
        """Ray Tune calls the scheduler first, then the searcher, whose source counts."""
        error.write_text(f"Traceback (most recent call last):\n  ...\n{last}\n")
        scheduler.on_trial_error(None, tune_trial(STARTS[1], error))  # type: ignore[arg-type]
        return tries.count_failure(1)

    assert all(fail("ValueError: no") for _ in range(failures))
    for _ in range(10 * MAX_FAILURES):
        assert fail(f"trainables.trial.Preempted: {PREEMPTED}")
    assert all(fail("ValueError: no") for _ in range(MAX_FAILURES - failures))
    assert not fail("ValueError: no")
    assert tries.may_retry(2)


def test_the_callback_records_what_tune_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error, tries = tmp_path / "error.txt", Tries()
    error.write_text("Traceback ...\nValueError: no luck\n")
    assert [tries.count_failure(1) for _ in range(MAX_FAILURES + 1)][-1] is False
    recorder = make_recorder(tmp_path, tries)
    monkeypatch.setattr(pulse, "_get", lambda trial: None)
    callback = TuneCallback(recorder, make_health())
    trial = tune_trial(STARTS[0])
    callback.on_trial_start(0, [], trial)
    callback.on_trial_result(0, [], trial, result(100, 5.0))
    callback.on_trial_result(0, [], trial, result(900, 4.0, rung=2, done=True))
    callback.on_trial_complete(0, [], trial)
    callback.on_trial_error(0, [], tune_trial(STARTS[1], error))
    callback.on_step_end(0, [])
    run = Run.open(recorder.run.path)
    assert run.starts()["000-x"].variant == STARTS[0].variant
    assert [report.fmd for report in run.reports()["000-x"]] == [5.0, 4.0]
    assert {name: end.state for name, end in run.ends().items()} == {"000-x": "COMPLETE", "001-x": "FAILED"}
    assert run.ends()["001-x"].error == error.read_text()


def test_an_adapter_is_pickled_without_its_state(tmp_path: Path) -> None:
    recorder, limit = make_recorder(tmp_path), TimeLimit(ASHA(RUNGS, 3), lambda: math.inf)
    adapters = [
        TuneSearcher(Source([]), make_health()),
        TuneScheduler(limit, Tries()),
        TuneCallback(recorder, make_health()),
        TuneStopper(make_health()),
    ]
    for adapter in adapters:
        assert vars(pickle.loads(pickle.dumps(adapter))) == {}


def test_in_a_session_that_ends_early_no_trial_begins_and_none_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "_get", lambda trial: None)
    monkeypatch.setattr(pulse, "_put", lambda name, value: None)
    recorder, source = make_recorder(tmp_path), Source(STARTS)
    health = make_health()
    searcher, callback = TuneSearcher(source, health), TuneCallback(recorder, health)
    stopper = TuneStopper(health)
    assert searcher.suggest("a") == to_json(STARTS[0])
    callback.on_trial_start(0, [], tune_trial(STARTS[0]))
    assert not stopper.stop_all()
    health.ending.interrupted = True
    assert not stopper.stop_all()  # the trial saves its checkpoint
    assert searcher.suggest("b") is None
    callback.on_trial_error(0, [], tune_trial(STARTS[0], tmp_path / "error.txt"))
    searcher.on_trial_complete("a", error=True)
    with pytest.raises(Left):
        stopper.stop_all()
    assert (source.heard, recorder.run.ends()) == ([], {})


def test_a_session_ends_once_its_time_is_over() -> None:
    over = False
    stopper = TuneStopper(make_health(), lambda: over)
    assert not stopper.stop_all()
    over = True
    assert stopper.stop_all()
