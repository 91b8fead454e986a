"""The cluster files as they are shipped, and the check that finds what is wrong in one, offline."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from search.cluster_files.check import check, locked, main
from search.cluster_files.ec2 import faults

ROOT = Path(__file__).parents[4]
AWS, ONPREM = "cluster.yaml", "cluster-onprem.yaml"
PINS = locked(ROOT / "constraints.txt")
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
VALUES = {
    "CHANGE-ME-image": "ami-0123456789abcdef0",
    "CHANGE-ME-security-group": "sg-0123456789abcdef0",
    "CHANGE-ME-bucket": "a-bucket",
    "CHANGE-ME-head": "192.0.2.10",
    "CHANGE-ME-worker-1": "192.0.2.11",
    "CHANGE-ME-worker-2": "192.0.2.12",
    "CHANGE-ME-user": "someone",
    "CHANGE-ME-storage": "/mnt/nfs/runs",
}
needs_botocore = pytest.mark.skipif(
    find_spec("botocore") is None, reason="botocore is missing: pip install '.[cluster]'"
)
SHIPPED = [pytest.param(AWS, marks=needs_botocore), ONPREM]

WORKER_START = "worker_start_ray_commands:"
# What is wrong: (text of the file, what stands in its place, a piece of the line named, a piece of what is said)
AWS_MISTAKES = {
    "no YAML": ("provider:\n", "provider: [\n", "region", "no YAML: "),
    "field": ("idle_timeout_minutes", "idle_timout_minutes", "idle_timout", "did you mean idle_timeout_minutes?"),
    "inner field": ("    min_workers: 0\n", "    min_worker: 0\n", "min_worker:", "min_worker is nothing Ray knows"),
    "type": ("max_workers: 5", "max_workers: five", "max_workers: five", "'five' is not of type 'integer'"),
    "head": ("head_node_type: head", "head_node_type: haed", "haed", "must be one of `available_node_types`"),
    "provider": ("type: aws", "type: asw", "provider:", "asw"),
    "sum": (
        "min_workers: 0\n    max_workers: 4",
        "min_workers: 9\n    max_workers: 4",
        "max_workers: 5",
        "is smaller than",
    ),
    "parameter": ("InstanceType: g6", "InstanceTyp: g6", "InstanceTyp:", "did you mean InstanceType?"),
    "machine": ("g6.xlarge", "g6.xlagre", "g6.xlagre", "did you mean g6.xlarge?"),
    "market": ("MarketType: spot", "MarketType: cheap", "cheap", "give one of spot"),
    "disk": ("VolumeSize: 120", "VolumeSize: 120 GB", "120 GB", "'120 GB' is no integer"),
    "flag": ("Encrypted: true", "Encrypted: 1", "Encrypted: 1", "1 is no boolean"),
    "list": ("[CHANGE-ME-security-group]", "CHANGE-ME-security-group", "CHANGE-ME-security-group", "is no list"),
    "nested": ("{HttpTokens: required}", "{HttpToken: required}", "HttpToken:", "did you mean HttpTokens?"),
    "no image": (
        "      ImageId: *image\n",
        "",
        "node_config: &worker",
        "has no ImageId: Ray would take an Ubuntu 18.04",
    ),
    "no profile": (
        "      IamInstanceProfile: {Name: diffusion-search-worker}",
        "      #",
        "node_config: &worker",
        "has no IamInstanceProfile",
    ),
    "own group": ("      SecurityGroupIds: *groups\n", "", "node_config: &worker", "opens SSH to everyone"),
    "Ray's group": (
        "  cache_stopped_nodes: false\n",
        "  cache_stopped_nodes: false\n  security_group: {GroupName: mine}\n",
        "security_group: {",
        "Ray adds a rule to this group",
    ),
    "everyone": (
        "{HttpTokens: required}",
        "{HttpTokens: required}\n      UserData: 'allow 0.0.0.0/0'",
        "UserData",
        "0.0.0.0/0 is everyone",
    ),
    "stopped": ("cache_stopped_nodes: false", "cache_stopped_nodes: true", "cache_stopped_nodes: true", "only stop"),
    "stopped by default": ("  cache_stopped_nodes: false\n", "", "provider:", "give cache_stopped_nodes: false"),
    "disk stays": ("DeleteOnTermination: true", "DeleteOnTermination: false", "DeleteOnTermination: f", "disk stays"),
    "AWS key": ("auth:\n", "# AKIA" + 16 * "A" + "\nauth:\n", "# AKIA", "an AWS key stands in the file"),
}
BOTH_MISTAKES = {
    "dashboard": ("--dashboard-host=127.0.0.1", "--dashboard-host=0.0.0.0", ">-", "--dashboard-host=0.0.0.0: "),
    "token off": ("RAY_AUTH_MODE=token ray start --address", "ray start --address", ">-", "nobody"),
    "token disabled": (
        "export RAY_AUTH_MODE=token",
        "export RAY_AUTH_MODE=disabled",
        ">-",
        "RAY_AUTH_MODE=disabled: Ray",
    ),
    "no token file": ("  ~/.ray/auth_token: ~/.ray/auth_token\n", "", "file_mounts:", "no machine gets the token"),
    "token": ("rsync_exclude", "# " + 64 * "a" + "\nrsync_exclude", "# aaa", "Ray's token stands in the file"),
    "token in a command": ("RAY_AUTH_MODE=token PATH", "RAY_AUTH_MODE=token RAY_AUTH_TOKEN=x PATH", "TOKEN=x", "token"),
    "no start": (
        "RAY_AUTH_MODE=token ray start --addr",
        "RAY_AUTH_MODE=token start --addr",
        WORKER_START,
        "no `ray start`",
    ),
    "Ray": (f"ray=={PINS['ray']}", "ray==2.9.0", ">-", f"ray 2.9.0: constraints.txt has {PINS['ray']}"),
    "no Ray": (f" ray=={PINS['ray']}", "", "setup_commands:", "the file names no version of Ray"),
    "uv": (f"astral.sh/uv/{PINS['uv']}", "astral.sh/uv/0.1.0", "uv/0.1.0", "uv 0.1.0: constraints.txt has"),
    "Python": ("--python 3.11 ", "--python 3.10 ", "3.10", "Python 3.10: this is Python 3.11"),
    "no Python": ("--python 3.11 ", "", "setup_commands:", "the file names no version of Python"),
    "no constraints": ("-c ~/diffusion-search/constraints.txt", "", "setup_commands:", "give -c constraints.txt"),
}
ONPREM_MISTAKES = {
    "node types": (
        "auth:\n",
        "available_node_types: {a: {node_config: {}}}\nauth:\n",
        "available_node_types: {",
        "not supp",
    ),
    "no head": ("  head_ip: CHANGE-ME-head\n", "", "provider:", "Please supply a `head_ip`"),
    "no list": (
        "[CHANGE-ME-worker-1, CHANGE-ME-worker-2]",
        "CHANGE-ME-worker-1",
        "worker_ips",
        "is not of type 'array'",
    ),
    "autoscaler": ("RAY_enable_autoscaler_v2=0 RAY", "RAY", ">-", "put RAY_enable_autoscaler_v2=0 before `ray start`"),
}
MISTAKES = [
    *(pytest.param(AWS, *rest, marks=needs_botocore, id=f"aws {name}") for name, rest in AWS_MISTAKES.items()),
    *(pytest.param(AWS, *rest, marks=needs_botocore, id=f"aws {name}") for name, rest in BOTH_MISTAKES.items()),
    *(pytest.param(ONPREM, *rest, id=f"onprem {name}") for name, rest in (BOTH_MISTAKES | ONPREM_MISTAKES).items()),
]


def shipped(name: str) -> str:
    return (ROOT / name).read_text()


def filled(name: str) -> str:
    """The file with every mark set, for machines with the Python that runs."""
    text = shipped(name).replace("--python 3.11 ", f"--python {HERE} ")
    for mark, value in VALUES.items():
        text = text.replace(mark, value)
    return text


def data(name: str) -> dict[str, Any]:
    return yaml.safe_load(shipped(name))


def written(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_lack_the_marked_values_and_nothing_else(name: str) -> None:
    wrong, unset = check(ROOT / name, PINS, "3.11")
    assert wrong == []
    lines = shipped(name).splitlines()
    marks = [
        (n, mark) for n, line in enumerate(lines, 1) for mark in re.findall(r"CHANGE-ME-[\w-]+", line.split("# ")[0])
    ]
    assert [(problem.line, problem.text.split()[0]) for problem in unset] == marks
    assert marks


@pytest.mark.parametrize("name", SHIPPED)
def test_with_the_marks_set_a_file_is_complete(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, filled(name))
    assert main([str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: valid and complete\n"


@pytest.mark.parametrize(("name", "old", "new", "where", "text"), MISTAKES)
def test_every_mistake_is_found_on_its_line(
    tmp_path: Path, name: str, old: str, new: str, where: str, text: str
) -> None:
    assert old in shipped(name)
    broken = shipped(name).replace(old, new, 1)
    wrong, _ = check(written(tmp_path, broken), PINS, "3.11")
    named = [problem for problem in wrong if text in problem.text]
    assert named, wrong
    assert where in broken.splitlines()[named[0].line - 1]


def test_exit_statuses_tell_what_there_is_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    complete = written(tmp_path, filled(ONPREM), "complete.yaml")
    unset = written(tmp_path, filled(ONPREM).replace("192.0.2.11", "CHANGE-ME"), "unset.yaml")
    wrong = written(tmp_path, filled(ONPREM).replace("127.0.0.1", "192.0.2.10"), "wrong.yaml")
    runs = [[complete], [complete, wrong, unset], [tmp_path / "nowhere.yaml"], [unset, complete]]
    assert [main([str(path) for path in paths]) for paths in runs] == [0, 1, 2, 3]
    streams = capsys.readouterr()
    assert streams.err.count("\n") == 1
    assert "nowhere.yaml: cannot be read (No such file or directory); give a cluster file" in streams.err
    assert f"{unset}: valid, 1 value still to be set" in streams.out
    assert all(re.match(rf"{wrong}(:\d+)?: ", line) for line in streams.out.splitlines() if "wrong.yaml" in line)


def test_a_secret_is_found_and_not_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = 32 * "5e"
    assert main([str(written(tmp_path, f"# {secret}\n{filled(ONPREM)}"))]) == 1
    streams = capsys.readouterr()
    assert ":1: Ray's token stands in the file" in streams.out
    assert secret not in streams.out + streams.err


def test_without_botocore_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)
    assert main([str(ROOT / AWS)]) == 2
    assert capsys.readouterr().err.endswith("botocore is missing: pip install -c constraints.txt '.[cluster]'\n")


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "cluster_name: [", "just words"])
def test_what_is_no_cluster_file_is_a_problem_and_no_crash(tmp_path: Path, text: str) -> None:
    wrong, unset = check(written(tmp_path, text), PINS, HERE)
    assert (len(wrong), unset) == (1, [])


@pytest.mark.parametrize("name", SHIPPED)
def test_a_newer_lock_makes_the_files_out_of_date(name: str) -> None:
    wrong, _ = check(ROOT / name, {**PINS, "ray": "99.0", "uv": "99.0"}, "3.11")
    assert sorted(problem.text.split(":")[0] for problem in wrong) == [f"ray {PINS['ray']}", f"uv {PINS['uv']}"]


@pytest.mark.parametrize("name", [AWS, ONPREM])
def test_machines_get_the_python_that_the_lock_was_made_for(name: str) -> None:
    (made_for,) = re.findall(r"--python-version (\S+)", (ROOT / "Makefile").read_text())
    assert re.findall(r"--python (\d\S*)", "\n".join(data(name)["setup_commands"])) == [made_for]


@pytest.mark.parametrize("name", [AWS, ONPREM])
def test_machines_get_every_file_that_an_installation_reads(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    folders = {pattern.rstrip("*") for pattern in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    files = {project["project"]["readme"], *project["project"]["license-files"], "pyproject.toml", "constraints.txt"}
    mounts = {remote.removeprefix("~/diffusion-search/"): local for remote, local in data(name)["file_mounts"].items()}
    assert mounts.pop("~/.ray/auth_token") == "~/.ray/auth_token"
    assert set(mounts) == folders | {file for file in files if file.partition("/")[0] not in folders}
    assert all(local == remote and (ROOT / local).exists() for remote, local in mounts.items())


def test_ray_reads_the_token_where_it_is_put(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ray._private.authentication.authentication_token_setup import _get_default_token_path

    monkeypatch.setenv("HOME", str(tmp_path))
    assert _get_default_token_path() == tmp_path / ".ray/auth_token"


@pytest.mark.parametrize("name", [AWS, ONPREM])
def test_every_command_is_a_shell_command(name: str) -> None:
    commands = [text for key, texts in data(name).items() if key.endswith("_commands") for text in texts]
    for command in commands:
        subprocess.run(["bash", "-n", "-c", command], check=True)
    assert len(commands) >= 9


def bash(command: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), **environment}
    return subprocess.run(["bash", "-c", command], check=False, env=environment, capture_output=True, text=True)


def test_what_the_comments_say_to_do_once_can_be_pasted(tmp_path: Path) -> None:
    (steps,) = re.findall(r"# Once.*?:\n#\n(.*?)\n#\n", shipped(ONPREM), re.DOTALL)
    stubs = "ray() { :; }; chmod() { :; }; ssh-keygen() { :; }; ssh-copy-id() { :; }; set -eu; "
    done = bash(stubs + re.sub(r"(?m)^#", "", steps), tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_commands_of_the_comments_are_targets_of_make() -> None:
    named = set(re.findall(r"make (cluster-\w+)", shipped(AWS)))
    assert named == set(re.findall(r"(?m)^(cluster-\w+):", (ROOT / "Makefile").read_text()))


@pytest.mark.parametrize(("name", "storage"), [(AWS, "s3://a-bucket/runs"), (ONPREM, "/mnt/nfs/runs")])
def test_every_shell_knows_the_environment_the_storage_and_the_token(tmp_path: Path, name: str, storage: str) -> None:
    commands = [text for text in yaml.safe_load(filled(name))["setup_commands"] if "/environment" in text]
    (tmp_path / "diffusion-search").mkdir()
    for command in [*commands, *commands]:  # `ray up` runs them again after a change
        assert bash(command, tmp_path).returncode == 0
    assert (tmp_path / ".bashrc").read_text().count("environment") == 1
    shown = bash('. ~/.bashrc; echo "$RAY_AUTH_MODE $SEARCH_STORAGE ${PATH%%:*}"', tmp_path).stdout.split()
    assert shown == ["token", storage, f"{tmp_path}/diffusion-search/.venv/bin"]


def test_a_machine_that_does_not_see_the_storage_is_refused(tmp_path: Path) -> None:
    command = data(ONPREM)["setup_commands"][-1]
    assert bash(command, tmp_path, SEARCH_STORAGE="s3://a-bucket/runs").returncode == 0
    assert bash(command, tmp_path, SEARCH_STORAGE=str(tmp_path)).returncode == 0
    refused = bash(command, tmp_path, SEARCH_STORAGE=str(tmp_path / "nowhere"))
    assert refused.returncode == 1
    assert f"cannot write to {tmp_path}/nowhere" in refused.stderr


@pytest.mark.parametrize("name", [AWS, ONPREM])
@pytest.mark.parametrize(("failures", "status"), [(0, 0), (4, 0), (5, 1)])
def test_a_worker_that_does_not_start_at_once_is_tried_again(
    tmp_path: Path, name: str, failures: int, status: int
) -> None:
    """Run with a `ray` that counts its starts and fails the first few: Ray itself tries such a worker never again."""
    count = "[ $1 = stop ] || { echo >> ~/starts; [ $(wc -l < ~/starts) -gt $FAILURES ]; }"
    stubs = f"ray() {{ {count}; }}; sleep() {{ :; }}; RAY_HEAD_IP=192.0.2.10; "
    (command,) = [text for text in data(name)["worker_start_ray_commands"] if "ray start" in text]
    assert bash(stubs + command, tmp_path, FAILURES=str(failures)).returncode == status
    assert (tmp_path / "starts").read_text().count("\n") == min(failures + 1, 5)


def test_only_workers_train_and_spot_machines_come_first() -> None:
    types = data(AWS)["available_node_types"]
    head, spot, other = types["head"], types["gpu_spot"], types["gpu_on_demand"]
    assert head["resources"] == {"CPU": 0}
    assert "InstanceMarketOptions" not in {**head["node_config"], **other["node_config"]}
    assert spot["node_config"].pop("InstanceMarketOptions")["MarketType"] == "spot"
    assert spot["node_config"] == other["node_config"]
    assert spot["priority"] > other["priority"]
    assert {spot["min_workers"], other["min_workers"]} == {0}
    assert data(AWS)["max_workers"] == spot["max_workers"] + other["max_workers"]
    assert re.search(r"ray start --head.*--num-cpus=0 --num-gpus=0", data(ONPREM)["head_start_ray_commands"][-1])


@needs_botocore
def test_ray_opens_ssh_to_everyone_whatever_its_security_group_says() -> None:
    pytest.importorskip("boto3")
    from ray.autoscaler._private.aws.config import _create_default_inbound_rules

    narrow = {"FromPort": 22, "ToPort": 22, "IpProtocol": "tcp", "IpRanges": [{"CidrIp": "203.0.113.7/32"}]}
    assert "0.0.0.0/0" in json.dumps(_create_default_inbound_rules({"sg-1"}, [narrow]))


CONFIG: dict[str, Any] = {"ImageId": "ami-1", "InstanceType": "g6.xlarge"}
CONFIGS = {
    "least": (CONFIG, True),
    "shipped": (None, True),
    "unknown": (CONFIG | {"ImageID": "ami-1"}, False),
    "number": (CONFIG | {"BlockDeviceMappings": [{"Ebs": {"VolumeSize": "120"}}]}, False),
    "not a list": (CONFIG | {"SecurityGroupIds": "sg-1"}, False),
    "not text": (CONFIG | {"SecurityGroupIds": [1]}, False),
    "not a structure": (CONFIG | {"IamInstanceProfile": "worker"}, False),
    "deep": (CONFIG | {"InstanceMarketOptions": {"SpotOptions": {"MaxPrize": "1"}}}, False),
    "missing": (CONFIG | {"CreditSpecification": {}}, False),
    "date": (CONFIG | {"InstanceMarketOptions": {"SpotOptions": {"ValidUntil": "2030-01-01T00:00:00Z"}}}, True),
}


@needs_botocore
@pytest.mark.parametrize(("config", "good"), CONFIGS.values(), ids=CONFIGS)
def test_a_node_config_is_judged_as_botocore_judges_it(config: dict[str, Any] | None, good: bool) -> None:
    import botocore.session
    from botocore.validate import ParamValidator

    config = config or data(AWS)["available_node_types"]["gpu_spot"]["node_config"]
    model = botocore.session.Session().get_service_model("ec2").operation_model("RunInstances").input_shape
    theirs = ParamValidator().validate({**config, "MinCount": 1, "MaxCount": 1}, model)
    assert (not list(faults(config)), not theirs.has_errors()) == (good, good)
