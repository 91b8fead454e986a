"""What suggests: every sampler takes a conditional space and two objectives, and TPE learns from trials that wait."""

import warnings
from collections.abc import Container
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from search.samplers import SAMPLERS, STARTUP_TRIALS, make_sampler
from search.settings import SAMPLERS as NAMES

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
