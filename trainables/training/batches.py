"""The order in which a training sees its images."""

import numpy as np
import torch
from torch import Tensor

from trainables.config import Training


class Batches:
    """The batches of a training: each epoch is a permutation of all rows, given by the seed and its number.

    Attributes:
        epoch_images: the images of an epoch.
    """

    def __init__(self, rows: np.ndarray, settings: Training, seed: int, device: torch.device) -> None:
        """Prepare batches of the images at `rows`, int64 (M,)."""
        self._rows, self._size, self._seed, self._device = torch.from_numpy(rows), settings.batch, seed, device
        count, size = len(rows), settings.batch
        self.epoch_images = count - count % size if settings.drop_last and size <= count else count
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.long)

    def next(self, images_seen: int, until: int) -> Tensor:
        """Return the rows of the next batch, int64 (B,) on the device; it ends at `until` images at the latest."""
        epoch, position = divmod(images_seen, self.epoch_images)
        if epoch != self._epoch:
            order = torch.randperm(len(self._rows), generator=torch.Generator().manual_seed(self._seed * 1009 + epoch))
            self._epoch, self._order = epoch, self._rows[order].to(self._device)
        size = min(self._size, until - images_seen, self.epoch_images - position)
        return self._order[position : position + size]
