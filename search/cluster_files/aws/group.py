"""The security group: SSH from one's own address, all traffic between the cluster's machines, and nothing else."""

import ipaddress
import urllib.request
from functools import partial
from typing import Any

from search.cluster_files.aws.account import TAG, Account, SetUp, as_dict
from search.cluster_files.aws.steps import IS_THERE, Step
from trainables.domain import UsageError

ASKED = "https://checkip.amazonaws.com"
OURS = "SSH, by cluster-setup"
"""Description of the rule; a rule that a user adds has another one, and stays."""
GIVE = "give --ssh-from with the address that you use SSH from, such as 203.0.113.7/32"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def network(text: str) -> Network:
    """Return the addresses that SSH is open to.

    Raises:
        UsageError: the text is no network, or everyone's.
    """
    try:
        found = ipaddress.ip_network(text.strip())
    except ValueError as error:
        raise UsageError(f"--ssh-from {text}: {error}; {GIVE}") from None
    if found.prefixlen == 0:
        raise UsageError(f"--ssh-from {text} is everyone; {GIVE}")
    return found


def own_address() -> Network:
    """Return the address that the internet sees this machine at.

    Raises:
        UsageError: there is no answer, or it is none.
    """
    try:
        with urllib.request.urlopen(ASKED, timeout=10) as answer:
            return network(answer.read(100).decode())
    except (OSError, UnicodeDecodeError, UsageError):
        raise UsageError(f"{ASKED} does not say what your own address is; {GIVE}") from None


def found(account: Account, setup: SetUp, vpc: str) -> str | None:
    """Return the id of the set-up's group, None if there is none.

    Raises:
        UsageError: something else made a group of this name.
    """
    group = _find(account.client("ec2"), setup, vpc)
    return group["GroupId"] if group else None


def to_make(account: Account, setup: SetUp, vpc: str, ssh_from: Network) -> Step:
    """Return the step that makes the group, or sets its rules."""
    ec2 = account.client("ec2")
    group = _find(ec2, setup, vpc)
    what = f"security group {setup.name}"
    if group is None:
        text = f"make it: SSH from {ssh_from}, all traffic within the group"
        return Step(what, text, lambda: _make(ec2, setup, vpc, ssh_from))
    there, wanted = _opened(group), str(ssh_from)
    stale = sorted(there - {wanted})
    lacking = [] if wanted in there else [_ssh(wanted)]
    words = [f"open SSH from {ssh_from}"] if lacking else []
    if not _inner(group):
        lacking.append(_within(group["GroupId"]))
        words.append("allow all traffic within the group")
    words += [f"close SSH from {address}" for address in stale]
    if not words:
        return Step(what, f"{IS_THERE}; SSH from {ssh_from}")
    return Step(what, ", ".join(words), lambda: _set(ec2, group["GroupId"], lacking, stale))


def to_remove(account: Account, name: str) -> list[Step]:
    """Return a step for each security group of the region that the set-up `name` made."""
    ec2 = account.client("ec2")
    groups = ec2.describe_security_groups(Filters=[{"Name": f"tag:{TAG}", "Values": [name]}])["SecurityGroups"]
    return [
        Step(
            f"security group {group['GroupName']}",
            "delete it",
            partial(ec2.delete_security_group, GroupId=group["GroupId"]),
        )
        for group in groups
    ]


def _find(ec2: Any, setup: SetUp, vpc: str) -> dict[str, Any] | None:
    filters = [{"Name": "group-name", "Values": [setup.name]}, {"Name": "vpc-id", "Values": [vpc]}]
    groups = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    if not groups:
        return None
    if as_dict(groups[0].get("Tags", [])).get(TAG) != setup.name:
        text = f"the account has a security group {setup.name} that this command did not make"
        raise UsageError(f"{text}; delete it, or give another --name")
    return dict(groups[0])


def _make(ec2: Any, setup: SetUp, vpc: str, ssh_from: Network) -> None:
    made = ec2.create_security_group(
        GroupName=setup.name,
        Description="Machines of a cluster of diffusion-search",
        VpcId=vpc,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": setup.tags}],
    )
    ec2.get_waiter("security_group_exists").wait(GroupIds=[made["GroupId"]])
    _set(ec2, made["GroupId"], [_ssh(str(ssh_from)), _within(made["GroupId"])], [])


def _set(ec2: Any, group: str, lacking: list[dict[str, Any]], stale: list[str]) -> None:
    if lacking:
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=lacking)
    for address in stale:
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[_ssh(address, described=False)])


def _ssh(address: str, described: bool = True) -> dict[str, Any]:
    ranges, key = ("Ipv6Ranges", "CidrIpv6") if ":" in address else ("IpRanges", "CidrIp")
    one = {key: address, "Description": OURS} if described else {key: address}
    return {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, ranges: [one]}


def _within(group: str) -> dict[str, Any]:
    return {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}


def _opened(group: dict[str, Any]) -> set[str]:
    """Return the addresses that this command's rules open SSH to."""
    ranges = [one for rule in group["IpPermissions"] for key in ("IpRanges", "Ipv6Ranges") for one in rule.get(key, [])]
    return {one.get("CidrIp") or one["CidrIpv6"] for one in ranges if one.get("Description") == OURS}


def _inner(group: dict[str, Any]) -> bool:
    return any(
        pair["GroupId"] == group["GroupId"]
        for rule in group["IpPermissions"]
        if rule["IpProtocol"] == "-1"
        for pair in rule.get("UserIdGroupPairs", [])
    )
