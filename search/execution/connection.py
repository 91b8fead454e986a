"""The connection of this process to Ray."""

import logging
from typing import Any

import ray

from search.execution.threads import ENVIRONMENT


def connect(runtime_env: dict[str, Any], **options: Any) -> None:
    """Connect to Ray with these options of `ray.init`, silent."""
    environment = {"env_vars": ENVIRONMENT, **runtime_env}
    ray.init(log_to_driver=False, logging_level=logging.ERROR, runtime_env=environment, **options)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)


def disconnect() -> None:
    """Disconnect from Ray, and end the one that this process started."""
    ray.shutdown(wait_for_processes=True)
