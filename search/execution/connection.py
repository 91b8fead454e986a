"""The connection of this process to Ray."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray._private import worker

from search.execution.threads import ENVIRONMENT


def connect(runtime_env: dict[str, Any], **options: Any) -> None:
    """Connect to Ray with these options of `ray.init`, silent."""
    environment = {"env_vars": ENVIRONMENT, **runtime_env}
    # Where a raylet is lost, Ray prints a screen of its log, by no logger and whatever its options say.
    worker.print_to_stdstream = lambda *args, **kwargs: None
    ray.init(log_to_driver=False, logging_level=logging.ERROR, runtime_env=environment, **options)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)


@contextmanager
def stderr_kept(said: list[str]) -> Iterator[None]:
    """Keep what is written to stderr in the body of the `with`, in `said` if the body fails; else write it then.

    Ray's C++ code repeats a warning each second where a cluster refuses a token. Its log level does not change that.
    """
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)
            kept.seek(0)
            text = kept.read().decode(errors="replace")
            if failed:
                said.append(text)
            else:
                sys.stderr.write(text)


def disconnect() -> None:
    """Disconnect from a cluster."""
    ray.shutdown()


def own_node() -> Any:
    """Return the head that this process started, with the processes of it; None where it started none.

    Ray has no public way to its processes, nor to silence what it prints without a logger (Ray 2.60); this module alone
    takes private names of it for that.
    """
    node: Any = worker._global_node
    return node if node is not None and node.is_head() else None
