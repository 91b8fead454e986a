"""A condition on a field keeps the trials that have its value, written as the field's own type or by default."""

import pytest

from analysis.run.events import Start
from analysis.run.run import RunError
from analysis.run.tables import Fold
from analysis.statistics.where import read_condition, trials_where, values_of
from trainables.config import Flat

MASK: Flat = {"degradation/kind": "mask", "degradation/mask/count": 5, "training/lr": 0.0021345}
GAUSSIAN: Flat = {"degradation/kind": "gaussian", "training/lr": 0.001, "training/drop_last": True}


def names(variants: list[Flat], *conditions: str) -> list[str]:
    fold = Fold()
    for number, variant in enumerate(variants):
        fold.add(Start("abc"[number], number, 0, "", variant, None))
    found: list[str] = trials_where(fold.trials, map(read_condition, conditions))["trial"].to_pylist()
    return found


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ((), ["a", "b"]),
        (("degradation.kind=mask",), ["a"]),
        (("degradation/kind = gaussian",), ["b"]),
        (("degradation.mask.count=5",), ["a"]),
        (("degradation.mask.count=5.0",), ["a"]),
        (("training.lr=1e-3",), ["b"]),
        (("training.lr=0.00213",), ["a"]),  # as a table shows it
        (("training.drop_last=true",), ["b"]),
        (("training.drop_last=False",), ["a"]),  # the default of a run that had no such field
        (("training.optimizer=adam",), ["a", "b"]),
        (("training.optimizer=adam", "degradation.kind=mask"), ["a"]),
    ],
)
def test_values_are_found(conditions: tuple[str, ...], expected: list[str]) -> None:
    assert names([MASK, GAUSSIAN], *conditions) == expected


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        (
            ["degradation.kinds=x"],
            "--where degradation/kinds=x: no trial has a field .*; did you mean degradation/kind",
        ),
        (["trial=a"], "no trial has a field trial"),
        (["degradation.kind=blur"], r"no trial has this value; there are mask \(1\), gaussian \(1\)"),
        (["training.lr=fast"], "no trial has this value"),
        (["degradation.kind=mask", "training.lr=0.001"], r"there are 0.00213 \(1\)"),
    ],
)
def test_what_no_trial_has_is_one_line(conditions: list[str], message: str) -> None:
    with pytest.raises(RunError, match=message) as error:
        names([MASK, GAUSSIAN], *conditions)
    assert "\n" not in str(error.value)


def test_a_field_of_another_kind_has_no_default() -> None:
    fold = Fold()
    fold.add(Start("a", 0, 0, "", {"schedule/kind": "linear"}, None))
    fold.add(Start("b", 1, 0, "", {"schedule/kind": "cosine"}, None))
    assert values_of(fold.trials, "schedule/cosine/s")[0] is None
    assert values_of(fold.trials, "schedule/cosine/s")[1] is not None


@pytest.mark.parametrize("text", ["network.kind", "=cnn", "network.kind=", ""])
def test_a_condition_is_a_field_and_a_value(text: str) -> None:
    with pytest.raises(RunError, match=f"'{text}': give FIELD=VALUE"):
        read_condition(text)
