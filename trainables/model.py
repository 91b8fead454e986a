"""A trained model, ready to sample from: of a trial's checkpoint, or of a folder that `search/export.py` wrote."""

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from trainables.checkpoint import CheckpointError
from trainables.conditioning import labels_of
from trainables.config import Sampling, Variant
from trainables.data.folds import fold_rows
from trainables.data.images import DataError, Images
from trainables.data.load import load
from trainables.data.options import NAMED, ReadOptions
from trainables.diffusion.build import build, count_labels
from trainables.diffusion.generation import draw_labels, in_chunks
from trainables.diffusion.process import Diffusion
from trainables.diffusion.source import NoImages, Source
from trainables.domain import ConfigError, UsageError
from trainables.parts import install
from trainables.training.trainer import sampling_weights
from trainables.user_code import UserCode

WEIGHTS_FILE, CONFIG, CODE = "model.safetensors", "config.json", "code"


@dataclass(frozen=True)
class Model:
    """The averaged weights of a training, and what sampling from them takes."""

    variant: Variant
    diffusion: Diffusion
    source: Source
    """What sampling draws from; its images may be missing where it needs none"""
    dataset: str
    shape: tuple[int, int, int]
    """Channels, height and width of an image"""
    classes: tuple[str, ...]
    """The names of the classes that it was trained with; empty where it knows none"""

    @classmethod
    def of_checkpoint(
        cls, variant: Variant, checkpoint: dict[str, Any], images: Images, device: torch.device | str = "cpu"
    ) -> Self:
        """Return the model of a trial's checkpoint, trained on `images`; the sampler of `variant` may be another.

        Raises:
            CheckpointError: the checkpoint has the weights of another network.
        """
        rows, _ = fold_rows(images.groups, variant.training.split, variant.training.fold)
        told = labels_of(variant, images)
        counts = count_labels(variant, None if told is None else torch.tensor(told), torch.from_numpy(rows))
        known = images.classes[: len(counts)] if counts is not None and variant.conditioning == "class" else ()
        weights = sampling_weights(checkpoint["trainer"])
        diffusion = _trained(variant, weights, images.shape, counts, torch.device(device))
        return cls(variant, diffusion, _source(diffusion, images), images.name, images.shape, known)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        device: torch.device | str = "cpu",
        data_dir: str | None = None,
        trust: bool = False,
    ) -> Self:
        """Return the model that `save` wrote into a folder; where it has code of its own, `trust` executes that.

        Few models draw from their data set when they sample, such as those of the degradation `morph`. Then the data
        set is read, from `data_dir` where it does not come with the package.

        Raises:
            CheckpointError: the folder holds no model, or a file of it is damaged.
            DataError: the data set is missing or damaged.
        """
        folder = Path(folder)
        try:
            config = json.loads((folder / CONFIG).read_text())
            weights = load_file(folder / WEIGHTS_FILE)
            _install_code(folder, config.get("code", []), trust)
            variant = Variant.from_flat(config["variant"])
            dataset, classes, counts = config["dataset"], tuple(config["classes"]), config["label_counts"]
            channels, height, width = config["shape"]
        except UsageError:
            raise
        except (OSError, ValueError, LookupError, SafetensorError) as error:
            advice = "give a folder that search/export.py wrote"
            raise CheckpointError(f"{folder} holds no model ({error}): {advice}") from None
        shape, known = (channels, height, width), None if counts is None else torch.tensor(counts)
        diffusion = _trained(variant, weights, shape, known, torch.device(device))
        model = cls(variant, diffusion, _source(diffusion), dataset, shape, classes)
        if not model.draws_images():
            return model
        if dataset not in NAMED and data_dir is None:
            raise DataError(f"{folder}: sampling draws from the images that it was trained on; give where they lie")
        images = load(dataset, data_dir, ReadOptions.of(config["read_options"]))
        return replace(model, source=_source(diffusion, images))

    @property
    def network(self) -> nn.Module:
        """The network, (x_t, t / T, label) -> y; it has no label where the model knows neither classes nor clusters."""
        return self.diffusion.network

    @property
    def sampling(self) -> Sampling:
        """How images are sampled."""
        return self.variant.sampler

    @property
    def labels(self) -> list[int]:
        """The labels that training had images of; none where the model knows no classes."""
        counts = self.diffusion.label_counts if self.classes else None
        return [] if counts is None else [label for label, count in enumerate(counts.tolist()) if count]

    def label(self, name: str) -> int:
        """Return the label of a class, given by its name or its number.

        Raises:
            ConfigError: the model does not know it.
        """
        if not self.labels:
            raise ConfigError(f"label {name}: the model knows no classes ({self._conditioning}); give no label")
        by_name = {self.classes[label]: label for label in self.labels} | {str(label): label for label in self.labels}
        if name not in by_name:
            near = difflib.get_close_matches(name, by_name, n=3) or list(by_name)[:12]
            raise ConfigError(f"label {name}: the model does not know it; it knows {', '.join(near)}")
        return by_name[name]

    def draw_labels(self, n: int, seed: int = 0) -> Tensor | None:
        """Return n labels int64 (n,), as often as training had them; None where the model knows no classes."""
        return draw_labels(self.diffusion, n, seed) if self.classes else None

    def even_labels(self, n: int, among: Sequence[int] = ()) -> Tensor | None:
        """Return n labels int64 (n,), about as many of each of `among`, in that order, by default of all it knows.

        None where it knows none.
        """
        labels = among or self.labels
        return torch.tensor([labels[index * len(labels) // n] for index in range(n)]) if labels else None

    def sample(self, n: int, labels: Sequence[int] | Tensor | None = None, seed: int = 0) -> Tensor:
        """Return n images, uint8 (n, C, H, W); a seed always gives the same ones.

        Args:
            n: how many.
            labels: of each image; by default as often as training had them.
            seed: of the noise and of the labels that are drawn.

        Raises:
            ConfigError: there are not n labels, or the model knows none.
            Diverged: a sample is not finite.
        """
        return torch.cat(list(self.sample_in_chunks(n, labels, seed)))

    def sample_in_chunks(self, n: int, labels: Sequence[int] | Tensor | None = None, seed: int = 0) -> Iterator[Tensor]:
        """Yield the images of `sample` a few hundred at a time, uint8 (k, C, H, W)."""
        given = draw_labels(self.diffusion, n, seed) if labels is None else self._checked(labels, n)
        noise = int(np.random.SeedSequence(seed).generate_state(1)[0])  # chunks count up from it, as seeds do
        return in_chunks(self.diffusion, self.sampling, n, self.shape, self.source, noise, given)

    def draws_images(self) -> bool:
        """Return whether sampling draws from the images of the data set, which are then missing."""
        try:
            few = replace(self.sampling, steps=min(2, self.sampling.steps))
            list(in_chunks(self.diffusion, few, 1, self.shape, self.source, 0, None))
        except NoImages:
            return True
        return False

    def save(self, folder: Path, read_options: ReadOptions, code: UserCode | None = None, **further: Any) -> None:
        """Write the weights and the configuration, with `further` entries, into a folder that is there.

        `read_options` say how the images that it was trained on were read. `code` defines parts of the variant.
        """
        for name, text in code.texts.items() if code else ():
            path = folder / CODE / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        weights = {name: tensor.cpu().contiguous() for name, tensor in self.network.state_dict().items()}
        (folder / WEIGHTS_FILE).write_bytes(save(weights))
        counts = self.diffusion.label_counts
        config = {
            "variant": self.variant.flat(),
            "dataset": self.dataset,
            "shape": list(self.shape),
            "classes": list(self.classes),
            "label_counts": None if counts is None else counts.tolist(),
            "read_options": asdict(read_options),
            "code": list(code.texts) if code else [],
            **further,
        }
        (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n")

    @property
    def _conditioning(self) -> str:
        return f"network/conditioning is {self.variant.conditioning}"

    def _checked(self, labels: Sequence[int] | Tensor, n: int) -> Tensor:
        given = torch.as_tensor(labels)
        if not self.classes:
            raise ConfigError(f"labels: the model knows no classes ({self._conditioning}); give none")
        if given.shape != (n,) or given.is_floating_point():
            raise ConfigError(f"labels of shape {tuple(given.shape)}: give {n} whole numbers, one for each image")
        if n and not 0 <= int(given.min()) <= int(given.max()) < len(self.classes):
            raise ConfigError(f"labels: the model knows 0 to {len(self.classes) - 1}")
        return given.to(self.diffusion.alpha_bar.device)


def _install_code(folder: Path, files: Sequence[str], trust: bool) -> None:
    if not files:
        return
    if not trust:
        raise DataError(f"{folder}: the model has code of its own in {CODE}/: read it, and load the model with trust")
    texts = {name: (folder / CODE / name).read_bytes().decode() for name in files}
    install(UserCode(str(folder / CODE), texts))


def _trained(
    variant: Variant,
    weights: dict[str, Tensor],
    shape: tuple[int, int, int],
    counts: Tensor | None,
    device: torch.device,
) -> Diffusion:
    """Return the diffusion with these weights; `counts` are the training images of each label, int64 (classes,)."""
    diffusion = build(variant, shape, None if counts is None else counts.to(device), device)
    try:
        diffusion.network.load_state_dict(weights)
    except RuntimeError:  # its message has a line for each parameter
        raise CheckpointError("the weights are of another network, or of an older version") from None
    diffusion.network.requires_grad_(False).eval()
    return diffusion


def _source(diffusion: Diffusion, images: Images | None = None) -> Source:
    """Return a source for sampling, without images where none are given."""
    device = diffusion.alpha_bar.device
    arrays = () if images is None else (images.train, images.overlays_sample, images.confirm)
    tensors = [torch.from_numpy(array).to(device) for array in arrays] or [torch.empty(0, dtype=torch.uint8)] * 3
    return Source(torch.Generator(device), diffusion.pixels, *tensors)
