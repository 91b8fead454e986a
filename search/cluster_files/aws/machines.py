"""The machines of a cluster: those that its file may start, and those that are there."""

from collections.abc import Iterator
from typing import NamedTuple

from search.cluster_files.aws.account import Account
from search.cluster_files.aws.roles import CLUSTER
from search.cluster_files.file import ClusterFile

STATES = ("pending", "running", "shutting-down", "stopping", "stopped")


class Machines(NamedTuple):
    """The machines of one node type of a cluster file."""

    name: str
    kind: str
    """EC2's type, such as g6.xlarge."""
    is_spot: bool
    is_head: bool
    most: int
    """How many there may be at once."""


def planned(file: ClusterFile) -> Iterator[Machines]:
    """Yield the machines of each node type of a file."""
    for name, node_type in file.get("available_node_types").items():
        config, is_head = node_type["node_config"], name == file.get("head_node_type")
        is_spot = (config.get("InstanceMarketOptions") or {}).get("MarketType") == "spot"
        most = 1 if is_head else node_type.get("max_workers", file.get("max_workers") or 0)
        yield Machines(name, config["InstanceType"], is_spot, is_head, most)


def left(account: Account, name: str) -> list[str]:
    """Return the ids of the machines of the cluster `name` in the region that have not ended."""
    filters = [{"Name": f"tag:{CLUSTER}", "Values": [name]}, {"Name": "instance-state-name", "Values": list(STATES)}]
    pages = account.client("ec2").get_paginator("describe_instances").paginate(Filters=filters)
    return [one["InstanceId"] for page in pages for group in page["Reservations"] for one in group["Instances"]]
