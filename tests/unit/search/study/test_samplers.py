"""Laws of the samplers: each takes a conditional space and two objectives, and TPE learns from paused trials."""

import warnings
from collections.abc import Container
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from search.options import SAMPLERS as NAMES
from search.study import samplers
from search.study.samplers import SAMPLERS, STARTUP_TRIALS, Needs, PausedTPESampler, View, make_sampler, shown_to_tpe

optuna.logging.set_verbosity(optuna.logging.ERROR)


def draw(trial: optuna.Trial) -> float:
    """A conditional space with a known best: kind a, x = 0.7."""
    kind = trial.suggest_categorical("kind", ["a", "b"])
    x = trial.suggest_float(f"{kind}/x", 0.0, 1.0)
    return abs(x - 0.7) + (0.0 if kind == "a" else 1.0)


def study_with(sampler: str, paused: Container[int] = (), seed: int = 0, objectives: int = 1) -> optuna.Study:
    made = make_sampler(sampler, seed, 2, paused)
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


def suggestions(paused: set[int], pauses: bool) -> list[dict[str, Any]]:
    """What TPE suggests after 30 trials, of which the later ones were stopped or are paused at their rung."""
    study = study_with("tpe", paused)
    for number in range(30):
        trial = study.ask()
        trial.report(draw(trial), 100)
        if pauses and number >= STARTUP_TRIALS:
            paused.add(trial.number)
        else:
            study.tell(trial, state=TrialState.PRUNED)
    drawn = []
    for _ in range(20):
        trial = study.ask()
        draw(trial)
        drawn.append(trial.params)
        study.tell(trial, state=TrialState.FAIL)
    return drawn


def test_tpe_learns_from_a_paused_trial_as_from_a_stopped_one() -> None:
    stopped, paused = suggestions(set(), pauses=False), suggestions(set(), pauses=True)
    assert paused == stopped
    assert sum(params["kind"] == "a" for params in paused) >= 15


@pytest.mark.parametrize("journal", [False, True])
def test_a_paused_trial_is_shown_as_pruned_at_its_rung_and_as_running_once_it_is_promoted(
    journal: bool, tmp_path: Path
) -> None:
    paused: set[int] = set()
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "study.journal"))) if journal else None
    study = optuna.create_study(sampler=make_sampler("tpe", 0, 2, paused), storage=storage)
    trial = study.ask()
    trial.set_constraint("a constraint", -1.0)
    for step, value in ((100, 5.0), (300, 4.0)):
        trial.report(value, step)
        for pauses in (True, False):
            paused ^= {trial.number}
            (shown,) = shown_to_tpe(study, paused)
            assert shown.state == (TrialState.PRUNED if pauses else TrialState.RUNNING)
            assert (shown.number, shown.last_step, shown.intermediate_values[step]) == (trial.number, step, value)
            assert shown.constraints == {"a constraint": -1.0}


def test_where_no_trial_is_paused_it_is_optunas_own_tpe() -> None:
    """Trials that run count too: TPE takes them for bad ones."""

    def drawn(sampler: optuna.samplers.BaseSampler) -> list[dict[str, Any]]:
        study, running = optuna.create_study(sampler=sampler), list[tuple[optuna.Trial, float]]()
        for _ in range(2 * STARTUP_TRIALS):
            trial = study.ask()
            running.append((trial, draw(trial)))
            if len(running) > 3:
                study.tell(*running.pop(0))
        return [trial.params for trial in study.trials]

    options = {"group": True, "multivariate": True, "n_startup_trials": STARTUP_TRIALS, "seed": 3}
    assert drawn(PausedTPESampler(View(()), **options)) == drawn(optuna.samplers.TPESampler(**options))


def test_what_a_trial_is_drawn_from_does_not_change_while_it_is_drawn() -> None:
    """The parameters of a trial are drawn one after the other, and the trials that are paused may change in between."""

    def drawn(promotes: bool) -> dict[str, Any]:
        paused: set[int] = set()
        study = study_with("tpe", paused)
        for _ in range(STARTUP_TRIALS + 2):
            other = study.ask()
            other.report(draw(other), 100)
            paused.add(other.number)
        trial = study.ask()
        trial.suggest_categorical("kind", ["a", "b"])
        if promotes:
            paused.clear()
        for name in ("a/x", "b/x", "c/x"):
            trial.suggest_float(name, 0.0, 1.0)
        return trial.params

    assert drawn(promotes=False) == drawn(promotes=True)


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


def test_while_all_trials_are_shown_tpe_suggests_what_it_would_without_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    bounded, whole = (shown_after(40, shown, monkeypatch) for shown in (40, 10_000))
    assert [trial.params for trial in bounded.trials] == [trial.params for trial in whole.trials]


def test_of_more_trials_the_best_and_the_latest_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    study = shown_after(70, 20, monkeypatch)
    running = study.ask()
    shown = [trial.number for trial in shown_to_tpe(study, ())]
    ended = [trial for trial in study.trials if trial.state.is_finished()]
    best = sorted(ended, key=lambda trial: (-max(trial.intermediate_values), trial.value))[:10]
    assert shown == [*sorted({*(trial.number for trial in best), *range(60, 70)}), running.number]


def test_with_two_objectives_the_pareto_front_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samplers, "SHOWN_TRIALS", 12)
    monkeypatch.setattr(samplers, "SHOWN_BEST", 8)
    study = study_with("tpe", objectives=2)
    points = [(5, 5), (1, 9), (6, 6), (9, 1), (3, 3), (4, 4), *[(9, 9)] * 20, (2, 9), (1, 9)]
    for point in points:
        study.tell(study.ask(), point)
    shown = {trial.number for trial in shown_to_tpe(study, ())}
    front = {trial.number for trial in study.best_trials}
    assert front == {1, 3, 4, len(points) - 1}
    assert front <= shown
    assert len(shown) <= 12


def test_trials_of_earlier_runs_count_as_the_oldest_of_the_study() -> None:
    """TPE suggests after them what it suggests in a study that has them."""
    both = study_with("tpe")
    for _ in range(30):
        trial = both.ask()
        trial.report(draw(trial), 100)
        both.tell(trial, state=TrialState.PRUNED)
    prior = both.trials[:20]
    for number, trial in enumerate(prior, start=-20):
        trial.number = number
    rest = optuna.create_study(sampler=SAMPLERS["tpe"](Needs(1, STARTUP_TRIALS, View((), prior)), 1))
    rest.add_trials(both.trials[20:])
    both.sampler = SAMPLERS["tpe"](Needs(1, STARTUP_TRIALS, View(())), 1)
    drawn = []
    for study in (rest, both):
        trial = study.ask()
        draw(trial)
        drawn.append(trial.params)
    assert drawn[0] == drawn[1]
    assert [trial.number for trial in shown_to_tpe(rest, (), prior)][:21] == [*range(-20, 0), 0]
