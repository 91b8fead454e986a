"""cluster-onprem.yaml for real: a laptop, a head, two workers, a search that loses one, and nobody else gets in."""

from __future__ import annotations

import re
import time

import pytest
from optuna.trial import TrialState

from analysis.run.run import Run
from analysis.statistics.ranking import rank
from tests.cluster.commands import wait_for
from tests.cluster.measured import Measured
from tests.cluster.onprem import HEAD, LAPTOP, WORKERS, Onprem, comments
from tests.cluster.searches import SLOW, Watched

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

RUNGS = (500, 1500, 4500)
# All in the queue, so that neither the sampler nor the order of ends has a say: one starting point, four baselines.
TRIALS = ("000-gaussian-class", "001-gaussian-cluster", "002-gaussian", "003-flow-class", "004-morph+noise-class")
SEARCH = f"--space degradations {SLOW} --scheduler none --confirm 2 --seeds 2 --time-budget 36000"
SEARCH += f" --trials {len(TRIALS)} --max-images {RUNGS[-1]} --grace-images {RUNGS[0]}"

SHORT = f"--space degradations --scheduler none --confirm 0 --trials 1 --max-images {RUNGS[0]}"
SHORT += f" --grace-images {RUNGS[0]}"

# A network of a stranger's own, with its blocks in a module beside the file.
OWN = {
    "my_blocks.py": """import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.mix = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x):
        return x + torch.relu(self.mix(x))
""",
    "my_space.py": """from dataclasses import dataclass
from typing import Annotated

from my_blocks import Block
from torch import nn

from spaces.suggest import suggest, suggest_kind
from trainables.domain import Int, Log
from trainables.networks import NETWORKS, Network


class Module(nn.Module):
    def __init__(self, channels, width):
        super().__init__()
        self.first, self.time = nn.Conv2d(channels, width, 4, 4), nn.Linear(1, width)
        self.rest = nn.Sequential(Block(width), nn.ConvTranspose2d(width, channels, 4, 4))

    def forward(self, x, time):
        return self.rest(self.first(x) + self.time(time[:, None])[:, :, None, None])


@dataclass(frozen=True)
class Mine(Network):
    width: Annotated[int, Int(4, 16)] = 8

    def build(self, channels, size, classes=0):
        return Module(channels, self.width)


NETWORKS["mine"] = Mine


def space(trial):
    suggest_kind(trial, "network", ["mine"])
    suggest(trial, "training/lr", Log(1e-3, 1e-2))
""",
}

# Prints the status of a request to the dashboard; a header takes the place of {}.
ASK = """curl -s -o /dev/null -w '%{{http_code}}' -H '{}' http://127.0.0.1:8265/api/jobs/"""
RAY = r"raylet|gcs_server|ray::|ray/dashboard|log_monitor|default_worker"


@pytest.fixture(scope="module")
def lost(cluster: Onprem, measured: Measured) -> tuple[Watched, set[str]]:
    """A search that lost the raylet of a worker, and the trials that ran there at that moment."""
    search = Watched(cluster.runs / "lost")
    cluster.search(f"{SEARCH} --name lost")
    wait_for(lambda: len(search.under_way()) == 2, "two trials under way", 240)
    there = search.under_way() & cluster.trials_on(WORKERS[0].name, search.began)
    killed = time.time()
    cluster.kill(WORKERS[0].name, r"raylet/raylet ")
    again = search.wait_for_reports(there, killed)
    measured.add("kill -9 of a raylet", "its trial reports again", again - killed)
    # The autoscaler's own list has a lost node for half a minute more.
    wait_for(lambda: cluster.laboratory.running(WORKERS[0].name, r"raylet/raylet "), "the raylet's return", 240)
    measured.add("kill -9 of a raylet", "its node is back", time.time() - killed)
    search.wait_for_end()
    wait_for((search.path / "report.html").is_file, "the confirmation's end", 3000)
    return search, there


def test_trials_run_on_every_worker_and_on_no_other_machine(cluster: Onprem, lost: tuple[Watched, set[str]]) -> None:
    search, _ = lost
    found = [cluster.trials_on(worker.name, search.began) for worker in WORKERS]
    assert all(found)
    trained_again = {event["trial"] for event in Watched(search.path / "confirm").events("start")}
    assert set.union(*found) - trained_again == set(TRIALS)
    assert not cluster.trials_on(HEAD.name)


def test_with_a_worker_lost_every_trial_ends_and_every_report_is_there_once(lost: tuple[Watched, set[str]]) -> None:
    search, there = lost
    assert len(there) == 1
    search.require_all_once(TRIALS, RUNGS)


def test_the_best_are_trained_again_on_the_cluster_and_measured_on_test_images(lost: tuple[Watched, set[str]]) -> None:
    search, _ = lost
    again = Watched(search.path / "confirm")
    assert len({event["repeats"] for event in again.events("start")}) >= 2
    assert {event["state"] for event in again.events("end")} == {"COMPLETE"}
    assert set(again.reports().values()) == {1}
    assert again.test_scores()


def test_the_lost_trial_went_on_from_its_checkpoint(lost: tuple[Watched, set[str]]) -> None:
    search, there = lost
    assert search.repeated() == there


def test_the_study_has_each_trial_once_and_none_that_runs(lost: tuple[Watched, set[str]]) -> None:
    search, _ = lost
    tried = [trial for trial in search.study() if trial.state != TrialState.WAITING]
    assert [trial.state for trial in tried] == [TrialState.COMPLETE] * len(TRIALS)
    assert [trial.user_attrs["trial"] for trial in tried] == list(TRIALS)
    assert {(trial.user_attrs["trial"], RUNGS[-1]): trial.value for trial in tried}.items() <= search.curves().items()


def test_the_ranking_can_be_had_on_the_head(cluster: Onprem, lost: tuple[Watched, set[str]]) -> None:
    printed = cluster.head("cd diffusion-search && python -m analysis.rank $SEARCH_STORAGE/lost --format csv")
    assert set(TRIALS) <= set(re.findall(r"\d{3}-[\w+-]+", printed))


def test_one_machine_finds_the_same_bit_for_bit(cluster: Onprem, lost: tuple[Watched, set[str]]) -> None:
    """Also through the loss: what a trial is does not depend on where, or how often, it was begun."""
    search, _ = lost
    alone = f"{SEARCH} --name alone --address local --cpus-per-trial 1"
    cluster.head(f"cd diffusion-search && RAY_AUTH_MODE=disabled python search/run.py {alone} --quiet", 3000)
    other = Watched(cluster.runs / "alone")
    assert other.curves() == search.curves()
    # Which trainings a race still needs depends on which of them end first; their numbers do not.
    confirmed, confirmed_alone = (Watched(watched.path / "confirm") for watched in (search, other))
    for found, alone_found in (
        (confirmed.curves(), confirmed_alone.curves()),
        (confirmed.test_scores(), confirmed_alone.test_scores()),
    ):
        both = found.keys() & alone_found.keys()
        assert both
        assert {key: found[key] for key in both} == {key: alone_found[key] for key in both}
    runs = [Run.open(watched.path) for watched in (other, search)]
    orders = [[row["trial"] for row in rank(run.trials(), None).to_pylist()] for run in runs]
    assert orders[0] == orders[1]


def test_nobody_gets_in_without_the_token(cluster: Onprem) -> None:
    join = f"python -c \"import ray; ray.init('{HEAD.address}:6379'); print(ray.cluster_resources())\""
    refused = cluster.laptop(f"RAY_AUTH_MODE=disabled {join}", check=False)
    assert "ConnectionError: Failed to connect to Ray cluster" in refused
    listening = cluster.laboratory.run(HEAD.name, "ss -Hltn 'sport = :8265'").splitlines()
    assert [line.split()[3] for line in listening] == ["127.0.0.1:8265"]
    token = (cluster.laboratory.home(LAPTOP.name) / ".ray/auth_token").read_text().strip()
    headers = ("Accept: */*", f"Authorization: Bearer {64 * '0'}", f"Authorization: Bearer {token}")
    answers = [cluster.laboratory.run(HEAD.name, ASK.format(header)) for header in headers]
    assert answers == ["401", "403", "200"]


def test_a_job_can_be_submitted_from_the_laptop(cluster: Onprem) -> None:
    tunnel = cluster.laboratory.start(LAPTOP.name, f"ray dashboard {cluster.path}", 200)
    wait_for(lambda: cluster.laboratory.running(LAPTOP.name, "-L 8265:"), "the way to the dashboard")
    submit = "RAY_AUTH_MODE=token ray job submit --address http://localhost:8265 --working-dir ."
    cluster.laptop(f"{submit} -- python search/run.py {SHORT} --name job")
    assert tunnel.returncode is None
    assert Watched(cluster.runs / "job").reports() == {(TRIALS[0], RUNGS[0]): 1}


def test_the_script_can_be_submitted_from_the_laptop(cluster: Onprem) -> None:
    cluster.laptop(f"ray submit {cluster.path} search/run.py {SHORT} --name submitted")
    assert Watched(cluster.runs / "submitted").curves() == Watched(cluster.runs / "job").curves()


def test_a_file_of_ones_own_outside_the_project_is_searched_on_both_workers_and_exported(cluster: Onprem) -> None:
    """The workers have neither the file nor the module beside it; once both are gone, the run's copy serves."""
    place = cluster.laboratory.home(HEAD.name) / "elsewhere"
    place.mkdir()
    for name, text in OWN.items():
        (place / name).write_text(text)
    search = Watched(cluster.runs / "own")
    own = f"--space my_space.py --name own --scheduler none --confirm 0 --trials 4 --max-images {RUNGS[1]}"
    project = "~/diffusion-search/search"
    cluster.head(f"cd elsewhere && python {project}/run.py {own} --grace-images {RUNGS[0]}", 900)
    assert {event["state"] for event in search.events("end")} == {"COMPLETE"}
    assert all(cluster.trials_on(worker.name, search.began) for worker in WORKERS)
    for name in OWN:
        (place / name).unlink()
    cluster.head(f"cd elsewhere && python {project}/export.py $SEARCH_STORAGE/own model", 300)
    cluster.head("cd elsewhere/model && python sample.py --n 10 --out ten.png", 300)
    assert (place / "model/ten.png").read_bytes().startswith(b"\x89PNG")


def test_what_the_comments_say_ends_ray_everywhere(cluster: Onprem, measured: Measured) -> None:
    cluster.down()
    (stop,) = re.findall(r"ssh .*/ray stop", comments("Then"))
    for worker in WORKERS:
        cluster.laptop(
            stop.replace("USER@MACHINE", f"-o StrictHostKeyChecking=accept-new root@{worker.address}"), check=False
        )
    with measured.seconds("ray down, and ray stop on the workers", "nothing of Ray runs anywhere"):
        for host in (HEAD, *WORKERS):
            wait_for(lambda host=host: not cluster.laboratory.running(host.name, RAY), f"Ray's end on {host.name}", 120)
