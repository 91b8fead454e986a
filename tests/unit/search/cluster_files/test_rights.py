"""The rights of the roles: enough for what Ray's node provider and a run do, and for nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import ANY

import pytest
import yaml

boto3 = pytest.importorskip("boto3", reason="boto3 is missing: pip install '.[cluster]'")
pytest.importorskip("moto", reason="moto is missing: pip install '.[test]'")

from botocore.exceptions import ClientError  # noqa: E402
from moto.core.authorization import enable_iam_authentication  # noqa: E402

from search.cluster_files.aws.account import Account, SetUp  # noqa: E402
from search.cluster_files.aws.roles import policies  # noqa: E402
from search.cluster_files.check import ROOT  # noqa: E402

REGION, BUCKET = "us-east-1", "diffusion-search-123456789012"
Run = Callable[..., tuple[int, str, str]]
SETUP = SetUp("diffusion-search", REGION, BUCKET)


@pytest.fixture
def config(make: Run) -> dict[str, Any]:
    """The file that a set-up wrote, with an image that moto has.

    moto compares actions and resources, and takes every condition for unmet: the policies lose them here.
    """
    image = boto3.client("ec2").describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    assert make("--yes", "--image", image)[0] == 0
    for kind in ("head", "worker"):
        for name, policy in policies(Account.open(REGION), SETUP, kind).items():
            for statement in policy["Statement"]:
                statement.pop("Condition", None)
            boto3.client("iam").put_role_policy(
                RoleName=f"diffusion-search-{kind}", PolicyName=name, PolicyDocument=json.dumps(policy)
            )
    with open("my-cluster.yaml") as file:
        return yaml.safe_load(file)


@contextmanager
def as_role(monkeypatch: pytest.MonkeyPatch, kind: str) -> Iterator[None]:
    """Be a machine of the cluster, in an account that checks rights."""
    role = f"arn:aws:iam::123456789012:role/diffusion-search-{kind}"
    given = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="machine")["Credentials"]
    with monkeypatch.context() as patch, enable_iam_authentication():
        patch.setenv("AWS_ACCESS_KEY_ID", given["AccessKeyId"])
        patch.setenv("AWS_SECRET_ACCESS_KEY", given["SecretAccessKey"])
        patch.setenv("AWS_SESSION_TOKEN", given["SessionToken"])
        boto3.DEFAULT_SESSION = None
        yield
    boto3.DEFAULT_SESSION = None


def refused(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except ClientError as error:
        return error.response["Error"]["Code"] in ("AccessDenied", "UnauthorizedOperation")
    return False


def test_ray_starts_tags_and_ends_machines_with_the_rights_of_the_head(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider

    boto3.client("ec2").create_key_pair(KeyName="ray-autoscaler_us-east-1")
    with as_role(monkeypatch, "head"):
        key = {"auth": {"ssh_user": "ubuntu", "ssh_private_key": "key"}}
        for node_type in config["available_node_types"].values():
            node_type["node_config"]["KeyName"] = "ray-autoscaler_us-east-1"
        ready = AWSNodeProvider.bootstrap_config({**config, **key})
        AWSNodeProvider.fillout_available_node_types_resources(ready)
        provider = AWSNodeProvider({**ready["provider"]}, "diffusion-search")
        worker = ready["available_node_types"]["gpu_spot"]["node_config"]
        provider.create_node(worker, {"ray-node-kind": "worker", "ray-node-status": "uninitialized"}, 1)
        (node,) = provider.non_terminated_nodes({"ray-node-kind": "worker"})
        provider.set_node_tags(node, {"ray-node-status": "up-to-date"})
        assert provider.internal_ip(node)
        provider.terminate_node(node)
        assert not provider.non_terminated_nodes({"ray-node-kind": "worker"})
        ec2 = boto3.client("ec2")
        assert refused(lambda: ec2.authorize_security_group_ingress(GroupId="sg-1", IpPermissions=[]))
        assert refused(boto3.client("iam").list_users)


@pytest.mark.parametrize("kind", ["head", "worker"])
def test_a_machine_reads_and_writes_runs_in_its_bucket_and_nowhere_else(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    boto3.client("s3").create_bucket(Bucket="another")
    with as_role(monkeypatch, kind):
        s3 = boto3.client("s3")
        s3.put_object(Bucket=BUCKET, Key="runs/a", Body=b"1")
        assert s3.get_object(Bucket=BUCKET, Key="runs/a")["Body"].read() == b"1"
        assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 1
        part = s3.create_multipart_upload(Bucket=BUCKET, Key="runs/b")["UploadId"]
        s3.abort_multipart_upload(Bucket=BUCKET, Key="runs/b", UploadId=part)
        s3.delete_object(Bucket=BUCKET, Key="runs/a")
        assert refused(lambda: s3.put_object(Bucket="another", Key="a", Body=b""))
        assert refused(lambda: s3.list_objects_v2(Bucket="another"))
        assert refused(lambda: s3.delete_bucket(Bucket=BUCKET))


def test_a_worker_has_no_right_on_machines(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with as_role(monkeypatch, "worker"):
        ec2 = boto3.client("ec2")
        assert refused(ec2.describe_instances)
        assert refused(lambda: ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1))


def documented(row: str) -> list[str]:
    """The rights of an entry of docs/cluster.md: the first of a service names it, `s3:ListBucket`, `GetObject`."""
    (entry,) = re.findall(rf"(?m)^- \*\*{row}\*\*: (.*(?:\n  .*)*)$", (ROOT / "docs/cluster.md").read_text())
    rights, service = [], ""
    for name in re.findall(r"`([\w:*]+)`", entry):
        service = name.partition(":")[0] if ":" in name else service
        rights.append(name if ":" in name else f"{service}:{name}")
    return rights


def test_the_rights_that_are_documented_suffice(make: Run, remove: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    iam = boto3.client("iam")
    iam.create_user(UserName="user")
    rights = documented("You, for the set-up") + documented("You, for the removal")
    # For what S3 takes s3:ListBucket, moto has a name of its own; the other is the test's, to have a result.
    rights += ["s3:HeadBucket", "s3:PutObject"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": rights, "Resource": "*"}]}
    iam.put_user_policy(UserName="user", PolicyName="all", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="user")["AccessKey"]
    with monkeypatch.context() as patch, enable_iam_authentication():
        patch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        patch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        assert make("--yes") == (0, ANY, "")
        boto3.Session().client("s3").put_object(Bucket=BUCKET, Key="a", Body=b"")
        assert remove("--yes", "--with-results") == (0, ANY, "")


@pytest.mark.parametrize("kind", ["head", "worker"])
def test_the_rights_of_the_roles_are_documented(aws: None, kind: str) -> None:
    statements = [one for policy in policies(Account.open(REGION), SETUP, kind).values() for one in policy["Statement"]]
    rights = {action for one in statements for action in one["Action"]}
    assert rights == set(documented("Head and workers") + (documented("Head") if kind == "head" else []))


def test_rights_on_everything_only_describe_or_have_a_condition(aws: None) -> None:
    found = policies(Account.open(REGION), SETUP, "head")
    for statement in (one for policy in found.values() for one in policy["Statement"]):
        only_describes = all(action.startswith("ec2:Describe") for action in statement["Action"])
        assert statement["Resource"] != "*" or only_describes or "Condition" in statement
        assert not any("*" in action for action in statement["Action"])


def test_the_partition_of_a_region_is_in_its_names(aws: None) -> None:
    china = Account.open("cn-north-1")
    (bucket, *_), scale = (found["Statement"] for found in policies(china, SETUP, "head").values())
    assert bucket["Resource"] == f"arn:aws-cn:s3:::{BUCKET}"
    assert scale[-1]["Resource"] == "arn:aws-cn:iam::123456789012:role/diffusion-search-worker"
