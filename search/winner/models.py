"""What the commands that use a trained model load of its run: model, data set and metric."""

import sys
from collections.abc import Mapping
from dataclasses import replace

from analysis.run.run import Run
from analysis.run.storage import Folder
from analysis.statistics.winner import Training
from search.declaration import SettingsError
from search.resuming import require_same_data
from search.trust import features_of
from trainables.checkpoint import from_bytes
from trainables.config import Variant, parse_flat
from trainables.data.images import Images
from trainables.data.load import load
from trainables.data.options import NAMED, ReadOptions
from trainables.device import fastest
from trainables.metric.classifier import Weights
from trainables.metric.classifier_training import ensure_weights
from trainables.metric.fmd import FLOOR_SPLITS, Reference
from trainables.model import Model


def load_model(training: Training, sampler: Mapping[str, str] | None = None, data_dir: str | None = None) -> Model:
    """Return the model of a training, on a GPU where there is one.

    `sampler` has fields of its sampler that are to be others, as `--set` does. `data_dir` is the folder of the data
    set, where it is not where it lay in the search.

    Raises:
        UsageError: a field cannot be, or the data or the checkpoint cannot be read; one line.
    """
    changes = parse_flat(sampler or {})
    for name in changes:
        if not name.startswith("sampler/"):
            raise SettingsError(f"--set {name.replace('/', '.')}: the model is trained; give fields of sampler only")
    run, start = training.run, training.start
    images = load_images(run, data_dir)
    checkpoint = from_bytes(Folder(run.uri).require_checkpoint(start.trial), start.trial)
    variant = Variant.from_flat({**start.variant, **changes})
    model = Model.of_checkpoint(variant, checkpoint, images, fastest())
    dataset = run.begun_settings()["settings"]["dataset"]
    return replace(model, dataset=dataset) if dataset in NAMED else model


def load_images(run: Run, data_dir: str | None = None) -> Images:
    """Return the data set of a run, from `data_dir` where it is not where it lay in the search.

    Raises:
        DataError: a file is missing or damaged.
        SettingsError: the data are not those that the run was trained on.
    """
    settings = run.begun_settings()["settings"]
    images = load(settings["dataset"], data_dir or settings["data_dir"], ReadOptions.of(settings), say)
    require_same_data(run, images.checksums, run.uri)
    return images


def weights_of(run: Run, images: Images, split: str, *, trusts: bool) -> Weights:
    """Return the networks that a run is measured by, ready to judge by the real images of a split.

    Raises:
        FeatureFileError, RunError, WeightsError: one is lost or damaged.
        SettingsError: the run keeps a network of somebody else, which is not trusted.
    """
    return ensure_weights(images, features_of(run, trusts=trusts), (split, *FLOOR_SPLITS[split]), say)


def reference_of(run: Run, images: Images, *, trusts: bool) -> Reference:
    """Return the reference that a run was scored by.

    Raises:
        SettingsError: the data or the networks here are others, or not trusted.
    """
    metric = run.begun_settings()["metric"]
    weights = weights_of(run, images, metric["split"], trusts=trusts)
    reference = Reference.build(images, metric["split"], metric["n"], metric["layer"], weights)
    if reference.version != metric["version"]:
        raise SettingsError(f"{run.uri} was measured by {metric['version']}, here is {reference.version}")
    return reference


def say(line: str) -> None:
    """Print a line of progress on standard error."""
    print(line, file=sys.stderr, flush=True)
