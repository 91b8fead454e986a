"""Models judged two ways, for evaluation_speed.py: as a search does, and by 1,000 steps and torchmetrics' FID."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from diffusers import DDPMScheduler
from starter import StarterCNN, in_starters_order
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from trainables.config import Flat, Sampling, Variant
from trainables.data.images import Images
from trainables.diffusion.generation import generate, sampling_source
from trainables.diffusion.process import Diffusion
from trainables.diffusion.source import Source
from trainables.metric.classifier import WIDTHS, Classifier
from trainables.metric.fmd import LAYER, SAMPLES, Reference, Score
from trainables.training.trainer import Trainer

SHAPE = (1, 28, 28)


@dataclass(frozen=True)
class Model:
    """A trained diffusion with its averaged weights, and what its samples are drawn from."""

    diffusion: Diffusion
    sampling: Sampling
    source: Source

    def in_float32(self) -> Model:
        """Return the same model without bf16."""
        return replace(self, diffusion=replace(self.diffusion, bf16=False))


class Judge:
    """Scores models both ways."""

    def __init__(self, images: Images) -> None:
        """Prepare the real side of both, which an evaluation does not pay for."""
        self.reference = Reference.build(images)
        self.classifier = self.reference.classifier()
        self.fid = FrechetInceptionDistance(feature=_Features(self.classifier), reset_real_features=False)
        self.fid.update(torch.from_numpy(images.search), real=True)

    def ours(self, model: Model) -> Score:
        """Return the score as a search has it at a rung."""
        samples = generate(model.diffusion, model.sampling, SAMPLES, SHAPE, model.source, seed=0)
        return self.reference.score(samples, self.classifier)

    def theirs(self, samples: Tensor) -> float:
        """Return torchmetrics' distance of uint8 samples (n, 1, 28, 28)."""
        self.fid.update(samples, real=False)
        found = float(self.fid.compute())
        self.fid.reset()
        return found


class _Features(nn.Module):
    """The classifier's features of uint8 images, as torchmetrics wants them."""

    num_features = WIDTHS[LAYER]

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        return self.classifier.features(self.classifier.to_unit(images), LAYER)


@torch.inference_mode()
def ancestral(model: Model, network: Callable[[Tensor, Tensor], Tensor], steps: int | None = None) -> Tensor:
    """Return uint8 samples (n, 1, 28, 28) by diffusers' DDPMScheduler, from the first `steps` of its T steps or all."""
    diffusion = model.diffusion
    share = diffusion.alpha_bar.double()
    scheduler = DDPMScheduler(
        num_train_timesteps=diffusion.T,
        trained_betas=(1 - share[1:] / share[:-1]).numpy(),
        prediction_type={"x0": "sample", "eps": "epsilon", "v": "v_prediction"}[diffusion.target],
        clip_sample_range=diffusion.pixels.high,
    )
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((SAMPLES, *SHAPE), generator=generator)
    for t in scheduler.timesteps[:steps]:
        answer = network(x, ((t + 1) / diffusion.T).expand(len(x)))
        x = scheduler.step(answer, t, x, generator=generator).prev_sample
    return diffusion.pixels.to_uint8(x)


def trained(images: Images, flat: Flat, ages: tuple[int, ...], seed: int = 0) -> list[Model]:
    """Return the model at each age in images seen."""
    variant = Variant.from_flat(flat)
    train, overlays = torch.from_numpy(images.train), torch.from_numpy(images.overlays_train)
    trainer = Trainer(variant, seed, train, overlays, ages[-1])
    source = sampling_source(trainer.source, torch.from_numpy(images.overlays_sample))
    models = []
    for age in ages:
        trainer.run_to(age)
        averaged = trainer.averaged()
        models.append(Model(replace(averaged, network=copy.deepcopy(averaged.network)), variant.sampler, source))
    return models


def plain(model: Model) -> nn.Module:
    """Return the network as others would have it: the starter's in NCHW; that behind patches is only ours."""
    ours = model.diffusion.network
    if any(name.endswith("blocks.0.0.weight") and w.shape[1] == 1 for name, w in ours.state_dict().items()):
        theirs = StarterCNN()
        theirs.load_state_dict(in_starters_order(ours.state_dict()))
        return theirs
    return ours


def autocast(diffusion: Diffusion) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the network in bf16 where the diffusion has it so."""

    def network(x_t: Tensor, time: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=diffusion.bf16):
            return diffusion.network(x_t, time).float()

    return network
