"""Training: a network, its averaged weights and its optimizer, advanced to exact numbers of images seen."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from trainables.config import Training, Variant
from trainables.diffusion import LOSSES, Diffusion, runs_bf16
from trainables.source import PIXELS, Source

# Steps between looks at the loss: a look waits for the device.
FINITE_CHECK = 50
# torch's own defaults for ReduceLROnPlateau, which row A6 of the literature used.
PLATEAU_FACTOR, PLATEAU_PATIENCE, PLATEAU_THRESHOLD = 0.1, 10, 1e-4


class Diverged(ArithmeticError):
    """The loss or the samples are no longer finite."""


@dataclass
class Plateau:
    """The factor on the learning rate: a tenth after more than 10 epochs without a loss lower by 1e-4 of itself."""

    factor: float = 1.0
    best: float = math.inf
    waited: int = 0

    def epoch(self, loss: float) -> None:
        """Take the loss of an epoch, summed over its images, into account."""
        if loss < self.best * (1 - PLATEAU_THRESHOLD):
            self.best, self.waited = loss, 0
        else:
            self.waited += 1
        if self.waited > PLATEAU_PATIENCE:
            self.factor, self.waited = self.factor * PLATEAU_FACTOR, 0


class Trainer:
    """Trains one variant on images that stay on the device as uint8; the same seed gives the same weights."""

    def __init__(self, variant: Variant, seed: int, images: Tensor, overlays: Tensor, total: int) -> None:
        """Start from fresh weights; `images` (N, C, H, W) uint8, `total` the full budget in images."""
        self.settings: Training = variant.training
        self.seed, self.images, self.total = seed, images, total
        self.device = images.device
        torch.manual_seed(seed)
        channels, size = images.shape[1], images.shape[-1]
        network = variant.network.build(channels, size).to(self.device).to(memory_format=torch.channels_last)
        generator = torch.Generator(self.device).manual_seed(seed)
        self.source = Source(generator, PIXELS[variant.pixels], images, overlays)
        self.diffusion = Diffusion(
            alpha_bar=variant.schedule.alpha_bar().float().to(self.device),
            degradation=variant.degradation,
            network=network,
            target=variant.training.target,
            pixels=self.source.pixels,
            bf16=runs_bf16(variant.training.precision, self.device),
        )
        self.ema = copy.deepcopy(network).requires_grad_(False)
        optimizer = torch.optim.AdamW if self.settings.optimizer == "adamw" else torch.optim.Adam
        self.optimizer = optimizer(network.parameters(), lr=self.settings.lr, weight_decay=self.settings.weight_decay)
        self.plateau, self.epoch_loss = Plateau(), torch.zeros((), device=self.device)
        self.images_seen = self.steps = 0
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.long)

    def run_to(self, images_seen: int) -> float:
        """Train until exactly `images_seen` images were seen in all, and return the mean loss per image on the way.

        Raises:
            Diverged: the loss became NaN or infinite.
        """
        start, total = self.images_seen, torch.zeros((), device=self.device)
        while self.images_seen < images_seen:
            batch = self._batch(images_seen)
            loss = self._step(self.source.pixels.to_model(self.images[batch]))
            total += loss * len(batch)
            self.epoch_loss += loss * len(batch)
            self.images_seen += len(batch)
            if self.images_seen % len(self.images) == 0:
                self.plateau.epoch(self.epoch_loss.item())
                self.epoch_loss.zero_()
            if self.steps % FINITE_CHECK == 0:
                _require_finite(loss)
        _require_finite(total)
        return total.item() / max(self.images_seen - start, 1)

    def averaged(self) -> Diffusion:
        """Return the diffusion with the averaged weights, which samples are drawn with."""
        return replace(self.diffusion, network=self.ema)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the following steps depend on."""
        return {
            "network": self.diffusion.network.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.source.generator.get_state(),
            "plateau": dict(vars(self.plateau)),
            "epoch_loss": self.epoch_loss,
            "images_seen": self.images_seen,
            "steps": self.steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state`, as if never interrupted."""
        self.diffusion.network.load_state_dict(state["network"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.source.generator.set_state(state["generator"].cpu())
        self.plateau, self.epoch_loss = Plateau(**state["plateau"]), state["epoch_loss"].to(self.device)
        self.images_seen, self.steps = state["images_seen"], state["steps"]

    def _batch(self, until: int) -> Tensor:
        """Return the next indices; each epoch is a permutation of all images, given by the seed and its number."""
        epoch, position = divmod(self.images_seen, len(self.images))
        if epoch != self._epoch:
            order = torch.randperm(len(self.images), generator=torch.Generator().manual_seed(self.seed * 1009 + epoch))
            self._epoch, self._order = epoch, order.to(self.device)
        size = min(self.settings.batch, until - self.images_seen)
        return self._order[position : position + size]

    def _step(self, x0: Tensor) -> Tensor:
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.lr * self._lr_factor()
        loss = self.diffusion.loss(x0, self.source, LOSSES[self.settings.loss])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.steps += 1
        # A young average forgets faster, so that it does not remember the initial weights (as in torch's EMA recipes).
        decay = min(self.settings.ema, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.ema.parameters()), list(self.diffusion.network.parameters()), 1 - decay)
        return loss.detach()

    def _lr_factor(self) -> float:
        factor = min(1.0, (self.steps + 1) / max(self.settings.warmup, 1))
        if self.settings.lr_decay == "cosine":
            factor *= (1 + math.cos(math.pi * min(self.images_seen / self.total, 1.0))) / 2
        return factor * (self.plateau.factor if self.settings.lr_decay == "plateau" else 1.0)


def _require_finite(loss: Tensor) -> None:
    if not math.isfinite(loss.item()):
        raise Diverged(f"the loss became {loss.item()}")
