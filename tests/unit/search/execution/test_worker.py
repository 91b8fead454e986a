"""A trial in its process, without Ray: what it reports, keeps and raises."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from ray import tune
from torch import nn
from torch.fx import GraphModule

from analysis.run.storage import Folder, NotShared
from search.execution import preemption, pulse
from search.execution.watchdog import RESTS, Watchdog
from search.execution.worker import Work, run_trial
from tests.helpers.feature_files import write_features
from tests.helpers.memory import Memory
from trainables.checkpoint import CheckpointError, to_bytes
from trainables.config import Flat, Variant
from trainables.data.images import Images
from trainables.metric.classifier import load_weights
from trainables.metric.feature_file import FeatureFile
from trainables.metric.fmd import Reference
from trainables.training.trainer import Trainer
from trainables.trial import Plan, Preempted, Trial, TrialData

TINY: Flat = {
    "network/kind": "unet",
    "network/unet/widths": "4",
    "schedule/cosine/T": 20,
    "sampler/steps": 2,
    "training/batch": 16,
}
CONFIG = {"trial": "003-tiny", "seed": 5, "variant": TINY}
PLAN = Plan((48, 96), sampling_seed=11, device="cpu")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(preemption, "NOTICE", tmp_path / "notice")
    return Work(PLAN, str(tmp_path / "run"))


@pytest.fixture
def data(mnist: Images, small_reference: Reference) -> TrialData:
    return TrialData(mnist, small_reference)


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What Ray Tune hears."""
    heard: list[dict[str, Any]] = []
    monkeypatch.setattr(tune, "report", heard.append)
    return heard


@pytest.fixture(autouse=True)
def signs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bytes]]:
    """The signs of life that the driver sees."""
    seen: list[tuple[str, bytes]] = []
    monkeypatch.setattr(pulse, "_put", lambda name, sign: seen.append((name, sign)))
    monkeypatch.setattr(pulse, "_get", lambda name: None)
    return seen


def test_it_reports_what_the_trial_does_and_keeps_its_files_in_the_runs_folder(
    work: Work, reported: list[dict[str, Any]], signs: list[tuple[str, bytes]], data: TrialData
) -> None:
    run_trial({**CONFIG, "sampling_seed": 12}, work, data)
    assert {trial for trial, _ in signs} == {"003-tiny"}
    assert [sign for _, sign in signs].count(RESTS) == len(PLAN.rungs) + 1  # while each report waits, and at the end
    assert len(set(signs)) == len(signs) - len(PLAN.rungs)
    plan = Plan(PLAN.rungs, sampling_seed=12, device="cpu")
    alone = Trial("alone", Variant.from_flat(TINY), 5, plan, data, Memory())
    assert [report["fmd"] for report in reported] == [report.fmd for report in alone.reports()]
    files = sorted(path.name for path in Path(work.run_uri).rglob("*.*"))
    pictures = ["003-tiny-restored.png", "003-tiny-rungs.png", "003-tiny-strip.png", "003-tiny.png"]
    assert files == [*pictures, "003-tiny.pt"]


def test_it_says_why_a_gpu_is_given_its_steps_kernel_by_kernel(
    work: Work,
    reported: list[dict[str, Any]],
    signs: list[tuple[str, bytes]],
    data: TrialData,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Trainer, "not_recorded", "a replay of it returns something else than a call")
    run_trial(CONFIG, work, data)
    told = b"steps of 003-tiny are launched kernel by kernel, slowly: a replay of it returns something else than a call"
    assert {sign for name, sign in signs if name == pulse.NOTE} == {told}


def test_a_damaged_checkpoint_is_deleted_so_that_the_next_try_begins_anew(
    work: Work, reported: list[dict[str, Any]], data: TrialData
) -> None:
    Folder(work.run_uri).save_checkpoint("003-tiny", to_bytes({"a": torch.zeros(9)})[:200])
    with pytest.raises(CheckpointError, match=r"^the checkpoint of 003-tiny is damaged: .*; it begins anew$"):
        run_trial(CONFIG, work, data)
    run_trial(CONFIG, work, data)
    assert [report["images_seen"] for report in reported] == list(PLAN.rungs)


@pytest.mark.parametrize("asks", ["the machine", "the driver"])
def test_it_saves_and_leaves_when_it_is_asked(
    asks: str, work: Work, reported: list[dict[str, Any]], data: TrialData, monkeypatch: pytest.MonkeyPatch
) -> None:
    if asks == "the machine":  # which is taken back
        preemption.NOTICE.touch()
    else:
        monkeypatch.setattr(pulse, "_get", {pulse.LEAVE: b""}.get)
    with pytest.raises(Preempted):
        run_trial(CONFIG, work, data)
    assert Folder(work.run_uri).load_checkpoint("003-tiny") is not None
    assert reported == []


def test_the_calls_of_a_network_in_a_file_are_signs_of_life(
    work: Work, reported: list[dict[str, Any]], data: TrialData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may take minutes to score a set of samples, and the watchdog ends what gives no sign for ten."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    weights = replace(load_weights("mnist"), file=FeatureFile.read(write_features(tmp_path / "mine.pt2")))
    watched: list[nn.Module] = []
    monkeypatch.setattr(Watchdog, "watch", lambda dog, network: watched.append(network))
    few = replace(data.images, search=data.images.search[:64], confirm=data.images.confirm[:64])
    run_trial(CONFIG, work, TrialData(few, Reference.build(few, weights=weights)))
    assert len(reported) == len(PLAN.rungs)
    (program,) = (network for network in watched if isinstance(network, GraphModule))
    assert program(torch.zeros(3, 3, 28, 28)).shape == (3, 49)


def test_what_it_cannot_begin_with_is_one_line(work: Work, tmp_path: Path, data: TrialData) -> None:
    with pytest.raises(NotShared, match="mount it there"):
        run_trial(CONFIG, Work(PLAN, str(tmp_path / "nfs")), data)
    with pytest.raises(FileNotFoundError, match=r"run keeps no checkpoint of another any more$"):
        run_trial(CONFIG, Work(PLAN, work.run_uri, trained=(work.run_uri, "another")), data)
