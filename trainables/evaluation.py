"""The evaluation of trained models on one split of real images: every measure but the search's own FMD."""

from functools import cached_property
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.conditioning import labels_of
from trainables.config import Variant
from trainables.data.images import Images
from trainables.diffusion.generation import generate
from trainables.diffusion.process import Diffusion, Diverged
from trainables.diffusion.samplers import nfe
from trainables.diffusion.source import Source
from trainables.metric.checks import LEAST, CheckReference, draw_real
from trainables.metric.classifier import Weights, features
from trainables.metric.feature_network import FeatureNetwork
from trainables.metric.fmd import FLOOR_SPLITS, Reference
from trainables.metric.frechet import Statistics, frechet_distance
from trainables.metric.inception import inception_statistics, missing
from trainables.metric.restoration import one_step_at, restore_by_sampling, spread
from trainables.metric.sample_checks import kernel_distance
from trainables.trial import Trial

SAMPLES = 2048  # with 256 as in a search, half of a good model's FMD is bias
RESTORED = 256  # held-out images, of which SSIM has a standard error of 0.01
ONE_STEP = 20  # t = T/20, ..., T: of T = 1000 the 50, 100, ..., 1000 of literature row F
SAMPLED = 4  # t = T/4, ..., T
INCEPTION_SAMPLES = 1000  # as in row C; already ten minutes of one core
# Of a report's FMD: the images of a set, the real images, and the sets of real images whose mean is 0.
REPORT_BATCH, REPORT_REAL, REPORT_BATCHES = 32, 512, 15
# By the number of Inception's features.
INCEPTION_COLUMNS = {
    64: "inception_fid_64",
    192: "inception_fid_192",
    768: "inception_fid_768",
    2048: "inception_fid",
}


class Evaluation:
    """Scores models on `split` with n images each; features of the real images are computed once.

    `inception_missing` is the reason in one line why there is no Inception-FID, or None.
    """

    def __init__(
        self,
        images: Images,
        split: str,
        n: int | None = None,
        device: str | torch.device = "cpu",
        weights: Weights | None = None,
        restored: int | None = None,
    ) -> None:
        """Prepare; n is 2,048 by default, or the number of real images where there are fewer.

        The classifier is that of the data set unless its `weights` are given. `restored` images of the split are
        degraded and restored: by default 256, or n where that is less, and at most all that there are.

        Raises:
            ValueError: an n below 32 or above the real images there are.
        """
        held_out = getattr(images, split)
        others = np.concatenate([getattr(images, other) for other in FLOOR_SPLITS[split]])
        available = min(len(others), len(held_out))
        self.n = min(SAMPLES, available) if n is None else n
        if not LEAST <= self.n <= available:
            raise ValueError(
                f"give {LEAST} to {available} samples, as many as the '{split}' split can judge, not {self.n}"
            )
        self.images, self.device = images, torch.device(device)
        self.reference = Reference.build(images, split, self.n, weights=weights)
        self.classifier = self.reference.classifier(self.device)
        self._training = torch.from_numpy(images.train)
        self.inception_missing = missing()
        self._real, self._others = (drawn.to(self.device) for drawn in draw_real(held_out, others, self.n))
        rows = np.random.default_rng(0).permutation(len(held_out))
        self._rows = rows[: min(RESTORED, self.n) if restored is None else restored]
        self._clean = torch.from_numpy(held_out[self._rows]).to(self.device)
        self._split, self._weights = split, self.reference.weights

    def real(self) -> dict[str, Any]:
        """Return the columns of n real images of other held-out splits, the values to reach."""
        return self.samples(self._others)

    def samples(self, generated: Tensor) -> dict[str, Any]:
        """Return the columns of n generated uint8 images (n, C, H, W); analysis/run/evaluations.py describes them."""
        x = features(self.classifier, generated)
        score = self.reference.score(generated, self.classifier, x)
        kid, kid_se = kernel_distance(x, self._checks.features)
        columns: dict[str, Any] = {
            "fmd": score.fmd,
            "fmd_se": score.se,
            "fmd_normalised": score.normalised,
            "fmd_corrected": score.corrected,
            **report_protocol(generated, self.images, self.classifier),
            "kid": kid,
            "kid_se": kid_se,
            **self._checks.of(generated, self._training, self.classifier, x),
        }
        if score.labels:
            columns["labels"] = score.labels
        if self.inception_missing:
            return columns
        inception = inception_statistics(generated[:INCEPTION_SAMPLES])
        distances = {count: frechet_distance(inception[count], real) for count, real in self._inception.items()}
        return columns | {INCEPTION_COLUMNS[count]: distance for count, distance in distances.items()}

    def restorations(self, variant: Variant, diffusion: Diffusion, source: Source, seed: int) -> dict[str, Any]:
        """Return the columns of images of the split, degraded with draws that `seed` fixes, and restored.

        They are sampled from t = T unless a column says otherwise.
        """
        x0, T, labels = self._clean, diffusion.T, labels_of(variant, self.images, self._split)
        if labels is not None:
            diffusion = diffusion.given(torch.from_numpy(labels[self._rows]).to(self.device))
        ts = spread(T, ONE_STEP)
        found = one_step_at(diffusion, x0, ts, source, seed)
        sampled = restore_by_sampling(diffusion, variant.sampler, x0, spread(T, SAMPLED), source, seed)
        return {
            "restored": len(x0),
            "loss": fmean(found[t].loss for t in ts),
            **vars(sampled[T]),
            "loss_by_t": tuple(found[t].loss for t in ts),
            "ssim_by_t": tuple(found[t].quality.ssim for t in ts),
            "psnr_by_t": tuple(found[t].quality.psnr for t in ts),
            "rmse_by_t": tuple(found[t].quality.rmse for t in ts),
            "sampled_ssim_by_t": tuple(sampled[t].ssim for t in spread(T, SAMPLED)),
        }

    @cached_property
    def _inception(self) -> dict[int, Statistics]:
        return inception_statistics(self._real[:INCEPTION_SAMPLES])

    @cached_property
    def _checks(self) -> CheckReference:
        return CheckReference.build(self.images, self._split, self.n, self._weights, self.device)


def report_protocol(samples: np.ndarray | Tensor, images: Images, classifier: FeatureNetwork) -> dict[str, float]:
    """Return the columns of FMD by the protocol of the report that introduced it (Siddiquei), with this classifier.

    It is that of the first 32 of uint8 samples (n, C, H, W) against the first 512 test images: raw, and normalised such
    that 0 is the mean of 15 random batches of 32 test images and 1 a set of black images. The scatter is the standard
    deviation of the normalised one over all whole batches of 32 samples. It is not for ranking: a batch of 32 scatters
    by 6 to 19 %, and a good model's raw value is mostly bias.
    """
    real = Statistics.from_features(features(classifier, images.test[:REPORT_REAL]))

    def distance(batch: np.ndarray | Tensor) -> float:
        return frechet_distance(Statistics.from_features(features(classifier, batch)), real)

    draw = np.random.default_rng(0)
    test = [images.test[draw.choice(len(images.test), REPORT_BATCH, replace=False)] for _ in range(REPORT_BATCHES)]
    zero, one = float(np.mean([distance(batch) for batch in test])), distance(np.zeros_like(test[0]))
    whole = range(0, len(samples) - REPORT_BATCH + 1, REPORT_BATCH)
    values = [distance(samples[first : first + REPORT_BATCH]) for first in whole]
    normalised = (np.array(values) - zero) / (one - zero)
    columns = {"fmd": values[0], "normalised": float(normalised[0]), "scatter": float(normalised.std())}
    return {f"report_{name}": value for name, value in columns.items()}


def measure(evaluation: Evaluation, trial: Trial, noise: int) -> dict[str, Any] | None:
    """Return the columns of a trial continued from its checkpoint; None if it diverged or its checkpoint is gone.

    `noise` is the seed of the noise that its samples start from. Restorations take most of the time.
    """
    sampled = sample(trial, evaluation.n, noise)
    if sampled is None:
        return None
    generated, columns = sampled
    restored = evaluation.restorations(trial.variant, trial.trainer.averaged(), trial.source, noise)
    return columns | evaluation.samples(generated) | restored


def sample(trial: Trial, n: int, noise: int) -> tuple[Tensor, dict[str, Any]] | None:
    """Return n samples of a trial continued from its checkpoint, and the columns that say what they are.

    None if the trial or its samples diverged, or its checkpoint is gone.
    """
    if trial.last is None or trial.last.diverged:
        return None
    diffusion, sampling = trial.trainer.averaged(), trial.variant.sampler
    try:
        generated = generate(diffusion, sampling, n, tuple(trial.trainer.images.shape[1:]), trial.source, noise)
    except Diverged:
        return None  # another sampler or more steps may diverge where the trial's own did not
    return generated, {
        "images_seen": trial.trainer.images_seen,  # of a trial that goes on, more than in its last report
        "sampler": sampling.kind,
        "steps": sampling.steps,
        "clip": sampling.clip,
        "nfe": nfe(sampling.kind, sampling.times(diffusion.T), sampling.guided),
        "noise": noise,
    }
