"""Training speed of the networks side by side, and what bf16 gains them: `python tests/benchmarks/networks.py`.

Each network trains on random images, batch 64, one thread, as "auto" has it on this machine and in float32; rounds are
interleaved, ratios of CPU-seconds are taken within them. Three minutes of one core.
"""

import functools
import statistics

import torch
from side_by_side import heading, interleaved, machine, rates, ratios, show, spread, with_one_thread

from trainables.config import Flat, Variant
from trainables.training.trainer import Trainer

ROUNDS, IMAGES = 5, 320
DEFAULT, FLOAT32 = "cnn (the default)", ", float32"
MNIST, FRUITS = (1, 28, 28), (3, 100, 100)
NETWORKS: dict[str, tuple[Flat, tuple[int, ...], int]] = {
    DEFAULT: ({"network/kind": "cnn"}, MNIST, IMAGES),
    "cnn, norm over channels": ({"network/kind": "cnn", "network/cnn/norm": "channel"}, MNIST, IMAGES),
    "cnn, patch 1 (the starter)": ({"network/kind": "cnn", "network/cnn/patch": 1}, MNIST, IMAGES),
    "unet": ({"network/kind": "unet"}, MNIST, IMAGES),
    "unet, attention": ({"network/kind": "unet", "network/unet/attention": True}, MNIST, IMAGES),
    "unet, 2 blocks": ({"network/kind": "unet", "network/unet/blocks": 2}, MNIST, IMAGES),
    "unet, norm over channels": ({"network/kind": "unet", "network/unet/norm": "channel"}, MNIST, IMAGES),
    "fruits_unet": ({"network/kind": "fruits_unet"}, MNIST, IMAGES),
    "fruits_unet, 100 x 100 x 3": ({"network/kind": "fruits_unet"}, FRUITS, 64),
    "convnext_unet": ({"network/kind": "convnext_unet"}, MNIST, 64),
    "dit": ({"network/kind": "dit"}, MNIST, IMAGES),
}


def trainer(flat: Flat, shape: tuple[int, ...], precision: str) -> Trainer:
    """A network that trains on random images (C, H, W) without end."""
    images = torch.randint(0, 256, (1024, *shape), dtype=torch.uint8)
    return Trainer(Variant.from_flat({**flat, "training/precision": precision}), 0, images, images, total=10**9)


def turn(one: Trainer, images: int) -> int:
    """Train on so many images more."""
    one.run_to(one.images_seen + images)
    return images


def main() -> None:
    with_one_thread()
    heading(machine())
    trainers, works = {}, {}
    for name, (flat, shape, images) in NETWORKS.items():
        trainers[name] = trainer(flat, shape, "auto")
        works[name] = functools.partial(turn, trainers[name], images)
        works[name + FLOAT32] = functools.partial(turn, trainer(flat, shape, "float32"), images)
    spent = interleaved(works, ROUNDS)
    rows = []
    for name in NETWORKS:
        weights = sum(weight.numel() for weight in trainers[name].diffusion.network.parameters())
        rate = statistics.median(rates(spent[name]))
        relative, gain = ratios(spent[name], spent[DEFAULT]), ratios(spent[name], spent[name + FLOAT32])
        rows.append((name, f"{weights:,}", f"{rate:.0f}", spread(relative, 3), spread(gain)))
    bf16 = "bf16" if trainers[DEFAULT].diffusion.bf16 else "float32"
    columns = ("", "parameters", "images / CPU-second", "times the default", "times float32")
    show(f"Training in {bf16}, batch 64, one thread; {ROUNDS} interleaved rounds", columns, rows)


if __name__ == "__main__":
    main()
