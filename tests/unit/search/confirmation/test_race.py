"""Laws of the race as it is run: which training comes next, by the log alone, whatever order they end in."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from analysis.run.events import Event, Start
from analysis.statistics.confidence import next_round
from search.confirmation.race import Race, repeated
from search.tries import MAX_FAILURES
from trainables.report import Report

SEED, SEEDS = 5, 4
MEANS = {"003-a": 30.0, "001-b": 30.2, "004-c": 45.0, "000-A0": 300.0}
CHOSEN = [
    Start(name, number, seed=0, baseline="A0" if "A0" in name else "", variant={"training/lr": 0.1})
    for number, name in enumerate(MEANS)
]


def make_race(chosen: list[Start] = CHOSEN, events: list[Event] | None = None) -> Race:
    return Race(SEED, SEEDS, chosen, list(events or []))


def make_report(start: Start, fmd: float | None = None, diverged: bool = False) -> Report:
    """The report of a training; its FMD is a function of the configuration and the fresh seed, unless it is given."""
    if fmd is None:
        contender = str(start.repeats)
        fmd = MEANS[contender] * (1 + 0.02 * random.Random(start.seed + len(contender)).uniform(-1, 1))
    return Report.from_dict({"trial": start.trial, "images_seen": 900, "fmd": fmd, "diverged": diverged})


class Oldest(random.Random):
    """Chooses the training that started first."""

    def choice(self, seq: list[Start]) -> Start:  # type: ignore[override]
        return seq[0]


def run_race(race: Race, rng: random.Random, events: list[Event], stop_after: int = 1000) -> None:
    """Let two trainings run at a time, which end in the order that `rng` chooses, and append their events."""
    running: list[Start] = []
    for _ in range(stop_after):
        while len(running) < 2 and (start := race.next_trial()) is not None:
            running.append(start)
            if start.trial not in starts(events):
                events.append(start)
        if not running:
            assert race.next_trial() is None
            return
        chosen = rng.choice(running)
        running.remove(chosen)
        events.append(make_report(chosen))
        race.on_report(chosen, make_report(chosen))
        race.on_end(chosen, make_report(chosen), failed=False)


def starts(events: list[Event]) -> dict[str, Start]:
    return {event.trial: event for event in events if isinstance(event, Start)}


def reports(events: list[Event]) -> dict[str, float]:
    return {event.trial: event.fmd for event in events if isinstance(event, Report)}


def trained(events: list[Event]) -> dict[str, int]:
    """How many trainings of each contender reported."""
    counts = Counter(name.rpartition(".")[0] for name in reports(events))
    return {name: counts[name] for name in MEANS}


@pytest.mark.parametrize("seed", range(3))
def test_a_contender_that_cannot_win_leaves_and_no_training_is_made_twice(seed: int) -> None:
    events: list[Event] = []
    run_race(make_race(), random.Random(seed), events)
    assert len(reports(events)) == sum(isinstance(event, Report) for event in events)
    counts = trained(events)
    assert counts["003-a"] == counts["001-b"] == SEEDS
    assert counts["000-A0"] == 1
    fmds = {name: [reports(events)[repeated(name, i)] for i in range(count)] for name, count in counts.items()}
    assert next_round(fmds, SEEDS) == {}


def test_a_free_slot_trains_nothing_that_has_left_the_race() -> None:
    events: list[Event] = []
    run_race(make_race([CHOSEN[0], *CHOSEN[2:]]), Oldest(), events)
    assert trained(events) == {"003-a": 2, "001-b": 0, "004-c": 1, "000-A0": 1}


def test_a_contender_that_diverges_with_a_fresh_seed_leaves_the_race() -> None:
    race = make_race(CHOSEN[:2])
    first, second = race.next_trial(), race.next_trial()
    ends = [make_report(first, 30.0), make_report(second, 29.0, diverged=True)]
    for start, end in zip((first, second), ends, strict=True):
        race.on_end(start, end, failed=False)
    events: list[Event] = []
    run_race(race, random.Random(0), events)
    assert {start.repeats for start in starts(events).values()} == {first.repeats}
    resumed = make_race(CHOSEN[:2], [first, second, *ends])
    following = resumed.next_trial()
    assert following.trial == repeated(str(first.repeats), 1)


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 8])
def test_interrupted_at_any_moment_it_goes_on_to_the_same_trainings(cut: int) -> None:
    events: list[Event] = []
    run_race(make_race(), random.Random(cut), events, stop_after=cut)
    race, before = make_race(events=events), starts(events)
    assert race.interrupted == len(before.keys() - reports(events).keys())
    again: list[Event] = []
    run_race(race, random.Random(0), again)
    assert race.interrupted == 0
    assert not reports(events).keys() & reports(again).keys()
    for name, start in starts(again).items():
        assert start == before.get(name, start)
    numbers = [start.number for start in {**before, **starts(again)}.values()]
    assert sorted(numbers) == list(range(len(numbers)))


CHOICE = {"tried_guidance": (0.4, 1.0), "tried_fmd": (30.0, 29.0)}


@pytest.mark.parametrize("chosen", [CHOSEN, CHOSEN[:1]], ids=len)
def test_the_first_training_of_each_chooses_and_all_later_ones_of_it_wait_for_that(chosen: list[Start]) -> None:
    race, events, running = Race(SEED, SEEDS, chosen, [], chooses=True), list[Event](), list[Start]()
    while True:
        while (start := race.next_trial()) is not None:
            running.append(start)
            events.append(start)
        if not running:
            break
        ended = running.pop()
        report = make_report(ended)
        if ended.chooses:
            report = replace(report, **CHOICE)
            assert "sampler/guidance" not in ended.variant
        else:
            assert ended.variant == chosen[0].variant | {"sampler/guidance": 1.0}
        race.on_end(ended, report, failed=False)
        events.append(report)
    counts = Counter(start.repeats for start in starts(events).values() if start.chooses)
    assert counts == {start.trial: 1 for start in chosen}
    first = repeated(chosen[0].trial, 0)
    resumed = Race(SEED, SEEDS, chosen[:1], [one for one in events if one.trial == first], chooses=True)
    following = resumed.next_trial()
    assert (following.trial, following.chooses) == (repeated(chosen[0].trial, 1), False)
    assert following.variant["sampler/guidance"] == 1.0


def test_only_interrupted_trainings_of_contenders_go_on() -> None:
    first = make_race().next_trial()
    others = [start for start in CHOSEN if start.trial != first.repeats]
    assert make_race(events=[first]).interrupted == 1
    assert make_race(others, [first]).interrupted == 0


def test_no_number_is_given_twice_where_trainings_began_in_another_order() -> None:
    race = make_race()
    _, second = race.next_trial(), race.next_trial()
    resumed = make_race(events=[second])  # killed before the first began
    numbers = {start.trial: start.number for start in (second, resumed.next_trial(), resumed.next_trial()) if start}
    assert len(set(numbers.values())) == len(numbers) > 1


def test_a_seed_is_the_same_for_all_contenders_and_differs_from_that_of_the_noise() -> None:
    events: list[Event] = []
    run_race(make_race(), random.Random(0), events)
    seeds: dict[str, set[tuple[int, int | None]]] = {}
    for name, start in starts(events).items():
        seeds.setdefault(name.rpartition(".")[2], set()).add((start.seed, start.sampling_seed))
    assert all(len(pairs) == 1 for pairs in seeds.values())
    drawn = [value for pairs in seeds.values() for pair in pairs for value in pair]
    assert len(set(drawn)) == len(drawn) == 2 * SEEDS


def test_a_training_that_fails_runs_again_and_then_its_contender_leaves() -> None:
    race = make_race()
    first = race.next_trial()
    for _ in range(MAX_FAILURES):
        race.on_end(first, None, failed=True)
        assert race.tries.may_retry(first.number)
        assert race.next_trial() == first
    race.on_end(first, None, failed=True)
    assert not race.tries.may_retry(first.number)
    events: list[Event] = []
    run_race(race, random.Random(0), events)
    assert first.trial not in starts(events)
    assert {start.repeats for start in starts(events).values()} == MEANS.keys() - {first.repeats}
