"""What a run's files may say: names that are file names, texts that command no terminal, numbers of their types."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from analysis.run import evaluations
from analysis.run.earlier import from_lines
from analysis.run.events import from_json
from analysis.run.run import Run, RunError
from search.machine import Machine
from search.settings import Settings
from tests.helpers import fake_runs

START = {"event": "start", "trial": "000-a", "number": 0, "seed": 3, "baseline": "", "variant": {"training/lr": 0.1}}
REPORT = {"event": "report", "trial": "000-a", "images_seen": 1000, "rung": 0, "fmd": 50.0, "loss_by_t": [0.5, None]}
END = {"event": "end", "trial": "000-a", "state": "FAILED", "error": "Traceback\n  ..."}


@pytest.mark.parametrize(
    "trial", ["../../x", "a/b", "..", "", ".a", "-a", "a b", "a\n", "a\x1b[31m", "a" * 300, 7, None]
)
@pytest.mark.parametrize("event", [START, REPORT, END], ids=lambda event: str(event["event"]))
def test_a_trial_has_the_name_of_a_file_in_its_folder(event: dict[str, Any], trial: object) -> None:
    with pytest.raises(ValueError, match=r"^trial is .*: expected the name of a trial$") as error:
        from_json({**event, "trial": trial})
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("event", "changes", "expected"),
    [
        (START, {"number": -1}, "number is -1: expected a whole number from 0 on"),
        (START, {"number": True}, "number is True: expected a whole number"),
        (START, {"number": 2**70}, "number is 1180591620717411303424: expected a whole number"),
        (START, {"seed": "3"}, "seed is '3': expected a whole number"),
        (START, {"baseline": "A0\x1b[2J"}, "baseline is .*: expected a text in one line"),
        (START, {"repeats": "../a"}, "repeats is '../a': expected the name of a trial, or null"),
        (START, {"variant": []}, "variant is []: expected an object of names, each with a number, a text or a flag"),
        (START, {"variant": {"a": None}}, "variant is {'a': None}: expected an object"),
        (START, {"variant": {"a": "\x1b[31m"}}, "variant is "),
        (START, {"variant": {"\x07": 1}}, "variant is "),
        (START, {"time": 1e300}, r"time is 1e\+300: expected seconds since 1970"),
        (REPORT, {"images_seen": 1.5}, "images_seen is 1.5: expected a whole number"),
        (REPORT, {"fmd": "50"}, "fmd is '50': expected a number, or null"),
        (REPORT, {"diverged": 0}, "diverged is 0: expected true or false, or null"),
        (REPORT, {"loss_by_t": 5}, "loss_by_t is 5: expected an array"),
        (END, {"state": "BROKEN"}, "state is 'BROKEN': expected one of RUNNING, PAUSED, PRUNED, COMPLETE, FAILED"),
        (END, {"state": []}, "state is .*: expected one of RUNNING"),
        (END, {"error": 1}, "error is 1: expected a text"),
        (END, {"event": {}}, "event is {}: expected one of start, report, end"),
    ],
)
def test_a_value_of_a_wrong_type_is_named(event: dict[str, Any], changes: dict[str, Any], expected: str) -> None:
    from_json(event)
    with pytest.raises(ValueError, match="^" + expected.replace("[", r"\[")) as error:
        from_json({**event, **changes})
    assert str(error.value).isprintable()


def log_of(folder: Path, *events: dict[str, Any]) -> Path:
    (folder / "log.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return folder


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([REPORT], r"line 1 is no event of a run \(000-a has not started\): put it right, or bring"),
        ([START, {**REPORT, "trial": "001-b"}], r"line 2 is no event of a run \(001-b has not started\)"),
        ([START, {**START, "trial": "001-b"}], r"line 2 is no event of a run \(001-b has the number 0: expected"),
        ([START, {**START, "number": 1}], r"line 2 is no event of a run \(000-a has the number 1: expected"),
        ([START, {**REPORT, "fmd": "x"}], r"line 2 is no event of a run \(fmd is 'x': expected a number, or null\)"),
    ],
)
def test_a_line_that_cannot_follow_is_named(events: list[dict[str, Any]], expected: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=expected):
        Run.open(log_of(tmp_path, *events))


def test_fields_of_another_version_are_left_out_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = Run.open(log_of(tmp_path, START, {**REPORT, "fid": 1}, {**REPORT, "images_seen": 2000, "fid": 2}))
    assert len(run.reports()["000-a"]) == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}/log.jsonl has fields of another version, left out: 'fid'"
    ]


def setting(**values: object) -> dict[str, Any]:
    """What search.json has with other settings."""
    return {"settings": {**fake_runs.settings("run")["settings"], **values}}


def without_setting(name: str) -> dict[str, Any]:
    """What search.json has without a setting."""
    settings = fake_runs.settings("run")["settings"]
    return {"settings": {other: value for other, value in settings.items() if other != name}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"settings": []}, "settings is []: expected an object"),
        ({"settings": {"rungs": [1]}}, "settings has no name, space, fixed, dataset"),
        ({"settings": {**fake_runs.settings("a")["settings"], "rungs": []}}, "settings/rungs is []: expected an array"),
        ({"settings": {**fake_runs.settings("a")["settings"], "seed": "4"}}, "settings/seed is '4': expected a whole"),
        ({"metric": {"floor": "low"}}, "metric/floor is 'low': expected a number"),
        ({"metric": {"floor": 1.0}}, "metric has no version, n, split, blank"),
        ({"metric": {**fake_runs.CARD, "floor_sd": "low"}}, "metric/floor_sd is 'low': expected a number, or null"),
        (setting(trials="many"), "settings/trials is 'many': expected a whole number from 1 on"),
        (without_setting("trials"), "settings has no trials"),
        (setting(slots=0), "settings/slots is 0: expected a whole number from 1 on"),
        (setting(reduction_factor="3"), "settings/reduction_factor is '3': expected a whole number from 1 on"),
        (setting(trained=["a", "b", "c"]), "settings/trained is ['a', 'b', 'c']: expected an array"),
        ({"domains": [1]}, "domains is [1]: expected an object of names, each with an object with low, high, log"),
        ({"domains": {"training/lr": {}}}, "domains is {'training/lr': {}}: expected an object of names"),
        ({"origin": "mine"}, "origin is 'mine': expected an object"),
        ({"origin": {"run": "mine"}}, "origin has no trial, anew"),
        ({"origin": {"run": "mine", "trial": "../a", "anew": True}}, "origin/trial is '../a': expected the name of a"),
        ({"changes": ["a"]}, "changes is ['a']: expected an object of names, each with a text in one line"),
        ({"every": 0}, "every is 0: expected a whole number from 1 on, or null"),
        ({"data_card": {"classes": "10"}}, "data_card has no images"),
        ({"classifier": 3}, "classifier is 3: expected a text in one line"),
        ({"used_seconds": "long"}, "used_seconds is 'long': expected a number"),
        ({"status": "\x1b[2J"}, "status is '\\x1b[2J': expected a text in one line"),
        ({"format": "three"}, "format is 'three': expected a whole number"),
    ],
)
def test_settings_of_a_wrong_type_are_one_line(changes: dict[str, Any], expected: str, tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    (run.path / "search.json").write_text(json.dumps({**fake_runs.settings("run"), **changes}))
    with pytest.raises(RunError) as error:
        run.settings()
    assert expected in str(error.value)
    assert str(error.value).startswith(f"{run.path}/search.json is damaged, ")
    assert str(error.value).isprintable()


SAVED = Settings.resolve({}, "widths", "ab12", Machine(cpus=2, gpus=0)).saved()


@pytest.mark.parametrize("name", SAVED)
def test_every_setting_that_a_search_saves_is_checked(tmp_path: Path, name: str) -> None:
    run = Run.create(tmp_path, "run")
    run.write_settings({"settings": SAVED})
    assert run.settings()["settings"] == SAVED
    run.write_settings({"settings": {**SAVED, name: [[{}]]}})
    with pytest.raises(RunError, match=rf"search\.json is damaged, settings/{name} is \[\[{{}}\]\]: expected "):
        run.settings()


def test_settings_of_a_newer_version_are_read_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = Run.create(tmp_path, "run")
    newer = {**fake_runs.settings("run"), "format": 99, "mood": "good"}
    (run.path / "search.json").write_text(json.dumps(newer))
    assert run.settings() == run.settings() == newer
    assert [record.getMessage() for record in caplog.records] == [
        f"{run.path}/search.json is of a newer version; what is new in it is left out"
    ]


def test_half_an_evaluation_or_one_of_other_columns_is_one_line(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    evaluations.store(run, {"trial": "000-a", "split": "test", "fmd": 5.0, "sampler": "ddim"})
    data = run.evaluation.read_bytes()
    for damaged in (data[: len(data) // 2], b"", bytes(len(data))):
        run.evaluation.write_bytes(damaged)
        with pytest.raises(
            RunError, match=r"evaluation\.parquet is damaged \(.*\): bring it back from a copy, or move"
        ):
            evaluations.stored(run)
    run.append(from_json(START))
    pq.write_table(run.trials(), run.evaluation)
    with pytest.raises(RunError, match=r"evaluation\.parquet is damaged"):
        evaluations.stored(run)


def test_a_damaged_line_of_the_earlier_trials_is_named_by_its_number(tmp_path: Path) -> None:
    trial = {"run": "runs/a", "trial": "000-a", "full": 9000, "variant": {"training/lr": 0.1}, "reports": [REPORT]}
    good = json.dumps(trial).encode() + b"\n"
    assert len(from_lines(good + good)) == 2
    for damaged in (b"\n", b"[]\n", b"{}\n", json.dumps({**trial, "reports": []}).encode() + b"\n", bytes(5) + b"\n"):
        with pytest.raises(ValueError, match=r"^line 2: "):
            from_lines(good + damaged)
    with pytest.raises(ValueError, match="line 1: reports/fmd is 'x': expected a number, or null"):
        from_lines(json.dumps({**trial, "reports": [{**REPORT, "fmd": "x"}]}).encode())
