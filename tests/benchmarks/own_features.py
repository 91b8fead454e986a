"""Whether features learned on one's own images order models: `python tests/benchmarks/own_features.py NAME=PATH ...`.

PATH is what `--dataset` takes; images of more than 32 pixels are read at 32. On each set two trainings are kept at
four ages, which gives eight models of graded quality, and each draws 2,048 samples from the same noise. Networks of
one kind, that of the metric, judge them: one that learned the classes, one that learned rotations, one that learned to
tell images apart (SimCLR, Chen et al. 2020), and one that learned nothing. Each order is compared with that of a second
classifier, a residual network which learned the classes from another seed. Kendall's tau is printed for the number that
a search would rank by (n samples, the search images) and for all samples against the confirm images.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.stats import kendalltau
from side_by_side import heading, keep, machine, show, with_one_thread
from torch import Tensor
from torch.nn import functional

from spaces.recipe import RECIPE
from trainables.config import Flat, Variant
from trainables.data.images import Images
from trainables.data.load import load
from trainables.data.options import ReadOptions
from trainables.diffusion.generation import generate, sampling_source
from trainables.metric.checks import OTHER_LAYER
from trainables.metric.classifier import RECIPES, Classifier, Recipe, features, other_name
from trainables.metric.classifier_training import train_tested
from trainables.metric.feature_network import FeatureNetwork, Layer
from trainables.metric.fmd import LAYER, SAMPLES
from trainables.metric.frechet import Statistics, frechet_distance
from trainables.training.trainer import Trainer

RUNS: dict[str, Flat] = {
    "recipe": {**RECIPE, "training/lr": 8e-3},
    "careful": {**RECIPE, "training/lr": 2e-3, "network/cnn/activation": "silu", "schedule/kind": "linear"},
}
AGES = (4_000, 9_000, 20_000, 45_000)  # images seen
MOST_SIDE, DRAWN = 32, 2_048
DIRECTIONS, TEMPERATURE = 128, 0.2  # of the space in which SimCLR compares views

Judge = tuple[FeatureNetwork, Layer]


def main() -> None:
    """Measure each set and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", metavar="NAME=PATH")
    parser.add_argument("--out", type=Path, help="folder for own_features.parquet, a row a model")
    given = parser.parse_args()
    with_one_thread()
    facts = machine()
    heading(facts)
    rows: list[dict[str, object]] = []
    taus: list[list[str]] = []
    for one in given.sets:
        name, _, path = one.partition("=")
        since = time.process_time()
        models, orders = measured(name, path or name)
        rows += models
        taus += orders
        keep(given.out, "own_features", rows, facts)
        columns = tuple(models[0])[2:]
        cells = [[str(row["model"]), *(f"{row[column]:.4g}" for column in columns)] for row in models]
        show(f"{name}, {time.process_time() - since:.0f} CPU-seconds", ("model", *columns), cells)
    show("Kendall's tau with the second classifier", ("set", "features", "as a search ranks", "all samples"), taus)


def measured(name: str, path: str) -> tuple[list[dict[str, object]], list[list[str]]]:
    """Return a row of distances for each model of a set, and a row of tau for each kind of features."""
    images = read(path)
    judges, second = learned(images)
    n = min(SAMPLES, len(images.search), len(images.confirm))
    rows: list[dict[str, object]] = []
    for model, samples in drawn(images):
        row: dict[str, object] = {"set": name, "model": model, "second": distance(second, samples, images.confirm)}
        for kind, judge in judges.items():
            row[kind] = distance(judge, samples[:n], images.search)
            row[f"{kind}, all"] = distance(judge, samples, images.confirm)
        rows.append(row)
    order = [row["second"] for row in rows]
    agreed = [
        [kendalltau([row[f"{kind}{of}"] for row in rows], order).statistic for of in ("", ", all")] for kind in judges
    ]
    return rows, [[name, kind, *(f"{tau:.2f}" for tau in both)] for kind, both in zip(judges, agreed, strict=True)]


def read(path: str) -> Images:
    """Return a set, of at most 32 pixels."""
    images = load(path)
    return images if images.shape[-1] <= MOST_SIDE else load(path, options=ReadOptions(image_size=MOST_SIDE))


def learned(images: Images) -> tuple[dict[str, Judge], Judge]:
    """Return the networks that judge, by what they learned, and the second classifier."""
    own = RECIPES["own"]
    torch.manual_seed(own.seed)
    untrained = Classifier(images.shape[0], images.shape[1]).eval().requires_grad_(False)
    judges: dict[str, FeatureNetwork] = {
        "classes": network_of(images, own),
        "rotations": network_of(images, RECIPES["own-unlabelled"]),
        "contrast": contrastive(images, own),
        "nothing": untrained,
    }
    second = network_of(images, RECIPES[other_name("own", "labels")])
    return {kind: (network, LAYER) for kind, network in judges.items()}, (second, OTHER_LAYER)


def network_of(images: Images, recipe: Recipe) -> FeatureNetwork:
    """Return a network trained as a search would; its accuracy on the confirm images is printed."""
    return train_tested(images, recipe, print)[0].classifier()


def contrastive(images: Images, recipe: Recipe) -> FeatureNetwork:
    """Return the metric's network after as many views as `recipe` shows images, two of each image (NT-Xent loss)."""
    torch.manual_seed(recipe.seed)
    network = Classifier(images.shape[0], images.shape[1], classes=DIRECTIONS)
    steps, resident = recipe.steps_of(len(images.train)) // 2, torch.from_numpy(images.train)
    optimizer = torch.optim.Adam(network.parameters(), recipe.peak_learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.peak_learning_rate, total_steps=steps)
    since, right = time.process_time(), 0.0
    for rows in _batches(len(resident), recipe.batch, steps):
        unit = network.to_unit(resident[rows])
        codes = functional.normalize(network(torch.cat((view(unit), view(unit)))))
        likeness = codes @ codes.T / TEMPERATURE
        likeness.fill_diagonal_(-torch.inf)
        other = torch.arange(len(codes)).roll(len(rows))
        loss = functional.cross_entropy(likeness, other)
        right = (likeness.argmax(1) == other).float().mean().item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    print(
        f"SimCLR finds {right:.0%} of the last batch's other views, after {time.process_time() - since:.0f} CPU-seconds"
    )
    return network.eval().requires_grad_(False)


def _batches(count: int, batch: int, steps: int) -> Iterator[Tensor]:
    for _ in range(steps):
        yield torch.randperm(count)[:batch]


def view(images: Tensor) -> Tensor:
    """Return crops (N, C, H, W) in [0, 1] of 40 to 100 % of each image, half of them mirrored, with other contrast."""
    count = len(images)
    side = (0.4 + 0.6 * torch.rand(count)).sqrt()
    shift = (2 * torch.rand(2, count) - 1) * (1 - side)
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    affine = torch.zeros(count, 2, 3)
    affine[:, 0, 0], affine[:, 1, 1], affine[:, :, 2] = side * mirror, side, shift.T
    grid = functional.affine_grid(affine, list(images.shape), align_corners=False)
    cropped = functional.grid_sample(images, grid, align_corners=False)
    factor = 0.6 + 0.8 * torch.rand(count, 1, 1, 1)
    level = cropped.mean((1, 2, 3), keepdim=True)
    return ((cropped - level) * factor + level + 0.2 * (torch.rand(count, 1, 1, 1) - 0.5)).clamp(0, 1)


def drawn(images: Images) -> Iterator[tuple[str, Tensor]]:
    """Yield the name of each model and its samples, uint8 (2048, C, H, W), all from the same noise."""
    train, seen, unseen = map(torch.from_numpy, (images.train, images.overlays_train, images.overlays_sample))
    for name, flat in RUNS.items():
        variant = Variant.from_flat(flat)
        trainer = Trainer(variant, 0, train, seen, AGES[-1])
        source = sampling_source(trainer.source, unseen)
        for age in AGES:
            trainer.run_to(age)
            samples = generate(trainer.averaged(), variant.sampler, DRAWN, images.shape, source, 0)
            yield f"{name}, {age:,}", samples


def distance(judge: Judge, samples: Tensor, real: np.ndarray) -> float:
    """Return the Frechet distance of samples to real images by the features of a judge."""
    a, b = (Statistics.from_features(features(judge[0], some, judge[1])) for some in (samples, real))
    return frechet_distance(a, b)


if __name__ == "__main__":
    main()
