"""What a GPU would be asked to do, on tensors that have a device, a shape and a type, but no numbers.

torch refuses there what mixes devices, asks the device for a number, or has a shape that depends on numbers: none of
these can be recorded as a CUDA graph, and each would make the host wait. Backward passes and optimizers need a device.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorDeviceMismatchError, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from trainables.config import Flat, Variant
from trainables.diffusion.degradations import DEGRADATIONS
from trainables.diffusion.generation import start
from trainables.diffusion.process import LOSSES, WEIGHTS, Diffusion, last_part
from trainables.diffusion.samplers import SAMPLERS, strided
from trainables.diffusion.schedules import SCHEDULES
from trainables.diffusion.source import Source
from trainables.diffusion.targets import TARGETS
from trainables.diffusion.times import TIMES
from trainables.metric.restoration import validation
from trainables.networks import NETWORKS
from trainables.training.cuda_graph import Recorded
from trainables.training.trainer import Trainer

GPU = torch.device("cuda:0")
# Of the tensors without numbers, which degradations keep by device: no real one is to meet them.
FAKE = torch.device("cuda:7")
LABELS = np.arange(100) % 10
PLAIN: Flat = {"training/target": "x0", "sampler/kind": "cold1"}
VARIANTS: list[Flat] = [
    *({**PLAIN, "degradation/kind": kind} for kind in DEGRADATIONS),
    {**PLAIN, "degradation/kind": "morph+blur+noise"},
    *({"network/kind": kind} for kind in NETWORKS),
    *({"schedule/kind": kind} for kind in SCHEDULES),
    *({"training/target": name} for name in TARGETS if name != "velocity"),
    {"degradation/kind": "flow", "training/target": "velocity", "sampler/kind": "euler"},
    *({"training/loss": name} for name in LOSSES),
    *({"training/weight": name} for name in WEIGHTS),
    *({"training/times": name} for name in TIMES),
    {"network/conditioning": "class"},
    {"training/clip_grad": 0.1, "training/flip": True},
]
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


class OnGPU(torch.Generator):
    """A generator that says it is a GPU's, which none can be without one."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """The GPU."""
        return FAKE


@pytest.fixture(scope="module")
def mode() -> FakeTensorMode:
    """One for all: torch keeps some of what it made in one, and refuses it in another."""
    return FakeTensorMode()


def moved(x: Tensor, mode: FakeTensorMode) -> Tensor:
    """Return a tensor like `x` on the GPU, without its numbers."""
    with mode:
        return torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device=FAKE)


def on_gpu(variant: Variant, images: Tensor, overlays: Tensor, mode: FakeTensorMode) -> tuple[Diffusion, Source]:
    """Return a variant's diffusion, of eight images, and source with all that `.to(device)` moves on the GPU."""
    trainer = Trainer(variant, 0, images, overlays, 1000, labels=LABELS[: len(images)])
    network = trainer.diffusion.network
    for module in network.modules():
        for held in (module._parameters, module._buffers):
            for name, value in held.items():
                if value is not None:
                    held[name] = nn.Parameter(moved(value, mode)) if held is module._parameters else moved(value, mode)
    diffusion = replace(trainer.diffusion, alpha_bar=moved(trainer.diffusion.alpha_bar, mode), bf16=True)
    if diffusion.label_counts is not None:
        diffusion = replace(diffusion, label_counts=moved(diffusion.label_counts, mode))
        diffusion = replace(diffusion, labels=moved(torch.from_numpy(LABELS[:8]), mode))
    return diffusion, Source(OnGPU(), trainer.source.pixels, moved(images, mode), moved(overlays, mode))


class FromHost(TorchDispatchMode):
    """Counts the tensors that are made of numbers of the host: each is a copy that waits, and is never recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        made_of_host = func is torch.ops.aten.lift_fresh.default
        moved = func in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
        given = [x for x in args if isinstance(x, Tensor)]
        moved_from_host = moved and any(x.device.type == "cpu" for x in given)
        if isinstance(made, Tensor) and made.device == FAKE:
            self.count += made_of_host or moved_from_host
        return made


@pytest.mark.parametrize(
    "make", [lambda: torch.tensor([1.0, 2.0], device=FAKE), lambda: torch.zeros(3).to(FAKE)], ids=["numbers", "tensor"]
)
def test_what_the_host_gives_is_counted(make: Callable[[], Tensor], mode: FakeTensorMode) -> None:
    with mode, FromHost() as from_host:
        make()
    assert from_host.count == 1


@pytest.mark.filterwarnings("ignore:CUDA is not available")
@pytest.mark.parametrize("flat", VARIANTS, ids=str)
def test_a_loss_and_all_samplers_stay_on_the_device(
    flat: Flat, digits: Tensor, overlays: Tensor, mode: FakeTensorMode
) -> None:
    """And a loss takes nothing from the host from the second time on, when what is kept is made."""
    variant = Variant.from_flat(flat)
    diffusion, source = on_gpu(variant, digits[:64], overlays[:64], mode)
    with mode, torch.no_grad():
        x0 = source.pixels.to_model(source.training_images[:8])
        assert diffusion.loss(x0, source).device == FAKE
        with FromHost() as from_host:
            diffusion.loss(source.pixels.to_model(source.training_images[:8]), source)
        assert from_host.count == 0
        x_T, z = start(diffusion, variant.sampler, x0.shape, source)
        for sampler in SAMPLERS.values():
            if isinstance(last_part(diffusion.degradation), sampler.last):
                *_, x_0 = sampler(diffusion, x_T, z, strided(diffusion.T, 3), source)
                assert source.pixels.to_uint8(x_0).device == FAKE


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        (lambda x: x + torch.zeros(3), FakeTensorDeviceMismatchError),
        (lambda x: x.sum().item(), DataDependentOutputException),
    ],
)
def test_what_would_be_wrong_is_refused(
    wrong: Callable[[Tensor], object], refusal: type[Exception], mode: FakeTensorMode
) -> None:
    on_it = moved(torch.zeros(3), mode)
    with mode, pytest.raises(refusal):
        wrong(on_it)


def test_without_a_gpu_a_recorded_function_is_called() -> None:
    generator = torch.Generator().manual_seed(0)
    recorded = Recorded(lambda x: x + torch.rand(x.shape, generator=generator), generator)
    found = [recorded(torch.zeros(2)) for _ in range(6)]
    expected = torch.rand(6, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(torch.stack(found), expected)


@needs_gpu
@pytest.mark.parametrize("shapes", [[4] * 8, [4, 4, 4, 4, 4, 3, 4, 4], [3, 4] * 4], ids=str)
def test_a_recorded_function_returns_what_it_would_if_called(shapes: list[int]) -> None:
    def made() -> tuple[Callable[[Tensor], Tensor], torch.Generator, Tensor]:
        generator, total = torch.Generator(GPU).manual_seed(0), torch.zeros((), device=GPU)

        def function(x: Tensor) -> Tensor:
            total.add_((x + torch.rand(x.shape, generator=generator, device=GPU)).sum())
            return total + 0

        return function, generator, total

    function, generator, _ = made()
    recorded = Recorded(function, generator)
    plain, _, _ = made()
    for i, n in enumerate(shapes):
        given = torch.full((n,), float(i), device=GPU)
        assert recorded(given).item() == pytest.approx(plain(given).item(), rel=1e-5)


@needs_gpu
@pytest.mark.parametrize("flat", VARIANTS, ids=str)
def test_recorded_steps_are_those_that_are_called(flat: Flat, digits: Tensor, overlays: Tensor) -> None:
    def losses(recorded: bool) -> list[float]:
        variant = Variant.from_flat({**flat, "training/batch": 10})
        one = Trainer(variant, 0, digits[:100].to(GPU), overlays.to(GPU), 1000, labels=LABELS)
        if not recorded:
            one._learn = one._learn.function  # type: ignore[assignment]
        return [one.run_to(seen) for seen in range(10, 100, 10)]

    assert losses(recorded=True) == pytest.approx(losses(recorded=False), rel=1e-2)


@needs_gpu
def test_on_a_gpu_training_goes_on_from_its_state_as_if_never_interrupted(digits: Tensor, overlays: Tensor) -> None:
    def made() -> Trainer:
        variant = Variant.from_flat({"training/batch": 16, "schedule/kind": "cosine"})
        return Trainer(variant, 0, digits[:100].to(GPU), overlays.to(GPU), 1000)

    whole, first, second = made(), made(), made()
    first.run_to(200)
    second.load_state_dict(first.state_dict())
    assert second.run_to(400) == pytest.approx((whole.run_to(200), whole.run_to(400))[1], rel=1e-3)
    assert validation(second.averaged(), second.images[:8], second.source, 0).loss > 0
