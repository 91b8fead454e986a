"""Others on the same machine or cluster: ports that are taken, searches that begin at once, cores that are in use."""

from __future__ import annotations

import re
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from analysis.run.run import Run
from tests.helpers.searches import BUDGET, SCRIPT, Searches, check_run, reports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# Those that Ray's documentation names, and all that it tries in turn: control, client, objects, metrics, agent, page.
PORTS = (6379, 10001, 8076, 8080, 44217, 44227, 52365, *range(8265, 8317))
# The starting points of the space, each to its end, so that neither the sampler nor the order of ends has a say.
BOTH = ["--space", "tiny.py", "--scheduler", "none", *BUDGET, "--trials", "2"]


@contextmanager
def taken(ports: tuple[int, ...]) -> Iterator[None]:
    """Listen on these ports, but for those on which somebody else listens already."""
    with ExitStack() as stack:
        for port in ports:
            one = stack.enter_context(socket.socket())
            with suppress(OSError):
                one.bind(("127.0.0.1", port))
                one.listen()
        yield


def test_two_searches_that_begin_at_once_where_rays_ports_are_taken_find_what_each_finds_alone(
    searches: Searches,
) -> None:
    with taken(PORTS):
        port = {"RAY_GCS_SERVER_PORT": str(PORTS[0])}  # as in the containers of a cluster
        processes = [searches.start(str(SCRIPT), *BOTH, "--seed", seed, **port) for seed in ("0", "1")]
        ended = [(process.communicate()[1], process.returncode) for process in processes]
    assert ended == [("", 0)] * 2
    runs = [Run.open(path) for path in (searches.folder / "runs").iterdir()]
    found = {run.settings()["settings"]["seed"]: run for run in runs}
    assert found.keys() == {0, 1}
    for seed, run in found.items():
        check_run(run, 2)
        alone = searches.run(str(SCRIPT), *BOTH, "--seed", str(seed), "--name", f"alone-{seed}")
        assert alone.returncode == 0, alone.stderr
        assert reports(run) == reports(Run.open(searches.folder / "runs" / f"alone-{seed}"))


def test_of_two_searches_of_one_name_one_runs_and_the_other_says_so(searches: Searches) -> None:
    processes = [searches.start(str(SCRIPT), *BOTH, "--name", "a") for _ in range(2)]
    ended = sorted((process.communicate()[1], process.returncode) for process in processes)
    assert ended[0] == ("", 0)
    line, status = ended[1]
    assert status == 2
    assert line.startswith("search/run.py: ")
    assert line.count("\n") == 1
    assert "being searched by another process" in line or "give another --name" in line
    check_run(Run.open(searches.folder / "runs" / "a"), 2)


# A Ray with one core, which somebody takes until the file "free" is there.
CLUSTER = """
import time
from pathlib import Path

import ray

from search.execution.local import ray_here
from search.machine import Machine


@ray.remote(num_cpus=1)
def hold(file):
    while not file.exists():
        time.sleep(0.1)


with ray_here(Machine(1, 0), data_bytes=2**26):
    held = hold.remote(Path("free").absolute())
    while ray.available_resources().get("CPU"):
        time.sleep(0.1)
    print(ray.get_runtime_context().gcs_address, flush=True)
    ray.get(held)
    time.sleep(10_000)
"""
# A search that takes a process for one that cannot start after a minute, not five.
HASTY = """
import sys
from search import run
from search.execution import first_worker

first_worker.FirstWorker.__init__.__defaults__ = (60.0,)
sys.exit(run.main())
"""


def test_a_search_waits_for_a_cluster_whose_cores_others_have_and_without_its_token_says_where_that_is(
    searches: Searches,
) -> None:
    (searches.folder / "cluster.py").write_text(CLUSTER)
    (searches.folder / "hasty.py").write_text(HASTY)
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    cluster = searches.start("cluster.py", **token)
    assert cluster.stdout is not None
    address = cluster.stdout.readline().strip()
    there = [*BOTH, "--address", address]
    for mode in ("token", "disabled"):
        refused = searches.run(
            str(SCRIPT), *there, "--name", mode, RAY_AUTH_MODE=mode, RAY_AUTH_TOKEN=secrets.token_hex(32)
        )
        assert refused.returncode == 2
        line = rf".*{address}: the cluster refuses this Ray token; copy ~/\.ray/auth_token of .*\n"
        assert re.fullmatch(line, refused.stderr)
    process = searches.start("hasty.py", *there, "--name", "a", "--time-budget", "800", **token)
    assert process.stdout is not None
    said: list[str] = []  # words, because a long line goes on below itself
    while said[-2:] != ["more", "time"]:
        line = process.stdout.readline()
        assert line, said
        said += line.split()
    assert "no free cores" in " ".join(said)
    assert "--resume NAME --time-budget SECONDS" in " ".join(said)
    time.sleep(65)
    assert process.poll() is None, (said, process.communicate())
    (searches.folder / "free").touch()
    _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    check_run(Run.open(searches.folder / "runs" / "a"), 2)
    searches.kill()
    cluster.communicate()
