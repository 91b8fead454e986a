"""Schedules of trials, as a plot or a table shows them."""

import math

import pytest

from analysis.statistics.schedules import schedule_curves
from trainables.diffusion.schedules import SCHEDULES

COSINE = {"schedule/kind": "cosine", "schedule/cosine/T": 20, "training/lr": 0.1}
LINEAR = {
    "schedule/kind": "linear",
    "schedule/linear/T": 7,
    "schedule/linear/beta_start": 0.01,
    "schedule/cosine/T": None,
}


def test_trials_of_one_schedule_share_a_curve_in_the_order_given() -> None:
    rows = [{"trial": "b"} | LINEAR, {"trial": "c"} | COSINE, {"trial": "a"} | LINEAR | {"training/lr": 0.2}]
    first, second = schedule_curves(rows)
    assert (first.trials, second.trials) == (("b", "a"), ("c",))
    assert first.name == "linear, T=7, beta_start=0.01"
    assert (first.T, second.T) == (7, 20)


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("zero_snr", [False, True])
def test_beta_and_snr_are_those_of_alpha_bar(kind: str, zero_snr: bool) -> None:
    row = {"trial": "a", "schedule/kind": kind, f"schedule/{kind}/T": 30, f"schedule/{kind}/zero_snr": zero_snr}
    (curve,) = schedule_curves([row])
    assert curve.alpha_bar == tuple(SCHEDULES[kind](T=30, zero_snr=zero_snr).alpha_bar()[1:].tolist())
    left = 1.0
    for beta, share, log_snr in zip(curve.beta, curve.alpha_bar, curve.log_snr, strict=True):
        left *= 1 - beta
        assert share == pytest.approx(left)
        assert math.exp(log_snr) * (1 - share) == pytest.approx(share)
    assert ("zero_snr" in curve.name) is zero_snr


def test_a_schedule_of_another_version_is_left_out() -> None:
    strange = [{"schedule/kind": "strange"}, {"schedule/kind": "cosine", "schedule/cosine/speed": 3}, {}]
    assert schedule_curves([{"trial": str(number)} | row for number, row in enumerate(strange)]) == []
