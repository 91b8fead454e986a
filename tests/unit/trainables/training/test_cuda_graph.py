"""Whether a recorded step is taken or refused, with what replays it put in the place of a CUDA graph on the CPU."""

from collections.abc import Callable
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from trainables.config import Variant
from trainables.training import trainer
from trainables.training.cuda_graph import WARM_UP, Recorded
from trainables.training.trainer import Trainer


class OnCPU(Recorded):
    """Takes steps on the CPU as those of a GPU; what it records is right, but for what a subclass does to it."""

    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    replays = 0

    def _generators(self) -> list[torch.Generator]:
        return [self._generator, torch.default_generator]

    def _capture(self) -> Callable[[], None]:
        def replay() -> None:
            self.replays += 1
            self._returned = self.replayed()

        return replay

    def replayed(self) -> Tensor:
        """Return what a replay returns."""
        return self.function(self._given)


class CannotBeRecorded(OnCPU):
    """As torch does: the recording breaks off in the middle, and its end fails, too."""

    def _capture(self) -> Callable[[], None]:
        self.function(self._given)
        try:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")
        finally:
            raise RuntimeError("the recording was invalidated")


class HasNoRoom(OnCPU):
    def replayed(self) -> Tensor:
        raise torch.OutOfMemoryError("there is no room")


class ReturnsAnother(OnCPU):
    def replayed(self) -> Tensor:
        return 1.1 * super().replayed()


class StepsTwice(OnCPU):
    def replayed(self) -> Tensor:
        loss = super().replayed()
        generator, state = self._generator, self._generator.get_state()
        super().replayed()
        generator.set_state(state)
        return loss


class KeepsTheMoments(OnCPU):
    def replayed(self) -> Tensor:
        _, first, *_ = self._changed
        before = [moment.clone() for moment in first]
        loss = super().replayed()
        for moment, value in zip(first, before, strict=True):
            moment.copy_(value)
        return loss


class DrawsTheSame(OnCPU):
    def replayed(self) -> Tensor:
        state = self._generator.get_state()
        loss = super().replayed()
        self._generator.set_state(state)
        return loss


REFUSED = {
    CannotBeRecorded: "it cannot be recorded as a CUDA graph (operation not permitted when stream is capturing)",
    HasNoRoom: "it cannot be recorded as a CUDA graph (there is no room)",
    ReturnsAnother: "a replay of it returns something else than a call",
    StepsTwice: "a replay of it changes something else than a call",
    KeepsTheMoments: "a replay of it changes something else than a call",
    DrawsTheSame: "a replay of it draws the same numbers again",
}


def trained(kind: type[Recorded], digits: Tensor, overlays: Tensor, monkeypatch: pytest.MonkeyPatch) -> Trainer:
    """Return a training of twelve steps, the last of an epoch smaller, with dropout."""
    monkeypatch.setattr(trainer, "Recorded", kind)
    variant = Variant.from_flat({"training/batch": 16, "network/cnn/widths": "4-8", "training/precision": "float32"})
    one = Trainer(variant, 0, digits[:90], overlays, 1000)
    one.diffusion.network.register_forward_hook(lambda module, given, y: torch.nn.functional.dropout(y, 0.1))
    one.run_to(180)
    return one


def equal(one: Trainer, other: Trainer) -> bool:
    """Return whether two trainings are the same to the bit."""
    weights = zip(one.optimizer.params, other.optimizer.params, strict=True)
    return one.losses() == other.losses() and all(torch.equal(a, b) for a, b in weights)


def test_a_step_that_is_recorded_well_is_replayed(
    digits: Tensor, overlays: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = trained(OnCPU, digits, overlays, monkeypatch)
    assert equal(one, trained(Recorded, digits, overlays, monkeypatch))
    assert not one.not_recorded
    assert isinstance(one._learn, OnCPU)
    assert one._learn.replays == 10 - WARM_UP  # not the smaller batches at the ends of the two epochs


@pytest.mark.parametrize("kind", REFUSED, ids=lambda kind: kind.__name__)
def test_one_that_is_not_is_called_and_says_why(
    kind: type[OnCPU], digits: Tensor, overlays: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the recording is left: the training is that of steps that are called, to the bit."""
    one = trained(kind, digits, overlays, monkeypatch)
    assert one.not_recorded == REFUSED[kind]
    assert equal(one, trained(Recorded, digits, overlays, monkeypatch))


@pytest.mark.parametrize("shapes", [[3, 3, 2, 3, 3], [2, 3] * 4, [3] * 4], ids=str)
def test_the_shape_that_is_most_frequent_is_recorded_also_where_few_follow_each_other(shapes: list[int]) -> None:
    recorded = OnCPU(lambda x: 2 * x, torch.Generator())
    found = [recorded(torch.ones(n)).tolist() for n in shapes]
    assert found == [[2.0] * n for n in shapes]
    assert recorded.replays == 1
