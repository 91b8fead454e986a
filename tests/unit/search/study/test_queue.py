"""Laws of the study: what is suggested in which order, what Optuna is told, and that no crash loses anything."""

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from ray.tune.search import Searcher

from search.machine import Machine
from search.schedulers import SCHEDULERS, Fate
from search.settings import Settings
from search.space.load import load
from search.space.space import CHECKED_DRAWS, Space
from search.study.queue import StudySearch
from search.study.tries import MAX_FAILURES
from spaces.baselines import BASELINES
from trainables.config import Variant

RUNGS = (100, 300, 900)
SPACE = """
BASELINES = ("A0", "D2")
STARTS = ({"network/kind": "unet"}, {"network/kind": "cnn", "training/lr": 0.003})


def space(trial):
    if trial.suggest_categorical("network/kind", ["unet", "cnn"]) == "cnn":
        trial.suggest_categorical("network/cnn/kernel", [3, 5, 7])
    trial.suggest_float("training/lr", 1e-4, 1e-2, log=True)
    return {"training/batch": 32}
"""
# What A0 says, with two of its fields left open.
A0_SPACE = f"""
BASELINES = ("D2", "A0")


def space(trial):
    trial.suggest_float("training/lr", 1e-4, 1e-2, log=True)
    trial.suggest_categorical("network/cnn/widths", ["8-8", "16-32-32-16"])
    kept = {BASELINES["A0"].variant!r}
    return {{name: kept[name] for name in kept if name not in ("training/lr", "network/cnn/widths")}}
"""


@pytest.fixture
def make_space(tmp_path: Path) -> Callable[..., Space]:
    def make(text: str = SPACE, **fixed: str) -> Space:
        path = tmp_path / "a_space.py"
        path.write_text(text)
        return load(str(path), {name.replace("__", "."): value for name, value in fixed.items()})

    return make


def make_settings(space: Space, folder: Path, **given: Any) -> Settings:
    given = {"name": "run", "storage_path": str(folder), "trials": 8, "max_images": 900, "grace_images": 100, **given}
    return Settings.resolve(given, space.given, space.digest, Machine(cpus=2, gpus=0))


def make_report(images_seen: int, fmd: float, diverged: bool = False) -> dict[str, Any]:
    return {"images_seen": images_seen, "fmd": fmd, "diverged": diverged, "images_per_second": 1.0}


def make_searcher(
    space: Space, folder: Path, out_of_time: Callable[[], bool] = lambda: False, **given: Any
) -> StudySearch:
    settings = make_settings(space, folder, **given)
    scheduler = SCHEDULERS[settings.scheduler](settings.rungs, settings.reduction_factor)
    return StudySearch(settings, space, folder / "study.journal", out_of_time, scheduler)


def suggest_all(searcher: StudySearch) -> list[dict[str, Any]]:
    """Take suggestions until there are none, ending each trial at the first rung."""
    configs = []
    while (config := searcher.suggest(f"id{len(configs)}")) != Searcher.FINISHED:
        assert config is not None
        searcher.on_trial_complete(f"id{len(configs)}", {**make_report(100, 50.0), "done": True})
        configs.append(config)
    return configs


def test_one_start_then_the_baselines_then_the_other_starts_then_the_sampler(
    make_space: Callable[..., Space], tmp_path: Path
) -> None:
    configs = suggest_all(make_searcher(make_space(), tmp_path))
    assert [config["baseline"] for config in configs] == ["", "A0", "D2", "", "", "", "", ""]
    assert [config["trial"] for config in configs[:3]] == ["000-unet", "001-A0", "002-D2"]
    assert configs[3]["variant"]["training/lr"] == 0.003
    assert [config["number"] for config in configs] == list(range(8))
    assert len({config["seed"] for config in configs}) == 8


def test_baselines_are_run_verbatim_and_every_variant_is_complete(
    make_space: Callable[..., Space], tmp_path: Path
) -> None:
    configs = suggest_all(make_searcher(make_space(network__kind="cnn"), tmp_path))
    for config in configs:
        assert Variant.from_flat(config["variant"]).flat() == config["variant"]
        if config["baseline"]:
            assert config["variant"] == BASELINES[config["baseline"]].variant
        else:
            assert config["variant"]["network/kind"] == "cnn"
            assert config["variant"]["training/batch"] == 32


def test_a_baseline_of_the_space_teaches_the_sampler_and_another_does_not(
    make_space: Callable[..., Space], tmp_path: Path
) -> None:
    searcher = make_searcher(make_space(A0_SPACE), tmp_path, trials=2)
    suggest_all(searcher)
    outside, inside = searcher.study.trials
    assert inside.params == {"training/lr": 2e-4, "network/cnn/widths": "16-32-32-16"}
    assert not inside.constraints
    assert outside.params == {}
    assert any(value > 0 for value in outside.constraints.values())


def test_fixed_fields_leave_the_search(make_space: Callable[..., Space], tmp_path: Path) -> None:
    space = make_space(network__kind="unet", training__ema="0.5")
    searcher = make_searcher(space, tmp_path)
    drawn = [config["variant"] for config in suggest_all(searcher) if not config["baseline"]]
    assert space.names == ("training/lr",)
    assert {(variant["network/kind"], variant["training/ema"]) for variant in drawn} == {("unet", 0.5)}
    assert {name for trial in searcher.study.trials for name in trial.params} == {"training/lr"}


def test_optuna_hears_of_budgets_as_they_were(make_space: Callable[..., Space], tmp_path: Path) -> None:
    searcher = make_searcher(make_space(), tmp_path, trials=4)
    for number in range(4):
        searcher.suggest(str(number))
    for rung, fmd in zip(RUNGS[:2], (50.0, 20.0), strict=True):
        searcher.on_trial_result("0", make_report(rung, fmd))
    searcher.on_trial_complete("0", make_report(900, 10.0))
    searcher.on_trial_complete("1", make_report(100, 60.0))
    searcher.on_trial_complete("2", make_report(100, 8.0, diverged=True))
    for _ in range(MAX_FAILURES):
        searcher.on_trial_complete("3", error=True)
        searcher.suggest("3")
    searcher.on_trial_complete("3", error=True)
    complete, stopped, diverged, failed = searcher.study.trials
    assert (complete.state, complete.value) == (TrialState.COMPLETE, 10.0)
    assert complete.intermediate_values == {100: 50.0, 300: 20.0, 900: 10.0}
    assert (stopped.state, stopped.value, stopped.intermediate_values) == (TrialState.PRUNED, 60.0, {100: 60.0})
    assert (diverged.state, diverged.value) == (TrialState.PRUNED, 8.0)
    assert any(value > 0 for value in diverged.constraints.values())
    assert (failed.state, failed.value) == (TrialState.FAIL, None)
    assert searcher.study.best_trial.number == 0
    attributes = stopped.user_attrs
    assert json.loads(attributes["variant"]) == BASELINES["A0"].variant
    assert (attributes["trial"], attributes["baseline"]) == ("001-A0", "A0")


def test_no_trial_starts_when_the_time_is_up(make_space: Callable[..., Space], tmp_path: Path) -> None:
    clock = iter([False, False, True])
    searcher = make_searcher(make_space(), tmp_path, out_of_time=lambda: next(clock))
    assert len(suggest_all(searcher)) == 2


def test_the_same_seed_draws_the_same_and_a_second_session_does_not_draw_the_first_again(
    make_space: Callable[..., Space], tmp_path: Path
) -> None:
    def rates(folder: str, **given: Any) -> list[float]:
        (tmp_path / folder).mkdir(exist_ok=True)
        configs = suggest_all(make_searcher(make_space(), tmp_path / folder, **given))
        return [config["variant"]["training/lr"] for config in configs if config["number"] > 4]

    first = rates("a", sampler="random")
    assert rates("b", sampler="random") == first
    assert rates("c", sampler="random", seed=1) != first
    second = rates("a", sampler="random", trials=12)
    assert len(second) == 4
    assert not set(second) & set(first)


def test_a_combination_that_cannot_be_is_passed_over(make_space: Callable[..., Space], tmp_path: Path) -> None:
    calls = itertools.count()

    def function(trial: Any) -> dict[str, Any]:
        trial.suggest_float("training/lr", 1e-4, 1e-2)
        return {"training/batch": 0 if next(calls) == CHECKED_DRAWS + 4 else 32}

    space = replace(make_space(), function=function, baselines=(), starts=())
    searcher = make_searcher(space, tmp_path)
    assert [config["number"] for config in suggest_all(searcher)] == [0, 1, 2, 3, 5, 6, 7]
    assert searcher.study.trials[4].state == TrialState.FAIL


def test_a_trial_that_fails_runs_again_as_it_was_before_the_next_one_and_not_for_ever(
    make_space: Callable[..., Space], tmp_path: Path
) -> None:
    searcher = make_searcher(make_space(), tmp_path, trials=2)
    first, second = searcher.suggest("a"), searcher.suggest("b")
    assert searcher.suggest("c") is None  # one of the two may have to run again
    searcher.on_trial_result("a", make_report(100, 5.0))
    for attempt in range(MAX_FAILURES):
        searcher.on_trial_complete(f"a{attempt}" if attempt else "a", error=True)
        assert searcher.tries.has_more(0)
        assert searcher.suggest(f"a{attempt + 1}") == first
    searcher.on_trial_complete(f"a{MAX_FAILURES}", error=True)
    assert not searcher.tries.has_more(0)
    assert second is not None
    searcher.on_trial_complete("b", make_report(100, 50.0))
    assert searcher.suggest("d") == Searcher.FINISHED
    assert [trial.state for trial in searcher.study.trials[:2]] == [TrialState.FAIL, TrialState.PRUNED]
    assert searcher.study.trials[0].intermediate_values == {100: 5.0}


def test_two_objectives_are_told_at_the_full_budget_only(make_space: Callable[..., Space], tmp_path: Path) -> None:
    searcher = make_searcher(make_space(), tmp_path, against="nfe", trials=3)
    for number, images in enumerate((900, 300)):
        assert isinstance(searcher.suggest(str(number)), dict)
        report = {**make_report(images, 50.0 - number), "nfe": 20 + number, "parameters": 7}
        searcher.on_trial_complete(str(number), report)
    complete, stopped = searcher.study.trials[:2]
    assert (complete.state, complete.values) == (TrialState.COMPLETE, [50.0, 20.0])
    assert (stopped.state, stopped.values) == (TrialState.PRUNED, None)
    assert [trial.number for trial in searcher.study.best_trials] == [0]


def test_a_trial_that_waits_is_suggested_again_when_the_scheduler_resumes_it(
    make_space: Callable[..., Space], tmp_path: Path
) -> None:
    searcher, released = make_searcher(make_space(), tmp_path, scheduler="iepoch", trials=4), list[str]()
    searcher.on_release = released.append
    first = {}
    for number in range(4):
        config = searcher.suggest(str(number))
        assert isinstance(config, dict)
        first[number] = config
        report = make_report(100, 50.0 - number)
        assert searcher._scheduler.enter(number, report) is Fate.WAITS
        searcher.on_trial_complete(str(number), report)
    assert {trial.state for trial in searcher.study.trials} == {TrialState.RUNNING}
    resumed = [searcher.suggest(f"again{i}") for i in range(3)]
    assert resumed == [first[3], first[2], first[1]]
    assert searcher.suggest("none") is None  # those that run may still fail, and run again
    # The worst is none of the best three, whatever comes.
    assert released == [first[0]["trial"]]
    assert searcher.study.trials[0].state == TrialState.PRUNED


def test_what_waits_to_the_end_is_closed(make_space: Callable[..., Space], tmp_path: Path) -> None:
    searcher, released = make_searcher(make_space(), tmp_path, scheduler="asha", trials=4), list[str]()
    searcher.on_release = released.append
    config = searcher.suggest("0")
    assert isinstance(config, dict)
    assert searcher._scheduler.enter(0, make_report(100, 50.0)) is Fate.WAITS
    searcher.on_trial_complete("0", make_report(100, 50.0))
    assert (searcher.study.trials[0].state, released) == (TrialState.RUNNING, [])
    searcher.release()
    assert (searcher.study.trials[0].state, released) == (TrialState.PRUNED, [config["trial"]])
