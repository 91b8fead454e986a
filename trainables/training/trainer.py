"""Training of a network to exact numbers of images seen."""

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainables.checkpoint import CheckpointError
from trainables.config import Training, Variant
from trainables.data.folds import evenly, fold_rows
from trainables.device import keep_freed
from trainables.diffusion.build import build, count_labels
from trainables.diffusion.process import Diffusion, Diverged
from trainables.diffusion.source import Source
from trainables.metric.restoration import validation_loss
from trainables.training.adam import Adam
from trainables.training.batches import Batches
from trainables.training.cuda_graph import Recorded
from trainables.training.early_stopping import Patience, Plateau

# Steps between readings of the loss, which check that it is finite, because a reading waits for the device.
READING = 50


class Trainer:
    """The training of one variant, on images that stay on the device as uint8; a seed always gives the same weights.

    Attributes:
        images: (N, C, H, W) uint8, with the validation images.
        held_out: (K, C, H, W) uint8, some of the validation images; empty for a variant without a split.
        held_out_labels: (K,) int64, theirs; None without labels.
        ema: the network with the averaged weights and the present buffers, as it is sampled from: dropout is off.
        best: the same as it was after the epoch with the lowest validation loss; None unless the variant keeps that.
    """

    def __init__(
        self,
        variant: Variant,
        seed: int,
        images: Tensor,
        overlays: Tensor,
        total: int,
        groups: np.ndarray | None = None,
        labels: np.ndarray | None = None,
    ) -> None:
        """Start from fresh weights.

        Args:
            variant: what to train.
            seed: of the weights, the batches and the noise.
            images: (N, C, H, W) uint8.
            overlays: (K, C, H, W) uint8, of another data set.
            total: the full budget in images, which the cosine decay of the learning rate needs.
            groups: int64 (N,), the object of each image; None where every image shows another.
            labels: int64 (N,), from 0, classes or clusters; None where there are none.

        Raises:
            ConfigError: the network is told labels, and there are none.
        """
        keep_freed()
        self.settings: Training = variant.training
        self.seed, self.images, self.total, self.device = seed, images, total, images.device
        groups = np.arange(len(images)) if groups is None else groups
        rows, validated = fold_rows(groups, self.settings.split, self.settings.fold)
        self._batches = Batches(rows, self.settings, seed, self.device)
        # A copy: torch warns of an array that nobody may write to, as those in Ray's object store.
        own_labels = None if labels is None else torch.tensor(labels, device=self.device)
        held_out = torch.from_numpy(evenly(validated, self.settings.validated)).to(self.device)
        self.held_out = images[held_out]
        self.held_out_labels = None if own_labels is None else own_labels[held_out]
        label_counts = count_labels(variant, own_labels, torch.from_numpy(rows))
        torch.manual_seed(seed)
        self.diffusion = build(variant, images.shape[1:], label_counts, self.device)
        network = self.diffusion.network
        generator = torch.Generator(self.device).manual_seed(seed)
        self.source = Source(generator, self.diffusion.pixels, images, overlays)
        self.ema = copy.deepcopy(network).requires_grad_(False).eval()
        self.best = copy.deepcopy(self.ema) if self.settings.keep_best else None
        decoupled = self.settings.optimizer == "adamw"
        self.optimizer = Adam(network.parameters(), self.settings.weight_decay, decoupled, self.settings.beta2)
        self._averages: list[Tensor] = list(self.ema.parameters())
        self._buffers, self._buffers_of_ema = _saved_buffers(network), _saved_buffers(self.ema)
        # A partial of the parts: one of `self` would be a cycle and keep the trainer alive until Python collects it.
        self._learn = Recorded(
            partial(_learn, self.diffusion, self.source, images, own_labels, self.optimizer, self.settings),
            generator,
            (*self.optimizer.changed, self._buffers),
        )
        self.plateau, self.epoch_loss = Plateau(), torch.zeros((), device=self.device)
        self.patience = Patience(self.settings.patience)
        self.images_seen = self.steps = 0
        self._loss = math.inf
        self._on_the_way: tuple[int, Tensor] | None = None  # images seen when `run_to` began, and the loss since
        self._sums: list[tuple[int, float]] = []  # images seen, and the loss since `run_to` began, at each reading

    def run_to(self, images_seen: int, after_step: Callable[[], None] = lambda: None) -> float:
        """Train until exactly `images_seen` images were seen in all, and return the mean loss per image on the way.

        After the patience is lost, nothing is trained and the last loss is returned. A state that `after_step` saves
        continues to the same `images_seen`, with the same result.

        Raises:
            Diverged: the loss became NaN or infinite.
        """
        if self._on_the_way is None:
            self._on_the_way = self.images_seen, torch.zeros((), device=self.device)
            self._sums = [(self.images_seen, 0.0)]
        start, total = self._on_the_way
        while self.images_seen < images_seen and not self.patience.lost:
            batch = self._batches.next(self.images_seen, images_seen)
            loss = self._step(batch)
            total += loss * len(batch)
            self.epoch_loss += loss * len(batch)
            self.images_seen += len(batch)
            if self.images_seen % self._batches.epoch_images == 0:
                self._end_epoch()
            if self.steps % READING == 0:
                _require_finite(loss)
                self._sums.append((self.images_seen, total.item()))
            after_step()
        self._on_the_way = None
        _require_finite(total)
        if self.images_seen > start:
            self._loss = total.item() / (self.images_seen - start)
            self._sums.append((self.images_seen, total.item()))
        return self._loss

    def losses(self) -> dict[int, float]:
        """Return by images seen the mean training loss per image since the value before, of the last `run_to`.

        There is a value every 50 steps, and at the end.
        """
        steps = pairwise(self._sums)
        return {end: (total - before) / (end - start) for (start, before), (end, total) in steps if end > start}

    @property
    def not_recorded(self) -> str:
        """Why steps are launched kernel by kernel on a CUDA device; empty where they are not, and on other devices."""
        return self._learn.refusal

    @property
    def began(self) -> int:
        """The images seen when the present `run_to` began, before an interruption of it."""
        return self.images_seen if self._on_the_way is None else self._on_the_way[0]

    def _end_epoch(self) -> None:
        self.plateau.epoch(self.epoch_loss.item())
        self.epoch_loss.zero_()
        if self.settings.patience or self.best is not None:
            source = replace(self.source, generator=torch.Generator(self.device))
            now = replace(self.diffusion, network=self.ema).given(self.held_out_labels)
            loss = validation_loss(now, self.held_out, source, seed=0)
            if self.best is not None and loss < self.patience.best:
                self.best.load_state_dict(self.ema.state_dict())
            self.patience.epoch(loss)

    def averaged(self) -> Diffusion:
        """Return the diffusion with the averaged weights, for sampling: those of the best epoch if the variant says so.

        Before the end of the first epoch they are the present ones.
        """
        best = self.best if self.patience.best < math.inf else None
        return replace(self.diffusion, network=self.ema if best is None else best)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the following steps depend on."""
        return {
            "network": self.diffusion.network.state_dict(),
            "ema": self.ema.state_dict(),
            "best": None if self.best is None else self.best.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.source.generator.get_state(),
            "torch_generators": _torch_generators(self.device),
            "plateau": dict(vars(self.plateau)),
            "patience": dict(vars(self.patience)),
            "epoch_loss": self.epoch_loss,
            "images_seen": self.images_seen,
            "steps": self.steps,
            "loss": self._loss,
            "on_the_way": self._on_the_way,
            "sums": self._sums,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state` with the same result; a state of another kind of device has other random numbers.

        Raises:
            CheckpointError: the weights are of another network.
        """
        try:
            self.diffusion.network.load_state_dict(state["network"])
        except RuntimeError:  # its message has a line for each parameter
            raise CheckpointError("the checkpoint has the weights of another network, or of an older version") from None
        self.ema.load_state_dict(state["ema"])
        if self.best is not None and state.get("best") is not None:
            self.best.load_state_dict(state["best"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.plateau, self.epoch_loss = Plateau(**state["plateau"]), state["epoch_loss"].to(self.device)
        self.patience = replace(Patience(**state["patience"]), epochs=self.settings.patience)
        self.images_seen, self.steps, self._loss = state["images_seen"], state["steps"], state["loss"]
        self._go_on_drawing(state["generator"].cpu())
        _set_torch_generators(state.get("torch_generators", {}), self.device)  # an older state has none
        self._sums = state.get("sums", [])  # of an older state there are none
        if (on_the_way := state.get("on_the_way")) is not None:
            self._on_the_way = on_the_way[0], on_the_way[1].to(self.device)

    def _go_on_drawing(self, state: Tensor) -> None:
        """Set the generator to a saved state, or seed it anew where that state is of another kind of device."""
        generator = self.source.generator
        if state.shape == generator.get_state().shape:
            generator.set_state(state)
        else:
            generator.manual_seed(self.seed + self.images_seen)

    def _step(self, batch: Tensor) -> Tensor:
        self.optimizer.lr.fill_(self.settings.lr * self._lr_factor())
        loss = self._learn(batch)
        self.steps += 1
        decay = averaging_decay(self.steps, self.settings.average, self.settings.ema)
        with torch.no_grad():
            torch._foreach_lerp_(self._averages, self.optimizer.params, 1 - decay)
            for averaged, present in zip(self._buffers_of_ema, self._buffers, strict=True):
                averaged.copy_(present)
        return loss

    def _lr_factor(self) -> float:
        factor = min(1.0, (self.steps + 1) / max(self.settings.warmup, 1))
        if self.settings.lr_decay == "cosine":
            factor *= (1 + math.cos(math.pi * min(self.images_seen / self.total, 1.0))) / 2
        return factor * (self.plateau.factor if self.settings.lr_decay == "plateau" else 1.0)


def _saved_buffers(network: nn.Module) -> list[Tensor]:
    """Return the buffers that belong to the weights, as the running means of a batch normalisation; often none."""
    saved = network.state_dict().keys()
    return [buffer for name, buffer in network.named_buffers() if name in saved]


def _torch_generators(device: torch.device) -> dict[str, Tensor]:
    """Return the states of torch's own generators, which a network may draw from, as for dropout."""
    cuda = {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {}
    return {"cpu": torch.get_rng_state(), **cuda}


def _set_torch_generators(states: dict[str, Tensor], device: torch.device) -> None:
    """Set torch's own generators to saved states, those that there are."""
    if "cpu" in states:
        torch.set_rng_state(states["cpu"].cpu())
    if "cuda" in states and device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"].cpu(), device)


def sampling_weights(state: dict[str, Any]) -> dict[str, Tensor]:
    """Return the weights of `Trainer.averaged` from a saved state."""
    best: dict[str, Tensor] | None = state.get("best")
    return state["ema"] if best is None or state["patience"]["best"] == math.inf else best


def averaging_decay(step: int, share: float, most: float) -> float:
    """Return the decay of the averaged weights after a step, from 1, such that their mean age is a share of the steps.

    Weights of step k then count as k^(1 / share - 2): the power function of Karras et al. 2024, section 3.1.
    """
    return min(most, (1 + step) / (1 / share + step))


def _learn(
    diffusion: Diffusion,
    source: Source,
    images: Tensor,
    labels: Tensor | None,
    optimizer: Adam,
    settings: Training,
    batch: Tensor,
) -> Tensor:
    """Step the weights by the loss of the images at rows `batch`, and return the loss; all on the device."""
    given = diffusion.given(None if labels is None else labels[batch])
    shown = _half_mirrored(images[batch], source) if settings.flip else images[batch]
    loss = given.loss(source.pixels.to_model(shown), source)
    optimizer.zero_grad()
    loss.backward()
    if settings.clip_grad:
        nn.utils.clip_grad_norm_(optimizer.params, settings.clip_grad)  # asks nothing of the device
    optimizer.step()
    return loss.detach()


def _half_mirrored(images: Tensor, source: Source) -> Tensor:
    """Return images (N, C, H, W), each with probability 1/2 with left and right exchanged."""
    mirrored = source.uniform(torch.Size((len(images), 1, 1, 1))) < 0.5
    return torch.where(mirrored, images.flip(-1), images)


def _require_finite(loss: Tensor) -> None:
    if not math.isfinite(loss.item()):
        raise Diverged(f"the loss became {loss.item()}")
