"""Spaces as users of Optuna write them: what works is searched, and what --set leaves of starting points is kept."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.space.fake_trial import FakeTrial
from search.space.load import load
from tests.helpers.spaces import PICKY, space_of
from trainables.domain import ConfigError
from trainables.parts import uninstall

WORKS = {
    "no docstring": "def space(trial):\n    trial.suggest_int('training/batch', 1, 9)",
    "an empty docstring": '""""""\n\ndef space(trial):\n    trial.suggest_int("training/batch", 1, 9)',
    "no baselines": "BASELINES = STARTS = None\n\ndef space(trial):\n    trial.suggest_int('training/batch', 1, 9)",
    "numbers of NumPy": """
import numpy as np

STARTS = [{"training/lr": np.float32(0.001953125), "training/batch": np.int64(32)}]


def space(trial):
    trial.suggest_categorical("training/batch", np.arange(16, 64, 16))
    trial.suggest_float("training/lr", np.float64(1e-3), np.float64(1e-2))
    return {"training/warmup": np.int64(3), "training/drop_last": np.bool_(True)}
""",
    "keys of a dict": """
KINDS = {"x0": 1, "v": 2}


def space(trial):
    trial.suggest_categorical(name="training/target", choices=KINDS.keys())
""",
    "old names of Optuna": """
def space(trial):
    trial.suggest_loguniform("training/lr", 1e-4, 1e-2)
    trial.suggest_uniform("training/beta2", 0.9, 0.99)
    trial.suggest_discrete_uniform("training/average", 0.1, 0.5, 0.1)
    assert set(trial.params) == {"training/lr", "training/beta2", "training/average"}
""",
    "rejected draws": PICKY,
    "a dataclass": """
from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Options:
    names: list[str] = field(default_factory=lambda: ["x0", "v"])


def space(trial):
    trial.suggest_categorical("training/target", Options().names)
""",
}
START = {"training/lr": 2e-3, "training/batch": 32, "schedule/kind": "sigmoid"}
STARTED = f"""
STARTS = ({START}, {{**{START}, "training/lr": 3e-3}}, {{**{START}, "schedule/kind": "linear"}})


def space(trial):
    trial.suggest_float("training/lr", 1e-4, 1e-2, log=True)
    trial.suggest_int("training/batch", 16, 64)
    if trial.suggest_categorical("schedule/kind", ["sigmoid", "linear", "cosine"]) == "cosine":
        trial.suggest_float("schedule/cosine/s", 0.001, 0.1)
"""


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    yield
    uninstall()


@pytest.mark.parametrize("text", WORKS.values(), ids=WORKS)
def test_it_can_be_searched(text: str, tmp_path: Path) -> None:
    space = space_of(tmp_path, text)
    assert space.title
    assert all(name.startswith("training/") for name in space.names)
    assert type(space.starts) is tuple


def test_numbers_of_numpy_become_numbers_of_python(tmp_path: Path) -> None:
    space = space_of(tmp_path, WORKS["numbers of NumPy"])
    (start,) = space.starts
    drawn = space.draw(FakeTrial(start))
    assert drawn.items() >= {"training/batch": 32, "training/warmup": 3, "training/drop_last": True}.items()
    values: list[Any] = [*start.values(), *drawn.values()]
    assert not any(isinstance(value, np.generic) for value in values)


def test_an_error_of_the_space_is_that_of_the_configuration_with_its_line(tmp_path: Path) -> None:
    space = space_of(
        tmp_path,
        "def space(trial):\n    if trial.suggest_int('training/batch', 1, 4096) == 4096:\n        return {}['width']\n",
    )
    with pytest.raises(ConfigError, match=r"^space\(\) raised KeyError: 'width' \(my_space.py, line 3\)$"):
        space.draw(FakeTrial({"training/batch": 4096}))
    assert space.nearest({"training/batch": 4096}) is None


def test_a_disk_that_is_full_is_no_error_of_the_space(tmp_path: Path) -> None:
    class Broken:
        def suggest_int(self, *given: Any, **options: Any) -> int:
            raise OSError("no space left on device")

    space = space_of(tmp_path, "def space(trial):\n    trial.suggest_int('training/batch', 1, 9)\n")
    with pytest.raises(OSError, match="no space left"):
        space.draw(Broken())


@pytest.mark.parametrize("name", ["lr", "training.lr", "training/lr"])
def test_a_field_is_found_by_its_last_name(name: str, tmp_path: Path) -> None:
    assert space_of(tmp_path, STARTED, **{name: "3e-3"}).fixed == {"training/lr": 3e-3}


@pytest.mark.parametrize(
    ("name", "message"),
    [("patch", "patch: several fields end so; give one of network/cnn/patch, "), ("rate", "unknown field rate: ")],
)
def test_a_name_that_says_too_little_is_refused(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        space_of(tmp_path, STARTED, **{name: "3"})


def test_starting_points_take_the_fixed_values(tmp_path: Path) -> None:
    starts = space_of(tmp_path, STARTED, training__batch="64").starts
    assert starts == (
        {"training/lr": 2e-3, "schedule/kind": "sigmoid"},
        {"training/lr": 3e-3, "schedule/kind": "sigmoid"},
        {"training/lr": 2e-3, "schedule/kind": "linear"},
    )


def test_a_starting_point_of_another_kind_stays_where_it_answers_all_that_is_asked(tmp_path: Path) -> None:
    """Two that are alike are one."""
    linear = space_of(tmp_path, STARTED, schedule__kind="linear").starts
    assert linear == ({"training/lr": 2e-3, "training/batch": 32}, {"training/lr": 3e-3, "training/batch": 32})
    assert space_of(tmp_path, STARTED, schedule__kind="cosine").starts == ()


def test_without_classes_the_space_of_quality_keeps_its_starting_points() -> None:
    whole, without = load("quality", {}), load("quality", {"network.conditioning": "none"})
    assert len(without.starts) == len(whole.starts)
    dropped = {"network/conditioning", "sampler/guidance"}
    assert list(without.starts) == [
        {name: value for name, value in start.items() if name not in dropped} for start in whole.starts
    ]


@pytest.mark.parametrize(("label_drop", "guided"), [("0.1", True), ("0", False)])
def test_a_model_that_always_saw_its_labels_is_sampled_without_guidance(label_drop: str, guided: bool) -> None:
    space = load("samplers", {"network.conditioning": "class", "training.label_drop": label_drop})
    assert ("sampler/guidance" in space.names) == guided


def test_a_number_that_is_drawn_in_steps_is_on_their_grid() -> None:
    trial = FakeTrial({}, random.Random(0))
    drawn = {trial.suggest_float("a", 0.0, 1.0, step=0.35) for _ in range(100)}
    assert drawn == {0.0, 0.35, 0.7}
    assert {trial.suggest_int("b", 1, 8, step=3) for _ in range(100)} == {1, 4, 7}
