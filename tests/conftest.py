"""What the tests of several packages share: real MNIST, the search's reference, and object storage."""

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from xdist.scheduler import LoadScopeScheduling

from trainables.data.images import Images
from trainables.data.load import load
from trainables.metric.fmd import Reference

# One thread: sums come out in the same order wherever the tests run, and nobody else's cores are taken.
torch.set_num_threads(1)

# What is printed is as wide wherever the tests run.
os.environ["COLUMNS"] = "120"

# In the background or under nohup these are ignored, and commands that tests start would inherit that.
# A handler is not inherited.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda number, frame: None)


class ClustersTogether(LoadScopeScheduling):
    """Sends the tests of a file to one worker, and so all tests of clusters, which share machines.

    `--dist loadgroup` of pytest-xdist 3.8 does nothing with pytest 9.2: it writes `Item._nodeid`, which is not read.
    """

    def _split_scope(self, nodeid: str) -> str:
        """Return what goes to one worker; see LoadScopeScheduling."""
        return "tests/cluster" if nodeid.startswith("tests/cluster/") else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ClustersTogether | None:
    """Distribute as `ClustersTogether` says where `--dist loadscope` is asked for."""
    return ClustersTogether(config, log) if config.getoption("dist") == "loadscope" else None


@pytest.fixture(scope="session")
def mnist() -> Images:
    return load("mnist")


@pytest.fixture(scope="session")
def small_reference(mnist: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reference]:
    """The search's reference for 64 images, kept out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield Reference.build(mnist, n=64)


@pytest.fixture(scope="session")
def object_storage() -> Iterator[str]:
    """The address of a server that speaks S3."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def bucket(object_storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of an empty bucket; the copies of runs lie in a folder of the test's own."""
    import boto3

    settings = {"ENDPOINT_URL": object_storage, "DEFAULT_REGION": "us-east-1"}
    for name, value in {**settings, "ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    name = f"bucket-{uuid.uuid4().hex}"
    boto3.client("s3").create_bucket(Bucket=name)
    return f"s3://{name}"
