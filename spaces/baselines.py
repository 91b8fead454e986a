"""The configurations of five reports on small diffusion models, as complete variants.

Rows A to D were trained on MNIST and F on Fruits-360; any of them runs on any data set. `exact` has the numbers of the
reports. A search runs `variant`, which differs in being sampled in 20 strided steps, because T steps would take hours
in a search. `python search/evaluate.py` can sample a trained trial in T steps.
"""

from dataclasses import dataclass

from trainables.config import Flat, Variant


@dataclass(frozen=True)
class Baseline:
    """A configuration from the literature; `reported` is the result in its authors' words and measure."""

    name: str
    source: str
    settings: Flat
    reported: str

    @property
    def exact(self) -> Flat:
        """The complete configuration of the report."""
        return Variant.from_flat(self.settings).flat()

    @property
    def variant(self) -> Flat:
        """The complete configuration as a search runs it: in 20 steps, which need the posterior's own variance."""
        kind = self.settings["sampler/kind"]
        strided: Flat = {"sampler/kind": "ancestral" if kind == "ancestral_large" else kind, "sampler/steps": 20}
        return Variant.from_flat({**self.settings, **strided}).flat()


STARTER: Flat = {
    "pixels": "-0.5..0.5",
    "schedule/kind": "linear",
    "network/kind": "cnn",
    "network/cnn/patch": 1,
    "training/target": "eps",
    "training/lr": 2e-4,
    "training/batch": 128,
    "training/drop_last": True,
    "training/warmup": 0,
    "training/ema": 0.0,
    "sampler/kind": "ancestral_large",
    "sampler/steps": 1000,
}

_DEEPER: Flat = {**STARTER, "network/cnn/widths": "16-32-64-32-16", "pixels": "0..1"}
_COLD: Flat = {"training/target": "x0", "sampler/kind": "cold2"}
# Grivot's own way with overlays: of A6, and by our reading of what he tried and dropped.
_GRIVOT: Flat = {
    **STARTER,
    **_COLD,
    "schedule/kind": "logistic",
    "network/cnn/widths": "16-32-64-32-16",
    "training/lr": 1e-4,
    "training/weight_decay": 1e-5,
    "training/lr_decay": "plateau",
}
_JAIN: Flat = {**STARTER, "training/split": "80:20"}
_CONVNEXT: Flat = {
    **{name: value for name, value in _JAIN.items() if "/cnn/" not in name},
    "network/kind": "convnext_unet",
}


def _linear(start: float, end: float, T: int = 1000) -> Flat:
    return {
        "schedule/kind": "linear",
        "schedule/linear/beta_start": start,
        "schedule/linear/beta_end": end,
        "schedule/linear/T": T,
        "sampler/steps": T,
    }


def _constant(beta: float, T: int) -> Flat:
    return {
        "schedule/kind": "constant",
        "schedule/constant/beta": beta,
        "schedule/constant/T": T,
        "sampler/steps": T,
    }


def _cosine(T: int) -> Flat:
    return {
        "schedule/kind": "cosine",
        "schedule/cosine/s": 0.008,
        "schedule/cosine/beta_max": 0.9,
        "schedule/cosine/T": T,
        "sampler/steps": T,
    }


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
            {**_GRIVOT, "degradation/kind": "pseudo_qr"},
            "samples almost never digits; FID 5e94 or complex",
        ),
        Baseline(
            "A7",
            "Grivot, elastic, dropped",
            {**_GRIVOT, "degradation/kind": "elastic"},
            "no digits after 100 epochs",
        ),
        Baseline(
            "A7q",
            "Grivot, true QR codes, dropped",
            {**_GRIVOT, "degradation/kind": "qr"},
            "too slow to generate; no digits",
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
        Baseline("C1", "Jain, good", {**_JAIN, **_constant(0.001, 2000)}, "FID 233, test MSE 0.0245"),
        Baseline("C2", "Jain, bad", {**_JAIN, **_constant(0.1, 200)}, "FID 432, test MSE 0.00275"),
        Baseline("C3", "Jain, cosine U-Net", {**_CONVNEXT, **_cosine(1000)}, "FID 173"),
        Baseline(
            "C4",
            "Jain, blur U-Net",
            {**_CONVNEXT, **_cosine(100), **_COLD, "degradation/kind": "blur"},
            "FID 304; fails through how x_T is drawn",
        ),
        Baseline("D1", "Breitburd, default", STARTER, "FID 98.7"),
        Baseline("D2", "Breitburd, tuned", {**STARTER, **_linear(1e-4, 0.02, 1500), "training/lr": 4e-4}, "FID 95.4"),
        Baseline(
            "D3",
            "Breitburd, row averaging",
            {
                **STARTER,
                **_linear(1e-4, 0.02, 28),
                **_COLD,
                "degradation/kind": "average",
                "training/loss": "l1",
            },
            "FID 108.5",
        ),
        Baseline(
            "F",
            "van der Woude, Lukkien, van Dijke",
            {
                **_linear(0.001, 0.02),
                "pixels": "-1..1",
                "network/kind": "fruits_unet",
                "training/target": "eps",
                "training/weight": "inverse_beta",
                "training/lr": 2e-4,
                "training/weight_decay": 1e-6,
                "training/batch": 64,
                "training/warmup": 0,
                "training/ema": 0.0,
                "training/split": "5-fold-grouped",
                "training/patience": 5,
                "sampler/kind": "ancestral_large",
            },
            "SSIM of reconstructions 0.70 at t=50, 0.53 at 500, 0.016 at 1000",
        ),
    )
}
