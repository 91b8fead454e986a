"""What an evaluation finds of one trial, as one row of a table."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from trainables.diffusion.generation import generate
from trainables.diffusion.process import Diverged
from trainables.diffusion.samplers import nfe
from trainables.metric.evaluation import Evaluation
from trainables.trial import Trial


def measure(bench: Evaluation, trial: Trial, noise: int, restored: bool) -> dict[str, Any] | None:
    """Return what `bench` measures of a trial continued from its checkpoint; None if it diverged or has none any more.

    Args:
        bench: the evaluation, for any number of trials.
        trial: the trial.
        noise: seed of the noise that its samples start from.
        restored: whether images are restored, too, which takes most of the time.
    """
    if trial.last is None or trial.last.diverged:
        return None
    diffusion, sampling = trial.trainer.averaged(), trial.variant.sampler
    try:
        generated = generate(diffusion, sampling, bench.n, bench.images.shape, trial.source, noise)
    except Diverged:
        return None  # other samplers, or more steps, may do so where its own did not
    row = {
        "images_seen": trial.trainer.images_seen,  # of a trial that goes on, more than it last reported
        "sampler": sampling.kind,
        "steps": sampling.steps,
        "nfe": nfe(sampling.kind, diffusion.T, sampling.steps),
        "noise": noise,
        **asdict(bench.samples(generated)),
    }
    return row | (asdict(bench.restorations(diffusion, sampling, trial.source, noise)) if restored else {})
