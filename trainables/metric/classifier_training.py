"""Training of the metric's classifiers, which gives the same bits every time on one kind of machine.

`python -m trainables.metric.classifier_training --dataset NAME` trains and stores one.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainables.data.images import DataError, Images
from trainables.data.load import DATASETS, load
from trainables.device import is_faster_in_bf16
from trainables.metric.classifier import (
    FEATURE_NETWORKS,
    OTHER_TASKS,
    RECIPES,
    Recipe,
    Weights,
    WeightsError,
    features,
    load_weights,
    other_name,
    own,
    pack,
    shipped,
    weights_file,
    write,
)
from trainables.metric.feature_file import FeatureFile
from trainables.metric.feature_network import FeatureNetwork, TaskName
from trainables.metric.real_features import ensure_real_features

CPU = torch.device("cpu")
TURNS = 4  # quarter turns of an image
TIMED_STEPS = 5  # after the first, which is slow; the time of training is estimated from these

Log = Callable[[str], None]


def ensure_classifier(images: Images, log: Log = print, name: str | None = None) -> Weights:
    """Return the classifier of a data set; train and store it if neither the package nor the user's cache has it.

    A `name` of `RECIPES` is that of another network of the data set.

    Raises:
        WeightsError: the package's weights are damaged, or training does not reach the required accuracy.
    """
    name = name or images.name
    try:
        return load_weights(name, images.checksums)
    except WeightsError:
        if shipped(name):
            raise
    weights, content, card = train_tested(images, RECIPES[name], log)
    try:
        write(content, card, weights_file(name, images.checksums))
    except OSError as error:
        log(f"the classifier cannot be kept for the next time: {error}")
    return weights


def ensure_weights(images: Images, file: FeatureFile | None, splits: Iterable[str], log: Log = print) -> Weights:
    """Return the classifier of a data set, with a file whose features of the real images of `splits` are computed.

    Raises:
        FeatureFileError: the file cannot be loaded.
        WeightsError: see `ensure_classifier`.
    """
    weights = replace(ensure_classifier(images, log), file=file)
    ensure_real_features(images, splits, weights, log)
    return weights


def ensure_others(images: Images, log: Log = print) -> dict[TaskName, Weights]:
    """Return the other networks of a data set by what they learned, trained and stored where they are not there yet.

    Raises:
        WeightsError: the package's weights are damaged.
    """
    names = {task: other_name(images.name, task) for task in OTHER_TASKS}
    return {task: ensure_classifier(images, log, name) for task, name in names.items() if name in RECIPES}


def train_tested(images: Images, recipe: Recipe, log: Log) -> tuple[Weights, bytes, dict[str, Any]]:
    """Train a classifier; return it with the bytes of its file, and its card."""
    started = time.process_time()
    with one_thread():
        weights, content = pack(train(images, recipe, log), recipe.stored, recipe.task, recipe.network)
        seconds = time.process_time() - started
        test, labels = getattr(images, recipe.tested_on), getattr(images, f"{recipe.tested_on}_labels")
        if recipe.task == "rotations":
            test, labels = in_all_turns(test)
        reached = accuracy(weights.classifier(), test, labels)
    told = f"{_title(images, recipe)} gets {reached:.2%} of the {len(test):,} images of {recipe.tested_on} right"
    if reached < recipe.required_accuracy:
        raise WeightsError(f"{told}, below the {recipe.required_accuracy:.2%} that the metric needs; it is not kept")
    log(f"{told}, after {seconds:.0f} CPU-seconds")
    if reached < recipe.good_accuracy:
        log(_warning(recipe, np.bincount(labels).max() / len(labels)))
    card = {"sha256": weights.sha256, **_card(images, recipe), f"{recipe.tested_on}_accuracy": reached}
    return weights, content, card


def _title(images: Images, recipe: Recipe) -> str:
    what = "classifier" if recipe.network == "plain" else "other network"
    if images.name in DATASETS and recipe.network == "plain":
        return f"the {what} of {images.name}"
    these = images.name if images.name in DATASETS else "these images"
    return f"the {what} of {these} by their {'classes' if recipe.task == 'labels' else 'rotation'}"


def _warning(recipe: Recipe, guessed: float) -> str:
    """Return what an accuracy below the good one means; `guessed` is that of always the same answer."""
    what = {"labels": "which class an image is of", "rotations": "how an image is turned"}[recipe.task]
    return (
        f"warning: below {recipe.good_accuracy:.0%} (guessing: {guessed:.0%}) its features say little of {what}; "
        "FMD still compares trials, but look at their samples before you trust a small difference"
    )


def train(images: Images, recipe: Recipe, log: Log = print) -> FeatureNetwork:
    """Train a classifier on a data set's `train` split on the CPU; the bits depend on the number of threads.

    Adam with one cosine cycle of the learning rate, random shifts, and bfloat16 where the CPU has matrix units for it.

    Raises:
        UsageError: there is no such model, or nothing is left to train.
    """
    torch.manual_seed(recipe.seed)
    count, network = len(images.train), FEATURE_NETWORKS[recipe.network]
    classes = TURNS if recipe.task == "rotations" else int(images.train_labels.max()) + 1
    classifier = network(images.shape[0], images.shape[1], classes=classes)
    steps = recipe.steps_of(count)
    optimizer = torch.optim.Adam(classifier.parameters(), recipe.peak_learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.peak_learning_rate, total_steps=steps, pct_start=0.15
    )
    labels, resident = torch.from_numpy(images.train_labels), torch.from_numpy(images.train)
    batches = islice(_batches(count, recipe), steps)
    for rows in _timed(batches, steps, f"training {_title(images, recipe)}", log):
        shown, targets = shifted(resident[rows], recipe.shift_pixels), labels[rows]
        if recipe.task == "rotations":
            shown, targets = turned_at_random(shown)
        with torch.autocast("cpu", torch.bfloat16, enabled=is_faster_in_bf16(CPU)):
            loss = nn.functional.cross_entropy(classifier(classifier.to_unit(shown)), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return classifier.eval().requires_grad_(False)


def turned_at_random(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return images (N, C, H, W), half of them mirrored, each turned at random, and the quarter turns, int64 (N,).

    To tell by how many an image is turned is what a network learns without labels (Gidaris et al. 2018).
    """
    count = len(images)
    turns, mirrored = torch.randint(TURNS, (count,)), torch.rand(count) < 0.5
    images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    turned = torch.stack([images.rot90(turn, (2, 3)) for turn in range(TURNS)])
    return turned[turns, torch.arange(count)], turns


def in_all_turns(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return images (4 N, C, H, W), each of the images (N, C, H, W) in all four turns, and the turns (4 N,)."""
    turned = [np.rot90(images, turn, (2, 3)) for turn in range(TURNS)]
    return np.concatenate(turned), np.repeat(np.arange(TURNS), len(images))


def shifted(images: Tensor, pixels: int) -> Tensor:
    """Return the images (N, C, H, W), each shifted by a random -pixels..pixels, filled with zeros."""
    count, height, width = len(images), *images.shape[2:]
    padded = nn.functional.pad(images, (pixels,) * 4)
    corner = torch.randint(0, 2 * pixels + 1, (2, count, 1))
    rows, columns = corner[0] + torch.arange(height), corner[1] + torch.arange(width)
    index = torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]
    return padded.permute(0, 2, 3, 1)[index].permute(0, 3, 1, 2)


@torch.no_grad()
def accuracy(classifier: FeatureNetwork, images: np.ndarray, labels: np.ndarray) -> float:
    """Return the share 0..1 of uint8 images (N, C, H, W) that the classifier gives their label (N,), in float32."""
    predicted = classifier.head(torch.from_numpy(features(classifier, images, classifier.last))).argmax(1)
    return float((predicted.numpy() == labels).mean())


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread: the order of additions, and so the bits, depend on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0 if done, 1 if the accuracy is too low, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m trainables.metric.classifier_training", description=__doc__)
    parser.add_argument("--dataset", default="mnist", choices=tuple(DATASETS))
    parser.add_argument("--other", choices=OTHER_TASKS, help="train the other network that learns this")
    parser.add_argument("--data-dir", help="where the data set lies, as it was published")
    parser.add_argument("--epochs", type=int, help="default: the data set's own")
    parser.add_argument("--out", type=Path, help="safetensors file to write; default: where searches look for it")
    options = parser.parse_args(arguments)
    if options.epochs is not None and options.epochs < 1:
        parser.error(f"--epochs must be 1 or more, given {options.epochs}")
    try:
        images = load(options.dataset, options.data_dir)
        name = other_name(images.name, options.other) if options.other else images.name
        recipe = RECIPES[name]
        if options.epochs is not None:
            recipe = replace(recipe, epochs=options.epochs, least_images=0)
        out = options.out or weights_file(name, images.checksums)
        _, content, card = train_tested(images, recipe, print)
        write(content, card, out)
    except (DataError, OSError, WeightsError) as error:
        print(error, file=sys.stderr)
        return 1 if isinstance(error, WeightsError) else 2
    print(f"{out}: SHA-256 {card['sha256']}")
    return 0


def _card(images: Images, recipe: Recipe) -> dict[str, Any]:
    return {
        "dataset": images.name,
        "shape": images.shape,
        "data_checksums": own(images.checksums),
        "split": "train",
        "images": len(images.train),
        "optimizer": "Adam, betas and learning rate of torch's OneCycleLR",
        **asdict(recipe),
        "epochs": recipe.epochs_of(len(images.train)),
        "precision": "bfloat16" if is_faster_in_bf16(CPU) else "float32",
        "torch": torch.__version__,
    }


def _batches(count: int, recipe: Recipe) -> Iterator[Tensor]:
    """Yield the rows of every batch; each epoch leaves out the images that do not fill a batch."""
    batch = min(recipe.batch, count)
    for _ in range(recipe.epochs_of(count)):
        order = torch.randperm(count)
        yield from order[: count - count % batch].split(batch)


def _timed(batches: Iterator[Tensor], steps: int, title: str, log: Log) -> Iterator[Tensor]:
    """Yield the batches; after a few, log how long all of them take."""
    started = time.monotonic()
    for step, rows in enumerate(batches):
        if step == 1:
            started = time.monotonic()
        if step == 1 + TIMED_STEPS:
            seconds = (time.monotonic() - started) / TIMED_STEPS * steps
            log(f"{title}: {steps:,} steps, about {seconds:.0f} s; only this once")
        yield rows


if __name__ == "__main__":
    sys.exit(main())
