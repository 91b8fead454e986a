"""A trial: one variant trained to each rung, sampled, scored and reported; what Ray Tune runs."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from trainables.checkpoints import CheckpointError, Folder
from trainables.config import Variant
from trainables.data.mnist import Images
from trainables.device import finish, share_of
from trainables.diffusion.generation import generate, grid_png, sampling_source, strip
from trainables.diffusion.process import Diverged
from trainables.diffusion.samplers import nfe
from trainables.metric.fmd import Reference
from trainables.metric.restoration import validation
from trainables.preemption import NOTICED, Preempted, noticed
from trainables.report import NOTHING, Report, Stopwatch, measured
from trainables.training.trainer import Trainer, evenly
from trainables.watchdog import Watchdog

# An 8 x 8 grid of samples, and three images each way in the strip: what a person takes in at a glance.
GRID_SIDE = 8
STRIP_IMAGES = 3
# What a machine that is lost without notice can cost a trial.
SAVE_EVERY = 60.0


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
    trained: tuple[str, str] | None = None
    """The folder of a run and the trial of it whose weights all trials take as they are."""
    hang_limit: float = 600.0
    """Seconds after which a process is ended that took no step, in training or in sampling."""
    save_every: float = SAVE_EVERY
    """Seconds of training after which a checkpoint is saved on the way to a rung."""
    gpu_share: float = 1.0
    """Of a GPU's memory, that a trial may take."""

    def resolve_device(self) -> torch.device:
        """Return the device that trials run on."""
        return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if self.device == "auto" else self.device)


class Trial:
    """One variant on its way through the rungs; `name` is what its pictures and its checkpoint are called."""

    def __init__(
        self,
        name: str,
        variant: Variant,
        seed: int,
        plan: Plan,
        images: Images,
        reference: Reference,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare training; continue from the trial's checkpoint if there is one; `alive` is called after each step."""
        self.watch, self._alive = Stopwatch(), alive
        self.name, self.variant, self.plan, self.reference = name, variant, plan, reference
        self.folder = Folder(plan.run_uri)
        device = plan.resolve_device()
        train, seen, unseen = (
            _tensor(array, device) for array in (images.train, images.overlays_train, images.overlays_sample)
        )
        self.classifier = reference.classifier().to(device)
        self.trainer = Trainer(variant, seed, train, seen, plan.rungs[-1], images.groups)
        self.source = sampling_source(self.trainer.source, unseen)
        held_out = self.trainer.held_out
        self.held_out = held_out if len(held_out) else _tensor(evenly(images.search), device)
        self.last: Report | None = None
        state = self.folder.load_checkpoint(name)
        if state is not None:
            self.trainer.load_state_dict(state["trainer"])
            self.last = Report(**state["report"]) if state["report"] else None
            self.watch.seconds |= state.get("seconds", {})
        elif plan.trained is not None:
            self.trainer.load_state_dict(_trained(*plan.trained))
        self.watch.charge("setup")
        self._saved = time.monotonic()

    def reports(self) -> Iterator[Report]:
        """Yield a report at each rung not yet passed; after a restart, first the one saved with the checkpoint.

        Pictures and checkpoint are written before the report is yielded, so whatever was reported can be continued
        from, and a repeated report equals the first. On a long way to a rung a checkpoint is saved now and then, from
        which training goes on to the same report. A diverged trial reports the blank set's value and ends.
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

    def _advance(self, rung: int) -> Report:
        """Train to the rung, sample and score there."""
        target, before = self.plan.rungs[rung], self.trainer.began
        score, loss, checked, diverged = self.reference.blank_score(), math.inf, NOTHING, False
        try:
            loss = self.trainer.run_to(target, self._after_step)
            self.watch.charge("train")
            samples = self._sample()
            self.watch.charge("sample")
            score = self.reference.score(samples, self.classifier)
            checked = validation(self.trainer.averaged(), self.held_out, self.source, self.plan.sampling_seed)
        except Diverged:
            diverged = True
            self.watch.charge("train")
        self.watch.charge("score")
        spent = self.watch.read()
        trained = self.trainer.images_seen - before
        return Report(
            images_seen=target,
            rung=rung,
            loss=loss,
            diverged=diverged,
            **measured(score, checked),
            **spent,
            images_per_second=trained / max(spent["train_seconds"], 1e-9) if trained else self._pace(),
            parameters=sum(p.numel() for p in self.trainer.ema.parameters()),
            nfe=nfe(self.variant.sampler.kind, self.variant.schedule.T, self.variant.sampler.steps),
        )

    def _pace(self) -> float:
        """Return the images per second of the last stretch, for one without training, once patience is lost."""
        return 0.0 if self.last is None else self.last.images_per_second

    def _after_step(self) -> None:
        self._alive()
        leaves = noticed()
        if leaves or time.monotonic() - self._saved >= self.plan.save_every:
            finish(self.trainer.device)
            self.watch.charge("train")
            self._save()
            self.watch.charge("setup")
        if leaves:
            raise Preempted(NOTICED)

    def _save(self) -> None:
        report = None if self.last is None else asdict(self.last)
        state = {"trainer": self.trainer.state_dict(), "report": report, "seconds": dict(self.watch.seconds)}
        self.folder.save_checkpoint(self.name, state)
        self._saved = time.monotonic()

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


def _trained(folder: str, trial: str) -> dict[str, Any]:
    state = Folder(folder).load_checkpoint(trial)
    if state is None:
        raise FileNotFoundError(f"{folder} keeps no checkpoint of {trial} any more")
    return state["trainer"]


def _tensor(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """Return the array on the device; on the CPU it stays where it is, in Ray's object store once per node."""
    with warnings.catch_warnings():
        # What lies in the object store is read-only, and nothing here writes to it.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array).to(device)


def run(config: dict[str, Any], plan: Plan, images: Images, reference: Reference) -> None:
    """Run one trial inside Ray Tune: `config` has its name ("trial"), "seed", flat "variant", maybe "sampling_seed".

    Raises:
        CheckpointError: its checkpoint cannot be read; it is gone now, so tried again the trial begins anew.
        NotShared: this machine does not see the run's folder.
        OutOfMemory: it takes more than its share of a GPU.
        Preempted: this machine is about to be taken back; the checkpoint is saved.
    """
    from ray import tune

    Folder(plan.run_uri).require_here()
    watchdog = Watchdog(plan.hang_limit)
    watchdog.start()
    variant, name = Variant.from_flat(config["variant"]), config["trial"]
    plan = replace(plan, sampling_seed=config.get("sampling_seed", plan.sampling_seed))
    try:
        with share_of(plan.resolve_device(), plan.gpu_share):
            trial = Trial(name, variant, config["seed"], plan, images, reference, watchdog.alive)
            watchdog.watch(trial.trainer.ema)
            for report in trial.reports():
                watchdog.stop()  # a trial that is stopped waits in there for its process's next
                tune.report(asdict(report))
                watchdog.start()
    except CheckpointError as error:
        Folder(plan.run_uri).drop_checkpoint(name)
        raise CheckpointError(f"{error}; it begins anew") from None
    finally:
        watchdog.stop()
