"""How fast a trial trains, for the estimate of --dry-run: measured where trials run on this machine's cores."""

import math
import random
import time
from typing import NamedTuple

import torch

from search.declaration import Sized
from search.earlier.warm_start import WarmStart
from search.execution.threads import take_threads, threads_of
from search.settings import Settings
from search.space.fake_trial import FakeTrial
from search.space.space import Space
from trainables.conditioning import labels_of
from trainables.config import Flat, Variant
from trainables.data.images import Images
from trainables.training.trainer import Trainer

MNIST = (1, 28, 28)
IMAGES_PER_SECOND = Sized(1_100, 10_000)  # of a trial on MNIST on a core, and on a GPU where it was never measured
SECONDS = 1.0  # of training that are measured, after the first step; a step of a large network takes longer


class Pace(NamedTuple):
    """The images a second of one trial."""

    images_per_second: float
    source: str
    """Where the number is from: "measured", or "a guess" and why."""


def guessed(settings: Settings, shape: tuple[int, int, int]) -> Pace:
    """Return the pace of a typical trial; it takes as much longer as images of this shape have more pixels."""
    typical = float(IMAGES_PER_SECOND.on(settings.gpus_per_trial))
    return Pace(typical * math.prod(MNIST[1:]) / math.prod(shape[1:]), "a guess")


def measured(settings: Settings, space: Space, warm_start: WarmStart, images: Images) -> Pace:
    """Return the pace at which this machine's cores train the search's first variant, alone; else a guess."""
    take_threads(threads_of(settings.cpus_per_trial))
    try:
        return Pace(_trained(_first(space, warm_start), settings.rungs[-1], images), "measured")
    except Exception as error:  # a network of the user's own may raise anything; in a search the trial would fail
        told = space.code.told(error) if space.code else f"{type(error).__name__}: {error}"
        return guessed(settings, images.shape)._replace(source=f"a guess: the first trial fails with {told}")


def _trained(flat: Flat, total: int, images: Images) -> float:
    """Return the images a second of a training that is to see `total` images."""
    variant = Variant.from_flat(flat)
    pictures = torch.from_numpy(images.train), torch.from_numpy(images.overlays_train)
    trainer = Trainer(variant, 0, *pictures, total, images.groups, labels_of(variant, images))
    batch = variant.training.batch
    trainer.run_to(batch)
    began = time.perf_counter()
    while (seconds := time.perf_counter() - began) < SECONDS:
        trainer.run_to(trainer.images_seen + batch)
    return (trainer.images_seen - batch) / seconds


def _first(space: Space, warm_start: WarmStart) -> Flat:
    """Return the variant of the first trial, or a draw of the space where nothing is queued."""
    name, values = warm_start.queue[0] if warm_start.queue else ("", {})
    return values if name else space.draw(FakeTrial(values, random.Random(0)))
