"""The options of the commands that use the models of a run: generate, train, export, evaluate and replay."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from search.declaration import ASSIGNMENTS, FLAG, NAMES, TEXT, Kind, one_of, option, whole
from search.options import IMAGES, SEED, TRUST, run_folder, texts

_maybe_trial = partial(
    option,
    Kind(str, bool, "give the name of a trial", "TRIAL", {"nargs": "?"}),
    "Name of a trial, such as 018-gaussian, or of one training of the confirmation, such as 018-gaussian.0.",
    shown="the winner",
    flag="trial",
)
_sampler_fields = partial(
    option,
    ASSIGNMENTS,
    "Change a field of the sampler: sampler.steps=50, sampler.kind=ddim, sampler.guidance=1. Repeatable.",
    {},
    shown="as the trial was searched",
    flag="--set",
)
_data_folder = partial(option, TEXT, "Folder of the data set.", shown="where it lay in the search", metavar="DIR")
_trust = partial(option, FLAG, TRUST, False)
# Numbers of images are written as 2000000 or as 2e6.
_images = Kind(
    lambda text: int(text) if text.isdecimal() else int(f"{float(text):.0f}"),
    lambda value: 1 <= value <= IMAGES,
    f"give a number of images from 1 to {IMAGES:,}, such as 2e6",
    "N",
)


@dataclass(frozen=True, kw_only=True)
class GenerateOptions:
    """Options of search/generate.py."""

    run: str = run_folder()
    trial: str | None = _maybe_trial()
    out: str = option(
        TEXT,
        "Where the images go: a new folder of PNG files, a picture of all of them (.png), or an array (.npz).",
        "samples.png",
        metavar="DIR|FILE.png|FILE.npz",
    )
    n: int | None = option(whole(1, IMAGES), "Number of images.", shown="1,000, or 100 in a picture")
    label: tuple[str, ...] = option(
        Kind(texts, all, "give a class", "CLASS", {"action": "append"}, nested=True),
        "Class of the images, by its name or its number. Repeatable: the images are then shared out evenly.",
        (),
        shown="classes as often as in training; in a picture all, evenly",
    )
    seed: int = option(SEED, "Seed of the noise: the same seed gives the same images.", 0)
    sampler: Mapping[str, str] = _sampler_fields()
    data_dir: str | None = _data_folder()
    trust: bool = _trust()


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Options of search/train.py."""

    run: str = run_folder()
    trial: str | None = _maybe_trial()
    images: int | None = option(
        _images,
        "Total number of training images at the end, those of the search included, such as 2e6.",
        shown="what an earlier session was given",
    )
    every: int | None = option(_images, "Number of images after which it is scored.", shown="a tenth of --images")
    anew: bool = option(FLAG, "Begin with fresh weights, of the trial's seed.", False)
    fixed: Mapping[str, str] = option(
        ASSIGNMENTS,
        "Change a field of the configuration from now on: training.lr_decay=cosine. Repeatable.",
        {},
        shown="as the trial was searched",
        flag="--set",
    )
    name: str | None = option(TEXT, "Name of the new run, beside RUN.", shown="names of the run and of the trial")
    data_dir: str | None = _data_folder()
    trust: bool = _trust()


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Options of search/export.py."""

    run: str = run_folder()
    trial: str | None = _maybe_trial()
    folder: str = option(TEXT, "Folder to write, new or empty.", metavar="DIR", flag="folder")
    sampler: Mapping[str, str] = _sampler_fields()
    data_dir: str | None = _data_folder()
    trust: bool = _trust()


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """Options of search/evaluate.py."""

    run: str = run_folder()
    trials: tuple[str, ...] = option(
        NAMES, "Names of trials.", (), shown="all that are kept", metavar="TRIAL", flag="trials"
    )
    split: str = option(
        one_of(("test", "confirm", "search")), "Real images to compare with: test, confirm or search.", "test"
    )
    samples: int | None = option(
        whole(1, IMAGES),
        "Number of images that each trial generates.",
        shown="2,048, or as many as there are real ones",
    )
    restored: int | None = option(
        whole(2, IMAGES),
        "Number of held-out images that each trial restores, at the most all of the split.",
        shown="256",
    )
    steps: int | None = option(whole(1, IMAGES), "Number of steps of the sampler.", shown="the trial's own")
    sampler: str | None = option(TEXT, "Sampler that generates the images, such as ddim.", shown="the trial's own")
    no_clip: bool = option(
        FLAG, "Leave estimates of x0 outside the pixel range, as the literature's samplers do.", False
    )
    data_dir: str | None = _data_folder()
    trust: bool = _trust()
    format: str = option(one_of(("table", "json", "csv")), "Form of the result: table, json or csv.", "table")


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """Options of search/replay.py."""

    run: str = run_folder()
    trial: str = option(TEXT, "Name of a trial of it that has reported.", metavar="TRIAL", flag="trial")
    data_dir: str | None = _data_folder()
    trust: bool = _trust()
