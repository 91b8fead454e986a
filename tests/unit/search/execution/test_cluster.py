"""A cluster: the machines it may grow to, by the project's own files, and what is sent to them."""

import zipfile
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml
from ray._private.runtime_env.packaging import create_package

from search.execution.cluster import NOT_SENT, PROJECT, _present, grown, writable
from search.machine import Cluster, Machine, MachineError

FILES = Path(__file__).parents[4]
AWS = yaml.safe_load((FILES / "cluster.yaml").read_text())
ONPREM = yaml.safe_load((FILES / "cluster-onprem.yaml").read_text())
GPU = Machine(cpus=4, gpus=1)


def changed(configuration: dict[str, Any], kind: str, **values: object) -> dict[str, Any]:
    types = configuration["available_node_types"]
    return {**configuration, "available_node_types": {**types, kind: {**types[kind], **values}}}


@pytest.mark.parametrize("present", [[], [GPU], [GPU] * 5])
def test_machines_that_come_with_the_trials_count_from_the_start(present: list[Machine]) -> None:
    machines = grown(AWS, present)
    assert machines == [GPU] * 5  # four spot machines and one on demand; the head takes no trials
    assert Cluster(tuple(machines)).slots(cpus_per_trial=1, gpus_per_trial=0.25) == 20


def test_there_are_no_more_machines_than_the_cluster_may_have_in_the_order_in_which_ray_asks_for_them() -> None:
    limited = changed({**AWS, "max_workers": 3}, "gpu_spot", max_workers=2, resources={"CPU": 8, "GPU": 2})
    assert grown(limited, []) == [Machine(8, 2), Machine(8, 2), GPU]


def test_a_type_without_a_maximum_may_have_as_many_machines_as_the_cluster() -> None:
    kind = {name: value for name, value in AWS["available_node_types"]["gpu_spot"].items() if name != "max_workers"}
    types = {"head": AWS["available_node_types"]["head"], "gpu_spot": kind}
    assert grown({**AWS, "available_node_types": types}, []) == [GPU] * AWS["max_workers"]


def test_machines_on_premises_that_have_not_joined_yet_are_taken_to_be_like_the_first() -> None:
    workers = len(ONPREM["provider"]["worker_ips"])
    assert grown(ONPREM, []) == []
    assert grown(ONPREM, [GPU]) == [GPU] * workers
    assert grown(ONPREM, [GPU, Machine(8, 0)]) == [GPU, Machine(8, 0)]


def test_the_head_does_not_count_as_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def nodes() -> list[dict[str, Any]]:
        head = {"CPU": 2.0, "node:__internal_head__": 1.0}
        resources = ({"CPU": 4.0, "GPU": 1.0}, head, {"GPU": 1.0}, {"CPU": 8.0})
        return [{"Alive": has != {"CPU": 8.0}, "Resources": has} for has in resources]

    monkeypatch.setattr(ray, "nodes", nodes)
    assert _present() == ([Machine(2, 0)], [GPU])


@pytest.mark.parametrize("place", ["/proc/runs", "gcd://bucket/runs"])
def test_a_place_that_cannot_be_written_to_is_an_error_of_one_line(place: str) -> None:
    expected = f"^--storage-path {place}: cannot write there .*; give s3://BUCKET/runs"
    with pytest.raises(MachineError, match=expected) as told:
        writable(place)
    assert "\n" not in str(told.value)


def test_a_place_that_was_tried_is_left_as_it_was(tmp_path: Path) -> None:
    writable(str(tmp_path / "runs"))
    assert list((tmp_path / "runs").iterdir()) == []


def test_without_a_configuration_a_cluster_is_what_is_there() -> None:
    assert grown({}, [GPU]) == [GPU]
    assert grown({}, []) == []


def test_the_code_is_sent_to_the_machines_and_little_else(tmp_path: Path) -> None:
    package = tmp_path / "package.zip"
    create_package(str(PROJECT), package, include_gitignore=True, excludes=NOT_SENT)
    sent = {name for name in zipfile.ZipFile(package).namelist() if not name.endswith("/")}
    assert {"search/execution/tune.py", "trainables/trial.py", "analysis/run/run.py", "spaces/baselines.py"} <= sent
    assert {"trainables/metric/weights/mnist.safetensors", "pyproject.toml"} <= sent
    assert not [name for name in sent if name.startswith((".", "tests/", "docs/", "runs/", "build/"))]
    assert package.stat().st_size < 30e6
