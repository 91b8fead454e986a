"""The rules by which `ray up` takes or refuses a cluster file."""

import copy
import json
import logging
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import click
import ray.autoscaler


def schema() -> dict[str, Any]:
    """Return Ray's JSON schema of cluster files; Ray ships it as a file, and has no function that returns it."""
    return json.loads(Path(ray.autoscaler.__file__).with_name("ray-schema.json").read_text())


def refusal(data: dict[str, Any]) -> str | None:
    """Return why `ray up` would refuse a cluster file that fits the schema, None if it would take it.

    `ray up` fills in its defaults and validates the result before it asks a provider for anything. These two steps have
    no public function (Ray 2.60); the command itself goes on to start machines.
    """
    logging.getLogger("ray.autoscaler").setLevel(logging.ERROR)  # first: the module logs the defaults that it sets
    from ray.autoscaler._private.util import prepare_config, validate_config

    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            config = prepare_config(copy.deepcopy(data))
            for node_type in config["available_node_types"].values():
                node_type.setdefault("resources", {})
            validate_config(config)
    except (AssertionError, NotImplementedError, ValueError, click.ClickException) as error:
        return " ".join(str(getattr(error, "message", error)).split())
    return None
