"""A model of a checkpoint or of a folder gives the images that its trial gives."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers.memory import Memory
from tests.helpers.trained_runs import TINY
from trainables.checkpoint import CheckpointError, from_bytes
from trainables.config import Flat, Variant
from trainables.data.images import DataError, Images
from trainables.data.options import ReadOptions
from trainables.diffusion.generation import generate
from trainables.domain import ConfigError
from trainables.metric.fmd import Reference
from trainables.model import CONFIG, WEIGHTS_FILE, Model
from trainables.parts import install, uninstall
from trainables.trial import Plan, Trial, TrialData
from trainables.user_code import UserCode

CLASS: Flat = {**TINY, "network/conditioning": "class"}
CLUSTER: Flat = {**TINY, "network/conditioning": "cluster", "network/clusters": 10}
FITTED: Flat = {**TINY, "sampler/prior": "fitted"}
DEGRADED: Flat = {**TINY, "sampler/prior": "degraded"}
BEST: Flat = {**TINY, "training/split": "80:20", "training/keep_best": True}
MORPH: Flat = {**TINY, "degradation/kind": "morph+noise", "sampler/kind": "cold1"}


def trained(flat: Flat, images: Images, reference: Reference) -> tuple[Trial, dict[str, Any]]:
    """A trial that has trained on 32 images, and the state of its checkpoint."""
    memory = Memory()
    trial = Trial("a", Variant.from_flat(flat), 0, Plan((32,), 0, "cpu"), TrialData(images, reference), memory)
    list(trial.reports())
    return trial, from_bytes(memory.checkpoints["a"], "a")


@pytest.mark.parametrize(
    "flat",
    [TINY, CLASS, CLUSTER, BEST, FITTED, MORPH, DEGRADED],
    ids=["plain", "class", "cluster", "best", "fitted", "morph", "degraded"],
)
def test_checkpoint_and_folder_give_the_images_of_the_trial(
    flat: Flat, mnist: Images, small_reference: Reference, tmp_path: Path
) -> None:
    trial, state = trained(flat, mnist, small_reference)
    model = Model.of_checkpoint(trial.variant, state, mnist)
    before = generate(trial.trainer.averaged(), trial.variant.sampler, 5, mnist.shape, trial.source, 7)
    assert torch.equal(generate(model.diffusion, model.sampling, 5, mnist.shape, model.source, 7), before)
    model.save(tmp_path, ReadOptions())
    loaded = Model.load(tmp_path)
    assert not any(module.training for one in (model, loaded) for module in one.network.modules())
    assert (loaded.variant, loaded.classes) == (model.variant, model.classes)
    assert torch.equal(loaded.sample(5, seed=7), model.sample(5, seed=7))
    images = len(loaded.source.training_images)
    assert images == (
        0 if flat in (TINY, CLASS, CLUSTER, BEST) else len(mnist.train)
    )  # the data set is read only where it is needed


@pytest.fixture(scope="module")
def model(mnist: Images, small_reference: Reference) -> Model:
    return Model.of_checkpoint(Variant.from_flat(CLASS), trained(CLASS, mnist, small_reference)[1], mnist)


def test_a_seed_fixes_the_images_and_another_gives_others(model: Model) -> None:
    first = model.sample(300, seed=1)
    assert first.shape == (300, 1, 28, 28)
    assert first.dtype == torch.uint8
    assert torch.equal(first, model.sample(300, seed=1))
    assert torch.equal(first, torch.cat(list(model.sample_in_chunks(300, seed=1))))
    # Chunks begin 256 images apart, and their noise must not be that of another seed.
    assert not torch.equal(first[256:], model.sample(300, seed=257)[:44])


def test_labels_are_those_given(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.Tensor] = []
    model.network.register_forward_pre_hook(lambda network, inputs: asked.append(inputs[2]))
    model.sample(3, labels=[4, 4, 9])
    assert asked[0].tolist() == [4, 4, 9]
    assert model.labels == list(range(10))
    assert model.label("7") == 7


@pytest.mark.parametrize(
    ("labels", "complaint"), [([1], "give 2 whole numbers"), ([1, 10], "knows 0 to 9"), ([0.5, 1.0], "whole numbers")]
)
def test_labels_that_cannot_be_are_refused(labels: list[int], complaint: str, model: Model) -> None:
    with pytest.raises(ConfigError, match=complaint):
        model.sample(2, labels=labels)


@pytest.mark.parametrize("flat", [TINY, CLUSTER], ids=["plain", "cluster"])
def test_a_model_without_classes_takes_no_label(flat: Flat, mnist: Images, small_reference: Reference) -> None:
    model = Model.of_checkpoint(Variant.from_flat(flat), trained(flat, mnist, small_reference)[1], mnist)
    assert model.draw_labels(4) is None
    assert model.even_labels(4) is None
    with pytest.raises(ConfigError, match="knows no classes"):
        model.label("3")
    with pytest.raises(ConfigError, match="knows no classes"):
        model.sample(1, labels=[3])


def test_what_is_no_model_is_refused_in_one_line(model: Model, mnist: Images, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no model"):
        Model.load(tmp_path)
    model.save(tmp_path, ReadOptions())
    (tmp_path / WEIGHTS_FILE).write_bytes(b"cut off")
    with pytest.raises(CheckpointError, match="holds no model"):
        Model.load(tmp_path)
    assert (tmp_path / CONFIG).is_file()
    other = Variant.from_flat({**CLASS, "network/cnn/widths": "8-4"})
    state = {"trainer": {"ema": model.network.state_dict()}}
    with pytest.raises(CheckpointError, match="weights are of another network"):
        Model.of_checkpoint(other, state, mnist)


OWN = """
from dataclasses import dataclass

from trainables.networks import CNN, NETWORKS


@dataclass(frozen=True)
class Mine(CNN):
    pass


NETWORKS["mine"] = Mine
"""


def test_a_model_of_parts_of_ones_own_takes_their_code_along(
    mnist: Images, small_reference: Reference, tmp_path: Path
) -> None:
    code = UserCode("/nowhere", {"my_space.py": OWN})
    try:
        install(code)
        flat: Flat = {name.replace("/cnn/", "/mine/"): value for name, value in TINY.items()} | {"network/kind": "mine"}
        model = Model.of_checkpoint(Variant.from_flat(flat), trained(flat, mnist, small_reference)[1], mnist)
        model.save(tmp_path, ReadOptions(), code)
        uninstall()
        with pytest.raises(DataError, match="the model has code of its own in code/: read it"):
            Model.load(tmp_path)
        loaded = Model.load(tmp_path, trust=True)
        assert type(loaded.variant.network).__name__ == "Mine"
        assert torch.equal(loaded.sample(3), model.sample(3))
    finally:
        uninstall()
