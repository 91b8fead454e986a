"""Laws of early stopping: who goes on is a function of the reports in their order, and of nothing else."""

import itertools
import math
import random
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.schedulers import TrialScheduler

from search.execution.stopping import Stopping
from search.schedulers import ASHA, SCHEDULERS, Fate, Hyperband, IEpoch, Promotion, Scheduler
from search.study.tries import Tries
from tests.benchmarks.simulator import Curve, Moment, simulate

RUNGS = (100, 300, 900)
LAST = len(RUNGS) - 1


def report(images_seen: int, fmd: float, diverged: bool = False) -> dict[str, Any]:
    return {"images_seen": images_seen, "fmd": fmd, "diverged": diverged, "images_per_second": 10.0}


def random_curves(seed: int, trials: int = 40) -> list[Curve]:
    """Curves of any order, a tenth of which diverge somewhere, of trials of different speed."""
    rng = random.Random(seed)
    curves = []
    for _ in range(trials):
        values = [rng.uniform(1, 100) for _ in RUNGS]
        if rng.random() < 0.1:
            begin = rng.randrange(len(RUNGS))
            values[begin:] = [math.inf] * (len(RUNGS) - begin)
        curves.append(Curve(tuple(values), tuple(rng.uniform(1, 9) for _ in RUNGS)))
    return curves


def play(kind: str, curves: list[Curve], slots: int = 2, eta: int = 3) -> list[Moment]:
    return list(simulate(SCHEDULERS[kind](RUNGS, eta), curves, slots))


def places(moments: list[Moment], until: Moment, among: set[int] | None = None) -> tuple[int, int]:
    """How many were better than this report at its rung when it came, and how many there were with it."""
    before = moments[: moments.index(until) + 1]
    values = [m.fmd for m in before if m.rung == until.rung and (among is None or m.trial in among)]
    return sum(value < until.fmd for value in values), len(values)


@pytest.mark.parametrize("slots", [1, 2, 8, 64])
@pytest.mark.parametrize("kind", SCHEDULERS)
def test_every_trial_begins_climbs_rung_by_rung_and_has_an_end(kind: str, slots: int) -> None:
    curves = random_curves(slots)
    moments = play(kind, curves, slots)
    assert {m.trial for m in moments} == set(range(len(curves)))
    assert len({(m.trial, m.rung) for m in moments}) == len(moments)
    for trial in range(len(curves)):
        mine = [m for m in moments if m.trial == trial]
        assert [m.rung for m in mine] == list(range(len(mine)))
        assert all(m.fate is not Fate.STOPS for m in mine[:-1])
        assert mine[-1].fate is not Fate.GOES_ON
        assert mine[-1].fate is Fate.STOPS or kind in ("asha", "iepoch")
    assert moments[-1].images == sum(RUNGS[m.rung] - (0, *RUNGS)[m.rung] for m in moments)


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_a_diverged_trial_stops_and_does_not_raise_the_bar(kind: str) -> None:
    for moment in play(kind, random_curves(1)):
        assert (moment.fate is Fate.STOPS) >= math.isinf(moment.fmd)
    scheduler = SCHEDULERS[kind](RUNGS, 3)
    assert scheduler.enter(0, report(100, 8.0, diverged=True)) is Fate.STOPS
    assert scheduler.enter(1, report(100, 4000.0)) in (Fate.GOES_ON, Fate.WAITS)


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_trials_that_lead_go_to_the_full_budget_at_once_whatever_they_report(kind: str) -> None:
    curves = [Curve((1000.0, 1000.0, 1000.0), (1.0, 1.0, 1.0))] * 2 + random_curves(2)
    moments = list(simulate(SCHEDULERS[kind](RUNGS, 3, leading=2), curves, slots=3))
    for trial in (0, 1):
        fates = [m.fate for m in moments if m.trial == trial]
        assert fates == [Fate.GOES_ON, Fate.GOES_ON, Fate.STOPS]
        assert [m.seconds for m in moments if m.trial == trial] == [1.0, 2.0, 3.0]
    assert SCHEDULERS[kind](RUNGS, 3, leading=1).enter(0, report(100, 8.0, diverged=True)) is Fate.STOPS


@pytest.mark.parametrize("cut", range(0, 60, 7))
@pytest.mark.parametrize("kind", SCHEDULERS)
def test_rungs_are_rebuilt_from_the_reports_wherever_a_search_was_cut_off(kind: str, cut: int) -> None:
    moments = play(kind, random_curves(3), slots=1)[:cut]
    rebuilt = SCHEDULERS[kind](RUNGS, 3)
    for moment in moments:
        # At each moment what was resumed meanwhile is told by the reports that followed; the rest waits again.
        fate = rebuilt.enter(moment.trial, report(RUNGS[moment.rung], moment.fmd, math.isinf(moment.fmd)))
        assert fate is moment.fate
    last = {m.trial: m for m in moments}
    assert rebuilt.waiting == {trial: m.rung for trial, m in last.items() if m.fate is Fate.WAITS}


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_a_repeated_report_changes_nothing_even_when_better_trials_came_meanwhile(kind: str) -> None:
    scheduler = SCHEDULERS[kind](RUNGS, 3)
    first = scheduler.enter(0, report(100, 50.0))
    for i in range(1, 6):
        scheduler.enter(i, report(100, float(i)))
    if first is Fate.WAITS:
        assert 0 in scheduler.waiting
        del scheduler.waiting[0]  # as when it was resumed
    assert scheduler.enter(0, report(100, 50.0)) is Fate.GOES_ON
    assert 0 not in scheduler.waiting


@pytest.mark.parametrize("eta", [2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_asha_lets_a_trial_go_on_that_is_among_the_best_of_those_that_came_before_it(seed: int, eta: int) -> None:
    moments = play("asha-stopping", random_curves(seed), eta=eta)
    for moment in moments:
        better, count = places(moments, moment)
        expected = moment.rung < LAST and math.isfinite(moment.fmd) and better < max(1, count // eta)
        assert (moment.fate is Fate.GOES_ON) == expected


def test_under_asha_the_first_at_each_rung_goes_on_and_the_full_budget_ends_every_trial() -> None:
    asha = ASHA(RUNGS, 3)
    assert [asha.enter(0, report(rung, 1e9)) for rung in RUNGS] == [Fate.GOES_ON, Fate.GOES_ON, Fate.STOPS]


def test_asha_stops_worse_and_worse_trials_at_the_first_rung_and_better_and_better_ones_go_on() -> None:
    for sign, expected in ((1, [Fate.GOES_ON] + 8 * [Fate.STOPS]), (-1, 9 * [Fate.GOES_ON])):
        asha = ASHA(RUNGS, 3)
        assert [asha.enter(i, report(100, float(sign * i))) for i in range(9)] == expected


@pytest.mark.parametrize("seed", range(5))
def test_promotion_ends_with_the_best_third_of_each_rung_above_it(seed: int) -> None:
    curves = random_curves(seed, trials=27)
    moments = play("asha", curves)
    at = [[m for m in moments if m.rung == rung and math.isfinite(m.fmd)] for rung in range(len(RUNGS))]
    for low, high in itertools.pairwise(at):
        reached, went_on = sorted(low, key=lambda m: m.fmd), {m.trial for m in high}
        share = sum(m.rung == low[0].rung for m in moments) // 3
        assert {m.trial for m in reached[:share]} <= went_on | {m.trial for m in moments if math.isinf(m.fmd)}
    assert at[LAST]


def test_what_asha_stopped_too_early_promotion_takes_up_again() -> None:
    # The third is worse than the first two but much better than all that follow.
    curves = [Curve((value, value, value), (1.0, 1.0, 1.0)) for value in (1.0, 2.0, 3.0, *range(10, 25))]
    assert (2, 1) not in {(m.trial, m.rung) for m in play("asha-stopping", curves, slots=1)}
    assert (2, 1) in {(m.trial, m.rung) for m in play("asha", curves, slots=1)}


@pytest.mark.parametrize("slots", [1, 8])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", SCHEDULERS)
def test_a_trial_that_waits_in_vain_never_goes_on(kind: str, seed: int, slots: int) -> None:
    curves, scheduler = random_curves(seed, trials=60), SCHEDULERS[kind](RUNGS, 3)
    in_vain: dict[int, int] = {}
    reported = set[int]()
    for moment in simulate(scheduler, curves, slots):
        reported.add(moment.trial)
        assert moment.rung <= in_vain.get(moment.trial, LAST)
        for trial in scheduler.hopeless(len(curves) - len(reported)):
            in_vain.setdefault(trial, scheduler.waiting[trial])
    assert in_vain.keys() >= {trial for trial, rung in scheduler.waiting.items() if rung == 0}  # nothing is to come
    assert bool(in_vain) == (kind in ("asha", "iepoch"))


@pytest.mark.parametrize("to_come", [0, 1, 2, 3, 10, 30])
def test_at_the_first_rung_a_trial_has_hope_as_long_as_worse_ones_may_come(to_come: int) -> None:
    promotion = Promotion(RUNGS, 3)
    values = random.Random(to_come).sample(range(100), 20)
    for trial, value in enumerate(values):
        if promotion.enter(trial, report(100, float(value))) is Fate.GOES_ON:
            promotion.enter(trial, report(300, float(value)))
    hoped = {trial for trial, rung in promotion.waiting.items() if rung == 0} - set(promotion.hopeless(to_come))
    for trial in range(20, 20 + to_come):
        promotion.enter(trial, report(100, 1e9))
    resumed = set(iter(lambda: promotion.resume(more=True, idle=False), None))
    assert {trial for trial in resumed if trial not in promotion._places[1]} == hoped


@pytest.mark.parametrize("kind", ["asha", "iepoch"])
def test_a_trial_that_ended_for_want_of_time_holds_no_place_of_those_that_may_go_on(kind: str) -> None:
    scheduler = SCHEDULERS[kind](RUNGS, 3)
    for trial in range(9):
        assert scheduler.enter(trial, report(100, float(trial))) is Fate.WAITS
    for trial in range(3):
        scheduler.withdraw(trial)
    assert scheduler.resume(more=False, idle=True) == 3


@pytest.mark.parametrize("slots", [1, 2, 8])
def test_iepoch_sees_all_at_the_first_rung_and_then_takes_the_best_few_to_the_end(slots: int) -> None:
    curves = random_curves(7)
    moments = play("iepoch", curves, slots)
    assert all(m.rung == 0 for m in moments[: len(curves)])
    best = sorted(range(len(curves)), key=lambda trial: curves[trial].fmd[0])[: IEpoch.FINISHED]
    assert {m.trial for m in moments if m.rung > 0} == set(best)


def test_hyperband_shares_the_trials_among_its_brackets_as_published() -> None:
    hyperband = Hyperband((1, 3, 9, 27, 81), 3)
    counts = Counter(hyperband.bracket(trial) for trial in range(81 + 34 + 15 + 8 + 5))
    assert counts == {0: 81, 1: 34, 2: 15, 3: 8, 4: 5}  # Li et al. 2018, table 1, R = 81


def test_hyperband_compares_a_trial_within_its_bracket_and_not_before_its_rung() -> None:
    curves, hyperband = random_curves(11, trials=60), Hyperband(RUNGS, 3)
    moments = list(simulate(hyperband, curves, 2))
    for moment in moments:
        mine = hyperband.bracket(moment.trial)
        better, count = places(moments, moment, {t for t in range(len(curves)) if hyperband.bracket(t) == mine})
        passes = moment.rung < mine or better < max(1, count // 3)
        assert (moment.fate is Fate.GOES_ON) == (moment.rung < LAST and math.isfinite(moment.fmd) and passes)


def test_all_go_on_where_nothing_is_stopped() -> None:
    for moment in play("none", random_curves(2)):
        assert (moment.fate is Fate.GOES_ON) == (moment.rung < LAST and math.isfinite(moment.fmd))


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_more_slots_take_no_more_time_and_none_idles_while_there_are_trials_to_begin(kind: str) -> None:
    curves = random_curves(5)
    seconds = {slots: play(kind, curves, slots)[-1].seconds for slots in (1, 2, 64)}
    work = sum(sum(curve.seconds) for curve in curves)
    assert seconds[1] <= work
    assert seconds[64] < seconds[2] < seconds[1]


def test_ray_is_told_what_the_rungs_say_by_the_trials_own_number() -> None:
    stopping = Stopping(ASHA(RUNGS, 3), lambda seconds: True, Tries())
    decisions = [
        stopping.on_trial_result(None, SimpleNamespace(config={"number": number}), report(100, fmd))  # type: ignore[arg-type]
        for number, fmd in enumerate((5.0, 6.0, 4.0))
    ]
    assert decisions == [TrialScheduler.CONTINUE, TrialScheduler.STOP, TrialScheduler.CONTINUE]


def test_ray_stops_a_trial_that_waits_and_lets_it_run_once_it_is_resumed() -> None:
    promotion, trial = Promotion(RUNGS, 3), SimpleNamespace(config={"number": 0})
    stopping = Stopping(promotion, lambda seconds: True, Tries())
    assert stopping.on_trial_result(None, trial, report(100, 5.0)) == TrialScheduler.STOP  # type: ignore[arg-type]
    assert promotion.resume(more=True, idle=True) is None
    assert promotion.resume(more=False, idle=True) == 0
    assert stopping.on_trial_result(None, trial, report(100, 5.0)) == TrialScheduler.CONTINUE  # type: ignore[arg-type]


def test_a_trial_stops_where_it_could_not_reach_its_next_rung_in_time() -> None:
    asked: list[float] = []

    def has_time(seconds: float) -> bool:
        asked.append(seconds)
        return seconds <= 20

    stopping, trial = Stopping(Scheduler(RUNGS, 3), has_time, Tries()), SimpleNamespace(config={"number": 0})
    decisions = [stopping.on_trial_result(None, trial, report(rung, 1.0)) for rung in RUNGS]  # type: ignore[arg-type]
    assert decisions == [TrialScheduler.CONTINUE, TrialScheduler.STOP, TrialScheduler.STOP]
    assert asked == [20.0, 60.0]
