"""How far apart parts of MNIST's training images are: `python tests/benchmarks/splits.py`, a minute of one core.

Even against odd rows, and random halves against each other, by FMD at 30,000 images each. It is why the held-out splits
take one even and one odd row of every twenty-four.
"""

import numpy as np
import torch

from trainables.data.mnist import BUNDLED, CHECKSUMS, TRAIN_IMAGES, read_idx
from trainables.metric.classifier import features as features_of
from trainables.metric.classifier import load_weights
from trainables.metric.frechet import Statistics, frechet_distance

LAYERS = ("spatial_mean", "flat")


def main() -> None:
    torch.set_num_threads(1)
    images = read_idx(BUNDLED / "mnist", TRAIN_IMAGES, CHECKSUMS["mnist"][TRAIN_IMAGES])[:, None]
    shuffled = np.random.default_rng(0).permutation(len(images))
    for layer in LAYERS:
        features = features_of(load_weights().classifier(), images, layer)
        for name, order in (("even against odd rows", np.arange(len(images))), ("random halves", shuffled)):
            halves = [Statistics.from_features(features[order[first::2]]) for first in (0, 1)]
            print(f"{layer:13} {name:22} FMD {frechet_distance(*halves):.4g}")


if __name__ == "__main__":
    main()
