"""The values of a cluster file, set line by line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from search.cluster_files.check import ROOT
from search.cluster_files.file import ClusterFile, Values, written
from trainables.domain import UsageError

SHIPPED = (ROOT / "cluster.yaml").read_text()
VALUES = Values("mine", "eu-west-3", ("eu-west-3a", "eu-west-3b"), "ami-1", "runs-of-mine")


def file(folder: Path, text: str) -> ClusterFile:
    path = folder / "cluster.yaml"
    path.write_text(text)
    return ClusterFile.read(path)


def test_every_value_is_set_wherever_it_counts(tmp_path: Path) -> None:
    text = written(file(tmp_path, SHIPPED), VALUES, "sg-1")
    data = yaml.safe_load(text)
    configs = {name: node["node_config"] for name, node in data["available_node_types"].items()}
    assert data["cluster_name"] == "mine"
    assert data["provider"]["region"] == "eu-west-3"
    assert data["provider"]["availability_zone"] == "eu-west-3a,eu-west-3b"
    assert {config["ImageId"] for config in configs.values()} == {"ami-1"}
    assert [config["SecurityGroupIds"] for config in configs.values()] == 3 * [["sg-1"]]
    profiles = {name: config["IamInstanceProfile"]["Name"] for name, config in configs.items()}
    assert profiles == {"head": "mine-head", "gpu_on_demand": "mine-worker", "gpu_spot": "mine-worker"}
    assert sum("s3://runs-of-mine/runs" in command for command in data["setup_commands"]) == 1


def test_to_set_values_again_changes_nothing(tmp_path: Path) -> None:
    once = written(file(tmp_path, SHIPPED), VALUES, "sg-1")
    assert written(file(tmp_path, once), VALUES, "sg-1") == once


def test_what_the_user_changed_stays(tmp_path: Path) -> None:
    mine = written(file(tmp_path, SHIPPED), VALUES, "sg-1").replace("max_workers: 4", "max_workers: 2  # enough for me")
    mine = mine.replace("eu-west-3a,eu-west-3b", "eu-west-3b").replace("ami-1", "ami-2").replace("sg-1", "sg-old")
    again = written(file(tmp_path, mine), VALUES, "sg-1")
    assert again == mine.replace("sg-old", "sg-1")


def test_a_value_that_contains_the_old_one_is_set_once(tmp_path: Path) -> None:
    values = Values("diffusion-search-2", "us-east-1", ("us-east-1a", "us-east-1b", "us-east-1c"), "ami-1", "b")
    data = yaml.safe_load(written(file(tmp_path, SHIPPED), values, "sg-1"))
    worker = data["available_node_types"]["gpu_spot"]["node_config"]
    assert (data["cluster_name"], worker["IamInstanceProfile"]["Name"]) == (
        "diffusion-search-2",
        "diffusion-search-2-worker",
    )
    assert data["provider"]["availability_zone"] == "us-east-1a,us-east-1b,us-east-1c"


def test_a_value_on_another_line_than_its_key_is_named(tmp_path: Path) -> None:
    text = SHIPPED.replace("region: us-east-1", "region:\n    us-east-1")
    with pytest.raises(UsageError, match=r"line \d+: provider\.region is not on this line; set it to eu-west-3"):
        written(file(tmp_path, text), VALUES, "sg-1")
