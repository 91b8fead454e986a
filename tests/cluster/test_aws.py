"""cluster.yaml against moto's AWS: machines that come with the trials and go with them, one of them taken away."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest

from tests.cluster.aws import BUCKET, INSTANCES, LAPTOP, LOGIN, Aws
from tests.cluster.commands import wait_for
from tests.cluster.laboratory import Laboratory, missing
from tests.cluster.measured import Measured

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

# Both trials train at full resolution, half a minute at least from the first report to the last: whichever is on the
# machine that is taken away has to be at work still.
RUNGS = (1000, 3000, 9000, 27000)
TRIALS = ("000-gaussian-class", "001-gaussian-cluster")
SEARCH = f"--space degradations --scheduler none --confirm 0 --time-budget 3600 --trials {len(TRIALS)}"
SEARCH += " --gpus-per-trial 0 --set network.cnn.patch=1 --set network.cnn.widths=16-32-32-16"
SEARCH += f" --max-images {RUNGS[-1]} --grace-images {RUNGS[0]} --name spot"
# Seconds between two looks at AWS: each is a process of its own, which takes a core for two.
ASKED = 5.0
REPORTS = f"""
import json
from analysis.run.run import Run
rows = Run.open("s3://{BUCKET}/runs/spot").curves().to_pylist()
print(json.dumps([[row["trial"], row["images_seen"]] for row in rows]))
"""


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory, measured: Measured) -> Iterator[Aws]:
    """cluster.yaml, up: a head without workers."""
    if reason := missing():
        pytest.skip(reason)
    for module in ("aiohttp", "moto"):
        pytest.importorskip(module, reason=f"{module} is missing: pip install -c constraints.txt '.[test]'")
    with Laboratory(tmp_path_factory.mktemp("laboratory") / "aws", (LAPTOP, *INSTANCES), LOGIN) as laboratory:
        aws = Aws(laboratory)
        with measured.seconds("ray up on AWS", "the head is up"):
            aws.up()
        yield aws


def test_a_search_outlives_its_spot_machines(aws: Aws, measured: Measured) -> None:
    """The whole life of a cluster: no machine before there are trials, none after, a new one for one that is lost."""
    assert (len(aws.running("head")), *workers(aws)) == (1, 0, 0)
    begun = time.time()
    command = f"cd diffusion-search && python search/run.py {SEARCH}"
    search = aws.laboratory.start(LAPTOP.name, f"ray exec {aws.path} '{command}'", 900)
    wait_for(
        lambda: workers(aws) == [1, 1] or search.returncode, "a spot machine, and one on demand beside it", 240, ASKED
    )
    measured.add("a search on AWS starts", "there is a machine for each trial", time.time() - begun)
    wait_for(
        lambda: {name for name, _ in reports(aws)} == set(TRIALS) or search.returncode,
        "both trials' reports",
        400,
        1,  # a fast one is done soon
    )
    measured.add("a search on AWS starts", "each trial has reported", time.time() - begun)
    (spot,) = aws.running("gpu_spot")
    noticed = time.time()
    aws.give_notice(spot)
    wait_for(lambda: "goes on elsewhere" in search.printed(), "its trial to leave it", 120)
    measured.add("EC2 gives notice of a spot machine", "its trial has left it", time.time() - noticed)
    require_what_the_file_says(aws)
    taken = time.time()
    aws.take(spot)
    assert search.wait() == 0, search.printed()[-4000:]
    measured.add("a spot machine is taken away", "the search is done", time.time() - taken)
    assert sorted(reports(aws)) == sorted((name, images) for name in TRIALS for images in RUNGS)
    assert "tried again" not in search.printed()
    ended = time.time()
    wait_for(lambda: workers(aws) == [0, 0], "machines that idle to be ended", 300, ASKED)
    measured.add("a search on AWS is done", "no GPU machine runs", time.time() - ended)


def test_the_ranking_is_read_from_the_bucket(aws: Aws) -> None:
    command = f"python analysis/rank.py s3://{BUCKET}/runs/spot --format csv"
    assert set(TRIALS) <= set(re.findall(r"\d{3}-[\w+-]+", aws.laboratory.run(None, command)))


def test_ray_down_ends_every_machine(aws: Aws) -> None:
    aws.laptop(f"ray down --yes {aws.path}")
    assert {one["State"]["Name"] for one in aws.instances()} == {"terminated"}


def require_what_the_file_says(aws: Aws) -> None:
    kinds = {"head": ("m6i.xlarge", None), "gpu_spot": ("g6.xlarge", "spot"), "gpu_on_demand": ("g6.xlarge", None)}
    for kind, expected in kinds.items():
        for one in aws.running(kind):
            assert (one["InstanceType"], one.get("InstanceLifecycle")) == expected
            assert one["IamInstanceProfile"]["Arn"].endswith("head" if kind == "head" else "worker")
            assert [group["GroupName"] for group in one["SecurityGroups"]] == ["diffusion-search"]


def workers(aws: Aws) -> list[int]:
    """Return how many spot machines run, and how many on demand."""
    return [len(aws.running(kind)) for kind in ("gpu_spot", "gpu_on_demand")]


def reports(aws: Aws) -> list[tuple[str, int]]:
    """Return what the run in the bucket has reported so far."""
    answer = aws.laboratory.start(None, f"python -c '{REPORTS}'", 60)
    rows = json.loads(answer.printed().splitlines()[-1]) if answer.wait() == 0 else []
    return [(trial, images) for trial, images in rows]
