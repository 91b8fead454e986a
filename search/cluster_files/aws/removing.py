"""Remove from an account what a set-up made: look, show, ask, remove."""

import argparse

from search.cluster_files.aws import bucket, group, roles
from search.cluster_files.aws.account import Account, configured_region
from search.cluster_files.aws.errors import of_aws
from search.cluster_files.aws.steps import agreed, carry_out, changes, show
from search.cluster_files.file import NAME
from trainables.domain import UsageError

# Of machines that have not ended.
STATES = ["pending", "running", "shutting-down", "stopping", "stopped"]
STAYS = """\
Not removed, because others may use it, and it costs nothing: EC2's role for spot machines, the key pair that Ray made
(ray-autoscaler_{region} in EC2, and in ~/.ssh), ~/.ray/auth_token, and the cluster file."""


def remove(options: argparse.Namespace) -> int:
    """Remove a set-up as the command line says; return the exit status.

    Raises:
        UsageError: AWS refuses, or machines of the cluster are still there.
    """
    name = options.name or NAME
    account = Account.open(options.region or configured_region() or "us-east-1")
    with of_aws():
        earlier = roles.earlier(account, name)
    if earlier and earlier.region != account.region:
        if options.region:
            raise UsageError(f"--region {options.region}: the set-up {name} is in {earlier.region}; leave it out")
        account = Account.open(earlier.region)
    with of_aws():
        running = _running(account, name)
        # Buckets last: roles and group say where they are, should this end half-way.
        steps = [
            *group.to_remove(account, name),
            *bucket.to_remove(account, name, options.with_results),
            *roles.to_remove(account, name),
        ]
    print(f"Account {account.number}, {account.region}, as {account.user}:")
    if not steps:
        print(f"Nothing to remove: the account has nothing that the set-up {name} made in {account.region}.")
        return 0
    show(steps)
    if running:
        text = f"{len(running)} of the cluster's machines are still there ({', '.join(running)})"
        raise UsageError(f"{text}; end them with `ray down FILE`, wait some minutes, and try again")
    if not changes(steps) or options.dry_run:
        print("Nothing was changed (--dry-run)." if options.dry_run else "Nothing to remove but that.")
        return 0
    if not agreed("Remove this?", options.yes):
        print("Nothing was changed.")
        return 0
    carry_out(steps)
    print(STAYS.format(region=account.region))
    return 0


def _running(account: Account, name: str) -> list[str]:
    """Return the ids of the machines of the cluster `name` in the region that have not ended."""
    filters = [{"Name": f"tag:{roles.CLUSTER}", "Values": [name]}, {"Name": "instance-state-name", "Values": STATES}]
    pages = account.client("ec2").get_paginator("describe_instances").paginate(Filters=filters)
    return [one["InstanceId"] for page in pages for group in page["Reservations"] for one in group["Instances"]]
