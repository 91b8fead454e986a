"""The configurations of five reports on small diffusion models, as complete variants.

Rows A to D were trained on MNIST and F on Fruits-360; any of them runs on any data set. `exact` has the authors'
numbers, from where `provenance` says; docs/literature.md names what a row does differently nevertheless. Besides, no
row repeats two slips of the starter, of which Jain has the second alone: it never trains t = T, although sampling
starts there, and its last step leaves the noise of step 0 in the image.

A search runs `variant`, which differs in being sampled in 20 strided steps, because T steps would take hours in a
search. So few steps need the posterior's own variance, and x0_hat clipped. It keeps the last weights and measures 64
validation images, as all of a search do. With `--exact` it runs `exact`.
"""

from dataclasses import dataclass, replace
from typing import Literal, Self

from trainables.config import Flat, Training, Variant
from trainables.domain import Primitive

Provenance = Literal["text", "code", "reconstruction"]

# What a search samples by, in place of the authors' sampler: few steps need the posterior's own variance. Algorithm 2
# ends as in its paper, and so as the search's own trials.
_STRIDED = {"ancestral_large": "ancestral", "renoise": "ancestral", "cold2_x0": "cold2"}


@dataclass(frozen=True)
class Baseline:
    """A configuration from the literature; `reported` is the result in its authors' words and measure.

    `provenance` is what its numbers are taken from: the report's text, the code that its authors published, or a
    reconstruction where neither has them.
    """

    name: str
    source: str
    settings: Flat
    reported: str
    provenance: Provenance = "code"
    dataset: str = "mnist"
    """The data set of the report"""
    strided: bool = True
    """Whether `variant` is sampled in 20 steps, or as its authors did"""

    def as_published(self) -> Self:
        """Return the configuration whose `variant` is `exact`."""
        return replace(self, strided=False)

    @property
    def exact(self) -> Flat:
        """The complete configuration of the report."""
        return Variant.from_flat(self.settings).flat()

    @property
    def variant(self) -> Flat:
        """The complete configuration as a search runs it: in 20 steps unless it is `as_published`."""
        if not self.strided:
            return self.exact
        kind = str(self.settings["sampler/kind"])
        strided: Flat = {
            "sampler/kind": _STRIDED.get(kind, kind),
            "sampler/steps": 20,
            "sampler/clip": True,
            "training/keep_best": False,
            "training/validated": Training().validated,
        }
        return Variant.from_flat({**self.settings, **strided}).flat()


def _schedule(kind: str, T: int, **fields: Primitive) -> Flat:
    """Return a schedule, which is sampled from in all its steps."""
    own = {f"schedule/{kind}/{name}": value for name, value in fields.items()}
    return {"schedule/kind": kind, f"schedule/{kind}/T": T, **own, "sampler/steps": T}


def _linear(start: float, end: float, T: int = 1000, from_zero: bool = True) -> Flat:
    return _schedule("linear", T, beta_start=start, beta_end=end, from_zero=from_zero)


def _constant(beta: float, T: int) -> Flat:
    return _schedule("constant", T, beta=beta, from_zero=True)


def _cosine(T: int) -> Flat:
    return _schedule("cosine", T, s=0.008, beta_max=0.9)


_TRAINING: Flat = {
    "pixels": "-0.5..0.5",
    "training/target": "eps",
    "training/lr": 2e-4,
    "training/batch": 128,
    "training/drop_last": True,
    "training/warmup": 0,
    "training/ema": 0.0,
    "sampler/kind": "ancestral_large",
    "sampler/clip": False,
}
_CNN: Flat = {"network/kind": "cnn", "network/cnn/patch": 1}
STARTER: Flat = {**_TRAINING, **_CNN, **_linear(1e-4, 0.02)}

_DEEPER: Flat = {**STARTER, "network/cnn/widths": "16-32-64-32-16", "pixels": "0..1"}
_COLD: Flat = {"training/target": "x0", "sampler/kind": "cold2_x0"}
# Grivot's own way with overlays: of A6, and by our reading of what he tried and dropped.
_GRIVOT: Flat = {
    **_TRAINING,
    **_CNN,
    **_COLD,
    "schedule/kind": "logistic",
    "network/cnn/widths": "16-32-64-32-16",
    "training/lr": 1e-4,
    "training/weight_decay": 1e-5,
    "training/lr_decay": "plateau",
    "sampler/steps": 1000,
}
# Rows follow t / T, and the betas have no effect.
_AVERAGES: Flat = {
    **STARTER,
    **_linear(1e-4, 0.02, 28),
    **_COLD,
    "degradation/kind": "average",
    "degradation/average/shared": True,
}
_RESTORED: Flat = {"sampler/prior": "degraded"}
# All validation images would take longer than the training itself, because each is measured at ten t.
_VALIDATED: Flat = {"training/validated": 1000}
_JAIN: Flat = {
    **_TRAINING,
    **_VALIDATED,
    "training/split": "80:20",
    "training/drop_last": False,
    "training/keep_best": True,
}
_CONVNEXT: Flat = {**_JAIN, "network/kind": "convnext_unet"}

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
            provenance="text",
        ),
        Baseline(
            "A5",
            "Grivot, contrast only",
            {**STARTER, "degradation/kind": "contrast+gaussian"},
            "FID 68.4 / 78.3",
            provenance="text",
        ),
        Baseline(
            "A6",
            "Grivot, pseudo-QR",
            {**_GRIVOT, "degradation/kind": "pseudo_qr"},
            "samples almost never digits; FID 5e94 or complex",
            provenance="text",
        ),
        Baseline(
            "A7",
            "Grivot, elastic, dropped",
            {**_GRIVOT, "degradation/kind": "elastic"},
            "no digits after 100 epochs",
            provenance="reconstruction",
        ),
        Baseline(
            "A7q",
            "Grivot, true QR codes, dropped",
            {**_GRIVOT, "degradation/kind": "qr"},
            "too slow to generate; no digits",
            provenance="reconstruction",
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
        Baseline("C1", "Jain, good", {**_JAIN, **_CNN, **_constant(0.001, 2000)}, "FID 233, test MSE 0.0245"),
        Baseline("C2", "Jain, bad", {**_JAIN, **_CNN, **_constant(0.1, 200)}, "FID 432, test MSE 0.00275"),
        Baseline("C3", "Jain, cosine U-Net", {**_CONVNEXT, **_cosine(1000)}, "FID 173"),
        Baseline(
            "C4",
            "Jain, blur U-Net",
            {**_CONVNEXT, **_cosine(100), **_COLD, "sampler/kind": "cold2", "degradation/kind": "blur"},
            "FID 304; fails through how x_T is drawn",
        ),
        Baseline("D1", "Breitburd, default", STARTER, "FID 98.7"),
        Baseline("D2", "Breitburd, tuned", {**STARTER, **_linear(1e-4, 0.02, 1500), "training/lr": 4e-4}, "FID 95.4"),
        Baseline("D3", "Breitburd, row averaging", _AVERAGES, "no FID of uniform starts; L1 in a draft"),
        Baseline(
            "F",
            "van der Woude, Lukkien, van Dijke",
            {
                **_linear(0.001, 0.019981, from_zero=False),  # they reach 0.02 at step T + 1
                "pixels": "-1..1",
                "network/kind": "fruits_unet",
                "training/target": "scaled_eps",
                "training/weight": "inverse_beta",
                "training/lr": 2e-4,
                "training/weight_decay": 1e-6,
                "training/batch": 64,
                "training/warmup": 0,
                "training/ema": 0.0,
                "training/split": "5-fold-grouped",
                "training/patience": 5,
                "training/keep_best": True,
                **_VALIDATED,
                "sampler/kind": "renoise",
                "sampler/clip": False,
            },
            "SSIM of reconstructions 0.70 at t=50, 0.53 at 500 in the best fold, 0.016 at 1000",
            dataset="fruits360",
        ),
        Baseline("D3r", "Breitburd, rows of degraded images", {**_AVERAGES, **_RESTORED}, "FID 108.5"),
        Baseline(
            "D3c",
            "Breitburd, columns of degraded images",
            {**_AVERAGES, **_RESTORED, "degradation/average/axis": "columns"},
            "FID 115.9",
            provenance="text",
        ),
        Baseline(
            "D3g",
            "Breitburd, four rows a step",
            {**_AVERAGES, **_RESTORED, **_linear(1e-4, 0.02, 7)},
            "FID 189.8 and 195.3",
            provenance="text",
        ),
    )
}
