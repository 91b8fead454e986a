"""Law of a full disk: whoever writes, it is one line, and once there is room the search goes on and lost nothing."""

import errno
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from analysis.run.run import Run, RunError
from analysis.run.storage import Folder
from search.progress.failures import in_one_line, require_room
from search.study.journal import run_state
from tests.helpers.disks import Disk
from tests.helpers.tools import load_driver

TRIALS, SLOTS = 6, 2
PAGE = 4096


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / "disk", "16m")
    yield disk
    disk.remove()


@pytest.fixture
def overhead(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = load_driver(monkeypatch)
    monkeypatch.setattr(module.recorder, "TABLES_EVERY", 0.0)
    return module


@pytest.mark.parametrize("left", [0, 1, 2, 3, 8, 21])
def test_a_search_on_a_full_disk_ends_with_a_line_and_goes_on_when_there_is_room(
    left: int, disk: Disk, overhead: ModuleType
) -> None:
    given = {"space": "degradations", "trials": TRIALS, "scheduler": "asha-stopping", "sampler": "random"}
    given["storage_path"] = str(disk.path)
    driver, events = overhead.Driver(disk.path, given, SLOTS), 0

    def fill() -> None:
        nonlocal events
        events += 1
        if events == 2 + left % 3:
            disk.fill(but=left * PAGE)

    line = r"^cannot write to \S+, No space left on device: see to it, then --resume the run$"
    with pytest.raises(RunError, match=line), in_one_line(driver.run):
        driver.fit(fill)
    disk.free()
    before = Run.open(disk.path / "run").events()
    assert before
    again = overhead.Driver(disk.path, given, SLOTS)
    again.fit(lambda: None)
    run = Run.open(disk.path / "run")
    assert run.events()[: len(before)] == before
    study = optuna.load_study(study_name="run", storage=JournalStorage(JournalFileBackend(str(run.study_file))))
    asked = [trial for trial in study.trials if trial.state != TrialState.WAITING]
    states = {trial.user_attrs["trial"]: run_state(trial.state) for trial in asked}
    assert states == dict(zip(*(run.trials()[name].to_pylist() for name in ("trial", "state")), strict=True))
    assert len(states) == TRIALS
    assert set(states.values()) <= {"COMPLETE", "PRUNED"}


def test_a_trial_that_failed_of_a_full_disk_ends_the_search_and_another_does_not(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    for number in (errno.ENOSPC, errno.EROFS):
        with pytest.raises(RunError, match=r"cannot write to .* what 003-x has done, .*: see to it"):
            require_room(run, "003-x", f"Traceback ...\nOSError: [Errno {number}] Error writing bytes to file.")
    require_room(run, "003-x", "Traceback ...\nOSError: [Errno 28] of before\nValueError: [Errno 2] no luck")
    require_room(run, "003-x", "")
    with pytest.raises(RunError, match=r"^a host does not see /a: mount it, then --resume the run$"):
        require_room(run, "003-x", "Traceback ...\nanalysis.run.storage.NotShared: a host does not see /a: mount it")


def test_an_error_that_the_disk_is_not_the_cause_of_is_raised_unchanged(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    with pytest.raises(FileNotFoundError), in_one_line(run):
        raise FileNotFoundError(errno.ENOENT, "no such file")


def test_an_error_of_a_trial_that_cannot_write_says_the_reason(disk: Disk) -> None:
    folder = Folder(str(disk.path))
    folder.write("checkpoints/a.pt", b"whole")
    disk.seal()
    with pytest.raises(OSError, match="Read-only file system") as told:
        folder.write("checkpoints/a.pt", b"later")
    assert told.value.errno == errno.EROFS
    assert (disk.path / "checkpoints/a.pt").read_bytes() == b"whole"
