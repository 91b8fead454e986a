"""What a trial trains on and what it holds out: splits, epochs of whole batches, an end by patience."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.unit.trainables.training.conftest import through_disk
from trainables.config import Flat, Training, Variant
from trainables.data.folds import FOLDS, fold_rows
from trainables.domain import ConfigError
from trainables.metric.restoration import validation
from trainables.training.early_stopping import Patience
from trainables.training.trainer import Trainer

TINY: Flat = {
    "network/kind": "cnn",
    "network/cnn/widths": "3-4",
    "schedule/cosine/T": 40,
    "training/batch": 16,
    "training/precision": "float32",
}
GROUPS = np.arange(100) // 10
Make = Callable[..., Trainer]


@pytest.fixture
def make(digits: Tensor, overlays: Tensor) -> Make:
    """Trainers on 100 different images of ten objects."""

    def make(changes: Flat, seed: int = 3) -> Trainer:
        images = digits[:100].clone()
        images[:, 0, 0, 0] = torch.arange(100)  # tells which image it is
        return Trainer(Variant.from_flat({**TINY, **changes}), seed, images, overlays, 1000, GROUPS)

    return make


def numbers(batches: list[Tensor]) -> list[int]:
    """The numbers of all images of some batches, in their order."""
    return torch.cat(batches)[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("split", FOLDS)
def test_no_held_out_image_is_ever_trained_on_and_every_other_is(split: str, make: Make, batches: list[Tensor]) -> None:
    trainer = make({"training/split": split})
    rows, held_out = fold_rows(GROUPS, split)
    trainer.run_to(len(rows))
    assert sorted(numbers(batches)) == rows.tolist()
    assert set(trainer.held_out[:, 0, 0, 0].tolist()) <= set(held_out.tolist())
    assert len(trainer.held_out) == min(len(held_out), Training().validated)
    assert len(make({"training/split": split, "training/validated": 7}).held_out) == min(len(held_out), 7)


def test_folds_hold_out_different_images_and_a_seed_changes_none(make: Make) -> None:
    def of(fold: int, seed: int) -> set[int]:
        trainer = make({"training/split": "5-fold-grouped", "training/fold": fold}, seed)
        return set(trainer.held_out[:, 0, 0, 0].tolist())

    assert of(0, seed=1) == of(0, seed=2)
    assert set().union(*(of(fold, seed=1) for fold in range(5))) == set(range(100))


def test_labels_of_a_held_out_group_are_unknown_to_a_network_with_classes(digits: Tensor, overlays: Tensor) -> None:
    variant = Variant.from_flat({**TINY, "training/split": "5-fold-grouped", "network/conditioning": "class"})
    trainer = Trainer(variant, 0, digits[:100], overlays, 1000, GROUPS, labels=GROUPS)
    rows, held_out = fold_rows(GROUPS, "5-fold-grouped")
    assert trainer.diffusion.label_counts is not None
    assert trainer.diffusion.label_counts.tolist() == [10 * (label in GROUPS[rows]) for label in range(10)]
    labels = trainer.diffusion.given(trainer.held_out_labels).labels
    assert labels is not None
    assert labels.tolist() == [10] * len(held_out)


@pytest.mark.parametrize("batch", [7, 16, 50, 100, 128])
def test_drop_last_makes_epochs_of_whole_batches(batch: int, make: Make, batches: list[Tensor]) -> None:
    """As a DataLoader's; where not even one batch is full, the epoch is that one."""
    trainer = make({"training/batch": batch, "training/drop_last": True})
    trainer.run_to(300)
    whole, total = (100 // batch * batch or 100), 0
    for images in batches:
        total += len(images)
        assert len(images) == min(batch, 100) or total == 300
    epochs = [numbers(batches)[first : first + whole] for first in range(0, 300 - whole, whole)]
    assert all(len(set(epoch)) == whole for epoch in epochs)


def test_patience_is_lost_after_so_many_epochs_without_a_lower_loss() -> None:
    patience = Patience(3)
    for loss, lost in ((5.0, False), (4.0, False), (4.0, False), (4.5, False), (3.9, False), (4, False), (4, False)):
        patience.epoch(loss)
        assert patience.lost is lost
    patience.epoch(math.nan)
    assert patience.lost
    never = Patience(0)
    for _ in range(50):
        never.epoch(1.0)
    assert not never.lost


def test_training_ends_when_patience_is_lost_and_stays_ended(make: Make, batches: list[Tensor]) -> None:
    patient: Flat = {"training/split": "80:20", "training/patience": 2}
    trainer = make({**patient, "training/lr": 0.1, "training/ema": 0.0, "training/warmup": 0})
    trainer.patience.best = 0.0  # which no loss is below
    loss = trainer.run_to(1000)
    assert trainer.images_seen == 160 == sum(map(len, batches))
    again = make(patient)
    again.load_state_dict(through_disk(trainer.state_dict()))
    assert again.run_to(1000) == loss
    assert sum(map(len, batches)) == 160


def test_looking_at_the_validation_loss_disturbs_training_in_no_bit(make: Make) -> None:
    patient, other = (make({"training/split": "80:20", "training/patience": patience}) for patience in (100, 0))
    patient.run_to(200)
    other.run_to(200)
    assert patient.patience.best < math.inf == other.patience.best
    for a, b in zip(patient.diffusion.network.parameters(), other.diffusion.network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_weights_of_the_best_epoch_are_kept_also_after_a_restart(make: Make) -> None:
    kept: Flat = {"training/split": "80:20", "training/keep_best": True}
    trainer, last = make(kept), make({"training/split": "80:20"})
    trainer.run_to(40)
    last.run_to(40)
    assert trainer.averaged().network is trainer.ema  # in the first epoch, of 80 images
    losses, weights = [], []
    for epoch in range(1, 5):
        for one in (trainer, last):
            one.run_to(80 * epoch)
        assert all(map(torch.equal, trainer.ema.parameters(), last.ema.parameters()))
        losses.append(loss_of(last))
        weights.append([parameter.clone() for parameter in last.ema.parameters()])
        best = weights[losses.index(min(losses))]
        assert all(map(torch.equal, trainer.averaged().network.parameters(), best))
        if epoch == 2:  # and from now on the weights are spoilt
            with torch.no_grad():
                for one in (trainer, last):
                    torch._foreach_mul_(list(one.diffusion.network.parameters()), 30)
    assert losses.index(min(losses)) == 1
    again = make(kept)
    again.load_state_dict(through_disk(trainer.state_dict()))
    assert all(map(torch.equal, again.averaged().network.parameters(), best))


def loss_of(trainer: Trainer) -> float:
    source = replace(trainer.source, generator=torch.Generator())
    return validation(trainer.averaged(), trainer.held_out, source, seed=0).loss


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"keep_best": True}, r"^training/keep_best=True: there are no validation images while training/split is none"),
        ({"patience": 5}, r"^training/patience=5: there are no validation images while training/split is none; use"),
        ({"split": "80:20", "fold": 1}, r"^training/fold=1: training/split=80:20 has no folds; use fold 0"),
        ({"fold": 4}, r"^training/fold=4: training/split=none has no folds"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Training(**settings)
