"""The roles of head and workers: what a machine of the cluster may do in the account.

Ray's own default gives the head all rights on EC2 and S3, and workers none. Here both may use the one bucket. The head
may also do what Ray's node provider does (2.60): describe, start, tag and end machines, and give workers their role.
"""

import json
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from search.cluster_files.aws.account import TAG, Account, SetUp, as_dict
from search.cluster_files.aws.errors import code
from search.cluster_files.aws.steps import IS_THERE, Step
from trainables.domain import UsageError

KINDS = ("head", "worker")
SPOT = "spot.amazonaws.com"
VERSION = "2012-10-17"  # of the language of policies
TRUST = {
    "Version": VERSION,
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
# What Ray asks: the provider for its machines, `ray down` on the head (of `ray exec --stop`) for the others.
DESCRIBED = ("Instances", "InstanceTypes", "KeyPairs", "SecurityGroups", "Subnets")
CLUSTER = "ray-cluster-name"  # Ray's tag of a cluster's machines
READ_AND_WRITE = ("GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload")


def policies(account: Account, setup: SetUp, kind: str) -> dict[str, Any]:
    """Return the policies of the role of "head" or "worker", by their names."""
    bucket = account.arn("s3", setup.bucket)
    runs = [
        _allow(["s3:ListBucket", "s3:GetBucketLocation"], bucket),
        _allow([f"s3:{action}" for action in READ_AND_WRITE], f"{bucket}/*"),
    ]
    if kind == "worker":
        return {"runs": _policy(runs)}
    own = {"StringEquals": {f"aws:ResourceTag/{CLUSTER}": setup.name}}
    worker = account.arn("iam", f"role/{setup.name}-worker")
    scale = [
        _allow([f"ec2:Describe{what}" for what in DESCRIBED], "*"),
        _allow(["ec2:RunInstances"], "*", {"StringEquals": {"aws:RequestedRegion": setup.region}}),
        _allow(["ec2:CreateTags"], "*", {"StringEquals": {"ec2:CreateAction": "RunInstances"}}),
        _allow(["ec2:CreateTags", "ec2:TerminateInstances"], "*", own),
        _allow(["iam:PassRole"], worker, {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}),
    ]
    return {"runs": _policy(runs), "scale": _policy(scale)}


def earlier(account: Account, name: str) -> SetUp | None:
    """Return the set-up of this name that the account has, None if it has none."""
    iam = account.client("iam")
    for kind in KINDS:
        role = _get(iam.get_role, "Role", RoleName=f"{name}-{kind}") or {}
        tags = as_dict(role.get("Tags", []))
        if tags.get(TAG) == name:
            return SetUp(name, tags[f"{TAG}-region"], tags[f"{TAG}-bucket"])
    return None


def to_make(account: Account, setup: SetUp) -> list[Step]:
    """Return the steps that make or complete the roles, each with its instance profile, and EC2's own role for spot.

    Raises:
        UsageError: something else made a role or profile of these names.
    """
    iam = account.client("iam")
    return [*(_to_make(account, iam, setup, kind) for kind in KINDS), _for_spot(iam)]


def to_remove(account: Account, name: str) -> list[Step]:
    """Return the steps that remove the roles and profiles that the set-up `name` made."""
    iam = account.client("iam")
    steps = []
    for role in (f"{name}-{kind}" for kind in KINDS):
        if _made(_get(iam.get_instance_profile, "InstanceProfile", InstanceProfileName=role), name):
            steps.append(Step(f"instance profile {role}", "delete it", partial(_delete_profile, iam, role)))
        if _made(_get(iam.get_role, "Role", RoleName=role), name):
            steps.append(Step(f"role {role}", "delete it with its policies", partial(_delete_role, iam, role)))
    return steps


def _to_make(account: Account, iam: Any, setup: SetUp, kind: str) -> Step:
    name, tags = f"{setup.name}-{kind}", setup.tags
    role = _tagged(_get(iam.get_role, "Role", RoleName=name), f"a role {name}")
    found = _get(iam.get_instance_profile, "InstanceProfile", InstanceProfileName=name)
    profile = _tagged(found, f"an instance profile {name}")
    wanted = policies(account, setup, kind)
    there = partial(_get, iam.get_role_policy, "PolicyDocument", RoleName=name)
    lacking = [policy for policy in wanted if not role or there(PolicyName=policy) != wanted[policy]]
    within = [one["RoleName"] for one in profile["Roles"]] if profile else []

    def make() -> None:
        if not role:
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST), Tags=tags)
            iam.get_waiter("role_exists").wait(RoleName=name)
        for policy in lacking:
            iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(wanted[policy]))
        if not profile:
            iam.create_instance_profile(InstanceProfileName=name, Tags=tags)
            iam.get_waiter("instance_profile_exists").wait(InstanceProfileName=name)
        if name not in within:
            iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)

    may = "may use the bucket" if kind == "worker" else "may use the bucket, start workers and end them"
    if not role:
        return Step(f"role {name}", f"make it: {may}", make)
    added = [f"the policy {policy}" for policy in lacking]
    if name not in within:
        added.append("the instance profile")
    return Step(f"role {name}", f"set {' and '.join(added)}" if added else IS_THERE, make if added else None)


def _for_spot(iam: Any) -> Step:
    """Return the step for the role by which EC2 starts spot machines: one for an account, made by AWS at this word."""
    what = "EC2's role for spot machines"
    if iam.list_roles(PathPrefix=f"/aws-service-role/{SPOT}/")["Roles"]:
        return Step(what, IS_THERE)
    text = "make it, once for the account; it stays when the rest is removed"
    return Step(what, text, lambda: iam.create_service_linked_role(AWSServiceName=SPOT))


def _tagged(found: dict[str, Any] | None, what: str) -> dict[str, Any] | None:
    if found and TAG not in as_dict(found.get("Tags", [])):
        raise UsageError(f"the account has {what} that this command did not make; delete it, or give another --name")
    return found


def _made(found: dict[str, Any] | None, name: str) -> bool:
    return found is not None and as_dict(found.get("Tags", [])).get(TAG) == name


def _get(ask: Any, key: str, **names: str) -> dict[str, Any] | None:
    try:
        return dict(ask(**names)[key])
    except ClientError as error:
        if code(error) != "NoSuchEntity":
            raise
        return None


def _delete_profile(iam: Any, name: str) -> None:
    profile = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    for role in profile["Roles"]:
        iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role["RoleName"])
    iam.delete_instance_profile(InstanceProfileName=name)


def _delete_role(iam: Any, name: str) -> None:
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    for attached in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:  # by the user
        iam.detach_role_policy(RoleName=name, PolicyArn=attached["PolicyArn"])
    iam.delete_role(RoleName=name)


def _allow(actions: list[str], resource: str, condition: dict[str, Any] | None = None) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
    return statement if condition is None else {**statement, "Condition": condition}


def _policy(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": VERSION, "Statement": statements}
