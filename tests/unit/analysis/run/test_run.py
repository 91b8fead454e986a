"""A run's folder: nothing that was reported is ever lost, and its tables follow from its log alone."""

import json
import os
import pickle
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.run import tables
from analysis.run.earlier import EarlierTrial
from analysis.run.events import End, Event, Start, State, from_json, to_json
from analysis.run.run import Run, RunError
from analysis.run.search_json import FORMAT
from analysis.run.storage import Disk, Folder
from tests.helpers import fake_runs
from trainables.config import Flat
from trainables.report import Report

MORPH: Flat = {"degradation/kind": "morph", "training/lr": 0.002, "training/batch": 64, "network/norm": True}
MASK: Flat = {"degradation/kind": "mask", "training/lr": 1, "degradation/mask/count": 5, "network/norm": False}


def start(number: int, variant: Flat = MORPH, baseline: str = "", time: float = 0.0) -> Start:
    return Start(f"{number:03d}-trial", number, 7 * number, baseline, variant, time=time)


def report(number: int, rung: int, fmd: float = 50.0, **more: object) -> Report:
    measured = {"fmd": fmd, "fmd_normalised": fmd / 700, "fmd_se": 1.5, "fmd_corrected": fmd - 1.0, "loss": 0.25}
    checked = {"validation_loss": 0.2, "ssim": 0.5, "psnr": 16.0, "rmse": 0.1}
    spent = {"train_seconds": 4.0, "sample_seconds": 2.0, "score_seconds": 1.0, "setup_seconds": 0.5}
    speed = {"images_per_second": 800.0, "parameters": 12345, "nfe": 20, "diverged": False}
    values = {"trial": f"{number:03d}-trial", "images_seen": 1000 * 2**rung, "rung": rung}
    return Report.from_dict({**values, **measured, **checked, **spent, **speed, **more})


def end(number: int, state: State = "COMPLETE", time: float = 0.0) -> End:
    return End(f"{number:03d}-trial", state, time=time)


STORY: list[Event] = [
    start(0, time=1.0),
    start(1, MASK, "A4", time=2.0),
    report(0, 0, 90.0, time=3.0),
    report(1, 0, 80.0, time=4.0),
    end(1, "PRUNED", time=5.0),
    start(2, time=6.0),
    report(0, 1, 60.0, time=7.0),
    end(2, "FAILED", time=8.0),
    report(0, 2, 40.0, time=9.0),
    end(0, time=10.0),
]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run.create(tmp_path / "runs", "degradations")
    for event in STORY:
        run.append(event)
    return run


def test_trials_hold_the_last_report_the_time_spent_and_the_configuration(run: Run) -> None:
    first, second, third = run.trials().to_pylist()
    assert (first["trial"], first["number"], first["seed"], first["state"]) == ("000-trial", 0, 0, "COMPLETE")
    assert (first["images_seen"], first["rung"], first["fmd"], first["parameters"]) == (4000, 2, 40.0, 12345)
    assert (first["train_seconds"], first["setup_seconds"]) == (12.0, 1.5)
    assert first["started"].timestamp() == 1.0
    assert first["ended"].timestamp() == 10.0
    assert (second["baseline"], second["state"], second["degradation/mask/count"]) == ("A4", "PRUNED", 5)
    assert first["degradation/mask/count"] is None
    assert (third["state"], third["fmd"], third["diverged"], third["rung"]) == ("FAILED", None, None, None)


def test_curves_hold_every_report(run: Run) -> None:
    curves = run.curves()
    assert curves["trial"].to_pylist() == ["000-trial"] * 3 + ["001-trial"]
    assert curves["fmd"].to_pylist() == [90.0, 60.0, 40.0, 80.0]
    assert curves["train_seconds"].to_pylist() == [4.0] * 4


def test_tables_are_typed_and_documented(run: Run) -> None:
    run.write_tables()
    trials, curves, training = (
        pq.read_table(run.path / f"{name}.parquet") for name in ("trials", "curves", "training")
    )
    assert training.equals(run.training())
    assert training.schema.equals(tables.TRAINING)
    assert trials.equals(run.trials())
    assert curves.equals(run.curves())
    assert curves.schema.equals(tables.CURVES)
    assert trials.select(tables.TRIALS.names).schema.equals(tables.TRIALS)
    kinds = {"degradation/kind": pa.string(), "training/batch": pa.int64(), "network/norm": pa.bool_()}
    kinds |= {"training/lr": pa.float64(), "degradation/mask/count": pa.int64()}  # lr: an int beside a float
    assert {name: trials.schema.field(name).type for name in tables.fields(trials)} == kinds
    assert all(column.meaning for column in (*tables.TRIAL_COLUMNS, *tables.CURVE_COLUMNS, *tables.TRAINING_COLUMNS))


def test_a_training_curve_has_what_was_measured_on_the_way_where_it_was_measured(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    run.append(start(0))
    run.append(report(0, 0, 90.0, losses_at=(500, 1000), losses=(0.5, 0.25)))
    between = {"between_at": (1500,), "between_fmd": (70.0,), "between_validation_loss": (0.3,)}
    run.append(report(0, 1, 60.0, losses_at=(1250, 1500, 2000), losses=(0.2, 0.1, 0.05), **between))
    for reader in (run, Run.open(run.path)):
        rows = [tuple(row.values()) for row in reader.training().to_pylist()]
        assert rows == [
            ("000-trial", 0, 500, None, 2.0, 0.5, None, None),
            ("000-trial", 0, 1000, 0, 4.0, 0.25, 0.2, 90.0),
            ("000-trial", 0, 1250, None, 5.0, 0.2, None, None),
            ("000-trial", 0, 1500, None, 6.0, 0.1, 0.3, 70.0),
            ("000-trial", 0, 2000, 1, 8.0, 0.05, 0.2, 60.0),
        ]
        assert reader.curves()["images_seen"].to_pylist() == [1000, 2000]
        assert reader.trials()["fmd"].to_pylist() == [60.0]


def test_a_training_curve_of_a_run_without_losses_on_the_way_has_those_of_its_reports(run: Run) -> None:
    first = [row for row in run.training().to_pylist() if row["trial"] == "000-trial"]
    points = [(row["images_seen"], row["train_seconds"], row["loss"], row["fmd"]) for row in first]
    assert points == [(1000, 4.0, 0.25, 90.0), (2000, 8.0, 0.25, 60.0), (4000, 12.0, 0.25, 40.0)]


def test_an_empty_run_has_empty_tables_of_the_same_types(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "empty")
    run.write_tables()
    assert pq.read_table(run.path / "trials.parquet").schema.equals(tables.TRIALS)
    assert run.curves().num_rows == 0


def test_a_log_cut_anywhere_keeps_every_whole_line_and_can_go_on(run: Run, tmp_path: Path) -> None:
    log = (run.path / "log.jsonl").read_bytes()
    lines = log.splitlines(keepends=True)
    for length in range(len(log) - len(lines[-1]) - 1, len(log) + 1):
        cut = tmp_path / "cut"
        cut.mkdir(exist_ok=True)
        (cut / "log.jsonl").write_bytes(log[:length])
        whole = log[:length].count(b"\n")
        assert Run.open(cut).events() == run.events()[:whole]
        continued = Run.open(cut)
        assert continued.append(report(2, 0, time=11.0))
        continued.close()
        assert Run.open(cut).events() == [*run.events()[:whole], report(2, 0, time=11.0)]


def test_a_killed_process_loses_no_event_that_append_returned_from(tmp_path: Path) -> None:
    program = f"""
import itertools
from analysis.run.events import Start
from analysis.run.run import Run
from trainables.report import Report
run = Run.create({str(tmp_path)!r}, "killed")
run.append(Start("a", 0, 0, "", {{}}))
for rung in itertools.count():
    run.append(Report.from_dict({{"trial": "a", "images_seen": rung}}))
    print(rung, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline() for _ in range(20)]
        process.send_signal(signal.SIGKILL)
        returned = int([*lines, *process.stdout][-1])
    seen = [one.images_seen for one in Run.open(tmp_path / "killed").reports()["a"]]
    assert seen == list(range(len(seen)))
    assert len(seen) > returned


def test_the_first_of_repeated_reports_counts(run: Run) -> None:
    trials, curves = run.trials(), run.curves()
    assert not run.append(report(0, 1, 999.0))
    for repeated in (run, Run.open(run.path)):
        assert repeated.trials().equals(trials)
        assert repeated.curves().equals(curves)
        assert len(repeated.events()) == len(STORY)


@pytest.mark.parametrize("seed", range(3))
def test_tables_do_not_depend_on_the_order_of_the_events_of_trials_that_never_pause(
    run: Run, tmp_path: Path, seed: int
) -> None:
    shuffled = Run.create(tmp_path, "shuffled")
    for event in random.Random(seed).sample(STORY, len(STORY)):
        shuffled.append(event)
    names = run.trials().column_names
    assert shuffled.trials().select(names).equals(run.trials())
    assert shuffled.curves().equals(run.curves())


def test_a_trial_started_again_keeps_its_first_start_and_takes_its_last_end(run: Run) -> None:
    run.append(start(2, time=20.0))
    run.append(end(2, "COMPLETE", time=30.0))
    row = run.trials().to_pylist()[2]
    assert (row["state"], row["started"].timestamp(), row["ended"].timestamp()) == ("COMPLETE", 6.0, 30.0)


def test_a_paused_trial_has_not_ended_and_runs_again_once_its_start_is_logged_again(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "paused")
    for event, state, ended in (
        (start(0, time=1.0), "RUNNING", None),
        (report(0, 0, time=2.0), "RUNNING", None),
        (end(0, "PAUSED", time=3.0), "PAUSED", None),
        (start(0, time=4.0), "RUNNING", None),
        (end(0, "PAUSED", time=5.0), "PAUSED", None),
        (end(0, "PRUNED", time=6.0), "PRUNED", 6.0),
    ):
        run.append(event)
        for reader in (run, Run.open(run.path)):
            (row,) = reader.trials().to_pylist()
            assert (row["state"], row["started"].timestamp()) == (state, 1.0)
            assert (row["ended"] and row["ended"].timestamp()) == ended
    assert run.ends()["000-trial"].state == "PRUNED"
    assert run.starts()["000-trial"] == start(0, time=1.0)


def test_starts_reports_and_ends_are_by_trial(run: Run) -> None:
    assert list(run.starts()) == ["000-trial", "001-trial", "002-trial"]
    assert {name: [one.fmd for one in reports] for name, reports in run.reports().items()} == {
        "000-trial": [90.0, 60.0, 40.0],
        "001-trial": [80.0],
    }
    states = {name: end.state for name, end in run.ends().items()}
    assert states == {"001-trial": "PRUNED", "002-trial": "FAILED", "000-trial": "COMPLETE"}


@pytest.mark.parametrize("event", [*STORY[1:5], STORY[7], replace(start(3), repeats="000-trial", sampling_seed=9)])
def test_an_event_is_the_same_after_json(event: Event) -> None:
    assert from_json(json.loads(json.dumps(to_json(event)))) == event


def test_an_event_without_a_time_gets_that_of_the_append(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "timed")
    values = {"trial": "000-trial", "images_seen": 1000, "rung": 0, "fmd": 5.0}
    for event in (start(0), Report.from_dict(values), end(0)):
        run.append(event)
    assert all(event.time > 1e9 for event in run.events())
    assert run.trials()["ended"].to_pylist()[0].timestamp() > 1e9
    assert run.curves()["time"].to_pylist()[0].timestamp() > 1e9


# Lines of a log as earlier versions wrote them.
OLD_LOG = """\
{"event":"start","trial":"000-a","number":0,"seed":3,"baseline":"","variant":{"training/lr":0.1},"time":1.0}
{"event":"report","trial":"000-a","images_seen":1000,"rung":0,"fmd":50.0,"loss":null,"of_another_version":1,"time":2.0}
{"event":"end","trial":"000-a","state":"FAIL","error":"Traceback","time":3.0}
{"event":"start","trial":"001-b","number":1,"seed":4,"baseline":"A0","variant":{"training/lr":0.2}}
{"event":"report","trial":"001-b","images_seen":1000,"rung":0,"fmd":40.0,"diverged":false}
{"event":"end","trial":"001-b","state":"PRUNED"}
"""


def test_a_log_of_an_earlier_version_is_read_in_todays_names(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "log.jsonl").write_text(OLD_LOG)
    run = Run.open(folder)
    first, second = run.trials().to_pylist()
    assert (first["state"], first["fmd"], first["loss"], first["ssim"]) == ("FAILED", 50.0, None, None)
    assert run.ends()["000-a"] == End("000-a", "FAILED", "Traceback", time=3.0)
    assert (second["state"], second["baseline"], second["fmd"], second["diverged"]) == ("PRUNED", "A0", 40.0, False)
    assert run.curves().num_rows == 2
    run.append(Start("002-c", 2, seed=5, baseline="", variant={}))
    assert (folder / "log.jsonl").read_text().startswith(OLD_LOG)


def test_a_log_is_read_once_however_long_it_grows(tmp_path: Path) -> None:
    events = [event for n in range(200) for event in (start(n), report(n, 0), report(n, 1), end(n))]
    lines = [json.dumps({**to_json(event), "time": 1.0}) + "\n" for event in events]
    written = Run.create(tmp_path, "long")
    log = written.path / "log.jsonl"
    log.write_text("".join(lines))
    reader = Run.open(written.path)
    assert reader.trials().num_rows == 200
    log.write_bytes(b"x" * log.stat().st_size)  # nobody looks at these bytes again
    with log.open("a") as file:
        file.write(json.dumps(to_json(start(200, time=2.0))) + "\n")
    assert reader.trials().num_rows == 201
    assert reader.append(end(200))
    assert reader.trials()["state"][200].as_py() == "COMPLETE"
    assert reader.curves().num_rows == 400


def test_a_reader_follows_a_run_that_goes_on_and_waits_for_the_whole_line(run: Run) -> None:
    reader = Run.open(run.path)
    run.append(start(3))
    assert reader.trials().num_rows == 4
    line = json.dumps(to_json(start(4, time=1.0))).encode() + b"\n"
    with (run.path / "log.jsonl").open("ab", buffering=0) as log:
        log.write(line[:40])
        assert reader.trials().num_rows == 4
        log.write(line[40:])
    assert reader.trials().num_rows == 5


def test_a_copy_reads_like_the_original(run: Run, tmp_path: Path) -> None:
    run.write_settings({"status": "done", "metric": fake_runs.CARD})
    copy = Run.open(shutil.copytree(run.path, tmp_path / "elsewhere" / "copy"))
    assert copy.trials().equals(run.trials())
    assert copy.settings() == {"format": FORMAT, "status": "done", "metric": fake_runs.CARD}
    assert pickle.loads(pickle.dumps(run)).trials().equals(run.trials())


def test_floats_that_are_not_finite_become_null(run: Run) -> None:
    run.append(report(2, 0, loss=float("inf"), diverged=True))
    assert run.trials()["loss"].to_pylist() == [0.25, 0.25, None]
    assert '"loss":null' in (run.path / "log.jsonl").read_text().splitlines()[-1]
    run.write_settings({"blank": [float("nan"), 1.0]})
    assert run.settings() == {"format": FORMAT, "blank": [None, 1.0]}


def test_settings_are_empty_before_they_are_written(run: Run) -> None:
    assert run.settings() == {}


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_is_one_line_and_leaves_whole_lines(run: Run) -> None:
    size = (run.path / "log.jsonl").stat().st_size
    with files_of_at_most(size + 50), pytest.raises(RunError, match=r"cannot write to .*log\.jsonl.*--resume") as error:
        run.append(start(3))
    assert "\n" not in str(error.value)
    assert Run.open(run.path).events() == run.events()
    assert run.append(start(3))
    assert Run.open(run.path).trials().num_rows == 4


@pytest.mark.parametrize("write", ["checkpoint", "file"])
def test_a_file_is_on_the_disk_before_it_has_its_name(run: Run, write: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that loses its power in between may otherwise have the new name with half of the content."""
    done: list[str] = []
    sync, replace_ = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda file: (done.append("sync"), sync(file)))
    monkeypatch.setattr(Path, "replace", lambda old, new: (done.append("name"), replace_(old, new)))
    if write == "checkpoint":
        Folder(run.uri).save_checkpoint("000-trial", b"weights")
        assert Folder(run.uri).load_checkpoint("000-trial") == b"weights"
    else:
        run.write(run.report, b"page")
    assert done == ["sync", "name"]


def test_a_full_disk_leaves_the_old_file_and_no_part_of_the_new_one(run: Run) -> None:
    Folder(run.uri).save_checkpoint("000-trial", b"old")
    with files_of_at_most(50), pytest.raises(OSError, match="File too large"):
        Folder(run.uri).save_checkpoint("000-trial", bytes(100))
    assert {path.name: path.read_bytes() for path in run.checkpoints.iterdir()} == {"000-trial.pt": b"old"}


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-a", "a b", "é"])
def test_a_name_is_a_plain_file_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="run name"):
        Run.create(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_bad_folders_are_one_line_that_says_what_would_be_right(run: Run, tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.touch()
    folder.mkdir()
    (folder / "thesis.tex").touch()
    attempts = {
        "--resume degradations, or give another --name": lambda: Run.create(run.path.parent, "degradations"),
        "is not a run: give another --name": lambda: Run.create(tmp_path, "folder"),
        "Not a directory: give a writable --storage-path": lambda: Run.create(file, "a"),
        "no run at": lambda: Run.open(tmp_path / "none"),
        "it has no log.jsonl": lambda: Run.open(folder),
    }
    for message, attempt in attempts.items():
        with pytest.raises(RunError) as error:
            attempt()
        assert message in str(error.value)
        assert "\n" not in str(error.value)
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]


FIRST_STEPS = [
    lambda run: None,
    lambda run: run.samples.mkdir(),
    lambda run: run.ray.mkdir(),
    lambda run: (run.path / "log.jsonl").touch(),
    lambda run: (run.path / ".search.json.part").write_text("{"),
    lambda run: run.write_settings({}),
]


@pytest.mark.parametrize("steps", range(len(FIRST_STEPS) + 1))
@pytest.mark.parametrize("confirms", [False, True], ids=["search", "confirmation"])
def test_a_folder_that_a_crash_left_half_made_is_made_whole(steps: int, confirms: bool, run: Run) -> None:
    name = "confirm" if confirms else "new"
    half = Run(Disk(run.path / name))
    half.path.mkdir()
    for step in FIRST_STEPS[:steps]:
        step(half)
    made = run.begin_confirmation() if confirms else Run.create(run.path, name)
    assert made.path == half.path
    assert made.append(start(0))
    assert all(folder.is_dir() for folder in (made.samples, made.artifacts, made.checkpoints, made.tensorboard))
    with pytest.raises(RunError, match=f"exists already: continue it with --resume {name}, or"):
        Run.create(run.path, name)


def test_earlier_trials_of_an_attempt_that_was_cut_off_do_not_stay(tmp_path: Path) -> None:
    Run.create(tmp_path, "run").write_earlier_trials([EarlierTrial("runs/a", "000", 4000, MORPH, (report(0, 0),))])
    run = Run.create(tmp_path, "run")
    assert len(run.earlier_trials()) == 1
    run.write_earlier_trials([])
    assert Run.open(run.path).earlier_trials() == []


@pytest.mark.parametrize(
    "damage",
    [
        *(b"{}", b"not json", b"[1]", b"\xff", b'{"trial": "a"}', b'{"event": "stop", "trial": "a"}'),
        *(b'{"event": "start", "trial": "a"}', b'{"event": "report", "trial": "a"}', b'{"event": "end"}'),
    ],
)
def test_damage_before_the_end_of_the_log_is_named_by_its_line(run: Run, damage: bytes) -> None:
    log = run.path / "log.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([lines[0], damage, b"\n", *lines[1:]]))
    with pytest.raises(RunError, match="line 2 is no event of a run"):
        Run.open(run.path)


@pytest.mark.parametrize("repeats", [None, "009-trial"])
def test_a_training_of_the_confirmation_repeats_a_trial_of_the_search(run: Run, repeats: str | None) -> None:
    nested = run.begin_confirmation()
    nested.append(replace(start(0), trial="001-trial.7", repeats="001-trial"))
    assert Run.open(run.path).confirmed() is not None
    nested.append(replace(start(1), trial="001-trial.8", repeats=repeats))
    with pytest.raises(RunError, match=r"confirm/log\.jsonl: 001-trial\.8 repeats .*, which is no trial of") as error:
        Run.open(run.path).confirmed()
    assert "\n" not in str(error.value)


def test_damaged_settings_are_one_line(run: Run) -> None:
    (run.path / "search.json").write_text("{")
    with pytest.raises(RunError, match=r"search\.json is not JSON") as error:
        run.settings()
    assert "\n" not in str(error.value)
