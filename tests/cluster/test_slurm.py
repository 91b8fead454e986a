"""cluster-slurm.sh for real: two nodes, a time limit in the middle of a search, a neighbour, scancel, one node."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.cluster import slurm as cluster
from tests.cluster.commands import wait_for
from tests.cluster.laboratory import Laboratory, missing
from tests.cluster.measured import Measured
from tests.cluster.searches import SLOW, Watched
from tests.cluster.slurm import ALONE, FREEZER, LOGIN, NODES, Slurm, environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

RUNGS = (500, 1500, 4500, 13500)
TRIALS = ("000-gaussian-class", "001-gaussian-cluster", "002-gaussian")
SEARCH = f"--space degradations {SLOW} --scheduler none --confirm 0 --time-budget 3600 --trials {len(TRIALS)}"
SEARCH += f" --max-images {RUNGS[-1]} --grace-images {RUNGS[0]}"
SHORT = "--space degradations --confirm 0 --trials 3 --max-images 1280 --grace-images 640"
BOTH_NODES = "--nodes=2 --cpus-per-task=1 cluster-slurm.sh"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A login node and two nodes with a shared folder."""
    if reason := missing() or cluster.missing():
        pytest.skip(reason)
    with Laboratory(tmp_path_factory.mktemp("slurm") / "shared", (LOGIN, *NODES), environment(NODES)) as laboratory:
        slurm = Slurm(laboratory, LOGIN, NODES)
        yield slurm
    slurm.remove_groups()


def watched(slurm: Slurm, name: str) -> Watched:
    return Watched(slurm.project / "runs" / name)


@pytest.fixture(scope="module")
def limited(slurm: Slurm, measured: Measured) -> tuple[int, Watched]:
    """A search in a job whose time is over in the middle, with another search on the same nodes at the same time."""
    search = watched(slurm, "limited")
    job = slurm.submit(f"--time=5 {BOTH_NODES} {SEARCH} --name limited")
    neighbour = slurm.submit(f"{BOTH_NODES} {SHORT} --name neighbour")
    slurm.wait_for_report(job, search)
    assert "limited: " in slurm.login("python analysis/rank.py runs/limited")
    assert slurm.wait_for_end(neighbour) == "COMPLETED", slurm.printed(neighbour)[-4000:]
    assert slurm.wait_for_end(job, 2000) == "COMPLETED", slurm.printed(job)[-4000:]
    return job, search


def test_a_search_goes_on_after_the_time_limit_of_its_job(slurm: Slurm, limited: tuple[int, Watched]) -> None:
    job, search = limited
    assert int(slurm.shown(job, "Restarts")) >= 1
    search.require_all_once(TRIALS, RUNGS)
    printed = slurm.printed(job)
    assert printed.count("queued again and goes on") == int(slurm.shown(job, "Restarts"))
    assert "interrupted trial" in printed


def test_without_the_limit_it_finds_the_same_bit_for_bit(slurm: Slurm, limited: tuple[int, Watched]) -> None:
    job = slurm.submit(f"--time=60 {BOTH_NODES} {SEARCH} --name whole")
    assert slurm.wait_for_end(job, 1500) == "COMPLETED", slurm.printed(job)[-4000:]
    assert slurm.shown(job, "Restarts") == "0"
    assert watched(slurm, "whole").curves() == limited[1].curves()


def test_a_neighbour_on_the_same_nodes_is_not_disturbed(slurm: Slurm, limited: tuple[int, Watched]) -> None:
    found = watched(slurm, "neighbour")
    assert {event["trial"] for event in found.events("end")} == set(TRIALS)
    assert not found.repeated()


def test_every_job_of_an_array_has_its_own_run(slurm: Slurm) -> None:
    one = "--trials 1 --max-images 640 --grace-images 640 --confirm 0"
    job = slurm.submit(f"--array=3-4 {BOTH_NODES} --space degradations {one} --name array-%a --seed %a")
    wait_for(lambda: not slurm.login(f"squeue --noheader --jobs={job}", check=False).strip(), "the array", 900, 2)
    curves = [watched(slurm, f"array-{number}").curves() for number in (3, 4)]
    assert [len(found) for found in curves] == [1, 1]
    assert curves[0] != curves[1]


@pytest.mark.skipif(not FREEZER.is_dir(), reason="without control groups of version 1 Slurm signals every process")
def test_scancel_ends_a_search_in_order(slurm: Slurm, measured: Measured) -> None:
    search = watched(slurm, "cancelled")
    job = slurm.submit(f"--time=60 {BOTH_NODES} {SEARCH} --name cancelled")
    slurm.wait_for_report(job, search)
    cancelled = time.time()
    slurm.login(f"scancel {job}")
    assert slurm.wait_for_end(job, 60) == "CANCELLED"
    wait_for(lambda: not [line for node in NODES for line in slurm.left(node)], "nothing of the job on its nodes", 60)
    measured.add("scancel", "nothing of the job is left", time.time() - cancelled)
    assert "--resume cancelled" in slurm.printed(job)
    assert search.status() == "interrupted"


def test_a_name_that_is_taken_is_one_line(slurm: Slurm, limited: tuple[int, Watched]) -> None:
    job = slurm.submit(f"{BOTH_NODES} {SHORT} --name limited")
    assert slurm.wait_for_end(job, 300) == "FAILED"
    assert "continue it with --resume limited" in slurm.printed(job)
    assert slurm.shown(job, "Restarts") == "0"


def test_one_node_needs_no_shared_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    if reason := missing() or cluster.missing():
        pytest.skip(reason)
    with Laboratory(tmp_path_factory.mktemp("slurm") / "alone", (ALONE,), environment((ALONE,))) as laboratory:
        slurm = Slurm(laboratory, ALONE, (ALONE,))
        job = slurm.submit(f"--cpus-per-task=2 cluster-slurm.sh {SHORT}")
        assert slurm.wait_for_end(job, 600) == "COMPLETED", slurm.printed(job)[-4000:]
        assert {event["trial"] for event in watched(slurm, f"job-{job}").events("end")} == set(TRIALS)
        assert slurm.left(ALONE) == []
    slurm.remove_groups()
