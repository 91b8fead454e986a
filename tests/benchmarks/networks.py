"""Training speed of the networks, side by side: `python tests/benchmarks/networks.py`, a minute of one core.

Each network trains on random images, batch 64, one thread; rounds are interleaved, and the median of five is printed
with its ratio to the starter CNN at full resolution. CPU-seconds, so that other work on the machine disturbs less.
"""

import platform
import statistics
import time

import torch

from trainables.config import Flat, Variant
from trainables.training import Trainer

ROUNDS, IMAGES = 5, 640
NETWORKS: dict[str, Flat] = {
    "cnn, patch 1 (the starter)": {"network/kind": "cnn", "network/cnn/patch": 1},
    "cnn, patch 2 (the default)": {"network/kind": "cnn"},
    "unet, patch 2": {"network/kind": "unet"},
}


def main() -> None:
    torch.set_num_threads(1)
    images = torch.randint(0, 256, (4096, 1, 28, 28), dtype=torch.uint8)
    trainers = {
        name: Trainer(Variant.from_flat(flat), 0, images, images, total=10**9) for name, flat in NETWORKS.items()
    }
    rates: dict[str, list[float]] = {name: [] for name in NETWORKS}
    for measured in range(-1, ROUNDS):  # the first round only warms up
        for name, trainer in trainers.items():
            begun = time.process_time()
            trainer.run_to(trainer.images_seen + IMAGES)
            if measured >= 0:
                rates[name].append(IMAGES / (time.process_time() - begun))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    starter = next(iter(medians.values()))
    print(
        f"{platform.processor() or platform.machine()}, torch {torch.__version__}, bf16: "
        f"{next(iter(trainers.values())).diffusion.bf16}"
    )
    for name, rate in medians.items():
        print(f"{name:30} {rate:7.0f} images per CPU-second  {rate / starter:5.2f}")


if __name__ == "__main__":
    main()
