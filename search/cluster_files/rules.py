"""Rules for a cluster file: Ray and EC2 accept it, versions are the locked ones, strangers stay out, nothing stays."""

import copy
import re
from collections.abc import Iterable, Iterator
from typing import Any

import jsonschema  # type: ignore[import-untyped]

from search.cluster_files.ec2 import faults, near
from search.cluster_files.file import ClusterFile, Problem, Where
from search.execution import autoscaler

START = {"head": "head_start_ray_commands", "worker": "worker_start_ray_commands"}
LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERYONE = ("0.0.0.0/0", "::/0")
# How a cluster file states a version. Python's has two groups, because names of images have py311 for 3.11.
STATED = {
    "ray": (r"rayproject/ray[\w-]*:(\d+\.\d+\.\d+)", r"\bray(?:\[[\w,-]+\])?==(\d[\w.]*)", r"\bray-(\d[\w.]*)-cp3"),
    "uv": (r"astral\.sh/uv/(\d[\d.]*)/", r"\buv==(\d[\w.]*)"),
}
PYTHONS = (r"rayproject/ray\S*-py(3)(\d+)", r"--python[ =](3)\.(\d+)", r"\bpython(3)\.(\d+)")
SECRETS = {
    "an AWS key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|aws_secret_access_key|aws_credentials\s*:",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
    "Ray's token": r"\bRAY_AUTH_TOKEN=[^$\s]|(?<!sha256:)\b[0-9a-f]{64}\b",
}
# Fields that a node_config must give, because of what Ray takes where one is missing.
REQUIRED = {
    "InstanceType": "give the machine's, such as g6.xlarge",
    "ImageId": "Ray would take an Ubuntu 18.04 image; give one with a current NVIDIA driver",
    "SecurityGroupIds": "Ray would make a group that opens SSH to everyone; give one of your own",
    "IamInstanceProfile": "the machine could not write to the bucket; give {Name: ...}",
}


def problems(file: ClusterFile, pins: dict[str, str], python: str) -> list[Problem]:
    """Return what is wrong with a file, by line; `pins` are the locked versions, `python` the one that runs, "3.11"."""
    found = list(_schema(file))
    if not found:  # the other rules need a file that fits the schema
        kind = file.get("provider", "type")
        for rule in (_prepared, _token, _open, _secrets, *OF_PROVIDERS.get(kind, ())):
            found.extend(rule(file))
        found.extend(_versions(file, pins, python))
    return sorted(set(found))


def _schema(file: ClusterFile) -> Iterator[Problem]:
    """Yield what Ray's schema refuses."""
    data = copy.deepcopy(file.data)
    types = data.get("available_node_types")
    for node_type in types.values() if isinstance(types, dict) else ():
        if isinstance(node_type, dict):
            node_type.setdefault("resources", {})  # required by the schema, but Ray asks EC2 for what is missing
    for error in jsonschema.Draft7Validator(autoscaler.schema()).iter_errors(data):
        where = tuple(error.absolute_path)
        if error.validator != "additionalProperties":
            yield Problem(file.line(*where), f"{_dotted(where)}: {error.message}")
            continue
        known = error.schema.get("properties", {})
        for name in error.instance.keys() - known.keys():
            yield Problem(file.line(*where, name), f"{_dotted((*where, name))} is nothing Ray knows{near(name, known)}")


def _prepared(file: ClusterFile) -> Iterator[Problem]:
    """Yield what `ray up` refuses when it completes the file with its defaults."""
    if text := autoscaler.refusal(file.data):
        named = [word for word in re.findall(r"[a-z_]+", text) if word in file.data]
        yield Problem(file.line(named[0] if named else "provider"), text)


def _aws(file: ClusterFile) -> Iterator[Problem]:
    """Yield what is wrong with a cluster on AWS: what would cost after `ray down`, and what EC2 refuses."""
    if file.get("provider", "cache_stopped_nodes") is not False:
        text = "`ray down` would only stop the machines, and their disks go on to cost; give cache_stopped_nodes: false"
        yield Problem(file.line("provider", "cache_stopped_nodes"), text)
    if file.get("provider", "security_group") is not None:
        text = "Ray adds a rule to this group that opens SSH to everyone; give SecurityGroupIds in every node_config"
        yield Problem(file.line("provider", "security_group"), text)
    if not file.get("available_node_types"):
        text = "no available_node_types: Ray would take its own, with an Ubuntu 18.04 image; give a head and workers"
        yield Problem(file.line("available_node_types"), text)
    for name in file.get("available_node_types") or {}:
        where: Where = ("available_node_types", name, "node_config")
        config = file.get(*where)
        for key in REQUIRED.keys() - config.keys():
            yield Problem(file.line(*where), f"{name} has no {key}: {REQUIRED[key]}")
        for inner, text in faults(config):
            yield Problem(file.line(*where, *inner), f"{_dotted((name, *inner))}: {text}")
        for index, disk in enumerate(config.get("BlockDeviceMappings") or ()):
            if isinstance(disk, dict) and (disk.get("Ebs") or {}).get("DeleteOnTermination") is False:
                line = file.line(*where, "BlockDeviceMappings", index, "Ebs", "DeleteOnTermination")
                yield Problem(line, "the disk stays, and costs, after `ray down`; give DeleteOnTermination: true")


def _local(file: ClusterFile) -> Iterator[Problem]:
    """Yield what is wrong with a cluster of one's own machines."""
    for line, command in _starts(file, "head"):
        if "RAY_enable_autoscaler_v2=0" not in command:
            text = "Ray's autoscaler v2 starts all machines of your own but one, and none again"
            yield Problem(line, f"{text}; put RAY_enable_autoscaler_v2=0 before `ray start`")


def _token(file: ClusterFile) -> Iterator[Problem]:
    """Yield the places where a machine would let in anyone who reaches it."""
    for role, key in START.items():
        starts = list(_starts(file, role))
        if not starts:
            text = "no `ray start` in it, and Ray's own commands open the dashboard to everyone and ask for no token"
            yield Problem(file.line(key), f"{key}: {text}; give one with RAY_AUTH_MODE=token")
        for line, command in starts:
            if not re.search(r"\bRAY_AUTH_MODE=token\b", command):
                yield Problem(line, f"{role}: Ray asks nobody for a token; put RAY_AUTH_MODE=token before `ray start`")
    for line, text in file.texts():
        if other := re.search(r"\bRAY_AUTH_MODE=(?!token\b)\S*", text):
            yield Problem(line, f"{other[0]}: Ray asks nobody for a token; give RAY_AUTH_MODE=token")
    if not any(str(path).endswith(".ray/auth_token") for path in file.get("file_mounts") or {}):
        text = "no machine gets the token; give ~/.ray/auth_token: ~/.ray/auth_token"
        yield Problem(file.line("file_mounts"), f"file_mounts: {text}")


def _open(file: ClusterFile) -> Iterator[Problem]:
    """Yield networks and dashboards that are open to everyone."""
    for line, text in file.texts():
        for network in EVERYONE:
            if network in text:
                yield Problem(line, f"{network} is everyone; give your own address, such as 203.0.113.7/32")
        for host in re.findall(r"--dashboard-host[ =](\S+)", text):
            if host not in LOOPBACK:
                text = "the dashboard runs what it is sent; give 127.0.0.1 and use `ray dashboard FILE`"
                yield Problem(line, f"--dashboard-host={host}: {text}")


def _secrets(file: ClusterFile) -> Iterator[Problem]:
    """Yield lines that hold a secret, comments too; the line is named and not repeated."""
    for number, line in enumerate(file.lines, 1):
        for kind, pattern in SECRETS.items():
            if re.search(pattern, line):
                text = f"{kind} stands in the file; take it out, and make a new one if others have seen it"
                yield Problem(number, text)


def _versions(file: ClusterFile, pins: dict[str, str], python: str) -> Iterator[Problem]:
    """Yield versions other than those that are locked, and other than the Python that runs."""
    setup = file.line("setup_commands")
    texts = list(file.texts())
    for package, patterns in STATED.items():
        stated = list(_hits(patterns, texts))
        for line, version in stated:
            if version != pins[package]:
                yield Problem(line, f"{package} {version}: constraints.txt has {pins[package]}; give {pins[package]}")
        if package == "ray" and not stated:
            text = f"the file names no version of Ray; install ray=={pins['ray']}, as constraints.txt has it"
            yield Problem(setup, text)
    pythons = [(line, ".".join(hit)) for line, hit in _hits(PYTHONS, texts)]
    for line, version in pythons:
        if version != python:
            text = f"this is Python {python}, and Ray wants one Python everywhere"
            yield Problem(line, f"Python {version}: {text}; give {python}, or run Python {version}")
    if not pythons:
        yield Problem(setup, f"the file names no version of Python; set the machines up with {python}, as here")
    if not any("constraints.txt" in text for _, text in file.texts("setup_commands")):
        yield Problem(setup, "setup_commands install without constraints.txt; give -c constraints.txt")


def _hits(patterns: Iterable[str], texts: Iterable[tuple[int, str]]) -> Iterator[tuple[int, Any]]:
    """Yield what patterns find in texts, with its line."""
    for line, text in texts:
        for pattern in patterns:
            for hit in re.findall(pattern, text):
                yield line, hit


def _starts(file: ClusterFile, role: str) -> Iterator[tuple[int, str]]:
    return ((line, command) for line, command in file.texts(START[role]) if re.search(r"\bray start\b", command))


def _dotted(where: Where) -> str:
    return ".".join(map(str, where)) or "the file"


OF_PROVIDERS = {"aws": (_aws,), "local": (_local,)}
