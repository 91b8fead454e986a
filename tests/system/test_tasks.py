"""Tasks on the slots of a search, in a Ray of its own: their results, their errors, and the end of their time."""

import time
from collections.abc import Iterator

import pytest
from ray.exceptions import RayError

from search.execution.ending import Ending
from search.execution.local import ray_here
from search.execution.tasks import each_on_a_slot
from search.machine import Machine
from search.settings import Settings

MACHINE = Machine(cpus=2, gpus=0)
SETTINGS = Settings.resolve({"name": "run"}, "widths", "digest", MACHINE)
ENDING = Ending(write=lambda: None)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    with ray_here(MACHINE, data_bytes=1_000_000):
        yield


def test_each_item_has_its_result_and_one_that_fails_its_error() -> None:
    found = dict(each_on_a_slot(_divide, 6.0, [3, 0, 2], SETTINGS, lambda: False, ENDING))
    assert (found[3], found[2]) == (2.0, 3.0)
    assert isinstance(found[0], RayError)
    assert "ZeroDivisionError" in str(found[0])


def test_without_items_there_is_nothing() -> None:
    assert list(each_on_a_slot(_divide, 6.0, [], SETTINGS, lambda: False, ENDING)) == []


def test_tasks_of_one_slot_each_run_side_by_side() -> None:
    list(each_on_a_slot(_later, 0.0, [1, 2], SETTINGS, lambda: False, ENDING))  # the processes have started
    spans = [span for _, span in each_on_a_slot(_later, 3.0, [1, 2], SETTINGS, lambda: False, ENDING)]
    (first_begins, first_ends), (second_begins, second_ends) = spans
    assert max(first_begins, second_begins) < min(first_ends, second_ends)


def test_when_the_time_is_up_what_has_not_ended_is_not_returned() -> None:
    began = time.monotonic()
    over_after = iter([False, False, True])
    assert list(each_on_a_slot(_later, 600.0, [1, 2], SETTINGS, lambda: next(over_after), ENDING)) == []
    assert time.monotonic() - began < 300


def _later(seconds: float, item: int) -> tuple[float, float]:
    """Return when this began and ended, with a pause between: a task that takes its time."""
    began = time.time()
    time.sleep(seconds)
    return began, time.time()


def _divide(a: float, b: int) -> float:
    return a / b
