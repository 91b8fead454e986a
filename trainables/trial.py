"""A trial: one variant, trained to each rung, sampled, scored and reported; it knows neither Ray nor a file system."""

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch

from trainables.checkpoint import from_bytes, to_bytes
from trainables.conditioning import labels_of
from trainables.config import Sampling, Variant
from trainables.data.folds import evenly
from trainables.data.images import Images
from trainables.device import fastest, finish
from trainables.diffusion.generation import draw_labels, generate, grid_png, in_rows, sampling_source, strip
from trainables.diffusion.process import Diverged
from trainables.diffusion.samplers import nfe
from trainables.metric.checks import CheckReference
from trainables.metric.classifier import features
from trainables.metric.fmd import FLOOR_SPLITS, Reference, Score, mean_score
from trainables.metric.restoration import Validation, restorations, validation
from trainables.report import GUIDANCES, Picture, Report, Stopwatch
from trainables.training.trainer import Trainer

# An 8 x 8 grid of samples, and three images in each direction of the strip and in each row of restorations: what a
# person takes in at a glance. Of each rung a row of as many samples stays.
GRID_SIDE = 8
STRIP_IMAGES = 3
ROW = 10
# Seconds of training that a machine lost without notice can cost a trial.
SAVE_EVERY = 60.0
# What a diverged trial restores.
NOTHING = Validation(math.inf, -math.inf, -math.inf, math.inf, (), ())
PREEMPTED = "its machine is about to be taken back"


class Preempted(RuntimeError):
    """A trial has left its machine, its checkpoint saved; the trial itself did not fail."""


class Storage(Protocol):
    """Where trials keep their checkpoints and pictures, each by the name of its trial."""

    def load_checkpoint(self, trial: str) -> bytes | None:
        """Return the trial's checkpoint, or None where there is none."""

    def save_checkpoint(self, trial: str, checkpoint: bytes) -> None:
        """Replace the trial's checkpoint."""

    def save_picture(self, trial: str, kind: Picture, png: bytes) -> None:
        """Replace the trial's picture of this kind."""


@dataclass(frozen=True)
class TrialData:
    """The images of a run's trials, and what their samples are measured by."""

    images: Images
    reference: Reference
    """The real images that samples are scored against."""
    checks: CheckReference | None = None
    """What is measured of the samples at a rung beside their FMD; nothing without it."""
    chooses_by: Reference | None = None
    """Other real images, by which the guidance is chosen after training; without them it stays."""


@dataclass(frozen=True)
class Plan:
    """What all trials of a run share."""

    rungs: tuple[int, ...]
    """Images seen at which a trial is scored, ascending; the last is the full budget."""
    sampling_seed: int
    """Fixes the noise that samples start from: the same for every trial, worth a factor of four in images."""
    device: str = "auto"
    """A device of torch, or "auto": CUDA where there is any, else the CPU."""
    save_every: float = SAVE_EVERY
    """Seconds of training after which a checkpoint is saved on the way to a rung."""
    report_every: int = 0
    """Images between scores on the way to a rung, which decide nothing; 0 for none."""
    draws: tuple[int, ...] = ()
    """For each rung, how many sets of samples (each with its own seed of the noise) the reported score is the mean of;
    1 for rungs beyond the end of the tuple."""

    def draws_of(self, rung: int) -> int:
        """Return how many sets of samples a trial is scored by at a rung."""
        return self.draws[rung] if rung < len(self.draws) else 1

    def resolve_device(self) -> torch.device:
        """Return the device that trials run on."""
        return fastest() if self.device == "auto" else torch.device(self.device)


class Trial:
    """One variant on its way through the rungs.

    Attributes:
        name: names its checkpoint and its pictures in the storage.
        last: the report of the last rung that it passed; None before the first.
    """

    def __init__(
        self,
        name: str,
        variant: Variant,
        seed: int,
        plan: Plan,
        data: TrialData,
        storage: Storage,
        *,
        pretrained: Callable[[], bytes] | None = None,
        alive: Callable[[], None] = lambda: None,
        should_leave: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prepare training, and continue from the trial's checkpoint if `storage` has one.

        Args:
            name: of the trial.
            variant: what to train.
            seed: of the weights, the batches and the noise.
            plan: what all trials of the run share.
            data: the images, and what samples are measured by.
            storage: has the trial's checkpoint and pictures.
            pretrained: returns the checkpoint of another trial, whose weights this one starts from.
            alive: called after each training step.
            should_leave: called after each training step; returns whether to save a checkpoint and raise `Preempted`.

        Raises:
            CheckpointError: the checkpoint cannot be read.
        """
        self.watch, self._alive, self._should_leave = Stopwatch(), alive, should_leave
        self.name, self.variant, self.plan, self.data, self.storage = name, variant, plan, data, storage
        self.reference = data.reference
        images, device = data.images, plan.resolve_device()
        self.classifier = self.reference.classifier(device)
        train, seen = (_tensor(array, device) for array in (images.train, images.overlays_train))
        labels = labels_of(variant, images)
        self.trainer = Trainer(variant, seed, train, seen, plan.rungs[-1], images.groups, labels)
        others = getattr(images, FLOOR_SPLITS[self.reference.split][0])  # the samples are not compared with these
        unseen, held_out = (_tensor(array, device) for array in (images.overlays_sample, others))
        self.source = sampling_source(self.trainer.source, unseen, held_out)
        self.held_out, self.held_out_labels = self._held_out()
        self.last: Report | None = None
        self._between: list[tuple[int, float, float]] = []  # images seen, FMD and held-out loss, since the last report
        self._rows: list[torch.Tensor] = []  # samples at each rung passed, uint8 (columns, C, H, W)
        self._load(pretrained)
        self.watch.charge("setup")
        self._saved = time.monotonic()

    def reports(self) -> Iterator[Report]:
        """Yield a report at each rung not yet passed; after a restart, first the one saved with the checkpoint.

        Pictures and checkpoint are written before the report is yielded, so whatever was reported can be continued
        from, and a repeated report equals the first. On a long way to a rung a checkpoint is saved now and then, from
        which training goes on to the same report. A diverged trial reports the value of black images and ends.
        """
        if self.last is not None:
            yield self.last
            self.watch.charge("setup")
        passed = -1 if self.last is None else self.last.rung
        for rung in range(passed + 1, len(self.plan.rungs)):
            if self.last is not None and self.last.diverged:
                return
            self.last = self._advance(rung)
            self._save()
            self.watch.charge("setup")
            yield self.last
            self.watch.charge("setup")

    def _held_out(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return validation images, uint8 (K, C, H, W), with their labels: those split off, or some of the search's."""
        trainer, images = self.trainer, self.data.images
        if len(trainer.held_out):
            return trainer.held_out, trainer.held_out_labels
        labels, count = labels_of(self.variant, images, "search"), self.variant.training.validated
        chosen = _tensor(evenly(images.search, count), trainer.device)
        return chosen, None if labels is None else _tensor(evenly(labels, count), trainer.device)

    def _advance(self, rung: int) -> Report:
        """Train to the rung, sample and score there."""
        target, before = self.plan.rungs[rung], self.trainer.began
        score, loss, checked, diverged = self.reference.blank_score(), math.inf, NOTHING, False
        draws = self.plan.draws_of(rung)
        beside: Mapping[str, Any] = {}
        tried: dict[float, float] = {}
        try:
            loss = self.trainer.run_to(target, self._between_rungs(target))
            self.watch.charge("train")
            tried = self._choose_guidance()
            samples = self._sample()
            self._save_pictures(samples, rung)
            score, checked, beside = self._measure(samples, self.data.checks)
            further = (self.reference.score(self._sample(draw), self.classifier) for draw in range(1, draws))
            score = mean_score([score, *further])
        except Diverged:
            diverged = True
            self.watch.charge("train")
        self.watch.charge("score")
        spent = self.watch.read()
        trained, sampling = self.trainer.images_seen - before, self.variant.sampler
        # Once patience is lost nothing is trained, and the pace is that of the last stretch.
        pace = 0.0 if self.last is None else self.last.images_per_second
        losses, between = self.trainer.losses(), self._between
        self._between = []
        return Report(
            trial=self.name,
            images_seen=target,
            rung=rung,
            loss=loss,
            diverged=diverged,
            **_measured(score, checked),
            **beside,
            **spent,
            images_per_second=trained / max(spent["train_seconds"], 1e-9) if trained else pace,
            parameters=sum(p.numel() for p in self.trainer.ema.parameters()),
            nfe=nfe(sampling.kind, sampling.times(self.variant.schedule.T), sampling.guided),
            draws=draws,
            losses_at=tuple(losses),
            losses=tuple(losses.values()),
            between_at=tuple(at for at, _, _ in between),
            between_fmd=tuple(fmd for _, fmd, _ in between),
            between_validation_loss=tuple(held_out for _, _, held_out in between),
            tried_guidance=tuple(tried),
            tried_fmd=tuple(tried.values()),
        )

    def _between_rungs(self, target: int) -> Callable[[], None]:
        """Return what follows each training step on the way to a rung: a score now and then, and what else is due."""
        every = self.plan.report_every or math.inf
        scored = self.trainer.images_seen // every

        def after_step() -> None:
            nonlocal scored
            seen = self.trainer.images_seen
            if seen < target and seen // every > scored:
                scored = seen // every
                self._score_between()
            self._after_step()

        return after_step

    def _score_between(self) -> None:
        """Score the trial where it stands; neither training nor a rung's samples draw from the same random numbers."""
        finish(self.trainer.device)
        self.watch.charge("train")
        try:
            score, checked, _ = self._measure(self._sample())
        except Diverged:
            return
        self._between.append((self.trainer.images_seen, score.fmd, checked.loss))

    def _after_step(self) -> None:
        self._alive()
        leaves = self._should_leave()
        if leaves or time.monotonic() - self._saved >= self.plan.save_every:
            finish(self.trainer.device)
            self.watch.charge("train")
            self._save()
            self.watch.charge("setup")
        if leaves:
            raise Preempted(PREEMPTED)

    def _load(self, pretrained: Callable[[], bytes] | None) -> None:
        checkpoint = self.storage.load_checkpoint(self.name)
        if checkpoint is not None:
            state = from_bytes(checkpoint, self.name)
            self.trainer.load_state_dict(state["trainer"])
            self.last = Report.from_dict({**state["report"], "trial": self.name}) if state["report"] else None
            self.watch.seconds |= state.get("seconds", {})
            self._between, self._rows = state.get("between", []), state.get("rows", [])
        elif pretrained is not None:
            self.trainer.load_state_dict(from_bytes(pretrained(), "the trained model")["trainer"])

    def _save(self) -> None:
        report = None if self.last is None else asdict(self.last)
        state = {
            "trainer": self.trainer.state_dict(),
            "report": report,
            "seconds": dict(self.watch.seconds),
            "between": self._between,
            "rows": self._rows,
        }
        self.storage.save_checkpoint(self.name, to_bytes(state))
        self._saved = time.monotonic()

    def _choose_guidance(self) -> dict[float, float]:
        """Give the sampler the guidance whose samples score best, and return the FMD with each that was tried.

        The samples are of other noise than those that are scored later. A network is guided if it is told labels and
        was trained without them, too; another keeps what it has, and nothing is tried.
        """
        diffusion, own, reference = self.trainer.averaged(), self.variant.sampler, self.data.chooses_by
        if reference is None or diffusion.label_counts is None or not diffusion.label_drop:
            return {}

        def fmd(guidance: float) -> float:
            try:
                samples = self._generate(replace(own, guidance=guidance), reference.n, draw=1)
                return reference.score(samples, self.classifier).fmd
            except Diverged:
                return reference.blank

        tried = {guidance: fmd(guidance) for guidance in dict.fromkeys((own.guidance, *GUIDANCES))}
        best = min(tried, key=tried.__getitem__)
        self.variant = replace(self.variant, sampler=replace(own, guidance=best))
        self.watch.charge("score")
        return tried

    def _sample(self, draw: int = 0) -> torch.Tensor:
        """Return the samples to score, uint8 (n, C, H, W); `draw` counts the sets of samples of one model."""
        return self._generate(self.variant.sampler, self.reference.n, draw)

    def _generate(self, sampling: Sampling, n: int, draw: int) -> torch.Tensor:
        shape, seed = tuple(self.trainer.images.shape[1:]), self.plan.sampling_seed + draw
        samples = generate(self.trainer.averaged(), sampling, n, shape, self.source, seed)
        self.watch.charge("sample")
        return samples

    def _measure(
        self, samples: torch.Tensor, checks: CheckReference | None = None
    ) -> tuple[Score, Validation, Mapping[str, Any]]:
        """Return the score of samples, uint8 (n, C, H, W), the validation of the model, and the samples' checks."""
        flat = None if checks is None else features(self.classifier, samples)
        score = self.reference.score(samples, self.classifier, flat)
        beside = {} if checks is None else checks.of(samples, self.trainer.images, self.classifier, flat)
        given = self.trainer.averaged().given(self.held_out_labels)
        checked = validation(given, self.held_out, self.source, self.plan.sampling_seed)
        self.watch.charge("score")
        return score, checked, beside

    def _save_pictures(self, samples: torch.Tensor, rung: int) -> None:
        """Save the pictures of a rung; samples are uint8 (n, C, H, W)."""
        diffusion, sampling = self.trainer.averaged(), self.variant.sampler
        source, seed = self.source, self.plan.sampling_seed
        # Clusters are many and have no names: their samples are shown in the order in which they are drawn.
        labels = draw_labels(diffusion, len(samples), seed) if self.variant.conditioning == "class" else None
        row = samples[:ROW] if labels is None else in_rows(samples, labels, 1)[:, 0]
        self._rows.append(row.cpu().clone())  # a part of a tensor would be saved as the whole
        pictures: dict[Picture, torch.Tensor] = {
            "samples": in_rows(samples, labels, GRID_SIDE),
            "degradation": strip(
                diffusion, sampling, source.pixels.to_model(self.trainer.images[:STRIP_IMAGES]), source, seed
            ),
            "rungs": torch.stack(self._rows),
        }
        if rung == len(self.plan.rungs) - 1:
            few = None if self.held_out_labels is None else self.held_out_labels[:STRIP_IMAGES]
            pictures["restorations"] = restorations(
                diffusion.given(few), sampling, self.held_out[:STRIP_IMAGES], source, seed
            )
        for kind, picture in pictures.items():
            self.storage.save_picture(self.name, kind, grid_png(picture))
        self.watch.charge("sample")


def real_picture(images: Images) -> bytes:
    """Return a PNG of held-out real images in the grid in which a trial's samples are drawn."""
    labels = torch.from_numpy(images.search_labels) if images.labelled else None
    return grid_png(in_rows(torch.from_numpy(images.search), labels, GRID_SIDE))


def _tensor(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """Return the array on the device; on the CPU it stays where it is, in Ray's object store once per node."""
    with warnings.catch_warnings():
        # What lies in the object store is read-only, and nothing here writes to it.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array).to(device)


def _measured(score: Score, checked: Validation) -> dict[str, Any]:
    """Return score and validation under the names that a report has for them."""
    checks = asdict(checked)
    named = {"fmd": score.fmd, "fmd_normalised": score.normalised, "fmd_se": score.se, "fmd_corrected": score.corrected}
    return {**named, "labels": score.labels, "validation_loss": checks.pop("loss"), **checks}
