"""Degradations: (x0, step, z) -> x_t, what the forward process does to an image.

Each file holds one family, with its dict at the foot: a new degradation is one class and one line in that dict.
Kinds compose with "+", in order: "mask+contrast+gaussian". `base` defines the interface.
"""

from trainables.diffusion.degradations.averages import AVERAGES, Average, Blur, Pixelate
from trainables.diffusion.degradations.base import (
    Chain,
    Degradation,
    Latent,
    LinearInterpolant,
    Overlay,
    apply_parts,
    fitted_prior,
)
from trainables.diffusion.degradations.masks import MASKS, Fade, Inpaint, Mask
from trainables.diffusion.degradations.noises import NOISES, Flow, Gaussian, Noise
from trainables.diffusion.degradations.overlays import OVERLAYS, QR, Morph, PseudoQR
from trainables.diffusion.degradations.tones import TONES, Contrast, LocalContrast
from trainables.diffusion.degradations.warps import WARPS, Elastic
from trainables.diffusion.degradations.weather import WEATHER, Snow

DEGRADATIONS: dict[str, type[Degradation]] = {
    **NOISES,
    **OVERLAYS,
    **MASKS,
    **TONES,
    **AVERAGES,
    **WARPS,
    **WEATHER,
}

__all__ = [
    "DEGRADATIONS",
    "QR",
    "Average",
    "Blur",
    "Chain",
    "Contrast",
    "Degradation",
    "Elastic",
    "Fade",
    "Flow",
    "Gaussian",
    "Inpaint",
    "Latent",
    "LinearInterpolant",
    "LocalContrast",
    "Mask",
    "Morph",
    "Noise",
    "Overlay",
    "Pixelate",
    "PseudoQR",
    "Snow",
    "apply_parts",
    "fitted_prior",
]
