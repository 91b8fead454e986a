"""A trial: one variant trained to each rung, sampled, scored and reported; what Ray Tune runs."""

from __future__ import annotations

import gc
import math
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from trainables.checkpoints import Folder
from trainables.config import Variant
from trainables.data import Images
from trainables.features import load_classifier
from trainables.generation import generate, grid_png, sampling_source, strip
from trainables.metrics import Reference
from trainables.training import Diverged, Trainer

# An 8 x 8 grid of samples, and three images each way in the strip: what a person takes in at a glance.
GRID_SIDE = 8
STRIP_IMAGES = 3


@dataclass(frozen=True)
class Plan:
    """What all trials of a run share."""

    rungs: tuple[int, ...]
    """Images seen at which a trial is scored, ascending; the last is the full budget."""
    sampling_seed: int
    """Fixes the noise that samples start from: the same for every trial, worth a factor of four in images."""
    run_uri: str
    """The run's folder, an absolute path or a URI that pyarrow.fs understands."""
    device: str = "auto"

    def resolve_device(self) -> torch.device:
        """Return the device that trials run on."""
        return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if self.device == "auto" else self.device)


@dataclass(frozen=True)
class Report:
    """What a trial says at a rung; seconds are those since its previous report."""

    images_seen: int
    rung: int
    fmd: float
    fmd_normalised: float
    fmd_se: float
    fmd_corrected: float
    loss: float
    diverged: bool
    setup_seconds: float
    train_seconds: float
    sample_seconds: float
    score_seconds: float
    images_per_second: float
    parameters: int
    nfe: int


class Stopwatch:
    """Seconds spent on each named part of a trial since the last report."""

    def __init__(self) -> None:
        """Start now."""
        self.seconds = dict.fromkeys(("setup", "train", "sample", "score"), 0.0)
        self._since = time.monotonic()

    def charge(self, part: str) -> None:
        """Count the time since the last charge towards `part`."""
        now = time.monotonic()
        self.seconds[part] += now - self._since
        self._since = now

    def read(self) -> dict[str, float]:
        """Return the seconds by part and start again from zero."""
        seconds, self.seconds = self.seconds, dict.fromkeys(self.seconds, 0.0)
        return seconds


class Trial:
    """One variant on its way through the rungs; `name` is what its pictures and its checkpoint are called."""

    def __init__(
        self, name: str, variant: Variant, seed: int, plan: Plan, images: Images, reference: Reference
    ) -> None:
        """Prepare training; continue from the trial's checkpoint if there is one."""
        self.watch = Stopwatch()
        self.name, self.variant, self.plan, self.reference = name, variant, plan, reference
        self.folder = Folder(plan.run_uri)
        device = plan.resolve_device()
        train, seen, unseen = (
            _tensor(array, device) for array in (images.train, images.overlays_train, images.overlays_sample)
        )
        self.classifier = load_classifier(images.name).to(device)
        self.trainer = Trainer(variant, seed, train, seen, plan.rungs[-1])
        self.source = sampling_source(self.trainer.source, unseen)
        self.last: Report | None = None
        state = self.folder.load_checkpoint(name)
        if state is not None:
            self.trainer.load_state_dict(state["trainer"])
            self.last = Report(**state["report"])
        self.watch.charge("setup")

    def reports(self) -> Iterator[Report]:
        """Yield a report at each rung not yet passed; after a restart, first the one saved with the checkpoint.

        Pictures and checkpoint are written before the report is yielded, so whatever was reported can be continued
        from, and a repeated report equals the first. A diverged trial reports the blank set's value and ends.
        """
        if self.last is not None:
            yield self.last
        passed = -1 if self.last is None else self.last.rung
        for rung in range(passed + 1, len(self.plan.rungs)):
            if self.last is not None and self.last.diverged:
                return
            self.last = self._advance(rung)
            self.folder.save_checkpoint(self.name, {"trainer": self.trainer.state_dict(), "report": asdict(self.last)})
            self.watch.charge("setup")
            yield self.last
            self.watch.charge("setup")

    def _advance(self, rung: int) -> Report:
        """Train to the rung, sample and score there."""
        target, before = self.plan.rungs[rung], self.trainer.images_seen
        score, loss, diverged = self.reference.blank_score(), math.inf, False
        try:
            loss = self.trainer.run_to(target)
            self.watch.charge("train")
            samples = self._sample()
            self.watch.charge("sample")
            score = self.reference.score(samples, self.classifier)
        except Diverged:
            diverged = True
            self.watch.charge("train")
        self.watch.charge("score")
        seconds = self.watch.read()
        return Report(
            images_seen=target,
            rung=rung,
            fmd=score.fmd,
            fmd_normalised=score.normalised,
            fmd_se=score.se,
            fmd_corrected=score.corrected,
            loss=loss,
            diverged=diverged,
            **{f"{part}_seconds": value for part, value in seconds.items()},
            images_per_second=(self.trainer.images_seen - before) / max(seconds["train"], 1e-9),
            parameters=sum(p.numel() for p in self.trainer.ema.parameters()),
            nfe=min(self.variant.sampler.steps, self.variant.schedule.T),
        )

    def _sample(self) -> torch.Tensor:
        """Return the samples to score, uint8 (n, C, H, W), and leave their pictures in the run's folder."""
        diffusion, sampling = self.trainer.averaged(), self.variant.sampler
        images, seed = self.trainer.images, self.plan.sampling_seed
        samples = generate(diffusion, sampling, self.reference.n, tuple(images.shape[1:]), self.source, seed)
        shown = min(GRID_SIDE**2, len(samples) // GRID_SIDE * GRID_SIDE)
        grid = samples[:shown].unflatten(0, (-1, GRID_SIDE))
        path = strip(diffusion, sampling, self.source.pixels.to_model(images[:STRIP_IMAGES]), self.source, seed)
        self.folder.write(f"samples/{self.name}.png", grid_png(grid))
        self.folder.write(f"samples/{self.name}-strip.png", grid_png(path))
        return samples


def _tensor(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """Return the array on the device; on the CPU it stays where it is, in Ray's object store once per node."""
    with warnings.catch_warnings():
        # What lies in the object store is read-only, and nothing here writes to it.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array).to(device)


def run(config: dict[str, Any], plan: Plan, images: Images, reference: Reference) -> None:
    """Run one trial inside Ray Tune: `config` has its name ("trial"), "seed" and flat "variant"."""
    from ray import tune

    # Processes are reused for many trials: give back what the last one left on the device.
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    variant = Variant.from_flat(config["variant"])
    for report in Trial(config["trial"], variant, config["seed"], plan, images, reference).reports():
        tune.report(asdict(report))
