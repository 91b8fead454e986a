"""Training: the same numbers for the same seed, interrupted or not, to the image exactly, and an end to divergence."""

import copy
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils._python_dispatch import TorchDispatchMode

from tests.unit.trainables.training.conftest import through_disk
from trainables.checkpoint import CheckpointError
from trainables.config import Flat, Variant, domain_of
from trainables.diffusion.degradations import DEGRADATIONS
from trainables.diffusion.process import LOSSES, Diffusion, Diverged
from trainables.diffusion.targets import TARGETS
from trainables.domain import Choice, ConfigError
from trainables.networks import NETWORKS, Network
from trainables.training.early_stopping import Plateau
from trainables.training.trainer import Trainer, averaging_decay

UNET: Flat = {"network/kind": "unet", "network/unet/widths": "4"}
CNN: Flat = {"network/kind": "cnn", "network/cnn/widths": "3-4"}
TINY: Flat = {
    "schedule/kind": "cosine",
    "schedule/cosine/T": 40,
    "training/batch": 16,
    "training/lr": 1e-3,
    "training/precision": "float32",
}
COLD: Flat = {"training/target": "x0", "sampler/kind": "cold2"}
Make = Callable[..., Trainer]

decays = domain_of("training/lr_decay")
assert isinstance(decays, Choice)


@pytest.fixture
def make(digits: Tensor, overlays: Tensor) -> Make:
    """Trainers of a tiny variant on 100 images."""

    def make(changes: Flat | None = None, seed: int = 3, total: int = 1000, count: int = 100) -> Trainer:
        network = {} if "network/kind" in (changes or {}) else UNET
        variant = Variant.from_flat({**TINY, **network, **(changes or {})})
        return Trainer(variant, seed, digits[:count].clone(), overlays, total, labels=np.arange(count) % 10)

    return make


def leaves(state: Any) -> list[Any]:
    """Every leaf of a nested state."""
    if isinstance(state, dict):
        return [leaf for key in state for leaf in leaves(state[key])]
    return [leaf for part in state for leaf in leaves(part)] if isinstance(state, list | tuple) else [state]


def identical(a: Any, b: Any) -> bool:
    """Whether two states agree bit for bit."""
    pairs = zip(leaves(a), leaves(b), strict=True)
    return all(torch.equal(x, y) if isinstance(x, Tensor) else x == y for x, y in pairs)


RECIPES: list[Flat] = [
    *({"training/lr_decay": decay} for decay in decays.options),
    {"training/optimizer": "adamw", "training/weight_decay": 0.01, "training/target": "eps"},
    {"training/loss": "huber", "training/target": "v", "training/ema": 0.0},
    {**CNN, "training/batch": 7, "training/beta2": 0.9, "training/times": "stratified"},
    {"network/conditioning": "class", "training/times": "logit_normal", "training/average": 0.3},
    *({"degradation/kind": kind, **COLD} for kind in ("mask+noise", "qr+noise")),
    {"training/clip_grad": 0.01, "training/flip": True},
]
# Degradations draw from one generator, whose state is saved: those above are as good as all.
ALL = [pytest.param({"degradation/kind": kind, **COLD}, marks=pytest.mark.slow) for kind in DEGRADATIONS]


@pytest.mark.parametrize("changes", [*RECIPES, *ALL], ids=str)
def test_a_seed_fixes_every_bit_interrupted_or_not(changes: Flat, make: Make) -> None:
    stops = (75, 230, 301)
    whole = make(changes)
    losses = [whole.run_to(images) for images in stops]
    parts = make(changes)
    torch.manual_seed(99)
    for images, loss in zip(stops, losses, strict=True):
        assert parts.run_to(images) == loss
        state = through_disk(parts.state_dict())
        parts = make(changes)
        parts.load_state_dict(state)
    assert identical(whole.state_dict(), parts.state_dict())


class Drops(nn.Module):
    """Dropout, and running means of the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.first = nn.BatchNorm2d(channels), nn.Conv2d(channels, 4, 3, padding=1)
        self.drop, self.last = nn.Dropout(0.5), nn.Conv2d(4, channels, 3, padding=1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return self.last(self.drop(self.first(self.norm(x)))) + time[:, None, None, None]


@dataclass(frozen=True)
class Dropping(Network):
    def build(self, channels: int, size: int, classes: int = 0) -> nn.Module:
        return Drops(channels)


@pytest.fixture
def dropping(make: Make, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Trainer]:
    """Trainers of a network of a user's own, with dropout and batch normalisation."""
    monkeypatch.setitem(NETWORKS, "dropping", Dropping)
    kept: Flat = {"training/split": "80:20", "training/keep_best": True}
    return lambda: make({"network/kind": "dropping", **kept})


def test_dropout_is_on_in_training_alone(dropping: Callable[[], Trainer]) -> None:
    trainer = dropping()
    trainer.run_to(160)  # two epochs, so that the best one's weights are taken
    assert trainer.diffusion.network.training
    x_t, t = torch.randn(4, 1, 28, 28), torch.full((4,), 30)
    before = torch.get_rng_state()
    first, second = (trainer.averaged().restore(x_t, t) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_training_with_dropout_is_the_same_interrupted_or_not(dropping: Callable[[], Trainer]) -> None:
    whole = dropping()
    whole.run_to(100)
    whole.run_to(230)
    expected = copy.deepcopy(whole.state_dict())
    parts = dropping()
    parts.run_to(100)
    state = through_disk(parts.state_dict())
    parts = dropping()
    torch.manual_seed(99)
    parts.load_state_dict(state)
    parts.run_to(230)
    assert identical(parts.state_dict(), expected)
    del state["torch_generators"]  # as of an older version
    dropping().load_state_dict(state)


def test_buffers_of_the_averaged_network_are_the_present_ones(dropping: Callable[[], Trainer]) -> None:
    trainer = dropping()
    trainer.run_to(100)
    present, averaged = (dict(one.named_buffers()) for one in (trainer.diffusion.network, trainer.ema))
    assert present["norm.num_batches_tracked"] == trainer.steps > 0
    assert identical(present, averaged)


def test_another_seed_gives_other_weights(make: Make) -> None:
    first, second = make(seed=1), make(seed=2)
    first.run_to(32)
    second.run_to(32)
    assert not identical(first.state_dict()["network"], second.state_dict()["network"])


def test_a_state_of_another_kind_of_device_is_gone_on_from_with_random_numbers_anew(make: Make) -> None:
    first, *others = make(), make(), make()
    first.run_to(64)
    state = first.state_dict() | {"generator": torch.zeros(16, dtype=torch.uint8)}  # as CUDA's
    for other in others:
        other.load_state_dict(through_disk(state))
        assert identical(other.state_dict()["network"], first.state_dict()["network"])
        other.run_to(160)
    assert identical(others[0].state_dict(), others[1].state_dict())
    first.run_to(160)
    assert not identical(others[0].state_dict()["network"], first.state_dict()["network"])


def test_a_trainer_that_ran_elsewhere_continues_from_a_state_all_the_same(make: Make) -> None:
    first, other = make(), make()
    first.run_to(150)
    other.run_to(50)
    other.load_state_dict(through_disk(first.state_dict()))
    first.run_to(260)
    other.run_to(150)
    other.run_to(260)
    assert identical(first.state_dict(), other.state_dict())


def test_the_weights_of_another_network_are_refused_in_one_line(make: Make) -> None:
    state = make({"network/kind": "unet", "network/unet/widths": "4-6"}).state_dict()
    with pytest.raises(CheckpointError, match=r"^the checkpoint has the weights of another network[^\n]+$"):
        make({}).load_state_dict(state)


@pytest.mark.parametrize("batch", [1, 16, 33, 100, 4096])
def test_training_stops_exactly_at_every_rung(batch: int, make: Make, batches: list[Tensor]) -> None:
    trainer = make({"training/batch": batch}, count=50)
    for rung in (1, 17, 49, 50, 51, 120):
        trainer.run_to(rung)
        assert trainer.images_seen == rung == sum(map(len, batches))
    assert max(map(len, batches)) <= min(batch, 50)
    before = trainer.steps
    trainer.run_to(120)
    assert trainer.steps == before == len(batches)


@pytest.mark.parametrize("rungs", [(300,), (37, 100, 113, 250, 300)])
def test_every_image_is_seen_once_an_epoch_in_an_order_of_its_own(
    rungs: tuple[int, ...], make: Make, batches: list[Tensor]
) -> None:
    trainer = make()
    expected = sorted(image.numpy().tobytes() for image in trainer.images)
    assert len(set(expected)) == 100
    for rung in rungs:
        trainer.run_to(rung)
    seen = [image.numpy().tobytes() for image in torch.cat(batches)]
    epochs = [seen[first : first + 100] for first in (0, 100, 200)]
    assert all(sorted(epoch) == expected for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_the_order_of_images_does_not_depend_on_the_variant(make: Make, batches: list[Tensor]) -> None:
    make().run_to(120)
    first = torch.cat(batches)
    batches.clear()
    make({**CNN, "training/batch": 5, "degradation/kind": "mask", **COLD}).run_to(120)
    assert torch.equal(torch.cat(batches), first)


def test_the_loss_returned_is_the_mean_over_the_images_since_the_last_rung(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make()
    losses: list[tuple[float, int]] = []
    measure = LOSSES["l2"]

    def spy(prediction: Tensor, target: Tensor) -> Tensor:
        loss = measure(prediction, target)
        losses.append((loss.mean().item(), len(target)))
        return loss

    monkeypatch.setitem(LOSSES, "l2", spy)
    trainer.run_to(40)
    losses.clear()
    result = trainer.run_to(105)
    total = sum(loss * count for loss, count in losses)
    assert sum(count for _, count in losses) == 65
    assert result == pytest.approx(total / 65, rel=1e-5)


@pytest.mark.parametrize("target", TARGETS)
def test_the_loss_falls_on_real_digits(target: str, digits: Tensor, overlays: Tensor) -> None:
    straight: Flat = {"degradation/kind": "flow", "sampler/kind": "euler"} if target == "velocity" else {}
    flat = {**TINY, **UNET, **straight, "network/unet/widths": "8", "training/target": target, "training/lr": 5e-3}
    trainer = Trainer(Variant.from_flat({**flat, "training/warmup": 0}), 0, digits, overlays, 1024)
    first = trainer.run_to(128)
    trainer.run_to(896)
    assert trainer.run_to(1024) < 0.8 * first


@pytest.mark.parametrize("poison", [math.nan, math.inf, 1e30])
def test_a_loss_that_is_not_finite_ends_training(poison: float, make: Make) -> None:
    trainer = make()
    trainer.run_to(32)
    with torch.no_grad():
        next(trainer.diffusion.network.parameters()).fill_(poison)
        list(trainer.diffusion.network.parameters())[-1].fill_(poison)
    with pytest.raises(Diverged, match=r"^the loss became (nan|inf)$"):
        trainer.run_to(64)


def test_divergence_is_noticed_well_before_a_distant_rung(make: Make, batches: list[Tensor]) -> None:
    trainer = make({"training/batch": 1})
    list(trainer.diffusion.network.parameters())[-1].data.fill_(math.nan)
    with pytest.raises(Diverged):
        trainer.run_to(100_000)
    assert len(batches) <= 100


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_the_mean_age_of_the_averaged_weights_is_a_share_of_the_steps(share: float) -> None:
    """Of weights that grow by one a step."""
    steps, average = 4_000, 0.0
    for step in range(1, steps + 1):
        decay = averaging_decay(step, share, most=1.0)
        average = decay * average + (1 - decay) * step
    assert steps - average == pytest.approx(share * steps, rel=0.01)


def test_an_average_of_half_the_steps_is_the_plain_mean_of_the_initial_weights_twice_and_all_others() -> None:
    mean = 7.0
    for step in range(1, 50):
        decay = averaging_decay(step, 0.5, most=1.0)
        mean = decay * mean + (1 - decay) * step
    assert mean == pytest.approx((2 * 7 + sum(range(1, 50))) / 51)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.999])
def test_the_averaged_weights_follow_their_recursion(decay: float, make: Make) -> None:
    """ema <- d ema + (1 - d) weights, d the smaller of `decay` and (1 + step) / (10 + step)."""
    trainer = make({"training/ema": decay}, count=16)
    expected = [p.detach().double() for p in trainer.diffusion.network.parameters()]
    for step in range(1, 30):
        trainer.run_to(16 * step)
        d = min(decay, (1 + step) / (10 + step))
        weights = trainer.diffusion.network.parameters()
        expected = [d * ema + (1 - d) * w.detach().double() for ema, w in zip(expected, weights, strict=True)]
    averaged = trainer.averaged().network
    assert not any(p.requires_grad for p in averaged.parameters())
    for found, value in zip(averaged.parameters(), expected, strict=True):
        torch.testing.assert_close(found.double(), value, rtol=1e-5, atol=1e-6)


def test_a_network_with_classes_trains_on_each_images_label(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, seen = make({"network/conditioning": "class", "training/label_drop": 0.0}), []
    loss = Diffusion.loss

    def spy(self: Diffusion, x0: Tensor, *rest: Any) -> Tensor:
        seen.append((self.pixels.to_uint8(x0), self.labels))
        return loss(self, x0, *rest)

    monkeypatch.setattr(Diffusion, "loss", spy)
    trainer.run_to(100)
    images, labels = (torch.cat(parts) for parts in zip(*seen, strict=True))
    for image, label in zip(images, labels, strict=True):
        rows = [k for k, own in enumerate(trainer.images) if torch.equal(own, image)]
        assert label.item() in [k % 10 for k in rows]
    assert trainer.diffusion.label_counts is not None
    assert trainer.diffusion.label_counts.tolist() == [10] * 10


def test_classes_without_labels_are_refused(digits: Tensor, overlays: Tensor) -> None:
    variant = Variant.from_flat({**UNET, "network/conditioning": "class"})
    with pytest.raises(ConfigError, match=r"no labels; use network/conditioning=cluster$"):
        Trainer(variant, 0, digits, overlays, 100)


@pytest.mark.filterwarnings("error")
def test_labels_may_be_an_array_that_nobody_may_write_to(digits: Tensor, overlays: Tensor) -> None:
    labels = np.arange(len(digits)) % 10
    labels.flags.writeable = False
    Trainer(Variant.from_flat({**UNET, "network/conditioning": "class"}), 0, digits, overlays, 100, labels=labels)


class Waits(TorchDispatchMode):
    """Counts how often a number is asked of the device, which is what makes the host wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.count += func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "changes",
    [
        *({}, {"training/optimizer": "adamw", "training/loss": "huber", **CNN}),
        {"training/clip_grad": 0.1, "training/flip": True},
    ],
    ids=str,
)
def test_a_step_does_not_wait_for_the_device(changes: Flat, make: Make) -> None:
    counts = []
    for steps in (5, 45):
        trainer = make({**changes, "training/batch": 2})
        with Waits() as waits:
            trainer.run_to(2 * steps)
        counts.append(waits.count)
    assert counts[0] == counts[1] > 0


def rate(trainer: Trainer) -> float:
    """The learning rate of the last step."""
    return trainer.optimizer.lr.item()


@pytest.mark.parametrize("warmup", [0, 1, 5])
def test_the_learning_rate_rises_linearly_over_the_warm_up(warmup: int, make: Make) -> None:
    trainer, rates = make({"training/warmup": warmup}), []
    for step in range(1, 7):
        trainer.run_to(16 * step)
        rates.append(rate(trainer))
    assert rates == pytest.approx([1e-3 * min(1, step / max(warmup, 1)) for step in range(1, 7)])


def test_the_cosine_decay_ends_at_zero_with_the_budget(make: Make) -> None:
    trainer = make({"training/warmup": 0, "training/lr_decay": "cosine"}, total=100)
    for step in range(7):
        trainer.run_to(min(16 * (step + 1), 100))
        assert rate(trainer) == pytest.approx(1e-3 * (1 + math.cos(math.pi * 16 * step / 100)) / 2)


@pytest.mark.parametrize("seed", range(4))
def test_the_plateau_is_torchs(seed: int) -> None:
    """Losses that fall, stagnate and improve by less than torch's threshold."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs, ours = ReduceLROnPlateau(optimizer), Plateau()
    loss = 1.0
    for epoch in range(100):
        loss -= (1e-2, 1e-5, 0.0)[epoch // 34] * float(torch.rand((), generator=generator) < 0.3)
        noisy = loss + 1e-6 * float(torch.rand((), generator=generator))
        theirs.step(noisy)
        ours.epoch(noisy)
        assert ours.factor == pytest.approx(optimizer.param_groups[0]["lr"])


def test_the_plateau_looks_at_whole_epochs(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    losses: list[float] = []
    monkeypatch.setattr(Plateau, "epoch", lambda self, loss: losses.append(loss))
    trainer = make({"training/lr_decay": "plateau"})
    means = [trainer.run_to(images) for images in (37, 100, 150, 200, 230)]
    assert losses == pytest.approx([means[0] * 37 + means[1] * 63, means[2] * 50 + means[3] * 50], rel=1e-5)


def test_the_plateau_lowers_the_rate(make: Make) -> None:
    trainer = make({"training/lr_decay": "plateau", "training/warmup": 0}, count=16)
    trainer.plateau = Plateau(best=0.0)
    rates = []
    for epoch in range(1, 25):
        trainer.run_to(16 * epoch)
        rates.append(rate(trainer))
    assert rates == pytest.approx([1e-3] * 11 + [1e-4] * 11 + [1e-5] * 2)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize(("name", "theirs"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_the_optimizer_is_torchs_with_the_variants_settings(
    name: str, theirs: type, weight_decay: float, make: Make
) -> None:
    trainer = make({"training/optimizer": name, "training/weight_decay": weight_decay, "training/warmup": 0, **CNN})
    network = copy.deepcopy(trainer.diffusion.network)
    optimizer = theirs(network.parameters(), lr=1e-3, weight_decay=weight_decay, fused=True)
    for step in range(1, 6):
        trainer.run_to(16 * step)
        for p, trained in zip(network.parameters(), trainer.diffusion.network.parameters(), strict=True):
            p.grad = trained.grad
        optimizer.step()
    pairs = zip(network.parameters(), trainer.diffusion.network.parameters(), strict=True)
    assert all(torch.allclose(p, trained, rtol=1e-6, atol=1e-9) for p, trained in pairs)
    assert trainer.optimizer.lr == torch.tensor(1e-3)


def gradient(trainer: Trainer) -> np.ndarray:
    """The gradient that the first step went by, of all weights, which is in Adam's first moment."""
    trainer.run_to(16)
    return torch.cat([first.flatten() for first in trainer.optimizer.state_dict()["first"]]).double().numpy() / 0.1


@pytest.mark.parametrize("share", [0.5, 0.99, 1.01])
def test_a_gradient_is_scaled_to_the_norm_where_it_is_larger(share: float, make: Make) -> None:
    whole = gradient(make())
    norm = np.linalg.norm(whole)
    clipped = gradient(make({"training/clip_grad": share * norm}))
    np.testing.assert_allclose(clipped, whole * min(1, share), rtol=1e-4, atol=1e-7 * norm)


def test_half_of_the_images_are_mirrored_and_each_is_drawn_anew(make: Make, batches: list[Tensor]) -> None:
    trainer = make({"training/flip": True, "training/batch": 50})
    epochs = []
    for epoch in range(1, 9):
        batches.clear()
        trainer.run_to(100 * epoch)
        seen = {image.numpy().tobytes() for image in torch.cat(batches)}
        plain = np.array([image.numpy().tobytes() in seen for image in trainer.images])
        mirrored = np.array([image.flip(-1).contiguous().numpy().tobytes() in seen for image in trainer.images])
        assert (plain ^ mirrored).all()
        epochs.append(mirrored)
    assert abs(np.mean(epochs) - 0.5) < 4 * 0.5 / 800**0.5
    assert len({row.tobytes() for row in epochs}) == 8


def test_torchs_compiler_is_not_imported() -> None:
    """torch._dynamo takes longer to import than torch itself, and the first use of torch.optim imports it."""
    steps = """
import sys, torch
from trainables.config import Variant
from trainables.training.trainer import Trainer, averaging_decay
images = torch.zeros(8, 1, 28, 28, dtype=torch.uint8)
trainer = Trainer(Variant.from_flat({"training/batch": 4, "training/clip_grad": 1.0}), 0, images, images, 100)
trainer.run_to(8)
trainer.load_state_dict(trainer.state_dict())
print([name for name in ("torch._dynamo", "torch._inductor", "sympy") if name in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", steps], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
