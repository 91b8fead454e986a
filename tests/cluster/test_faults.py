"""Another search beside one on a cluster, and the loss of its process, its head or a cable; no report is lost."""

from __future__ import annotations

import time

import pytest

from tests.cluster.commands import wait_for
from tests.cluster.measured import Measured
from tests.cluster.onprem import HEAD, WORKERS, Onprem
from tests.cluster.searches import SLOW, Watched

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

RUNGS = (500, 1500, 4500)
TRIALS = ("000-gaussian-class", "001-gaussian-cluster", "002-gaussian")
EACH = f"--space degradations {SLOW} --scheduler none --confirm 0 --time-budget 3600 --grace-images {RUNGS[0]}"
SEARCH = f"{EACH} --trials {len(TRIALS)} --max-images {RUNGS[-1]}"
ONE = f"{EACH} --trials 1 --max-images {2 * RUNGS[-1]}"  # of one trial, which leaves a worker to others


def begin(cluster: Onprem, search: Watched) -> None:
    """Start a search and wait until a trial on each worker has reported."""
    cluster.wait_for_workers()
    cluster.search(f"{SEARCH} --name {search.path.name}")
    wait_for(lambda: len(search.under_way()) == 2, "two trials under way", 240)


def resume(cluster: Onprem, search: Watched) -> float:
    """Go on with a search and return when each trial that was under way has reported again."""
    resumed = time.time()
    cluster.resume(search.path.name)
    return search.wait_for_reports(search.under_way(), resumed)


def require_all_there_once(search: Watched) -> None:
    """Wait for the end and see that nothing is missing, and nothing twice."""
    search.wait_for_end()
    search.require_all_once(TRIALS, RUNGS)


def test_two_searches_at_a_time_find_what_each_finds_alone(cluster: Onprem) -> None:
    """Their trials have one name and one worker each; the seeds tell them apart."""
    cluster.wait_for_workers()
    both = [Watched(cluster.runs / f"beside-{seed}") for seed in range(2)]
    for seed, search in enumerate(both):
        cluster.search(f"{ONE} --seed {seed} --name {search.path.name}")
    for search in both:
        search.wait_for_end()
        assert set(search.reports().values()) == {1}
        assert [event["state"] for event in search.events("end")] == ["COMPLETE"]
    begun = [min(event["time"] for event in search.events("report")) for search in both]
    ended = [max(event["time"] for event in search.events("report")) for search in both]
    assert max(begun) < min(ended), "one reported nothing while the other ran"
    first, second = (search.curves() for search in both)
    assert first.keys() == second.keys()
    assert not set(first.values()) & set(second.values())
    for seed, search in enumerate(both):
        alone = f"{ONE} --seed {seed} --name alone-{seed} --address local --cpus-per-trial 1 --quiet"
        cluster.head(f"cd diffusion-search && RAY_AUTH_MODE=disabled python search/run.py {alone}", 900)
        assert search.curves() == Watched(cluster.runs / f"alone-{seed}").curves()


def test_a_search_whose_process_was_killed_goes_on(cluster: Onprem, measured: Measured) -> None:
    search = Watched(cluster.runs / "driver")
    begin(cluster, search)
    killed = time.time()
    cluster.kill(HEAD.name, r"^python search/run\.py")
    again = resume(cluster, search)
    measured.add("kill -9 of the search, then --resume", "its trials report again", again - killed)
    require_all_there_once(search)


def test_a_search_whose_head_died_goes_on_after_ray_up(cluster: Onprem, measured: Measured) -> None:
    search = Watched(cluster.runs / "head")
    begin(cluster, search)
    killed = time.time()
    cluster.kill(HEAD.name, "gcs/gcs_server ")
    wait_for(lambda: not cluster.drivers(), "the end of the search without its head", 240)
    measured.add("kill -9 of the head's gcs_server", "the search has ended by itself", time.time() - killed)
    cluster.up()
    cluster.wait_for_workers()
    measured.add("kill -9 of the head's gcs_server", "ray up has brought all back", time.time() - killed)
    again = resume(cluster, search)
    measured.add("kill -9 of the head's gcs_server", "with --resume its trials report again", again - killed)
    require_all_there_once(search)


def test_a_search_whose_head_was_lost_with_its_disk_goes_on_from_the_storage(
    cluster: Onprem, measured: Measured
) -> None:
    search = Watched(cluster.runs / "anew")
    begin(cluster, search)
    lost = time.time()
    cluster.renew_head()
    cluster.down()
    cluster.up()
    cluster.wait_for_workers()
    measured.add("the head is lost with its disk", "ray up has brought all back on a new machine", time.time() - lost)
    again = resume(cluster, search)
    measured.add("the head is lost with its disk", "with --resume its trials report again", again - lost)
    require_all_there_once(search)


def test_a_worker_whose_cable_was_pulled_is_missed(cluster: Onprem, measured: Measured) -> None:
    worker = WORKERS[0].name
    search = Watched(cluster.runs / "cable")
    begin(cluster, search)
    there = search.under_way() & cluster.trials_on(worker, search.began)
    pulled = time.time()
    cluster.laboratory.plug(worker, in_=False)
    again = search.wait_for_reports(there, pulled)
    measured.add("a worker's cable is pulled", "its trial reports again elsewhere", again - pulled)
    require_all_there_once(search)
    cluster.wait_for_workers(len(WORKERS) - 1)
    plugged = time.time()
    cluster.laboratory.plug(worker, in_=True)
    cluster.wait_for_workers()
    measured.add("a worker's cable is plugged in again", "its node is back", time.time() - plugged)
