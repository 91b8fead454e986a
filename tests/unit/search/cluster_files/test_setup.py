"""A set-up of an AWS account and its removal, against moto's AWS: first runs, second runs, and half-done ones."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

boto3 = pytest.importorskip("boto3", reason="boto3 is missing: pip install '.[cluster]'")
pytest.importorskip("moto", reason="moto is missing: pip install '.[test]'")

from moto.core import set_initial_no_auth_action_count  # noqa: E402

from search.cluster_files import check, setup  # noqa: E402
from search.cluster_files.aws import account, group  # noqa: E402
from trainables.domain import UsageError  # noqa: E402

Run = Callable[..., tuple[int, str, str]]
BUCKET = "diffusion-search-123456789012"  # moto's account
OUT = Path("my-cluster.yaml")


def state() -> dict[str, Any]:
    """All that a set-up may make in the account, with what it is like."""
    s3, ec2, iam = boto3.client("s3"), boto3.client("ec2"), boto3.client("iam")
    groups = [one for one in ec2.describe_security_groups()["SecurityGroups"] if one["GroupName"] != "default"]
    names = [one["RoleName"] for one in iam.list_roles()["Roles"] if not one["Path"].startswith("/aws-service-role")]
    profiles = iam.list_instance_profiles()["InstanceProfiles"]
    return {
        "buckets": sorted(one["Name"] for one in s3.list_buckets()["Buckets"]),
        "groups": {one["GroupName"]: one["IpPermissions"] for one in groups},
        "roles": {
            name: {
                policy: iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
                for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
            }
            for name in names
        },
        "profiles": {one["InstanceProfileName"]: [role["RoleName"] for role in one["Roles"]] for one in profiles},
    }


def broken(monkeypatch: pytest.MonkeyPatch, client: str, operation: str) -> None:
    """Let every client of a service fail at an operation, as when the network goes then."""
    from botocore.exceptions import EndpointConnectionError

    real = account.Account.client

    def failing(self: Any, service: str, region: str | None = None) -> Any:
        found = real(self, service, region)
        if service == client:

            def refuse(**_: Any) -> None:
                raise EndpointConnectionError(endpoint_url="https://nowhere")

            found.meta.events.register(f"before-call.{client}.{operation}", refuse)
        return found

    monkeypatch.setattr(account.Account, "client", failing)


def test_a_first_run_makes_all_that_ray_up_needs(make: Run) -> None:
    status, printed, _ = make("--yes")
    assert (status, printed.count("  done: ")) == (0, 6)
    assert "my-cluster.yaml: valid and complete" in printed
    made = state()
    (rules,) = made["groups"].values()
    assert made["buckets"] == [BUCKET]
    s3 = boto3.client("s3")
    assert set(s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"].values()) == {True}
    assert s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    opened = {(rule["IpProtocol"], rule.get("FromPort"), *addresses(rule)) for rule in rules}
    file = yaml.safe_load(OUT.read_text())
    head, spot = (file["available_node_types"][name]["node_config"] for name in ("head", "gpu_spot"))
    (own,) = head["SecurityGroupIds"]
    assert opened == {("tcp", 22, "203.0.113.7/32"), ("-1", None, own)}
    assert made["profiles"] == {name: [name] for name in ("diffusion-search-head", "diffusion-search-worker")}
    assert [config["IamInstanceProfile"]["Name"] for config in (head, spot)] == list(made["profiles"])


def addresses(rule: dict[str, Any]) -> list[str]:
    return [one["CidrIp"] for one in rule["IpRanges"]] + [one["GroupId"] for one in rule["UserIdGroupPairs"]]


def test_the_file_differs_from_the_shipped_one_in_its_values_alone(make: Run) -> None:
    assert make("--yes")[0] == 0
    mine, shipped = OUT.read_text().splitlines(), (check.ROOT / "cluster.yaml").read_text().splitlines()
    differing = [old for old, new in zip(shipped, mine, strict=True) if old != new]
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert all("CHANGE-ME-" in line or (here != "3.11" and "--python" in line) for line in differing)
    assert sum("CHANGE-ME-" in line for line in differing) == 3


@pytest.mark.parametrize("text", ["", "just words", "provider: {type: local}", "provider: {type: aws}", "a: ["])
def test_a_file_that_is_no_cluster_file_for_aws_is_not_overwritten(make: Run, text: str) -> None:
    OUT.write_text(text)
    status, _, errors = make("--yes")
    assert (status, errors.count("\n"), OUT.read_text(), state()["buckets"]) == (2, 1, text, [])
    assert "give another file with --out" in errors


def test_a_second_run_changes_nothing_and_says_so(make: Run) -> None:
    make("--yes")
    before, text = state(), OUT.read_text()
    status, printed, _ = make()  # without --yes: there is nothing to ask about
    assert (status, "Nothing to do" in printed, "  * " in printed) == (0, True, False)
    assert (state(), OUT.read_text()) == (before, text)


def test_a_dry_run_shows_all_and_makes_nothing(make: Run) -> None:
    before = state()
    status, printed, _ = make("--dry-run")
    assert (status, printed.count("\n  * "), OUT.exists()) == (0, 6, False)
    assert state() == before
    assert re.search(r"0 to 4 +g6\.xlarge +spot", printed)


def test_without_a_terminal_nothing_is_done_unasked(make: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    before = state()
    status, _, errors = make()
    assert (status, state()) == (2, before)
    assert errors.endswith("give --yes to go on\n")


@pytest.mark.parametrize(("answers", "made"), [(["", "my-own-bucket", "y"], True), (["us-east-1", "", ""], False)])
def test_on_a_terminal_it_asks(make: Run, monkeypatch: pytest.MonkeyPatch, answers: list[str], made: bool) -> None:
    questions = []

    def answer(question: str) -> str:
        questions.append(question)
        return answers[len(questions) - 1]

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", answer)
    assert make()[0] == 0
    assert questions == ["Region [us-east-1]: ", f"Bucket [{BUCKET}]: ", "Do this? [y/N] "]
    assert (state()["buckets"], OUT.exists()) == ((["my-own-bucket"], True) if made else ([], False))


@pytest.mark.parametrize(
    ("client", "operation"),
    [
        ("s3", "PutBucketTagging"),
        ("s3", "PutBucketEncryption"),
        ("ec2", "CreateSecurityGroup"),
        ("ec2", "AuthorizeSecurityGroupIngress"),
        ("iam", "PutRolePolicy"),
        ("iam", "CreateInstanceProfile"),
        ("iam", "AddRoleToInstanceProfile"),
        ("iam", "CreateServiceLinkedRole"),
    ],
)
def test_a_run_that_failed_half_way_is_taken_up_and_can_be_removed(
    make: Run, remove: Run, monkeypatch: pytest.MonkeyPatch, client: str, operation: str
) -> None:
    empty = state()
    with monkeypatch.context() as patch:
        broken(patch, client, operation)
        status, _, errors = make("--yes")
    assert (status, errors.count("\n"), OUT.exists()) == (2, 1, False)
    assert "AWS does not answer" in errors
    assert make("--yes")[0] == 0
    half = state()
    assert remove("--yes")[0] == 0
    assert state() == empty
    OUT.unlink()
    assert make("--yes")[0] == 0
    assert untold(state()) == untold(half)


def untold(made: dict[str, Any]) -> str:
    """The state without the numbers that AWS gives out."""
    return re.sub(r"sg-\w+", "sg", json.dumps(made, sort_keys=True))


@pytest.mark.parametrize(
    ("client", "operation"),
    [("s3", "DeleteBucket"), ("ec2", "DeleteSecurityGroup"), ("iam", "DeleteInstanceProfile"), ("iam", "DeleteRole")],
)
def test_a_removal_that_failed_half_way_is_taken_up(
    make: Run, remove: Run, monkeypatch: pytest.MonkeyPatch, client: str, operation: str
) -> None:
    empty = state()
    make("--yes")
    with monkeypatch.context() as patch:
        broken(patch, client, operation)
        assert remove("--yes")[0] == 2
    assert state() != empty
    assert remove("--yes")[0] == 0
    assert state() == empty
    assert "Nothing to remove" in remove("--yes")[1]


def test_a_bucket_with_results_stays_unless_told(make: Run, remove: Run) -> None:
    make("--yes")
    s3 = boto3.client("s3")
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for _ in range(2):
        s3.put_object(Bucket=BUCKET, Key="runs/first/log.jsonl", Body=b"{}")
    s3.delete_object(Bucket=BUCKET, Key="runs/first/log.jsonl")  # its versions are there still
    assert "stays: it has 3 objects" in remove("--yes")[1]
    assert state() == {"buckets": [BUCKET], "groups": {}, "roles": {}, "profiles": {}}
    assert make("--yes")[0] == 0  # finds it again, and sets the file's group anew
    assert "delete it with 3 objects, for good" in remove("--dry-run", "--with-results")[1]
    assert remove("--yes", "--with-results")[0] == 0
    assert state()["buckets"] == []


def test_what_others_made_is_neither_changed_nor_removed(make: Run, remove: Run) -> None:
    s3, iam = boto3.client("s3"), boto3.client("iam")
    s3.create_bucket(Bucket="mine")
    s3.put_object(Bucket="mine", Key="a", Body=b"")
    iam.create_role(RoleName="mine", AssumeRolePolicyDocument="{}")
    before = state()
    status, printed, _ = make("--yes", "--bucket", "mine")
    assert (status, "made by someone else: use it as it is" in printed) == (0, True)
    assert "s3://mine/runs" in OUT.read_text()
    assert remove("--yes", "--with-results")[0] == 0
    assert state() == before


@pytest.mark.parametrize("what", ["role", "profile", "group"])
def test_a_name_that_something_else_has_is_refused_before_anything_is_made(make: Run, remove: Run, what: str) -> None:
    if what == "group":
        boto3.client("ec2").create_security_group(GroupName="diffusion-search", Description="mine")
    elif what == "role":
        boto3.client("iam").create_role(RoleName="diffusion-search-worker", AssumeRolePolicyDocument="{}")
    else:
        boto3.client("iam").create_instance_profile(InstanceProfileName="diffusion-search-head")
    before = state()
    status, _, errors = make("--yes")
    assert (status, errors.count("\n"), state()) == (2, 1, before)
    assert "that this command did not make; delete it, or give another --name" in errors
    assert remove("--yes")[0] == 0
    assert state() == before
    assert make("--yes", "--name", "second")[0] == 0
    assert yaml.safe_load(OUT.read_text())["cluster_name"] == "second"


def test_two_set_ups_of_an_account_keep_apart(make: Run, remove: Run) -> None:
    make("--yes")
    before = state()
    assert make("--yes", "--name", "second", "--out", "second.yaml", "--region", "us-west-2")[0] == 0
    second = yaml.safe_load(Path("second.yaml").read_text())
    assert second["provider"]["availability_zone"].startswith("us-west-2a,")
    profiles = {one["node_config"]["IamInstanceProfile"]["Name"] for one in second["available_node_types"].values()}
    assert profiles == {"second-head", "second-worker"}
    status, _, errors = remove("--yes", "--name", "second", "--region", "eu-west-1")
    assert (status, "the set-up second is in us-west-2; leave it out" in errors) == (2, True)
    assert remove("--yes", "--name", "second")[0] == 0  # its roles say which region it is in
    assert state() == before
    assert not boto3.client("ec2", region_name="us-west-2").describe_security_groups(
        Filters=[{"Name": "group-name", "Values": ["second"]}]
    )["SecurityGroups"]


def test_another_bucket_or_region_for_a_set_up_is_refused(make: Run) -> None:
    make("--yes")
    for option, other in (("--bucket", "another"), ("--region", "us-west-2")):
        status, _, errors = make("--yes", option, other, "--out", "other.yaml")
        assert (status, errors.count("\n")) == (2, 1)
        assert f"and not {other}; give {option} " in errors


def test_a_new_address_replaces_the_old_one_and_no_rule_of_the_users(make: Run) -> None:
    make("--yes")
    ec2 = boto3.client("ec2")
    (own,) = yaml.safe_load(OUT.read_text())["available_node_types"]["head"]["node_config"]["SecurityGroupIds"]
    friend = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "192.0.2.1/32"}]}
    ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[friend])
    for address in ("198.51.100.0/24", "2001:db8::7/128"):
        assert make("--yes", "--ssh-from", address)[0] == 0
        assert "Nothing to do" in make("--ssh-from", address)[1]
    rules = ec2.describe_security_groups(GroupIds=[own])["SecurityGroups"][0]["IpPermissions"]
    assert {one["CidrIp"] for rule in rules for one in rule["IpRanges"]} == {"192.0.2.1/32"}
    assert {one["CidrIpv6"] for rule in rules for one in rule["Ipv6Ranges"]} == {"2001:db8::7/128"}


@pytest.mark.parametrize("given", ["0.0.0.0/0", "::/0", "203.0.113.7/24", "here"])
def test_ssh_is_opened_to_a_network_that_is_not_everyone(make: Run, given: str) -> None:
    status, _, errors = make("--yes", "--ssh-from", given)
    assert (status, errors.count("\n"), state()["groups"]) == (2, 1, {})
    assert "give --ssh-from with the address that you use SSH from" in errors


@pytest.mark.parametrize(("answer", "expected"), [(b"203.0.113.9\n", "203.0.113.9/32"), (b"<html>", None)])
def test_ones_own_address_is_asked_for(monkeypatch: pytest.MonkeyPatch, answer: bytes, expected: str | None) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name is http.server's
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.handle_request, daemon=True).start()
        monkeypatch.setattr(group, "ASKED", f"http://127.0.0.1:{server.server_port}")
        if expected:
            assert str(group.own_address()) == expected
        else:
            with pytest.raises(UsageError, match="give --ssh-from"):
                group.own_address()
    monkeypatch.setattr(group, "ASKED", "http://127.0.0.1:1")  # nothing listens there
    with pytest.raises(UsageError, match="does not say what your own address is; give --ssh-from"):
        group.own_address()


def test_a_bucket_of_another_account_is_refused(make: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("MOTO_ACCOUNT_ID", "999999999999")
        boto3.client("s3").create_bucket(Bucket=BUCKET)
    status, _, errors = make("--yes")
    assert (status, errors.count("\n")) == (2, 1)
    assert "another account has a bucket" in errors
    assert "--bucket" in errors


def test_a_region_without_the_machines_is_refused(make: Run) -> None:
    status, _, errors = make("--yes", "--region", "eu-west-1")  # moto's has no g6
    assert (status, errors.count("\n")) == (2, 1)
    assert "eu-west-1 offers no g6.xlarge" in errors
    assert "AWS has no region eu-nowhere-1" in make("--yes", "--region", "eu-nowhere-1")[2]


def test_machines_that_run_are_not_robbed_of_their_roles(make: Run, remove: Run) -> None:
    make("--yes")
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "ray-cluster-name", "Value": "diffusion-search"}]}]
    image = boto3.client("ec2").describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    made = boto3.client("ec2").run_instances(ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=tags)
    before = state()
    status, _, errors = remove("--yes")
    assert (status, state()) == (2, before)
    assert "end them with `ray down FILE`" in errors
    boto3.client("ec2").terminate_instances(InstanceIds=[made["Instances"][0]["InstanceId"]])
    assert remove("--yes")[0] == 0


def test_without_credentials_one_line_says_what_to_do(make: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    status, _, errors = make("--yes")
    assert (status, errors.count("\n")) == (2, 1)
    assert "there are no credentials for AWS" in errors
    assert "aws configure" in errors


def test_a_right_that_is_missing_is_named(make: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    iam = boto3.client("iam")
    iam.create_user(UserName="guest")
    look = ["sts:*", "s3:*", "ec2:*", "iam:Get*", "iam:List*"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": look, "Resource": "*"}]}
    iam.put_user_policy(UserName="guest", PolicyName="look", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="guest")["AccessKey"]
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        patch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        # Only now does moto check rights.
        status, printed, errors = set_initial_no_auth_action_count(0)(make)("--yes")
    assert (status, errors.count("\n")) == (2, 1)
    assert "these credentials may not do iam:CreateRole" in errors
    assert "done: security group" in printed
    assert make("--yes")[0] == 0  # with the right, it goes on from there


def test_the_token_is_made_where_there_is_none(make: Run, home: Path) -> None:
    token = home / ".ray/auth_token"
    token.unlink()
    status, printed, _ = make("--yes")
    assert (status, token.stat().st_mode & 0o777) == (0, 0o600)
    assert token.read_text() not in printed


def test_boto3_is_needed_and_help_is_not(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert setup.main([]) == 2
    assert capsys.readouterr().err.endswith("boto3 is missing: pip install -c constraints.txt '.[cluster]'\n")
