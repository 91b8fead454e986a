"""A search whose storage does not answer for a while: object storage, and disks."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.run.remote import copy_of
from analysis.run.run import Run
from tests.helpers.disks import ExFat, Ext4
from tests.helpers.gate import Gate
from tests.helpers.searches import BUDGET, SCRIPT, TRIALS, Searches, check_run, count_reports, reports, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SECONDS = 60
SEARCH = [str(SCRIPT), "--space", "tiny.py", "--name", "a", *BUDGET]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, int], float]]:
    """What the search reports where nothing happens to its storage."""
    searches = Searches(tmp_path_factory.mktemp("undisturbed"))
    ended = searches.run(*SEARCH)
    assert ended.returncode == 0, ended.stderr
    yield reports(Run.open(searches.folder / "runs" / "a"))
    searches.kill()


@pytest.mark.parametrize("how", ["stalled", "gone"])
def test_storage_that_does_not_answer_for_a_minute_costs_no_report(
    how: str,
    searches: Searches,
    object_storage: str,
    bucket: str,
    undisturbed: dict[tuple[str, int], float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = Gate(object_storage)
    uri = f"{bucket}/runs/a"
    process = searches.start(*SEARCH, "--storage-path", f"{bucket}/runs", AWS_ENDPOINT_URL=gate.address)
    wait_for(process, copy_of(uri), lambda events: count_reports(events) > 2)
    with getattr(gate, how)():
        time.sleep(SECONDS)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert ("does not answer" in errors) == (how == "gone")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    run = Run.open(uri)
    check_run(run, TRIALS)
    assert reports(run) == undisturbed


@pytest.mark.parametrize("kind", [Ext4, ExFat])
def test_a_disk_that_blocks_for_half_a_minute_costs_no_report(
    kind: type[Ext4 | ExFat], searches: Searches, undisturbed: dict[tuple[str, int], float]
) -> None:
    disk = kind(searches.folder / "disk")
    try:
        process = searches.start(*SEARCH, "--storage-path", "disk")
        wait_for(process, disk.path / "a", lambda events: count_reports(events) > 2)
        with disk.blocked():
            time.sleep(30)
        output, errors = process.communicate()
        assert (process.returncode, errors) == (0, "")
        assert "is tried again" not in output
        check_run(Run.open(disk.path / "a"), TRIALS)
        assert reports(Run.open(disk.path / "a")) == undisturbed
    finally:
        searches.kill()
        disk.remove()
