"""Schedules of Gaussian noise: their steps and parameters, and whether they end at zero SNR."""

from spaces.suggest import Asked, suggest
from trainables.config import Flat
from trainables.domain import Choice, Domain, Log, Uniform

BASELINES = ("A0", "B1", "B2", "C1", "C2", "D2")
CONFIRM_BY = ("schedule/kind",)

# None means the field's own domain. The other domains leave 3e-2 to 1e-9 of the image's variance at T = 1000; most of
# the fields' own domains keep the image, or lose it in the first few steps.
SEARCHED: dict[str, dict[str, Domain | None]] = {
    "cosine": {"s": None},
    "linear": {"beta_start": Log(1e-5, 1e-3), "beta_end": Log(0.01, 0.039)},
    "sigmoid": {"start": None, "end": None, "tau": Log(0.3, 1.5)},
    "constant": {"beta": Log(0.0035, 0.015)},
    "logistic": {"low": Uniform(-6, -2), "high": Uniform(3, 8)},
    "uniform": {},
}
# These always end without signal, where eps says nothing of x0. Cosine ends with enough for eps, and too little for
# zero_snr to change anything.
WITHOUT_SIGNAL = ("sigmoid", "uniform")
STARTS = tuple({"schedule/kind": kind} for kind in SEARCHED)


def space(trial: Asked) -> Flat:
    """Suggest a schedule with its parameters, and the prediction target: x0 where eps cannot be."""
    kind = str(suggest(trial, "schedule/kind", Choice(*SEARCHED)))
    for field, domain in SEARCHED[kind].items():
        suggest(trial, f"schedule/{kind}/{field}", domain)
    if kind not in ("linear", "constant"):  # their betas are for T = 1000
        suggest(trial, f"schedule/{kind}/T", Choice(100, 250, 1000))
    if kind in WITHOUT_SIGNAL:
        return {}
    target = suggest(trial, "training/target", Choice("x0", "v", "eps"))
    if target != "eps" and kind != "cosine":
        suggest(trial, f"schedule/{kind}/zero_snr")
    return {}
