"""The driver ends a process without a sign of life, and no other; that Ray does so is seen in whole searches."""

import pytest
import ray

from search.execution import pulse
from search.execution.pulse import LATER, Pulse, TrialSide
from search.execution.watchdog import RESTS
from tests.helpers.tools import Clock

LIMIT = 100.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pulse, "time", clock)
    return clock


@pytest.fixture
def signs(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What trials have left, by name."""
    found: dict[str, bytes] = {}
    monkeypatch.setattr(pulse, "_get", found.get)
    return found


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    ended: list[str] = []
    monkeypatch.setattr(ray, "kill", ended.append)
    return ended


def test_a_process_is_ended_once_it_shows_nothing_for_longer_than_it_would_take_to_end_itself(
    clock: Clock, signs: dict[str, bytes], killed: list[str]
) -> None:
    watched = Pulse(LIMIT)
    for name in ("never", "stops", "works", "rests", "left"):
        watched.starts(name, f"process of {name}")
    watched.leaves("left")
    for second in range(0, 400, 10):
        signs["works"] = str(second).encode()
        signs["stops"] = str(min(second, 50)).encode()
        signs["rests"] = RESTS
        clock.now += 10
        watched.look()
        assert ("process of never" in killed) == (second + 10 > LIMIT + LATER)
        assert ("process of stops" in killed) == (second > 50 + LIMIT + LATER)
    assert sorted(killed) == ["process of never", "process of stops"]


def test_a_trial_that_runs_again_is_given_the_whole_time(
    clock: Clock, signs: dict[str, bytes], killed: list[str]
) -> None:
    watched = Pulse(LIMIT)
    signs["a"] = b"of the first try"
    for _ in range(3):
        watched.starts("a", "process")
        clock.now += LIMIT
        watched.look()
        watched.leaves("a")
    assert killed == []


def test_of_what_trials_have_for_the_user_a_session_notes_one_line(clock: Clock, signs: dict[str, bytes]) -> None:
    noted: list[str] = []
    watched = Pulse(LIMIT, noted.append)
    for line in (None, "a line", "another", "another"):
        if line:
            signs["note"] = line.encode()
        clock.now += 10
        watched.look()
    assert noted == ["a line"]


def test_the_driver_is_told_how_many_images_a_trial_that_trains_has_seen(
    clock: Clock, signs: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "_put", signs.__setitem__)
    told: list[tuple[str, int]] = []
    watched, trial = Pulse(LIMIT, advanced=lambda name, images: told.append((name, images))), TrialSide("a")
    watched.starts("a", "process")
    for second, images in enumerate((0, 640, 640, 1280)):
        trial.images_seen = lambda images=images: images
        trial.show(str(second).encode())
        clock.now += 10
        watched.look()
    trial.show(RESTS)
    clock.now += 10
    watched.look()
    assert told == [("a", 0), ("a", 640), ("a", 640), ("a", 1280)]
