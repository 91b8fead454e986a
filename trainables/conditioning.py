"""What a network is told of an image: nothing, its class, or its cluster."""

import numpy as np
from numpy.typing import NDArray

from trainables.config import Variant
from trainables.data.clusters import cluster_labels
from trainables.data.images import Images


def labels_of(variant: Variant, images: Images, split: str = "train") -> NDArray[np.int64] | None:
    """Return what the network of a variant is told of each image of a split, int64 (N,), counted from 0.

    None where it is told nothing, and where it wants classes and the images have none.
    """
    if variant.conditioning == "cluster":
        return cluster_labels(images, variant.clusters, split)
    told = variant.conditioning == "class" and images.labelled
    return getattr(images, f"{split}_labels") if told else None
