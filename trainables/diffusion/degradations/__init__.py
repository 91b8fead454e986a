"""Degradations: (x0, step, z) -> x_t, what the forward process does to an image.

A new degradation is one class and one line below. Kinds compose with "+", in order: "mask+contrast+gaussian". `base`
defines the interface.
"""

from trainables.diffusion.degradations.averages import Average, Blur, Pixelate
from trainables.diffusion.degradations.base import (
    Chain,
    Degradation,
    LinearInterpolant,
    Overlay,
    apply_parts,
    fitted_prior,
)
from trainables.diffusion.degradations.masks import Fade, Inpaint, Mask, Snow
from trainables.diffusion.degradations.noises import Flow, Gaussian, Noise
from trainables.diffusion.degradations.overlays import QR, Morph, PseudoQR
from trainables.diffusion.degradations.tones import Contrast, LocalContrast
from trainables.diffusion.degradations.warps import Elastic

__all__ = [
    "DEGRADATIONS",
    "Chain",
    "Degradation",
    "Gaussian",
    "LinearInterpolant",
    "Overlay",
    "apply_parts",
    "fitted_prior",
]

DEGRADATIONS: dict[str, type[Degradation]] = {
    "gaussian": Gaussian,
    "flow": Flow,
    "noise": Noise,
    "morph": Morph,
    "pseudo_qr": PseudoQR,
    "qr": QR,
    "mask": Mask,
    "inpaint": Inpaint,
    "fade": Fade,
    "contrast": Contrast,
    "local_contrast": LocalContrast,
    "blur": Blur,
    "pixelate": Pixelate,
    "average": Average,
    "elastic": Elastic,
    "snow": Snow,
}
