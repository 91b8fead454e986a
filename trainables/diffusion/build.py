"""The diffusion of a variant."""

import torch
from torch import Tensor

from trainables.config import Variant
from trainables.diffusion.process import Diffusion, runs_bf16
from trainables.diffusion.source import PIXELS
from trainables.domain import ConfigError


def build(
    variant: Variant, image_shape: tuple[int, ...], label_counts: Tensor | None, device: torch.device
) -> Diffusion:
    """Return the diffusion of a variant for images (C, H, W) on a device, with fresh weights of torch's own generator.

    `label_counts` int64 (classes,) are the training images of each label; None where the network knows no labels.
    """
    classes = 0 if label_counts is None else len(label_counts)
    network = variant.network.build(image_shape[0], image_shape[-1], classes)
    return Diffusion(
        alpha_bar=variant.schedule.alpha_bar().float().to(device),
        degradation=variant.degradation,
        network=network.to(device).to(memory_format=torch.channels_last),
        target=variant.training.target,
        pixels=PIXELS[variant.pixels],
        bf16=runs_bf16(variant.training.precision, device),
        loss_kind=variant.training.loss,
        weight=variant.training.weight,
        times=variant.training.times,
        times_mean=variant.training.times_mean,
        label_counts=label_counts,
        label_drop=variant.training.label_drop,
    )


def count_labels(variant: Variant, labels: Tensor | None, rows: Tensor) -> Tensor | None:
    """Return how many of the images at `rows` have each label, for a network that is told labels; else None.

    Raises:
        ConfigError: the network is told labels, and there are none.
    """
    if variant.conditioning == "none":
        return None
    if labels is None:
        raise ConfigError("network/conditioning=class: the images have no labels; use network/conditioning=cluster")
    return labels[rows].bincount(minlength=int(labels.max()) + 1)
