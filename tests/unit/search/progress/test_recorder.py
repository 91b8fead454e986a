"""What a search leaves and shows while it runs: its log, its checkpoints, where its time went, its display."""

import io
import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from analysis.run.run import Run
from search.execution.tune import Interruptible, interrupting
from search.machine import Machine
from search.options import KEPT_CHECKPOINTS
from search.progress import budget as ledger_module
from search.progress.budget import OVERTIME, Ledger, as_clock
from search.progress.recorder import Recorder
from search.progress.terminal import Display
from search.schedulers import ASHA
from search.settings import Settings
from search.study.resume import History
from search.study.tries import MAX_FAILURES, Tries
from tests.helpers.tools import Clock
from trainables.trial import PREEMPTED

RUNGS = (100, 300, 900)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(ledger_module, "time", clock)
    return clock


def make_display(ledger: Ledger) -> Display:
    settings = Settings.resolve(
        {"name": "run", "trials": 7, "max_images": 900, "grace_images": 100}, "widths", "", Machine(2, 0)
    )
    return Display(settings, ledger, Console(file=io.StringIO()), quiet=True)


def make_report(images_seen: int, fmd: float, diverged: bool = False) -> dict[str, Any]:
    seconds = {"train_seconds": 4.0, "sample_seconds": 2.0, "score_seconds": 1.0, "setup_seconds": 0.5}
    numbers = {"fmd": fmd, "fmd_normalised": fmd / 100, "fmd_se": 0.1, "fmd_corrected": fmd, "loss": 0.5}
    checked = {"validation_loss": 0.6, "ssim": 0.7, "psnr": 20.0, "rmse": 0.1, "loss_by_t": [0.6], "ssim_by_t": [0.7]}
    speed = {"images_per_second": 25.0, "parameters": 10, "nfe": 4, "rung": RUNGS.index(images_seen)}
    return {"images_seen": images_seen, "diverged": diverged, **seconds, **numbers, **checked, **speed}


def make_trial(number: int, **more: Any) -> Any:
    config = {"trial": f"{number:03d}-x", "number": number, "seed": 1, "baseline": "", "variant": {"pixels": "-1..1"}}
    return SimpleNamespace(config=config, **more)


def make_recorder(run: Run, tries: Tries | None = None) -> Recorder:
    ledger = Ledger(slots=2, budget=100.0)
    return Recorder(run, History(run.events(), ASHA(RUNGS, 3)), ledger, make_display(ledger), tries or Tries())


def complete(recorder: Recorder, number: int, fmd: float) -> None:
    """Let a trial go through all rungs."""
    trial = make_trial(number)
    recorder.on_trial_start(0, [], trial)
    for rung in RUNGS:
        (recorder.run.checkpoints / f"{trial.config['trial']}.pt").write_bytes(b"weights")
        recorder.on_trial_result(0, [], trial, make_report(rung, fmd))
    recorder.on_trial_complete(0, [], trial)


def test_checkpoints_are_kept_of_the_best_complete_trials_only_also_over_a_resume(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    recorder = make_recorder(run)
    for number, fmd in enumerate((50.0, 40.0, 60.0, 30.0)):
        complete(recorder, number, fmd)
    stopped = make_trial(4)
    recorder.on_trial_start(0, [], stopped)
    (run.checkpoints / "004-x.pt").write_bytes(b"weights")
    recorder.on_trial_result(0, [], stopped, make_report(100, 1.0))
    recorder.on_trial_complete(0, [], stopped)
    assert {path.stem for path in run.checkpoints.iterdir()} == {"000-x", "001-x", "003-x"}
    assert len(list(run.checkpoints.iterdir())) == KEPT_CHECKPOINTS
    complete(make_recorder(Run.open(run.path)), 5, 20.0)
    assert {path.stem for path in run.checkpoints.iterdir()} == {"001-x", "003-x", "005-x"}


def test_a_trial_that_starts_and_reports_again_is_logged_once(tmp_path: Path) -> None:
    recorder = make_recorder(Run.create(tmp_path, "run"))
    for _ in range(2):
        recorder.on_trial_start(0, [], make_trial(0))
        recorder.on_trial_result(0, [], make_trial(0), make_report(100, 5.0))
    assert [event["event"] for event in recorder.run.events()] == ["start", "report"]
    assert recorder.ledger.spent.train == 4.0


def test_a_failure_is_logged_with_its_traceback_unless_the_trial_runs_again(tmp_path: Path) -> None:
    (tmp_path / "error.txt").write_text("Traceback ...\nValueError: no luck\n")
    tries = Tries()
    assert [tries.fails(1) for _ in range(MAX_FAILURES + 1)][-1] is False
    recorder = make_recorder(Run.create(tmp_path, "run"), tries)
    for number in range(2):
        recorder.on_trial_error(0, [], make_trial(number, error_file=str(tmp_path / "error.txt")))
    events = recorder.run.events()
    assert [(event["event"], event["trial"]) for event in events] == [("start", "001-x"), ("end", "001-x")]
    assert (events[1]["state"], events[1]["error"]) == ("FAIL", "Traceback ...\nValueError: no luck\n")


def test_a_trial_that_leaves_its_machine_keeps_its_tries(tmp_path: Path) -> None:
    (tmp_path / "error.txt").write_text(f"Traceback ...\ntrainables.trial.Preempted: {PREEMPTED}\n")
    tries = Tries()
    recorder = make_recorder(Run.create(tmp_path, "run"), tries)
    for _ in range(2 * MAX_FAILURES):
        tries.forgive(0)  # as search/execution/stopping.py does
        assert tries.fails(0)
        recorder.on_trial_error(0, [], make_trial(0, error_file=str(tmp_path / "error.txt")))
    assert recorder.run.events() == []


def test_time_is_accounted_for_over_sessions(clock: Clock) -> None:
    ledger = Ledger(slots=2, budget=100.0)
    clock.now += 10  # Ray starts
    ledger.start("a")
    ledger.start("b")
    clock.now += 20
    ledger.report(make_report(100, 5.0))
    ledger.report(make_report(100, 5.0))
    ledger.end("a")
    clock.now += 10
    ledger.end("b")
    summary = ledger.summary()
    assert summary["wall_seconds"] == 40
    assert summary["seconds"] == {"wall": 40, "trials": 50, "train": 8, "sample": 4, "score": 2, "setup": 1}
    assert summary["overhead"] == pytest.approx(1 - 14 / 50)
    assert summary["idle"] == pytest.approx(1 - 50 / 80, abs=1e-4)
    clock.now += 1000  # nobody searches
    resumed = Ledger.load(2, 100.0, json.loads(json.dumps(summary)))
    clock.now += 5
    assert resumed.elapsed() == 45
    assert resumed.summary()["seconds"]["trials"] == 50


def test_when_the_budget_is_spent_only_what_ends_soon_goes_on(clock: Clock) -> None:
    ledger = Ledger(slots=2, budget=100.0)
    clock.now += 99
    assert not ledger.out_of_time()
    assert ledger.has_time(100 * OVERTIME - 99)
    assert not ledger.has_time(100 * OVERTIME - 98)
    clock.now += 1
    assert ledger.out_of_time()


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (725, "12:05"), (3_600, "1:00:00")])
def test_clock(seconds: float, text: str) -> None:
    assert as_clock(seconds) == text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_search_in_order_and_the_records_are_written_first(
    number: signal.Signals, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    recorder, before = make_recorder(Run.create(tmp_path, "run")), signal.getsignal(number)
    stopper = Interruptible(recorder)
    with interrupting(stopper, recorder.display):
        assert not stopper.stop_all()
        signal.raise_signal(number)
        assert stopper.stop_all()
    assert recorder.run.settings()["status"] == "interrupted"
    assert "Once more to quit at once" in capfd.readouterr().err
    assert signal.getsignal(number) == before


def test_a_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    recorder = make_recorder(Run.create(tmp_path, "run"))
    process = os.fork()
    if process == 0:
        with interrupting(Interruptible(recorder), recorder.display):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 130
