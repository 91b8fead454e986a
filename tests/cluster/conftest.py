"""The cluster that the tests here share, which takes a minute or two to start, and what they measure."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.laboratory import Laboratory, missing
from tests.cluster.measured import Measured
from tests.cluster.onprem import ENVIRONMENT, HEAD, LAPTOP, WORKERS, Onprem


@pytest.fixture(scope="session")
def measured() -> Iterator[Measured]:
    """Seconds that this session measures; written to the folder DIFFUSION_SEARCH_MEASURED if that is set."""
    table = Measured()
    yield table
    if folder := os.environ.get("DIFFUSION_SEARCH_MEASURED"):
        table.write(Path(folder))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, measured: Measured) -> Iterator[Onprem]:
    """cluster-onprem.yaml, up, with both workers."""
    if reason := missing():
        pytest.skip(reason)
    pytest.importorskip("aiohttp", reason="ray[default] is missing: pip install -c constraints.txt '.[test]'")
    hosts = (LAPTOP, HEAD, *WORKERS)
    with Laboratory(tmp_path_factory.mktemp("laboratory") / "onprem", hosts, ENVIRONMENT) as laboratory:
        cluster = Onprem(laboratory)
        with measured.seconds("ray up", "the head is up"):
            cluster.up()
        with measured.seconds("ray up", "both workers are there, after that"):
            cluster.wait_for_workers()
        yield cluster
