"""A run on object storage: what was written is there, whole, for every other machine, whenever this one is lost."""

import random
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from analysis.run import remote
from analysis.run.events import End, Event, Start
from analysis.run.lock import run_lock
from analysis.run.remote import Remote, copy_of
from analysis.run.run import Run, RunError
from analysis.run.storage import Folder, NotShared, join, parent
from search.progress.tensorboard import TensorBoardWriter
from tests.helpers import fake_runs
from tests.helpers.fake_runs import add_trial


@pytest.fixture
def root(bucket: str) -> str:
    return f"{bucket}/runs"


def elsewhere(uri: str, tmp_path: Path) -> Run:
    """The run as another machine sees it, which has no copy."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path / f"machine-{random.getrandbits(64)}"
        patch.setenv("XDG_CACHE_HOME", str(folder))
        return Run.open(uri)


def told(number: int) -> list[Event]:
    """The events of a trial, on average a few hundred bytes of log."""
    name, text = f"{number:03d}-trial", "x" * (number * 37 % 100)
    return [Start(name, number, seed=1, baseline="", variant={"a": text}), End(name, "FAILED", text)]


@pytest.mark.parametrize("segment", [64, 300, 2**18])
def test_every_event_is_there_when_append_returns(
    root: str, segment: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "SEGMENT", segment)
    run = Run.create(root, "one")
    for number in range(3):
        for event in told(number):
            run.append(event)
            assert elsewhere(run.uri, tmp_path).events() == run.events()


def test_many_may_read_it_at_the_same_time(root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.create(root, "one")
    for number in range(8):
        for event in told(number):
            run.append(event)
        run.write(run.picture(f"{number:03d}-trial", "samples"), bytes(1000))
    expected = run.events()
    for attempt in range(2):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"machine-{attempt}"))
        with ThreadPoolExecutor(4) as pool:
            assert [one.events() for one in pool.map(Run.open, [run.uri] * 8)] == [expected] * 8


@pytest.mark.parametrize("lost", [1, 5])
def test_a_line_that_was_cut_off_counts_for_nothing_and_the_next_machine_goes_on(
    root: str, lost: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "SEGMENT", 512)
    run = Run.create(root, "one")
    for event in (*told(0), told(1)[0], End("001-trial", "FAILED", "a long traceback" * 200)):
        run.append(event)
    there = Remote(run.uri, copy_of(run.uri))
    segments = [name for name in there.names("") if name.startswith("log.jsonl")]
    for name in segments[-lost:]:  # they are sent in their order
        there.delete(name)
    shutil.rmtree(tmp_path / "cache")
    successor = Run.open(run.uri)
    assert successor.events() == run.events()[:3]
    for event in (*told(2), *told(3)):
        successor.append(event)
        assert elsewhere(run.uri, tmp_path).events() == successor.events()
    assert [event.trial for event in successor.events()[3:]] == ["002-trial"] * 2 + ["003-trial"] * 2


def test_the_study_is_never_behind_the_log(root: str, tmp_path: Path) -> None:
    run = Run.create(root, "one")
    for number in range(3):
        with run.study_file.open("a") as journal:
            journal.write(f"trial {number}\n")
        run.append(told(number)[0])
        assert elsewhere(run.uri, tmp_path).study_file.read_bytes() == run.study_file.read_bytes()


def test_everything_that_is_analysed_is_there(root: str, tmp_path: Path) -> None:
    run = Run.create(root, "one")
    add_trial(run, {"training/lr": 0.1}, [50.0, 40.0])
    folder = Folder(run.uri)
    folder.write("samples/000-trial.png", b"a picture")
    assert not run.picture("000-trial", "samples").is_file()
    run.bring("000-trial")
    assert run.picture("000-trial", "samples").read_bytes() == b"a picture"
    (run.tensorboard / "000-trial").mkdir()
    (run.tensorboard / "000-trial" / "events").write_bytes(b"curves")
    run.send(run.tensorboard / "000-trial" / "events")
    run.write_settings(fake_runs.settings("one"))
    run.write(run.ranking, b"a ranking")
    run.write_tables()
    run.publish()
    nested = run.begin_confirmation()
    seen = elsewhere(run.uri, tmp_path)
    assert seen.name == "one"
    assert (seen.settings(), seen.events()) == (run.settings(), run.events())
    assert seen.curves().equals(run.curves())
    assert seen.picture("000-trial", "samples").read_bytes() == b"a picture"
    assert (seen.tensorboard / "000-trial" / "events").read_bytes() == b"curves"
    assert seen.ranking.read_bytes() == b"a ranking"
    nested.append(Start("000.0", 0, seed=1, baseline="", variant={}, repeats="000"))
    confirmed = elsewhere(run.uri, tmp_path).confirmed()
    assert confirmed.events() == nested.events()


def test_nothing_of_another_run_of_the_name_is_left(root: str, tmp_path: Path) -> None:
    run = Run.create(root, "one")
    for event in told(0):
        run.append(event)
    TensorBoardWriter(run).end("000-trial", "FAILED")
    remote_place = Remote(root, tmp_path)
    remote_place.clear("one")
    with pytest.raises(RunError, match="no run at"):
        Run.open(run.uri)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
        Run.create(root, "one").append(told(1)[0])
    assert [event.trial for event in Run.open(run.uri).events()] == ["001-trial"]
    assert not list(run.path.rglob("000-trial"))


def test_a_file_that_is_replaced_is_read_anew(root: str) -> None:
    run = Run.create(root, "one")
    for number in range(4):
        run.write_settings({"number": number})
        shutil.copytree(run.path, copy := run.path.with_name("copy"))  # this machine's copy, before the next is written
        run.write_settings({"number": -number})
        shutil.rmtree(run.path)
        copy.rename(run.path)
        assert Run.open(run.uri).settings()["number"] == -number


def test_the_copy_of_a_search_at_work_is_left_alone(root: str) -> None:
    run = Run.create(root, "one")
    with run_lock(run):
        run.append(told(0)[0])
        before = run.path.stat().st_ino, (run.path / "log.jsonl").stat().st_ino
        assert Run.open(run.uri).events() == run.events()
        run.append(told(0)[1])
    assert before == (run.path.stat().st_ino, (run.path / "log.jsonl").stat().st_ino)
    assert Run.open(run.uri).events() == run.events()


def test_a_trial_that_ends_on_the_next_machine_before_any_other_starts_has_its_event_file_there(
    root: str, tmp_path: Path
) -> None:
    run = Run.create(root, "one")
    run.append(told(0)[0])
    successor = elsewhere(run.uri, tmp_path)
    TensorBoardWriter(successor).end("000-trial", "PRUNED")
    assert len(list((successor.tensorboard / "000-trial").iterdir())) == 1


def test_checkpoints_are_listed_and_dropped_where_trials_wrote_them(root: str) -> None:
    run = Run.create(root, "one")
    assert run.kept_checkpoints() == []
    for name in ("001-b", "000-a"):
        Folder(run.uri).save_checkpoint(name, name.encode())
    assert run.kept_checkpoints() == ["000-a", "001-b"]
    for name in ("000-a", "000-a", "none-such"):
        run.drop_checkpoint(name)
    assert run.kept_checkpoints() == ["001-b"]
    assert Folder(run.uri).load_checkpoint("001-b") == b"001-b"
    assert Folder(run.uri).load_checkpoint("000-a") is None


def test_a_name_is_taken_also_where_this_machine_has_no_copy(root: str, tmp_path: Path) -> None:
    run = Run.create(root, "one")
    run.append(told(0)[0])
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(RunError, match="one exists already: continue it with --resume one"):
        Run.create(root, "one")
    assert Run.open(run.uri).events() == run.events()
    assert remote.names(root) == ["one"]
    assert (remote.exists(run.uri), remote.exists(join(root, "two"))) == (True, False)


def test_what_cannot_be_is_one_line(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"cannot write to s3://nobody-has-it/one/search.json: .*NO_SUCH_BUCKET"):
        Run.create("s3://nobody-has-it", "one")
    with pytest.raises(RunError, match="leave the keys out"):
        Run.create("s3://key:secret@bucket/runs", "one")
    with pytest.raises(RunError, match=r"ftp://bucket/runs/one: .*; give a folder, s3://BUCKET"):
        Run.create("ftp://bucket/runs", "one")
    with pytest.raises(RunError, match=rf"no run at {bucket}/runs/none: give"):
        Run.open(f"{bucket}/runs/none")


@pytest.mark.parametrize(
    "uri", ["s3://bucket/runs", "s3://bucket/runs/", "/runs", "/what?/runs", "s3://bucket/a?endpoint_override=b:1"]
)
def test_a_name_joined_is_a_name_apart(uri: str) -> None:
    joined = join(uri, "one")
    assert joined.partition("?endpoint")[0].endswith("/one")
    assert joined.partition("?endpoint")[2] == uri.partition("?endpoint")[2]
    assert parent(joined) == uri.rstrip("/")


@pytest.mark.parametrize("name", ["run", "a run", "läufe/50% #1+"])
def test_a_folder_of_any_name_keeps_checkpoints_and_pictures(name: str, tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / name))
    assert folder.load_checkpoint("a") is None
    for value in (b"first", b"second"):
        folder.save_checkpoint("a", value)
    folder.save_picture("a", "samples", b"grid")
    folder.save_picture("a", "degradation", b"strip")
    folder.save_picture("a", "rungs", b"rows")
    folder.save_picture("a", "restorations", b"restored")
    assert Folder(str(tmp_path / name)).load_checkpoint("a") == folder.require_checkpoint("a") == b"second"
    files = {path.relative_to(tmp_path / name).as_posix(): path for path in (tmp_path / name).rglob("*.*")}
    pictures = {f"samples/a{end}.png" for end in ("", "-strip", "-rungs", "-restored")}
    assert set(files) == {"checkpoints/a.pt", *pictures}
    assert files["samples/a.png"].read_bytes() == b"grid"
    for _ in range(2):
        folder.drop_checkpoint("a")
    with pytest.raises(FileNotFoundError, match=rf"{re.escape(name)} keeps no checkpoint of a any more$"):
        folder.require_checkpoint("a")


def test_a_folder_that_this_machine_does_not_see_is_one_line(tmp_path: Path, bucket: str) -> None:
    with pytest.raises(NotShared, match=r"does not see .*/nfs/a: mount it there"):
        Folder(str(tmp_path / "nfs" / "a")).require_here()
    Folder(str(tmp_path)).require_here()
    Folder(f"{bucket}/a").require_here()
