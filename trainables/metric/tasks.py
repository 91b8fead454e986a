"""What the network of the metric learns: the classes of images, or without classes how an image is turned."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

TaskName = Literal["labels", "rotations"]


class Labels:
    """The classes of a data set; the base of what else is learned of images uint8 (N, C, H, W)."""

    def classes(self, labels: np.ndarray) -> int:
        """Return the number of classes, given the labels of the training images."""
        return int(labels.max()) + 1

    def batch(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images of a batch as they are shown, and the class of each, int64 (N,)."""
        return images, labels

    def held_out(self, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return images and classes to measure the accuracy on."""
        return images, labels


class Rotations(Labels):
    """By how many quarter turns an image, or its mirror image, is turned (Gidaris et al. 2018)."""

    TURNS = 4

    def classes(self, labels: np.ndarray) -> int:
        """Return 4."""
        return self.TURNS

    def batch(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return each image turned at random, half of them mirrored before, and the turns."""
        count = len(images)
        turns, mirrored = torch.randint(self.TURNS, (count,)), torch.rand(count) < 0.5
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
        turned = torch.stack([images.rot90(turn, (2, 3)) for turn in range(self.TURNS)])
        return turned[turns, torch.arange(count)], turns

    def held_out(self, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return each image in all four turns."""
        turned = [np.rot90(images, turn, (2, 3)) for turn in range(self.TURNS)]
        return np.concatenate(turned), np.repeat(np.arange(self.TURNS), len(images))


TASKS: dict[TaskName, Labels] = {"labels": Labels(), "rotations": Rotations()}
