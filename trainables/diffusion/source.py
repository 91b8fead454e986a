"""What degradations draw from: random numbers, overlay images and training images, and the pixel range."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PixelRange:
    """The values of black and white inside the model."""

    low: float
    high: float

    def to_model(self, images: Tensor) -> Tensor:
        """Return uint8 images (N, C, H, W) as float32 from `low` to `high`."""
        return images.float().mul_((self.high - self.low) / 255).add_(self.low)

    def grey(self, share: Tensor) -> Tensor:
        """Return values from black, for a share of 0, to white, for 1."""
        return self.low + (self.high - self.low) * share

    def to_uint8(self, x: Tensor) -> Tensor:
        """Return images (N, C, H, W) as uint8, rounded and clipped, as every metric takes them."""
        return ((x.float() - self.low) * (255 / (self.high - self.low))).round().clamp(0, 255).to(torch.uint8)


# The ranges of the literature: that of the Fruits-360 report, that of the starter, that of Siddiquei.
PIXELS: dict[str, PixelRange] = {
    "-1..1": PixelRange(-1.0, 1.0),
    "-0.5..0.5": PixelRange(-0.5, 0.5),
    "0..1": PixelRange(0.0, 1.0),
}


class NoImages(LookupError):
    """A degradation or a prior draws images from a source that has none."""


@dataclass(frozen=True)
class Source:
    """A source of random numbers and images; every draw advances `generator`, which is on the images' device."""

    generator: torch.Generator
    pixels: PixelRange
    training_images: Tensor
    """(M, C, H, W) uint8"""
    overlay_images: Tensor
    """(K, C, H, W) uint8, of another data set"""
    held_out_images: Tensor | None = None
    """(L, C, H, W) uint8, which neither training nor the metric shows; for sampling from degraded images"""

    def normal(self, shape: torch.Size) -> Tensor:
        """Return float32 standard normal numbers of `shape`."""
        return torch.randn(shape, generator=self.generator, device=self.generator.device)

    def uniform(self, shape: torch.Size) -> Tensor:
        """Return float32 numbers of `shape`, uniform in [0, 1)."""
        return torch.rand(shape, generator=self.generator, device=self.generator.device)

    def index(self, total: int, n: int) -> Tensor:
        """Return n random numbers from 0 to total - 1, int64 (n,)."""
        return torch.randint(total, (n,), generator=self.generator, device=self.generator.device)

    def images(self, n: int) -> Tensor:
        """Return n random training images (n, C, H, W) in the pixel range."""
        return self._pick(self.training_images, n)

    def held_out(self, n: int) -> Tensor:
        """Return n random held-out images (n, C, H, W) in the pixel range."""
        assert self.held_out_images is not None, "a source for sampling has held-out images"
        return self._pick(self.held_out_images, n)

    def overlays(self, shape: torch.Size) -> Tensor:
        """Return random overlay images of `shape` (N, C, H, W) in the pixel range, resized where need be."""
        picked = self._pick(self.overlay_images, shape[0])
        if picked.shape[-2:] != shape[-2:]:
            picked = torch.nn.functional.interpolate(picked, size=shape[-2:], mode="bilinear")
        return picked.expand(shape)

    def _pick(self, images: Tensor, n: int) -> Tensor:
        if not len(images):
            raise NoImages("sampling draws from the images of the data set, and there are none")
        return self.pixels.to_model(images[self.index(len(images), n)])
