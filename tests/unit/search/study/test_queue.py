"""Laws of the queue: which trial comes next, and what Optuna is told of each."""

import itertools
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from analysis.run.earlier import EarlierTrial
from analysis.run.events import End, Event, Start
from search.earlier.warm_start import BEST, WarmStart
from search.history import History
from search.machine import Machine
from search.schedulers import SCHEDULERS, Decision, Scheduler
from search.settings import Settings
from search.space.fake_trial import FakeTrial
from search.space.space import CHECKED_DRAWS, Space
from search.study.journal import open_study
from search.study.queue import REDRAWS, TrialQueue
from search.tries import MAX_FAILURES
from spaces.baselines import BASELINES
from tests.helpers.spaces import RUNGS, space_of
from trainables.config import Flat, Variant
from trainables.report import Report

# What A0 says, with two of its fields left open.
A0_SPACE = f"""
BASELINES = ("D2", "A0")


def space(trial):
    trial.suggest_float("training/lr", 1e-4, 1e-2, log=True)
    trial.suggest_categorical("network/cnn/widths", ["8-8", "16-32-32-16"])
    kept = {BASELINES["A0"].variant!r}
    return {{name: kept[name] for name in kept if name not in ("training/lr", "network/cnn/widths")}}
"""
# Twelve variants.
SMALL_SPACE = """
def space(trial):
    trial.suggest_categorical("training/batch", [16, 32, 64, 128])
    trial.suggest_categorical("training/lr", [1e-3, 2e-3, 4e-3])
"""


def make_settings(space: Space, folder: Path, **given: Any) -> Settings:
    given = {"name": "run", "storage_path": str(folder), "trials": 8, "max_images": 900, "grace_images": 100, **given}
    return Settings.resolve(given, space.given, space.digest, Machine(cpus=2, gpus=0))


def make_report(start: Start, images_seen: int, fmd: float, diverged: bool = False, **more: object) -> Report:
    values = {"trial": start.trial, "images_seen": images_seen, "fmd": fmd, "diverged": diverged}
    return Report.from_dict({**values, "images_per_second": 1.0, **more})


@dataclass
class Search:
    """The plain objects of a search."""

    queue: TrialQueue
    study: optuna.Study
    scheduler: Scheduler

    @property
    def trials(self) -> list[FrozenTrial]:
        return self.study.trials

    def next_trial(self) -> Start:
        start = self.queue.next_trial()
        assert start is not None
        return start

    def end(self, start: Start, images_seen: int, fmd: float, diverged: bool = False, **more: object) -> Decision:
        """Let a trial leave with a report, after the scheduler has decided about it."""
        report = make_report(start, images_seen, fmd, diverged, **more)
        decision = self.scheduler.on_report(start.number, report)
        self.queue.on_end(start, report, failed=False)
        return decision


def make_search(
    space: Space,
    folder: Path,
    has_time: Callable[[int | None], bool] = lambda number: True,
    events: Iterable[Event] = (),
    earlier: Sequence[EarlierTrial] = (),
    **given: Any,
) -> Search:
    """A search that goes on from the events of a log; its scheduler stops trials unless another is given."""
    settings = make_settings(space, folder, **{"scheduler": "asha-stopping", **given})
    scheduler = SCHEDULERS[settings.scheduler](settings.rungs, settings.reduction_factor)
    study = open_study(folder / "study.journal", settings, space, History(events, scheduler))
    warm_start = WarmStart.of(earlier, space, settings.rungs[-1])
    return Search(TrialQueue(settings, space, study, scheduler, has_time, warm_start), study, scheduler)


def run_all(search: Search) -> list[Start]:
    """Run one trial after the other until there is none, each to the first rung."""
    starts = []
    while (start := search.queue.next_trial()) is not None:
        search.queue.on_end(start, make_report(start, 100, 50.0), failed=False)
        starts.append(start)
    return starts


def test_starts_then_baselines_then_the_sampler(tmp_path: Path) -> None:
    starts = run_all(make_search(space_of(tmp_path), tmp_path))
    assert [start.baseline for start in starts] == ["", "", "A0", "D2", "", "", "", ""]
    assert [start.trial for start in starts[:3]] == ["000-unet", "001-cnn", "002-A0"]
    assert starts[1].variant["training/lr"] == 0.003
    assert [start.number for start in starts] == list(range(8))
    assert len({start.seed for start in starts}) == 8


def test_baselines_are_run_verbatim_and_every_variant_is_complete(tmp_path: Path) -> None:
    for start in run_all(make_search(space_of(tmp_path, network__kind="cnn"), tmp_path)):
        variant: Flat = dict(start.variant)
        assert Variant.from_flat(variant).flat() == variant
        if start.baseline:
            assert variant == BASELINES[start.baseline].variant
        else:
            assert variant["network/kind"] == "cnn"
            assert variant["training/batch"] == 32


def test_a_baseline_inside_the_space_teaches_the_sampler_and_one_outside_does_not(tmp_path: Path) -> None:
    search = make_search(space_of(tmp_path, A0_SPACE), tmp_path, trials=2)
    run_all(search)
    outside, inside = search.trials
    assert inside.params == {"training/lr": 2e-4, "network/cnn/widths": "16-32-32-16"}
    assert not inside.constraints
    assert outside.params == {}
    assert any(value > 0 for value in outside.constraints.values())


def test_fixed_fields_leave_the_search(tmp_path: Path) -> None:
    space = space_of(tmp_path, network__kind="unet", training__ema="0.5")
    search = make_search(space, tmp_path)
    drawn = [start.variant for start in run_all(search) if not start.baseline]
    assert space.names == ("training/lr",)
    assert {(variant["network/kind"], variant["training/ema"]) for variant in drawn} == {("unet", 0.5)}
    assert {name for trial in search.trials for name in trial.params} == {"training/lr"}


def test_the_study_has_every_report_and_how_each_trial_ended(tmp_path: Path) -> None:
    search = make_search(space_of(tmp_path), tmp_path, trials=4)
    starts = [search.next_trial() for _ in range(4)]
    for rung, fmd in zip(RUNGS[:2], (50.0, 20.0), strict=True):
        search.queue.on_report(starts[0], make_report(starts[0], rung, fmd))
    search.end(starts[0], 900, 10.0)
    search.end(starts[1], 100, 60.0)
    search.end(starts[2], 100, 8.0, diverged=True)
    for _ in range(MAX_FAILURES):
        search.queue.on_end(starts[3], None, failed=True)
        assert search.next_trial() == starts[3]
    search.queue.on_end(starts[3], None, failed=True)
    complete, stopped, diverged, failed = search.trials
    assert (complete.state, complete.value) == (TrialState.COMPLETE, 10.0)
    assert complete.intermediate_values == {100: 50.0, 300: 20.0, 900: 10.0}
    assert (stopped.state, stopped.value, stopped.intermediate_values) == (TrialState.PRUNED, 60.0, {100: 60.0})
    assert (diverged.state, diverged.value) == (TrialState.PRUNED, 8.0)
    assert any(value > 0 for value in diverged.constraints.values())
    assert (failed.state, failed.value) == (TrialState.FAIL, None)
    assert search.study.best_trial.number == 0
    attributes = diverged.user_attrs
    assert json.loads(attributes["variant"]) == BASELINES["A0"].variant
    assert (attributes["trial"], attributes["baseline"]) == ("002-A0", "A0")


def test_trials_that_the_time_cut_off_or_that_there_is_no_time_for_are_pruned_at_the_end(tmp_path: Path) -> None:
    time = {"left": True}
    search = make_search(space_of(tmp_path), tmp_path, has_time=lambda number: time["left"])
    cut, interrupted = search.next_trial(), search.next_trial()
    search.queue.on_end(interrupted, None, failed=True)  # its process died: it would run again
    time["left"] = False
    assert search.queue.next_trial() is None
    pruned: list[str] = []
    search.queue.on_prune = pruned.append
    search.queue.finish()
    assert pruned == [cut.trial, interrupted.trial]
    assert [trial.state for trial in search.trials[:2]] == [TrialState.PRUNED] * 2


def test_the_seed_decides_what_is_drawn(tmp_path: Path) -> None:
    def drawn(folder: str, seed: int) -> list[Any]:
        (tmp_path / folder).mkdir()
        starts = run_all(make_search(space_of(tmp_path), tmp_path / folder, sampler="random", seed=seed))
        return [start.variant["training/lr"] for start in starts if start.number > 4]

    assert drawn("a", seed=0) == drawn("b", seed=0) != drawn("c", seed=1)


def test_a_combination_that_is_not_valid_fails_and_the_next_trial_is_drawn(tmp_path: Path) -> None:
    calls = itertools.count()

    def function(trial: Any) -> dict[str, Any]:
        trial.suggest_float("training/lr", 1e-4, 1e-2)
        return {"training/batch": 0 if next(calls) == CHECKED_DRAWS + 4 else 32}

    space = replace(space_of(tmp_path), function=function, baselines=(), starts=())
    search = make_search(space, tmp_path)
    assert [start.number for start in run_all(search)] == [0, 1, 2, 3, 5, 6, 7, 8]
    assert search.trials[4].state == TrialState.FAIL


def test_a_trial_that_fails_runs_again_unchanged_before_the_next_one_until_its_tries_are_used_up(
    tmp_path: Path,
) -> None:
    search = make_search(space_of(tmp_path), tmp_path, trials=3)
    first, second = search.next_trial(), search.next_trial()
    search.queue.on_report(first, make_report(first, 100, 5.0))
    for _ in range(MAX_FAILURES):
        search.queue.on_end(first, None, failed=True)
        assert search.queue.tries.may_retry(0)
        assert search.queue.interrupted == 1
        assert search.next_trial() == first
    search.queue.on_end(first, None, failed=True)
    assert not search.queue.tries.may_retry(0)
    search.end(second, 100, 50.0)
    third = search.next_trial()
    assert third.number == 2
    assert search.queue.next_trial() is None
    search.end(third, 100, 60.0)
    assert search.queue.next_trial() is None
    assert [trial.state for trial in search.trials[:2]] == [TrialState.FAIL, TrialState.PRUNED]
    assert search.trials[0].intermediate_values == {100: 5.0}


def test_two_objectives_are_told_at_the_full_budget_only(tmp_path: Path) -> None:
    search = make_search(space_of(tmp_path), tmp_path, against="nfe", scheduler="none", trials=3)
    for number, images in enumerate((900, 300)):
        search.end(search.next_trial(), images, 50.0 - number, nfe=20 + number, parameters=7)
    complete, stopped = search.trials[:2]
    assert (complete.state, complete.values) == (TrialState.COMPLETE, [50.0, 20.0])
    assert (stopped.state, stopped.values) == (TrialState.PRUNED, None)
    assert [trial.number for trial in search.study.best_trials] == [0]


def test_a_paused_trial_comes_again_when_the_scheduler_promotes_it_and_the_study_prunes_the_unpromotable(
    tmp_path: Path,
) -> None:
    search, pruned = make_search(space_of(tmp_path), tmp_path, scheduler="iepoch", trials=4), list[str]()
    search.queue.on_prune = pruned.append
    first = {}
    for number in range(4):
        first[number] = search.next_trial()
        assert search.end(first[number], 100, 50.0 - number) is Decision.PAUSE
    assert {trial.state for trial in search.trials} == {TrialState.RUNNING}
    assert [search.queue.next_trial() for _ in range(3)] == [first[3], first[2], first[1]]
    assert search.queue.next_trial() is None
    # The worst is not among the best three, whatever comes.
    assert pruned == [first[0].trial]
    assert search.trials[0].state == TrialState.PRUNED


def test_trials_that_are_paused_at_the_end_are_pruned(tmp_path: Path) -> None:
    search, pruned = make_search(space_of(tmp_path), tmp_path, scheduler="asha", trials=4), list[str]()
    states = []

    def prune(name: str) -> None:
        states.append(search.trials[0].state)
        pruned.append(name)

    search.queue.on_prune = prune
    start = search.next_trial()
    assert search.end(start, 100, 50.0) is Decision.PAUSE
    assert (search.trials[0].state, pruned) == (TrialState.RUNNING, [])
    search.queue.finish()
    assert (search.trials[0].state, pruned) == (TrialState.PRUNED, [start.trial])
    assert states == [TrialState.RUNNING]  # the callback comes before the study closes the trial


def measured_in_full(space: Space, batches: Sequence[int]) -> list[EarlierTrial]:
    """A trial of an earlier run for each variant with one of these batches; the larger the batch, the lower its FMD."""
    trials = []
    for batch, lr in itertools.product(batches, (1e-3, 2e-3, 4e-3)):
        variant = space.draw(FakeTrial({"training/batch": batch, "training/lr": lr}))
        report = Report.from_dict({"trial": "earlier", "images_seen": 900, "fmd": 1000 * lr - batch / 100})
        trials.append(EarlierTrial("runs/earlier", f"{batch}-{lr}", 900, variant, (report,)))
    return trials


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_what_earlier_runs_measured_in_full_is_not_run_again_but_for_the_best(sampler: str, tmp_path: Path) -> None:
    space = space_of(tmp_path, SMALL_SPACE)
    earlier = measured_in_full(space, (16, 32))
    search = make_search(space, tmp_path, earlier=earlier, trials=12, sampler=sampler)
    starts = run_all(search)
    assert len(starts) == 12
    assert [start.variant["training/batch"] for start in starts[:BEST]] == [32, 16, 32]
    assert all(start.variant["training/batch"] > 32 for start in starts[BEST:])
    discarded = [trial for trial in search.trials if "trial" not in trial.user_attrs]
    assert discarded  # or this tested nothing
    assert {trial.state for trial in discarded} == {TrialState.FAIL}


def test_where_all_is_measured_the_search_runs_some_again_and_ends(tmp_path: Path) -> None:
    space = space_of(tmp_path, SMALL_SPACE)
    search = make_search(space, tmp_path, earlier=measured_in_full(space, (16, 32, 64, 128)), trials=5)
    assert len(run_all(search)) == 5
    assert len(search.trials) == 5 + REDRAWS * (5 - BEST)


def test_after_a_random_sampler_no_other_draws_the_same_once_more(tmp_path: Path) -> None:
    space = space_of(tmp_path, SMALL_SPACE)
    earlier = measured_in_full(space, (16, 32, 64, 128))
    search = make_search(space, tmp_path, earlier=earlier, trials=BEST + 1, sampler="random")
    run_all(search)
    drawn = [trial.params for trial in search.trials[BEST:]]
    assert len(drawn) == 1 + REDRAWS
    assert drawn[: REDRAWS // 2] != drawn[REDRAWS // 2 : REDRAWS]


def test_after_a_warm_start_the_same_is_drawn_where_the_journal_is_lost(tmp_path: Path) -> None:
    space = space_of(tmp_path, SMALL_SPACE)
    earlier = measured_in_full(space, (16, 32))

    def go_on(name: str, events: Iterable[Event], trials: int, **given: Any) -> list[Start]:
        (tmp_path / name).mkdir(exist_ok=True)
        return run_all(make_search(space, tmp_path / name, events=events, trials=trials, **given))

    first = go_on("intact", (), 8, earlier=earlier)
    log = [event for start in first for event in (start, make_report(start, 100, 50.0), End(start.trial, "PRUNED"))]
    anew, intact = (go_on(name, log, 16, earlier=earlier) for name in ("anew", "intact"))
    assert anew == intact
    assert len(intact) == 8
    assert go_on("cold", log, 16) != intact


@pytest.mark.parametrize(
    ("fails", "line"),
    [
        ("{}['width']", r"a draw cannot be, and another follows: space\(\) raised KeyError: 'width' \(my_space.py, "),
        ("exit()", r"a draw cannot be, and another follows: space\(\) raised SystemExit"),
        ("trial.suggest_categorical('training/loss', ['l1'])", r"space\(\) raised ValueError: .*dynamic value space"),
        ("raise optuna.TrialPruned", None),
    ],
)
def test_a_draw_that_the_space_fails_in_is_left_out_and_the_search_goes_on(
    fails: str, line: str | None, tmp_path: Path
) -> None:
    """The check of a space, which draws before the search, does not meet what the space begins to do later."""
    space = space_of(
        tmp_path,
        f"""
import optuna

LATER = []

def space(trial):
    small = trial.suggest_int("training/batch", 1, 9) <= 4 or not LATER
    if small:
        trial.suggest_categorical("training/loss", ["l1", "l2"])
    else:
        {fails}
""",
    )
    assert space.names
    vars(sys.modules[space.function.__module__])["LATER"].append(True)
    search = make_search(space, tmp_path, trials=8)
    notes: list[str] = []
    search.queue.note = notes.append
    starts = run_all(search)
    assert len(starts) == 8
    # Of two lists of choices Optuna takes the one that comes first.
    assert "ValueError" in str(line) or all(int(start.variant["training/batch"]) <= 4 for start in starts)
    assert any(trial.state == TrialState.FAIL for trial in search.trials)  # or this tested nothing
    assert [re.search(str(line), note) is not None for note in notes] == ([] if line is None else [True])
    assert len(run_all(make_search(space, tmp_path, trials=12, events=starts))) >= 4
