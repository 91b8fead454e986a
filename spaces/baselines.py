"""What people already tried: the configurations of five reports on small diffusion models, as complete variants.

Every one was trained on MNIST with a starter network that the reports share. Two things are not theirs: samples come
from 20 strided steps with the posterior variance, where they took T steps with sigma_t^2 = beta_t, and incomplete
batches are not dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainables.config import Flat, Variant


@dataclass(frozen=True)
class Baseline:
    """A configuration from the literature; `reported` is what its authors found, in their own words and measure."""

    name: str
    source: str
    settings: Flat
    reported: str

    @property
    def variant(self) -> Flat:
        """The complete configuration."""
        return Variant.from_flat(self.settings).flat()


STARTER: Flat = {
    "pixels": "-0.5..0.5",
    "schedule/kind": "linear",
    "network/kind": "cnn",
    "network/cnn/patch": 1,
    "training/target": "eps",
    "training/lr": 2e-4,
    "training/batch": 128,
    "training/warmup": 0,
    "training/ema": 0.0,
    "sampler/kind": "ancestral",
}

_DEEPER: Flat = {**STARTER, "network/cnn/widths": "16-32-64-32-16", "pixels": "0..1"}
_COLD: Flat = {"training/target": "x0", "sampler/kind": "cold2"}


def _linear(start: float, end: float, T: int = 1000) -> Flat:
    return {"schedule/linear/beta_start": start, "schedule/linear/beta_end": end, "schedule/linear/T": T}


def _constant(beta: float, T: int) -> Flat:
    return {"schedule/kind": "constant", "schedule/constant/beta": beta, "schedule/constant/T": T}


BASELINES: dict[str, Baseline] = {
    entry.name: entry
    for entry in (
        Baseline("A0", "starter of all reports", STARTER, "Inception-FID 62-80, noisy between epochs"),
        Baseline(
            "A2",
            "Grivot, set 2",
            {
                **STARTER,
                **_linear(0.001, 0.015),
                "network/cnn/widths": "32-64-128-64-32",
                "network/cnn/activation": "leaky_relu",
                "training/lr": 5e-4,
            },
            "digits ambiguous, clean background",
        ),
        Baseline(
            "A3",
            "Grivot, set 3",
            {
                **STARTER,
                **_linear(0.0005, 0.02),
                "network/cnn/widths": "64-96-96-64",
                "network/cnn/activation": "elu",
                "training/lr": 3e-4,
            },
            "FID 69.3 (own), 79.1 (Bansal's code)",
        ),
        Baseline(
            "A4",
            "Grivot, mask and contrast",
            {**STARTER, "degradation/kind": "mask+contrast+gaussian"},
            "FID 76.3 / 83.3",
        ),
        Baseline(
            "A5", "Grivot, contrast only", {**STARTER, "degradation/kind": "contrast+gaussian"}, "FID 68.4 / 78.3"
        ),
        Baseline(
            "A6",
            "Grivot, pseudo-QR",
            {
                **STARTER,
                **_COLD,
                "schedule/kind": "logistic",
                "degradation/kind": "pseudo_qr",
                "network/cnn/widths": "16-32-64-32-16",
                "training/lr": 1e-4,
                "training/weight_decay": 1e-5,
                "training/lr_decay": "plateau",
            },
            "samples almost never digits; FID 5e94 or complex",
        ),
        Baseline("B0", "Siddiquei, default", _DEEPER, "normalised FMD about 0.08"),
        Baseline("B1", "Siddiquei, short", {**_DEEPER, **_linear(1e-4, 0.1, 200)}, "normalised FMD about 0.08"),
        Baseline("B2", "Siddiquei, long", {**_DEEPER, **_linear(1e-4, 0.004, 5000)}, "normalised FMD about 0.08"),
        Baseline(
            "B3",
            "Siddiquei, Fashion morph",
            {**_DEEPER, **_COLD, "degradation/kind": "morph"},
            "normalised FMD about 0.08",
        ),
        Baseline("C1", "Jain, good", {**STARTER, **_constant(0.001, 2000)}, "FID 233, test MSE 0.0245"),
        Baseline("C2", "Jain, bad", {**STARTER, **_constant(0.1, 200)}, "FID 432, test MSE 0.00275"),
        Baseline("D1", "Breitburd, default", STARTER, "FID 98.7"),
        Baseline("D2", "Breitburd, tuned", {**STARTER, **_linear(1e-4, 0.02, 1500), "training/lr": 4e-4}, "FID 95.4"),
    )
}
