"""Laws of early stopping: which trials continue is a function of the reports in their order, and of nothing else."""

import itertools
import math
import random
from collections import Counter

import pytest

from search.schedulers import ASHA, SCHEDULERS, Decision, Hyperband, IEpoch
from tests.benchmarks.simulator import Curve, Moment, Point, simulate

RUNGS = (100, 300, 900)
LAST = len(RUNGS) - 1
PAUSING = ("asha", "iepoch")


def report(images_seen: int, fmd: float, diverged: bool = False) -> Point:
    return Point(images_seen, fmd, diverged)


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


@pytest.mark.parametrize("slots", [1, 8, 64])
@pytest.mark.parametrize("kind", SCHEDULERS)
def test_every_trial_starts_reaches_rung_after_rung_and_ends_or_is_paused(kind: str, slots: int) -> None:
    curves = random_curves(slots)
    moments = play(kind, curves, slots)
    assert {m.trial for m in moments} == set(range(len(curves)))
    assert len({(m.trial, m.rung) for m in moments}) == len(moments)
    for trial in range(len(curves)):
        mine = [m for m in moments if m.trial == trial]
        assert [m.rung for m in mine] == list(range(len(mine)))
        assert all(m.decision is not Decision.STOP for m in mine[:-1])
        assert mine[-1].decision is not Decision.CONTINUE
        assert mine[-1].decision is Decision.STOP or kind in PAUSING
    assert moments[-1].images == sum(RUNGS[m.rung] - (0, *RUNGS)[m.rung] for m in moments)


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_a_diverged_trial_stops_and_is_ranked_last(kind: str) -> None:
    for moment in play(kind, random_curves(1)):
        assert (moment.decision is Decision.STOP) >= math.isinf(moment.fmd)
    scheduler = SCHEDULERS[kind](RUNGS, 3)
    assert scheduler.on_report(0, report(100, 8.0, diverged=True)) is Decision.STOP
    assert scheduler.on_report(1, report(100, 4000.0)) in (Decision.CONTINUE, Decision.PAUSE)


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_leading_trials_continue_to_the_full_budget_whatever_they_report(kind: str) -> None:
    curves = [Curve((1000.0, 1000.0, 1000.0), (1.0, 1.0, 1.0))] * 2 + random_curves(2)
    moments = list(simulate(SCHEDULERS[kind](RUNGS, 3, unstopped=2), curves, slots=3))
    for trial in (0, 1):
        decisions = [m.decision for m in moments if m.trial == trial]
        assert decisions == [Decision.CONTINUE, Decision.CONTINUE, Decision.STOP]
        assert [m.seconds for m in moments if m.trial == trial] == [1.0, 2.0, 3.0]
    assert SCHEDULERS[kind](RUNGS, 3, unstopped=1).on_report(0, report(100, 8.0, diverged=True)) is Decision.STOP


@pytest.mark.parametrize("cut", [0, 1, 14, 28, 49])
@pytest.mark.parametrize("kind", SCHEDULERS)
def test_rungs_are_rebuilt_from_the_reports_wherever_a_search_was_interrupted(kind: str, cut: int) -> None:
    moments = play(kind, random_curves(3), slots=1)[:cut]
    rebuilt = SCHEDULERS[kind](RUNGS, 3)
    for moment in moments:
        # The reports that follow tell which trials were promoted meanwhile; the others are paused again.
        decision = rebuilt.on_report(moment.trial, report(RUNGS[moment.rung], moment.fmd, math.isinf(moment.fmd)))
        assert decision is moment.decision
    last = {m.trial: m for m in moments}
    assert rebuilt.paused == {trial: m.rung for trial, m in last.items() if m.decision is Decision.PAUSE}


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_a_repeated_report_changes_nothing_even_if_better_trials_reported_meanwhile(kind: str) -> None:
    scheduler = SCHEDULERS[kind](RUNGS, 3)
    first = scheduler.on_report(0, report(100, 50.0))
    for i in range(1, 6):
        scheduler.on_report(i, report(100, float(i)))
    if first is Decision.PAUSE:
        assert 0 in scheduler.paused
        del scheduler.paused[0]  # as when it was promoted
    assert scheduler.on_report(0, report(100, 50.0)) is Decision.CONTINUE
    assert 0 not in scheduler.paused


@pytest.mark.parametrize("eta", [2, 4])
@pytest.mark.parametrize("seed", range(3))
def test_under_asha_stopping_a_trial_continues_if_it_is_among_the_best_that_reported_so_far(
    seed: int, eta: int
) -> None:
    moments = play("asha-stopping", random_curves(seed), eta=eta)
    for moment in moments:
        better, count = places(moments, moment)
        expected = moment.rung < LAST and math.isfinite(moment.fmd) and better < max(1, count // eta)
        assert (moment.decision is Decision.CONTINUE) == expected


@pytest.mark.parametrize("seed", range(3))
def test_under_asha_the_best_third_of_each_rung_reaches_the_next(seed: int) -> None:
    curves = random_curves(seed, trials=27)
    moments = play("asha", curves)
    at = [[m for m in moments if m.rung == rung and math.isfinite(m.fmd)] for rung in range(len(RUNGS))]
    for low, high in itertools.pairwise(at):
        ranked, continued = sorted(low, key=lambda m: m.fmd), {m.trial for m in high}
        share = sum(m.rung == low[0].rung for m in moments) // 3
        assert {m.trial for m in ranked[:share]} <= continued | {m.trial for m in moments if math.isinf(m.fmd)}
    assert at[LAST]


def test_asha_promotes_a_single_paused_trial_only_when_nothing_else_is_left_to_do() -> None:
    asha = ASHA(RUNGS, 3)
    assert asha.on_report(0, report(100, 5.0)) is Decision.PAUSE
    assert asha.promote(more=True, idle=True) is None
    assert asha.promote(more=False, idle=True) == 0
    assert asha.on_report(0, report(100, 5.0)) is Decision.CONTINUE  # it repeats its last report once it runs


@pytest.mark.parametrize("slots", [1, 8])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", SCHEDULERS)
def test_an_unpromotable_trial_is_never_promoted(kind: str, seed: int, slots: int) -> None:
    curves, scheduler = random_curves(seed, trials=60), SCHEDULERS[kind](RUNGS, 3)
    unpromotable: dict[int, int] = {}
    reported = set[int]()
    for moment in simulate(scheduler, curves, slots):
        reported.add(moment.trial)
        assert moment.rung <= unpromotable.get(moment.trial, LAST)
        for trial in scheduler.unpromotable(len(curves) - len(reported)):
            unpromotable.setdefault(trial, scheduler.paused[trial])
    assert unpromotable.keys() >= {trial for trial, rung in scheduler.paused.items() if rung == 0}  # none is to come
    assert bool(unpromotable) == (kind in PAUSING)


@pytest.mark.parametrize("to_come", [0, 1, 2, 3, 10, 30])
def test_a_trial_paused_at_the_first_rung_is_promotable_as_long_as_enough_worse_trials_may_report(to_come: int) -> None:
    asha, continued = ASHA(RUNGS, 3), set[int]()
    values = random.Random(to_come).sample(range(100), 20)
    for trial, value in enumerate(values):
        if asha.on_report(trial, report(100, float(value))) is Decision.CONTINUE:
            asha.on_report(trial, report(300, float(value)))
            continued.add(trial)
    promotable = {trial for trial, rung in asha.paused.items() if rung == 0} - set(asha.unpromotable(to_come))
    for trial in range(20, 20 + to_come):
        asha.on_report(trial, report(100, 1e9))
    promoted = set(iter(lambda: asha.promote(more=True, idle=False), None))
    assert promoted - continued == promotable


@pytest.mark.parametrize("kind", PAUSING)
def test_a_removed_trial_takes_no_place_among_those_that_may_be_promoted(kind: str) -> None:
    scheduler = SCHEDULERS[kind](RUNGS, 3)
    for trial in range(9):
        assert scheduler.on_report(trial, report(100, float(trial))) is Decision.PAUSE
    for trial in range(3):
        scheduler.remove(trial)
    assert scheduler.promote(more=False, idle=True) == 3


@pytest.mark.parametrize("slots", [1, 8])
def test_iepoch_trains_all_to_the_first_rung_and_then_the_best_few_to_the_full_budget(slots: int) -> None:
    curves = random_curves(7)
    moments = play("iepoch", curves, slots)
    assert all(m.rung == 0 for m in moments[: len(curves)])
    best = sorted(range(len(curves)), key=lambda trial: curves[trial].fmd[0])[: IEpoch.FINISHED]
    assert {m.trial for m in moments if m.rung > 0} == set(best)


def test_hyperband_gives_each_bracket_the_published_number_of_trials() -> None:
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
        assert (moment.decision is Decision.CONTINUE) == (moment.rung < LAST and math.isfinite(moment.fmd) and passes)


def test_under_none_all_trials_continue() -> None:
    for moment in play("none", random_curves(2)):
        assert (moment.decision is Decision.CONTINUE) == (moment.rung < LAST and math.isfinite(moment.fmd))
