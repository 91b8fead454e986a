"""A cluster of Ray: joins it, and finds out what its machines have."""

import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
import yaml  # type: ignore[import-untyped]
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from analysis.run.storage import Folder, is_remote
from search.execution.address import Address
from search.execution.connection import connect, stderr_kept
from search.machine import Cluster, Machine, MachineError

INSTEAD = "give s3://BUCKET/runs, or a folder that is mounted on all machines"
REFUSED = "InvalidAuthToken"  # in what Ray says of a token that is another one, or missing
TOKEN = "copy ~/.ray/auth_token of the cluster's head to this machine, and set RAY_AUTH_MODE=token"
# What `ray up` leaves on the head, for the autoscaler.
CONFIGURATION = Path("~/ray_bootstrap_config.yaml")
# Machines of one's own come within a minute after `ray up`, those of a cloud that are up already at once.
PATIENCE = 120.0  # seconds
HEAD = "node:__internal_head__"  # a resource that Ray gives the head
PROJECT = Path(__file__).resolve().parents[2]
# Not "/.*": Ray matches the folder itself as "./" too, and would send nothing at all.
NOT_SENT = ["/.?*", "/build", "/docs", "/runs", "/tests", "*.egg-info", "__pycache__"]


def join_ray(address: Address, say: Callable[[str], None]) -> Cluster:
    """Connect to a Ray cluster and return what it has, and what it adds once there are trials; `say` prints a line.

    Its machines run the code of this driver, if that is a folder with the whole project, and not an installed copy.
    """
    # A job that was submitted with a folder has its code already.
    sent = (PROJECT / "pyproject.toml").is_file() and "RAY_JOB_CONFIG_JSON_ENV_VAR" not in os.environ
    code = {"working_dir": str(PROJECT), "excludes": NOT_SENT} if sent else {}
    said: list[str] = []
    try:
        with stderr_kept(said):
            connect(code, address=address.text)
    except (ConnectionError, RuntimeError, ValueError) as error:
        if any(REFUSED in text for text in said):
            raise MachineError(f"{address.source}: the cluster refuses this Ray token; {TOKEN}") from None
        reason = (str(error).splitlines() or [""])[0]
        raise MachineError(f"{address.source}: no Ray cluster can be reached there ({reason})") from None
    configuration = _configuration()
    head, workers = _present()
    waited = time.monotonic()
    # A cloud's cluster lists no addresses: its machines come only once there are trials, so nothing is waited for.
    awaited = configuration.get("provider", {}).get("worker_ips")
    if awaited and not workers:
        say(f"waits for the machines of {configuration['cluster_name']}, {PATIENCE:.0f} s at the most")
    while awaited and not workers and time.monotonic() - waited < PATIENCE:
        time.sleep(5)
        head, workers = _present()
    machines = head + grown(configuration, workers)
    if not machines:
        raise MachineError(f"{address.source}: no machine of this cluster takes trials; see `ray status`")
    return Cluster(tuple(machines))


def grown(configuration: dict[str, Any], present: list[Machine]) -> list[Machine]:
    """Return the machines of a cluster, but for its head, once it has grown to all that its configuration allows.

    The configuration is what `ray up` was given; it is empty for a cluster that does not grow. `present` are the
    machines for trials that are up, but for the head.
    """
    most = configuration.get("max_workers", 0)
    workers = dict(configuration.get("available_node_types", {}))
    workers.pop(configuration.get("head_node_type"), None)
    if configuration.get("provider", {}).get("type") == "local":
        # All of one's own machines have one type, which says nothing of their size: the missing ones are assumed to
        # be like those that are up.
        missing = max(0, len(configuration["provider"].get("worker_ips", [])) - len(present))
        return present + present[:1] * missing
    machines: list[Machine] = []
    for kind in sorted(workers.values(), key=lambda kind: -kind.get("priority", 0)):
        has = kind.get("resources", {})
        machine = Machine(cpus=int(has.get("CPU", 0)), gpus=int(has.get("GPU", 0)))
        machines += [machine] * kind.get("max_workers", most)
    return [machine for machine in machines[:most] if machine.cpus] or present


def require_shared(storage_path: str) -> None:
    """Raise MachineError unless every machine that is up can write to where runs go, and this one sees it."""
    write = ray.remote(num_cpus=0, max_retries=0)(_write)
    asked = {
        node["NodeManagerHostname"]: write.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(storage_path)
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU")
    }
    here = writable(storage_path)
    for host, answer in asked.items():
        try:
            name = ray.get(answer)
        except (OSError, ray.exceptions.RayError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise MachineError(
                f"--storage-path {storage_path}: {host} cannot write there ({reason}); {INSTEAD}"
            ) from None
        if not here.has(name):
            raise MachineError(f"--storage-path {storage_path}: what {host} writes there is not here; {INSTEAD}")
        here.delete(name)


def writable(storage_path: str) -> Folder:
    """Return the place of the runs, to which this machine has written; raise MachineError if it cannot."""
    try:
        if not is_remote(storage_path):
            Path(storage_path).mkdir(parents=True, exist_ok=True)
        here = Folder(storage_path)
        here.delete(_write(storage_path))
    except (OSError, ValueError) as error:  # pyarrow's own errors are both
        reason = str(error).strip().splitlines()[0]
        raise MachineError(f"--storage-path {storage_path}: cannot write there ({reason}); {INSTEAD}") from None
    return here


def _write(storage_path: str) -> str:
    name = f".seen-{secrets.token_hex(8)}"
    Folder(storage_path).write(name, b"")
    return name


def _present() -> tuple[list[Machine], list[Machine]]:
    """Return the machines for trials that are up: the head, if it takes trials, and the others."""
    heads, others = list[Machine](), list[Machine]()
    for has in (node["Resources"] for node in ray.nodes() if node["Alive"]):
        if has.get("CPU", 0) >= 1:
            machine = Machine(cpus=int(has["CPU"]), gpus=int(has.get("GPU", 0)))
            (heads if HEAD in has else others).append(machine)
    return heads, others


def _configuration() -> dict[str, Any]:
    """Return the configuration of the cluster, which is on its head; empty elsewhere."""
    here = ray.get_runtime_context().get_node_id()
    head = any(node["NodeID"] == here and HEAD in node["Resources"] for node in ray.nodes())
    path = CONFIGURATION.expanduser()
    return dict(yaml.safe_load(path.read_text())) if head and path.is_file() else {}
