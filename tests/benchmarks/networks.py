"""Training speed of the networks, side by side: `python tests/benchmarks/networks.py`, two minutes of one core.

Each network trains on random images, batch 64, one thread; rounds are interleaved, and the median of five is printed
with its ratio to the default CNN. CPU-seconds, so that other work on the machine disturbs less.
"""

import platform
import statistics
import time

import torch

from trainables.config import Flat, Variant
from trainables.training import Trainer

ROUNDS, IMAGES = 5, 320
MNIST, FRUITS = (1, 28, 28), (3, 100, 100)
NETWORKS: dict[str, tuple[Flat, tuple[int, ...], int]] = {
    "cnn (the default)": ({"network/kind": "cnn"}, MNIST, IMAGES),
    "cnn, norm over channels": ({"network/kind": "cnn", "network/cnn/norm": "channel"}, MNIST, IMAGES),
    "cnn, patch 1 (the starter)": ({"network/kind": "cnn", "network/cnn/patch": 1}, MNIST, IMAGES),
    "unet": ({"network/kind": "unet"}, MNIST, IMAGES),
    "unet, attention": ({"network/kind": "unet", "network/unet/attention": True}, MNIST, IMAGES),
    "unet, 2 blocks": ({"network/kind": "unet", "network/unet/blocks": 2}, MNIST, IMAGES),
    "unet, norm over channels": ({"network/kind": "unet", "network/unet/norm": "channel"}, MNIST, IMAGES),
    "fruits_unet": ({"network/kind": "fruits_unet"}, MNIST, IMAGES),
    "fruits_unet, 100 x 100 x 3": ({"network/kind": "fruits_unet"}, FRUITS, 64),
    "convnext_unet": ({"network/kind": "convnext_unet"}, MNIST, 64),
}


def trainer(flat: Flat, shape: tuple[int, ...]) -> Trainer:
    """A network that trains on random images (C, H, W) without end."""
    images = torch.randint(0, 256, (1024, *shape), dtype=torch.uint8)
    return Trainer(Variant.from_flat(flat), 0, images, images, total=10**9)


def main() -> None:
    torch.set_num_threads(1)
    trainers = {name: trainer(flat, shape) for name, (flat, shape, _) in NETWORKS.items()}
    rates: dict[str, list[float]] = {name: [] for name in NETWORKS}
    for measured in range(-1, ROUNDS):  # the first round only warms up
        for name, one in trainers.items():
            images = NETWORKS[name][2]
            begun = time.process_time()
            one.run_to(one.images_seen + images)
            if measured >= 0:
                rates[name].append(images / (time.process_time() - begun))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    first = next(iter(trainers.values())).diffusion
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, bf16: {first.bf16}")
    for name, rate in medians.items():
        count = sum(p.numel() for p in trainers[name].diffusion.network.parameters())
        ratio = rate / medians["cnn (the default)"]
        print(f"{name:28} {count:9,} parameters {rate:7.1f} images per CPU-second {ratio:6.3f}")


if __name__ == "__main__":
    main()
