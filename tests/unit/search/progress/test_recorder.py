"""What a search leaves and shows while it runs: its log, its checkpoints, where its time went."""

import io
import json
from collections.abc import Container
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.metadata import SESSION_START_INFO_TAG
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from analysis.run.events import End, Start, State
from analysis.run.run import Run
from search.history import History
from search.machine import Machine
from search.options import KEPT_CHECKPOINTS
from search.progress import budget as budget_module
from search.progress import time_spent as time_spent_module
from search.progress.budget import Budget, as_clock
from search.progress.notes import Notes
from search.progress.recorder import Recorder
from search.progress.terminal import Display
from search.progress.time_spent import TimeSpent
from search.schedulers import ASHA, Scheduler
from search.settings import Settings
from search.tries import MAX_FAILURES, Tries
from tests.helpers.tools import Clock
from trainables.report import Report

RUNGS = (100, 300, 900)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (budget_module, time_spent_module):
        monkeypatch.setattr(module, "time", clock)
    return clock


def make_display() -> Display:
    settings = Settings.resolve(
        {"name": "run", "trials": 7, "max_images": 900, "grace_images": 100}, "widths", "", Machine(2, 0)
    )
    return Display(settings, Notes(Budget(100.0), Console(file=io.StringIO()), quiet=True))


def make_start(number: int) -> Start:
    return Start(f"{number:03d}-x", number, seed=1, baseline="", variant={"pixels": "-1..1"})


def make_report(number: int, images_seen: int, fmd: float) -> Report:
    seconds = {"train_seconds": 4.0, "sample_seconds": 2.0, "score_seconds": 1.0, "setup_seconds": 0.5}
    values = {"trial": f"{number:03d}-x", "images_seen": images_seen, "rung": RUNGS.index(images_seen), "fmd": fmd}
    return Report.from_dict({**values, **seconds, "fmd_normalised": fmd / 100, "images_per_second": 25.0})


def make_recorder(
    run: Run, tries: Tries | None = None, paused: Container[int] = (), kind: type[Scheduler] = ASHA
) -> Recorder:
    """The recorder of a session that goes on with the run, by a scheduler of this kind."""
    history, display = History(run.events(), kind(RUNGS, 3)), make_display()
    return Recorder(run, history, display, tries or Tries(), paused=paused, kept_checkpoints=KEPT_CHECKPOINTS)


def run_trial(recorder: Recorder, number: int, fmd: float, rungs: tuple[int, ...] = RUNGS) -> None:
    """Let a trial reach these rungs and leave its process."""
    start = make_start(number)
    recorder.on_start(start)
    for rung in rungs:
        (recorder.run.checkpoints / f"{start.trial}.pt").write_bytes(b"weights")
        recorder.on_report(start, make_report(number, rung, fmd), leaves=rung == rungs[-1])
    recorder.on_end(start)


def kinds(run: Run) -> list[tuple[str, str]]:
    """Kind and trial of each event."""
    return [(type(event).__name__, event.trial) for event in run.events()]


def states(run: Run) -> list[State]:
    return [event.state for event in run.events() if isinstance(event, End)]


def test_checkpoints_are_kept_of_the_best_complete_trials_only_also_over_a_resume(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    recorder = make_recorder(run)
    for number, fmd in enumerate((50.0, 40.0, 60.0, 30.0)):
        run_trial(recorder, number, fmd)
    run_trial(recorder, 4, 1.0, rungs=RUNGS[:1])
    assert states(run) == ["COMPLETE"] * 4 + ["PRUNED"]
    assert {path.stem for path in run.checkpoints.iterdir()} == {"000-x", "001-x", "003-x"}
    assert len(list(run.checkpoints.iterdir())) == KEPT_CHECKPOINTS
    run_trial(make_recorder(Run.open(run.path)), 5, 20.0)
    assert {path.stem for path in run.checkpoints.iterdir()} == {"001-x", "003-x", "005-x"}


def test_a_trial_that_starts_and_reports_again_is_logged_once(clock: Clock, tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    recorder = make_recorder(run)
    for _ in range(2):
        recorder.on_start(make_start(0))
        clock.now += 8
        recorder.on_report(make_start(0), make_report(0, 100, 5.0), leaves=False)
    resumed = make_recorder(Run.open(run.path), kind=Scheduler)  # under which the trial was interrupted, not paused
    resumed.on_start(make_start(0))
    assert kinds(Run.open(run.path)) == [("Start", "000-x"), ("Report", "000-x")]
    assert recorder.spent.spent["train"] == 4.0


def test_a_paused_trial_is_logged_as_such_and_its_start_again_when_it_is_promoted(tmp_path: Path) -> None:
    run, paused = Run.create(tmp_path, "run"), {0: 0}
    run_trial(make_recorder(run, paused=paused), 0, 5.0, rungs=RUNGS[:1])
    assert states(run) == ["PAUSED"]
    assert run.trials()["state"].to_pylist() == ["PAUSED"]
    assert run.kept_checkpoints() == ["000-x"]
    for session in (make_recorder(run, paused=paused), make_recorder(Run.open(run.path), paused=paused)):
        session.on_start(make_start(0))
        assert session.run.trials()["state"].to_pylist() == ["RUNNING"]
        session.on_report(make_start(0), make_report(0, 300, 4.0), leaves=True)
        session.on_end(make_start(0))
        assert session.run.trials()["state"].to_pylist() == ["PAUSED"]
    last = make_recorder(Run.open(run.path), paused=paused)
    last.on_prune("000-x")
    assert states(last.run) == ["PAUSED"] * 3 + ["PRUNED"]
    assert last.run.kept_checkpoints() == []


def test_a_trial_that_the_time_cut_off_is_logged_as_pruned_unless_it_never_came_to_a_process(tmp_path: Path) -> None:
    recorder = make_recorder(Run.create(tmp_path, "run"))
    recorder.on_start(make_start(0))
    for number in range(2):
        recorder.on_prune(make_start(number).trial)
    assert kinds(recorder.run) == [("Start", "000-x"), ("End", "000-x")]
    assert states(recorder.run) == ["PRUNED"]


def test_a_failure_is_logged_with_its_traceback_unless_the_trial_runs_again(tmp_path: Path) -> None:
    tries = Tries()
    assert [tries.count_failure(1) for _ in range(MAX_FAILURES + 1)][-1] is False
    recorder = make_recorder(Run.create(tmp_path, "run"), tries)
    for number in range(2):
        recorder.on_error(make_start(number), "Traceback ...\nValueError: no luck\n")
    assert kinds(recorder.run) == [("Start", "001-x"), ("End", "001-x")]
    end = recorder.run.ends()["001-x"]
    assert (end.state, end.error) == ("FAILED", "Traceback ...\nValueError: no luck\n")


def test_the_records_tell_the_status_and_the_time(clock: Clock, tmp_path: Path) -> None:
    recorder = make_recorder(Run.create(tmp_path, "run"))
    recorder.on_start(make_start(0))
    clock.now += 8
    recorder.on_report(make_start(0), make_report(0, RUNGS[0], 5.0), leaves=False)
    recorder.write(status="done")
    settings = recorder.run.settings()
    assert (settings["status"], settings["seconds"]["train"], settings["seconds"]["trials"]) == ("done", 4.0, 8.0)
    assert (recorder.run.path / "trials.parquet").is_file()


def test_time_is_accounted_for_over_sessions(clock: Clock) -> None:
    spent = TimeSpent(2, {})
    clock.now += 10  # the first processes start
    spent.start("000-x")
    spent.start("001-x")
    clock.now += 20
    spent.report(make_report(0, 100, 5.0))
    spent.report(make_report(1, 100, 5.0))
    spent.end("000-x")
    clock.now += 10
    spent.end("001-x")
    summary = spent.summary()
    assert summary["wall_seconds"] == 40
    assert summary["seconds"] == {"wall": 40, "trials": 50, "train": 8, "sample": 4, "score": 2, "setup": 1}
    assert summary["overhead"] == pytest.approx(1 - 14 / 50)
    assert summary["idle"] == pytest.approx(1 - 50 / 80, abs=1e-4)
    clock.now += 1000  # nobody searches
    saved = json.loads(json.dumps(summary))
    older = {name: value for name, value in saved.items() if name != "slot_seconds"}
    for settings in (saved, older):
        resumed = TimeSpent(1, settings)
        clock.now += 5
        summary = resumed.summary()
        assert (summary["seconds"]["wall"], summary["seconds"]["trials"]) == (45, 50)
        assert summary["idle"] == pytest.approx(1 - 50 / (2 * 40 + 5), abs=1e-4)  # one slot less on this machine


def test_what_a_trial_reports_of_a_session_that_was_killed_is_not_counted(clock: Clock) -> None:
    spent = TimeSpent(1, {})
    spent.start("000-x")
    clock.now += 3  # the checkpoint has a report of 7.5 seconds, which the killed session did not log
    spent.report(make_report(0, 100, 5.0))
    spent.end("000-x")
    summary = spent.summary()
    parts = {part: summary["seconds"][part] for part in ("train", "sample", "score", "setup")}
    assert parts == pytest.approx({"train": 1.6, "sample": 0.8, "score": 0.4, "setup": 0.2})
    assert summary["overhead"] == pytest.approx(0.2 / 3, abs=1e-4)


def test_a_budget_is_of_the_whole_command_over_its_sessions(clock: Clock, tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    first = Budget(100.0, began=clock.now - 7)  # Python and torch are loaded
    clock.now += 13
    assert (first.elapsed(), first.left()) == (20.0, 80.0)
    run.write_settings({"wall_seconds": 10.0, **first.used()})
    clock.now += 1000  # nobody searches
    second = Budget(100.0, run.used_seconds(), clock.now)
    clock.now += 90
    assert (second.elapsed(), second.left()) == (110.0, -10.0)
    nested = run.begin_confirmation()
    nested.write_settings(second.used())  # as the confirmation writes it while it goes on
    assert run.used_seconds() == 110.0


def test_of_a_run_of_version_0_1_the_search_and_the_confirmation_are_what_it_took(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    run.write_settings({"wall_seconds": 510.0})
    assert run.used_seconds() == 510.0
    run.begin_confirmation().write_settings({"wall_seconds": 700.0})
    assert run.used_seconds() == 1210.0


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (725, "12:05"), (3_600, "1:00:00")])
def test_clock(seconds: float, text: str) -> None:
    assert as_clock(seconds) == text


def test_tensorboard_has_the_configuration_that_a_training_chose(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    recorder, begun = make_recorder(run), replace(make_start(0), chooses=True)
    told = replace(make_report(0, RUNGS[-1], 5.0), tried_guidance=(0.7, 1.4), tried_fmd=(5.5, 5.0))
    recorder.on_start(begun)
    recorder.on_report(begun, told, leaves=True)
    events = EventAccumulator(str(run.tensorboard / begun.trial)).Reload()
    content = events.SummaryMetadata(SESSION_START_INFO_TAG).plugin_data.content
    fields = HParamsPluginData.FromString(content).session_start_info.hparams
    assert fields["sampler/guidance"].number_value == 1.4
