"""Laws of the race as it is run: which training comes next, by the log alone, whatever order they end in."""

import random
from pathlib import Path
from typing import Any

import pytest
from ray.tune.search import Searcher

from analysis.run.run import Run
from analysis.statistics.confidence import next_round
from search.confirmation import alike, contenders, trainings_at_most
from search.machine import Machine
from search.race import Race, repeated
from search.settings import Settings
from search.study.tries import MAX_FAILURES
from trainables.config import Flat

SEEDS = 4
MEANS = {"003-a": 30.0, "001-b": 30.2, "004-c": 45.0, "000-A0": 300.0}
CHOSEN = [
    {"trial": name, "number": number, "baseline": "A0" if "A0" in name else "", "variant": {"training/lr": 0.1}}
    for number, name in enumerate(MEANS)
]
SETTINGS = Settings.resolve({"name": "run", "seeds": SEEDS, "max_images": 900}, "widths", "", Machine(cpus=2, gpus=0))


def fmd(config: dict[str, Any]) -> float:
    """A function of the configuration and the fresh seed."""
    return MEANS[config["repeats"]] * (1 + 0.02 * random.Random(config["seed"] + len(config["repeats"])).uniform(-1, 1))


class Oldest(random.Random):
    """Chooses what began first, of names that count up."""

    def choice(self, seq: Any) -> Any:
        return seq[0]


def run_race(race: Race, rng: random.Random, events: list[dict[str, Any]], stop_after: int = 1000) -> None:
    """Let two trainings run at a time, which end in any order, and write their events."""
    running: dict[str, dict[str, Any]] = {}
    for step in range(stop_after):
        while len(running) < 2 and isinstance(config := race.suggest(f"{step}-{len(running)}"), dict):
            running[f"{step}-{len(running)}"] = config
            if config["trial"] not in {e["trial"] for e in events if e["event"] == "start"}:
                events.append({"event": "start", **config})
        if not running:
            assert race.suggest("none") == Searcher.FINISHED
            return
        chosen = rng.choice(sorted(running))
        config = running.pop(chosen)
        events.append({"event": "report", "trial": config["trial"], "images_seen": 900, "fmd": fmd(config)})
        race.on_trial_complete(chosen, {"fmd": fmd(config), "diverged": False})


def trained(events: list[dict[str, Any]]) -> dict[str, int]:
    """How many trainings of each contender reported."""
    names = [event["trial"].rpartition(".")[0] for event in events if event["event"] == "report"]
    return {name: names.count(name) for name in MEANS}


@pytest.mark.parametrize("seed", range(5))
def test_what_cannot_win_leaves_and_no_training_is_made_twice(seed: int) -> None:
    events: list[dict[str, Any]] = []
    run_race(Race(SETTINGS, CHOSEN, []), random.Random(seed), events)
    names = [event["trial"] for event in events if event["event"] == "report"]
    assert len(names) == len(set(names))
    counts = trained(events)
    assert counts["003-a"] == counts["001-b"] == SEEDS
    assert counts["000-A0"] == 1
    fmds = {name: [0.0] * count for name, count in counts.items()}
    for event in events:
        if event["event"] == "report":
            name, _, repeat = event["trial"].rpartition(".")
            fmds[name][int(repeat)] = event["fmd"]
    assert next_round(fmds, SEEDS) == {}


def test_a_slot_without_work_trains_nothing_that_has_left_the_race() -> None:
    events: list[dict[str, Any]] = []
    race = Race(SETTINGS, [CHOSEN[0], *CHOSEN[2:]], [])
    run_race(race, Oldest(), events)
    assert trained(events) == {"003-a": 2, "001-b": 0, "004-c": 1, "000-A0": 1}


def test_what_diverges_with_a_fresh_seed_leaves_the_race() -> None:
    race = Race(SETTINGS, CHOSEN[:2], [])
    first, second = race.suggest("0"), race.suggest("1")
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    race.on_trial_complete("0", {"fmd": 30.0, "diverged": False})
    race.on_trial_complete("1", {"fmd": 29.0, "diverged": True})
    events: list[dict[str, Any]] = []
    run_race(race, random.Random(0), events)
    assert {event["repeats"] for event in events if event["event"] == "start"} == {first["repeats"]}
    started = [{"event": "start", **config} for config in (first, second)]
    reported = [
        {"event": "report", "trial": config["trial"], "images_seen": 900, "fmd": 30.0, "diverged": config is second}
        for config in (first, second)
    ]
    resumed = Race(SETTINGS, CHOSEN[:2], [*started, *reported])
    config = resumed.suggest("2")
    assert isinstance(config, dict)
    assert config["trial"] == repeated(first["repeats"], 1)


@pytest.mark.parametrize("cut", range(1, 10))
def test_cut_off_anywhere_it_goes_on_to_the_same_trainings(cut: int) -> None:
    events: list[dict[str, Any]] = []
    run_race(Race(SETTINGS, CHOSEN, []), random.Random(cut), events, stop_after=cut)
    race = Race(SETTINGS, CHOSEN, list(events))
    starts = {e["trial"]: e for e in events if e["event"] == "start"}
    reported = {e["trial"] for e in events if e["event"] == "report"}
    assert race.interrupted() == len(starts.keys() - reported)
    again: list[dict[str, Any]] = []
    run_race(race, random.Random(0), again)
    assert not reported & {e["trial"] for e in again if e["event"] == "report"}
    for event in again:
        if event["event"] == "start" and event["trial"] in starts:
            assert event == starts[event["trial"]]
    numbers = [e["number"] for e in {e["trial"]: e for e in (*events, *again) if e["event"] == "start"}.values()]
    assert sorted(numbers) == list(range(len(numbers)))


def test_going_on_with_others_it_counts_what_was_trained_of_those_before() -> None:
    events: list[dict[str, Any]] = []
    run_race(Race(SETTINGS, CHOSEN[:3], []), random.Random(0), events)
    assert len({e["trial"] for e in events}) <= trainings_at_most([], CHOSEN[:3], SEEDS) == SEEDS * 3
    run_race(Race(SETTINGS, CHOSEN[1:], list(events)), random.Random(0), events)
    counts = trained(events)
    assert trainings_at_most(events, CHOSEN[1:], SEEDS) == counts["003-a"] + SEEDS * 3 > SEEDS * 3


def test_a_seed_is_the_same_for_all_and_noise_is_not_the_seed() -> None:
    events: list[dict[str, Any]] = []
    run_race(Race(SETTINGS, CHOSEN, []), random.Random(0), events)
    seeds: dict[str, set[tuple[int, int]]] = {}
    for event in events:
        if event["event"] == "start":
            seeds.setdefault(event["trial"].rpartition(".")[2], set()).add((event["seed"], event["sampling_seed"]))
    assert all(len(pairs) == 1 for pairs in seeds.values())
    drawn = [value for pairs in seeds.values() for pair in pairs for value in pair]
    assert len(set(drawn)) == len(drawn) == 2 * SEEDS


def test_a_training_that_fails_runs_again_and_then_its_contender_leaves() -> None:
    race = Race(SETTINGS, CHOSEN, [])
    first = race.suggest("0")
    assert isinstance(first, dict)
    for attempt in range(MAX_FAILURES):
        race.on_trial_complete(str(attempt), error=True)
        assert race.tries.has_more(first["number"])
        assert race.suggest(str(attempt + 1)) == first
    race.on_trial_complete(str(MAX_FAILURES), error=True)
    assert not race.tries.has_more(first["number"])
    events: list[dict[str, Any]] = []
    run_race(race, random.Random(0), events)
    assert repeated(first["repeats"], 0) not in {event["trial"] for event in events}
    assert {e["repeats"] for e in events if e["event"] == "start"} == MEANS.keys() - {first["repeats"]}


def test_contenders_are_the_best_that_ended_and_the_best_of_the_literature(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    trials = {
        "000-x": (900, 40.0),
        "001-A0": (300, 10.0),
        "002-A1": (300, 12.0),
        "003-y": (900, 30.0),
        "004-z": (900, 8.0),
    }
    for number, (name, (images, value)) in enumerate(trials.items()):
        baseline = name[4:] if "A" in name else ""
        start = {
            "trial": name,
            "number": number,
            "seed": 0,
            "baseline": baseline,
            "variant": {"training/batch": number},
        }
        run.append({"event": "start", **start})
        report = {"images_seen": images, "rung": 0, "fmd": value, "fmd_se": 0.1, "diverged": name == "004-z"}
        run.append({"event": "report", "trial": name, **report})
    assert [start["trial"] for start in contenders(run, 1)] == ["003-y", "001-A0"]
    assert [start["trial"] for start in contenders(run, 3)] == ["003-y", "000-x", "001-A0"]


def test_of_trials_that_are_alike_only_the_best_is_trained_again(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    rates = {"000-a": 0.004, "001-b": 0.0078, "002-c": 0.0075, "003-d": 0.0073, "004-e": 0.0065}
    for number, (name, lr) in enumerate(rates.items()):
        start = {"trial": name, "number": number, "seed": 0, "baseline": "", "variant": {"training/lr": lr}}
        run.append({"event": "start", **start})
        report = {"images_seen": 900, "rung": 0, "fmd": 30.0 - number, "fmd_se": 0.1, "diverged": False}
        run.append({"event": "report", "trial": name, **report})
    assert [start["trial"] for start in contenders(run, 3)] == ["004-e", "003-d", "000-a"]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"training/lr": 0.0042, "training/batch": 64}, True),
        ({"training/lr": 0.0045, "training/batch": 64}, False),
        ({"training/lr": 0.004, "training/batch": 65}, False),
        ({"training/lr": 0.004}, False),
    ],
)
def test_alike_is_the_same_choices_and_numbers_less_than_a_tenth_apart(other: Flat, expected: bool) -> None:
    one: Flat = {"training/lr": 0.004, "training/batch": 64}
    assert alike(one, other) is alike(other, one) is expected
