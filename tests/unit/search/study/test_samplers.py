"""What suggests: every sampler takes a conditional space and two objectives, and TPE learns from trials that wait."""

import warnings
from collections.abc import Container
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from search.options import SAMPLERS as NAMES
from search.study import samplers
from search.study.journal import open_storage
from search.study.samplers import SAMPLERS, STARTUP_TRIALS, make_sampler

optuna.logging.set_verbosity(optuna.logging.ERROR)


def draw(trial: optuna.Trial) -> float:
    """A conditional space with a known best: kind a, x = 0.7."""
    kind = trial.suggest_categorical("kind", ["a", "b"])
    x = trial.suggest_float(f"{kind}/x", 0.0, 1.0)
    return abs(x - 0.7) + (0.0 if kind == "a" else 1.0)


def study_with(sampler: str, waiting: Container[int] = (), seed: int = 0, objectives: int = 1) -> optuna.Study:
    made = make_sampler(sampler, seed, 0, 2, waiting)
    return optuna.create_study(sampler=made, directions=["minimize"] * objectives)


def test_the_names_on_the_command_line_are_those_there_are() -> None:
    assert set(NAMES) == SAMPLERS.keys()


@pytest.mark.parametrize("objectives", [1, 2])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_takes_a_conditional_space(sampler: str, objectives: int) -> None:
    study = study_with(sampler, objectives=objectives)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(STARTUP_TRIALS + 4):
            trial = study.ask()
            value = draw(trial)
            study.tell(trial, [value, 1 - value][:objectives])
    assert len({tuple(trial.params.items()) for trial in study.trials}) == len(study.trials)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_seed_fixes_what_is_drawn(sampler: str) -> None:
    def drawn(seed: int) -> list[dict[str, Any]]:
        study = study_with(sampler, seed=seed)
        for _ in range(4):
            trial = study.ask()
            study.tell(trial, draw(trial))
        return [trial.params for trial in study.trials]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def suggestions(waiting: set[int], as_waiting: bool) -> list[dict[str, Any]]:
    """What TPE suggests after 30 trials that were stopped early, or that wait where they would have been stopped."""
    study = study_with("tpe", waiting)
    for number in range(30):
        trial = study.ask()
        trial.report(draw(trial), 100)
        if as_waiting and number >= STARTUP_TRIALS:
            waiting.add(trial.number)
        else:
            study.tell(trial, state=TrialState.PRUNED)
    drawn = []
    for _ in range(20):
        trial = study.ask()
        draw(trial)
        drawn.append(trial.params)
        study.tell(trial, state=TrialState.FAIL)
    return drawn


def test_tpe_learns_from_a_trial_that_waits_as_from_one_that_was_stopped() -> None:
    stopped, waits = suggestions(set(), as_waiting=False), suggestions(set(), as_waiting=True)
    assert waits == stopped
    assert sum(params["kind"] == "a" for params in waits) >= 15


@pytest.mark.parametrize("journal", [False, True])
def test_a_trial_that_went_on_and_waits_again_is_shown_where_it_is_now(journal: bool, tmp_path: Path) -> None:
    waiting: set[int] = set()
    storage = open_storage(tmp_path / "study.journal") if journal else None
    study = optuna.create_study(sampler=make_sampler("tpe", 0, 0, 2, waiting), storage=storage)
    trial = study.ask()
    for step, value in ((100, 5.0), (300, 4.0)):
        trial.report(value, step)
        for waits in (True, False):
            waiting ^= {trial.number}
            (shown,) = study.sampler._telling.look(study)  # type: ignore[attr-defined]
            assert shown.intermediate_values[shown.last_step] == value
            assert shown.state == (TrialState.PRUNED if waits else TrialState.RUNNING)


def shown_after(trials: int, shown: int, monkeypatch: pytest.MonkeyPatch, objectives: int = 1) -> optuna.Study:
    """A study of so many trials, of which TPE is shown so many."""
    monkeypatch.setattr(samplers, "SHOWN_TRIALS", shown)
    monkeypatch.setattr(samplers, "SHOWN_BEST", shown // 2)
    study = study_with("tpe", objectives=objectives)
    for number in range(trials):
        trial = study.ask()
        value = draw(trial)
        if objectives == 1:
            trial.report(value, 100 + number % 3)
        complete = objectives == 2 or number % 3 == 2
        values = [value, 1 - value][:objectives] if complete else None
        study.tell(trial, values, state=TrialState.COMPLETE if complete else TrialState.PRUNED)
    return study


def test_as_long_as_all_trials_are_shown_tpe_suggests_what_it_does_with_none_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bounded, whole = (shown_after(40, shown, monkeypatch) for shown in (40, 10_000))
    assert [trial.params for trial in bounded.trials] == [trial.params for trial in whole.trials]


def test_of_more_trials_the_best_and_the_latest_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    study = shown_after(70, 20, monkeypatch)
    running = study.ask()
    shown = [trial.number for trial in study.sampler._telling.look(study)]  # type: ignore[attr-defined]
    ended = [trial for trial in study.trials if trial.state.is_finished()]
    best = sorted(ended, key=lambda trial: (-max(trial.intermediate_values), trial.value))[:10]
    assert shown == [*sorted({*(trial.number for trial in best), *range(60, 70)}), running.number]


def test_of_two_objectives_the_front_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samplers, "SHOWN_TRIALS", 12)
    monkeypatch.setattr(samplers, "SHOWN_BEST", 8)
    study = study_with("tpe", objectives=2)
    points = [(5, 5), (1, 9), (6, 6), (9, 1), (3, 3), (4, 4), *[(9, 9)] * 20, (2, 9), (1, 9)]
    for point in points:
        study.tell(study.ask(), point)
    shown = {trial.number for trial in study.sampler._telling.look(study)}  # type: ignore[attr-defined]
    front = {trial.number for trial in study.best_trials}
    assert front == {1, 3, 4, len(points) - 1}
    assert front <= shown
    assert len(shown) <= 12
