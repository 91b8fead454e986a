"""What the checks of a confirmation's samples cost, and what they call a copy: `python tests/benchmarks/checks.py`.

A minute of one core. 2,048 held-out images of MNIST stand for samples, alone and laid over each other. Copies are
training images with normal noise, of which the standard deviation is a share of the range from black to white; each
is looked for among the training images, and among twice the training images, as if each were there two times.
"""

import os
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from trainables.data.load import load
from trainables.metric.checks import CheckReference
from trainables.metric.classifier import load_weights
from trainables.metric.sample_checks import COPY, copied, nearest

N, COPIES = 2_048, 512
NOISE = (0.02, 0.04, 0.08, 0.12)


def main() -> None:
    torch.set_num_threads(1)
    images, weights = load(), load_weights()
    training = torch.from_numpy(images.train)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        reference = _timed("real images", lambda: CheckReference.build(images, "confirm", N, weights))
        _timed("real images, from the cache", lambda: CheckReference.build(images, "confirm", N, weights))
    held_out = torch.from_numpy(images.test[np.random.default_rng(0).permutation(len(images.test))[:N]])
    found = _timed("samples", lambda: reference.of(held_out, training, weights.classifier()))
    print(f"readable from {reference.readable:.3f}", *(f"{name} {value:.3f}" for name, value in found.items()))
    both = torch.maximum(held_out, held_out.roll(1, 0))
    unreadable = reference.of(both, training, weights.classifier())["unreadable_share"]
    print(f"two digits laid over each other: {unreadable:.3f} unreadable")
    distances = nearest(held_out, training)
    lowest = (distances[:, 0] / distances[:, -1]).min()
    print(f"held out: the nearest is at {lowest:.3f} of the tenth nearest or more, a copy at less than {COPY:.3f}")
    for share in NOISE:
        noise = 255 * share * torch.randn(COPIES, *images.shape, generator=torch.Generator().manual_seed(0))
        copies = (training[:COPIES] + noise).clamp(0, 255).to(torch.uint8)
        once, twice = (copied(nearest(copies, torch.cat([training] * times))) for times in (1, 2))
        print(f"copies with noise of {share:.2f}: {once:.1%} found, {twice:.1%} among duplicates")


def _timed(what: str, measure: Callable[[], Any]) -> Any:
    before = time.process_time()
    found = measure()
    print(f"{what}: {time.process_time() - before:.2f} CPU-seconds")
    return found


if __name__ == "__main__":
    main()
