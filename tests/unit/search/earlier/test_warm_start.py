"""Laws of a warm start: what a search makes of the trials of earlier runs, of its own space and of others."""

from pathlib import Path
from typing import Any

import pytest

from analysis.run.earlier import EarlierTrial
from analysis.run.run import Run
from search.declaration import SettingsError
from search.earlier.earlier_runs import take_over, with_runs
from search.earlier.warm_start import BEST, WarmStart
from search.machine import Machine
from search.pace import Pace
from search.plan import plan
from search.settings import Settings
from search.space.space import Space
from tests.helpers import fake_runs
from tests.helpers.spaces import space_of
from trainables.config import Flat, Variant
from trainables.domain import ConfigError
from trainables.report import Report

FULL = 900
RATES = (1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2)
SPACE = """
BASELINES = ("A0",)
STARTS = ({"training/lr": 1e-3}, {"training/lr": 2e-3})


def space(trial):
    trial.suggest_float("training/lr", 5e-4, 2e-2, log=True)
    return {"training/batch": 32}
"""
# It varies the batch, which the other has as a constant, and has fewer learning rates.
WIDER = """
BASELINES = ()
STARTS = ()


def space(trial):
    trial.suggest_float("training/lr", 5e-4, 5e-3, log=True)
    trial.suggest_categorical("training/batch", [16, 32])
"""


@pytest.fixture
def space(tmp_path: Path) -> Space:
    return space_of(tmp_path, SPACE)


def earlier(
    number: int, *values: tuple[int, float], full: int = FULL, diverged: bool = False, **more: Any
) -> EarlierTrial:
    """A trial of an earlier run, with (images seen, FMD) of its reports, and other fields than usual by name."""
    fields = {"training/batch": 32, "training/lr": RATES[number], **{k.replace("__", "/"): v for k, v in more.items()}}
    name = f"{number:03d}"
    reports = [Report.from_dict({"trial": name, "images_seen": i, "fmd": v, "diverged": diverged}) for i, v in values]
    return EarlierTrial("runs/a", name, full, Variant.from_flat(fields).flat(), tuple(reports))


def queued(warm_start: WarmStart) -> list[Any]:
    """The names of baselines and the learning rates of starting points, in order."""
    return [name or values["training/lr"] for name, values in warm_start.queue]


def test_without_earlier_trials_it_is_the_space_alone(space: Space) -> None:
    nothing = WarmStart.of((), space, FULL)
    assert nothing.queue == space.queue()
    assert (nothing.unstopped, nothing.prior, nothing.best) == (space.unstopped, [], [])


def test_the_best_follow_the_first_starting_point_by_budget_then_by_fmd(space: Space) -> None:
    trials = [earlier(2, (100, 5.0)), earlier(3, (300, 8.0)), earlier(4, (300, 7.0))]
    warm_start = WarmStart.of(trials, space, FULL)
    assert queued(warm_start) == [1e-3, 1.6e-2, 8e-3, 4e-3, 2e-3, "A0"]
    assert warm_start.unstopped == 1
    assert [trial.trial for trial in warm_start.prior] == ["002", "003", "004"]


def test_of_the_best_no_two_are_alike_none_diverged_and_none_is_a_baseline(space: Space) -> None:
    twin = earlier(2, (900, 6.0), training__lr=RATES[2] * 1.05)
    trials = [earlier(2, (900, 5.0)), twin, earlier(3, (900, 4.0), diverged=True), earlier(4, (900, 9.0))]
    assert [variant for _, variant in WarmStart.of(trials, space, FULL).best] == [trials[0].variant, trials[3].variant]
    many = [earlier(number, (900, 5.0)) for number in range(5)]
    assert len(WarmStart.of(many, space, FULL).best) == BEST < 5
    baseline = space.baselines[0].variant
    own = [EarlierTrial("runs/a", "A0", FULL, baseline, trials[0].reports)]
    assert WarmStart.of(own, space, FULL).best == []


def test_a_starting_point_that_was_measured_in_full_runs_only_if_it_is_one_of_the_best(space: Space) -> None:
    trials = [earlier(number, (900, 9.0 - number)) for number in range(5)]
    warm_start = WarmStart.of(trials, space, FULL)
    assert queued(warm_start) == [1.6e-2, 8e-3, 4e-3, "A0"]
    assert warm_start.unstopped == BEST  # the ranking needs their values at the full budget
    first = WarmStart.of([earlier(0, (900, 1.0)), earlier(1, (300, 1.0))], space, FULL)
    assert queued(first) == [1e-3, 2e-3, "A0"]
    assert first.unstopped == 1


@pytest.mark.parametrize(
    ("values", "full", "at", "measured"),
    [
        ([(100, 9.0)], 900, 100, False),
        ([(250, 9.0), (700, 8.0)], 700, 700, False),
        ([(300, 9.0), (900, 8.0)], 900, 900, True),
        ([(300, 9.0), (900, 8.0), (2700, 7.0)], 2700, 900, True),
        ([(2700, 7.0)], 2700, None, True),
    ],
    ids=["first rung", "other rungs", "full", "more", "nothing but more"],
)
def test_values_keep_their_images_seen_and_those_beyond_the_full_budget_are_left_out(
    values: list[tuple[int, float]], full: int, at: int | None, measured: bool, space: Space
) -> None:
    trial = earlier(2, *values, full=full)
    warm_start = WarmStart.of([trial], space, FULL)
    assert [one.reports[-1].images_seen for one in warm_start.prior] == ([at] if at else [])
    assert warm_start.is_measured(dict(trial.variant)) == measured
    assert not warm_start.is_measured({**trial.variant, "training/lr": 4.1e-3})


def test_with_a_cosine_decay_a_value_is_of_its_own_full_budget_only(tmp_path: Path) -> None:
    space = space_of(
        tmp_path, SPACE.replace('"training/batch": 32', '"training/batch": 32, "training/lr_decay": "cosine"')
    )
    same, other = (earlier(2, (900, 5.0), full=full, training__lr_decay="cosine") for full in (900, 2700))
    assert len(WarmStart.of([same], space, FULL).prior) == 1
    warm_start = WarmStart.of([other], space, FULL)
    assert (warm_start.prior, warm_start.measured) == ([], frozenset())
    assert len(warm_start.best) == 1


def test_spaces_meet_in_the_fields_that_they_share(tmp_path: Path, space: Space) -> None:
    narrow = [earlier(number, (900, 5.0 + number)) for number in range(5)]
    wider = space_of(tmp_path, WIDER)
    warm_start = WarmStart.of(narrow, wider, FULL)
    # Two learning rates lie outside; the constant of the one space is an option of the other.
    assert [trial.trial for trial in warm_start.prior] == ["000", "001", "002"]
    assert all(values["training/batch"] == 32 for _, values in warm_start.queue)
    # The other way, a batch of 16 was measured in another variant: it starts there with a batch of 32.
    wide = [earlier(1, (900, 5.0), training__batch=16), earlier(2, (900, 6.0))]
    back = WarmStart.of(wide, space, FULL)
    assert [trial.trial for trial in back.prior] == ["002"]
    assert [variant["training/batch"] for _, variant in back.best] == [32, 32]
    assert not back.is_measured(back.best[0][1])
    assert back.unstopped == 1


def test_a_value_between_the_steps_of_a_space_lies_outside(tmp_path: Path) -> None:
    stepped = space_of(tmp_path, 'def space(trial):\n    trial.suggest_int("training/batch", 16, 128, step=16)\n')
    trials = [earlier(0, (900, 5.0), training__lr=4e-3, training__batch=batch) for batch in (16, 40, 48)]
    prior = WarmStart.of(trials, stepped, FULL).prior
    assert [trial.variant["training/batch"] for trial in prior] == [16, 48]


def test_a_trial_with_a_field_that_is_no_more_is_left_out(space: Space) -> None:
    trial = earlier(2, (900, 5.0))
    old = EarlierTrial(trial.run, "old", FULL, {**trial.variant, "training/gone": 1}, trial.reports)
    with pytest.raises(ConfigError):
        Variant.from_flat(dict(old.variant))
    warm_start = WarmStart.of([old], space, FULL)
    assert (warm_start.prior, warm_start.best) == ([], [])
    shorter = {name: value for name, value in trial.variant.items() if name != "training/ema"}
    lacks_one = WarmStart.of([EarlierTrial(trial.run, "old", FULL, shorter, trial.reports)], space, FULL)
    assert (lacks_one.prior, len(lacks_one.best)) == ([], 1)


def settings(space: Space, folder: Path, **given: Any) -> Settings:
    given = {"storage_path": str(folder), "max_images": FULL, "grace_images": 100, **with_runs(given)}
    return Settings.resolve(given, space.given, space.digest, Machine(cpus=2, gpus=0))


def make_run(folder: Path, name: str = "a", **changes: Any) -> Run:
    """A run with a trial in each state, of which the one that failed is not taken over."""
    run = Run.create(folder, name)
    run.write_settings({**fake_runs.settings(name), **changes})
    variant: Flat = dict(earlier(2).variant)
    for rung, state in enumerate(("PRUNED", "PAUSED", "FAILED", "RUNNING")):
        rate: Flat = {"training/lr": RATES[rung]}
        fake_runs.add_trial(run, variant | rate, [9.0, 8.0][: 1 + rung % 2], state)  # type: ignore[arg-type]
    return run


def test_the_trials_that_reported_are_taken_over_and_kept_in_the_run(space: Space, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    of_search = settings(space, tmp_path, warm_start=(str(run.path), f"{run.path}/"))
    assert of_search.warm_start == (str(run.path),)
    taken = take_over(of_search, {"train-images": "ba89"}, fake_runs.CARD)
    assert [(trial.trial, len(trial.reports)) for trial in taken] == [("000", 1), ("001", 2), ("003", 2)]
    assert {(trial.run, trial.full) for trial in taken} == {(run.uri, 108_000)}
    kept = Run.create(tmp_path, "new")
    assert kept.earlier_trials() == []
    kept.write_earlier_trials(taken)
    again = Run.open(kept.path).earlier_trials()
    assert [repr(trial) for trial in again] == [repr(trial) for trial in taken]  # NaN is not equal to itself


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": {"train-images": "other"}}, "its data, mnist, are not those of this search, mnist"),
        ({"metric": {**fake_runs.CARD, "version": "other"}}, "its FMDs are other against the search images, here"),
        ({"metric": {**fake_runs.CARD, "split": "confirm"}}, "against the confirm images, here they would be flat-64"),
        ({"metric": None}, "it ended before it began"),
    ],
    ids=["data", "metric", "split", "never begun"],
)
def test_a_run_whose_values_do_not_compare_is_refused(
    changes: dict[str, Any], said: str, space: Space, tmp_path: Path
) -> None:
    run = make_run(tmp_path, **changes)
    with pytest.raises(SettingsError, match=said) as caught:
        take_over(settings(space, tmp_path, warm_start=(str(run.path),)), {"train-images": "ba89"}, fake_runs.CARD)
    assert str(caught.value).startswith(f"--warm-start {run.path}: ")
    assert "\n" not in str(caught.value)


def test_the_plan_says_what_is_taken_over(space: Space, tmp_path: Path) -> None:
    pace = Pace(1_000, "measured")
    trials = [earlier(2, (100, 5.0)), earlier(3, (900, 8.0)), earlier(4, (900, 7.0), training__batch=16)]
    warm_start = WarmStart.of(trials, space, FULL)
    text = plan(settings(space, tmp_path), space, pace, warm_start)
    taken = "2 trials of runs/a (1 up to 100 images, 1 up to 900 images)"
    others = "1 more is no variant of this space at these rungs"
    assert f"warm start {taken}; {others}; the best 3 run first" in text
    assert "random learns nothing from them" in plan(
        settings(space, tmp_path, sampler="random"), space, pace, warm_start
    )
