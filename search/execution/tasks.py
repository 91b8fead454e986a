"""Tasks on the slots of a search, in Ray's processes, beside the trials of Ray Tune."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from search.execution.ending import Ending, Left
from search.execution.threads import take_threads, threads_of
from search.settings import Settings

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Result = TypeVar("Result")

LOOK = 1.0  # seconds between two questions whether the time is up


def each_on_a_slot(
    task: Callable[[Shared, Item], Result],
    shared: Shared,
    items: Sequence[Item],
    settings: Settings,
    is_over: Callable[[], bool],
    ending: Ending,
) -> Iterator[tuple[Item, Result | RayError]]:
    """Yield each item with the result of its task, or with the error of one that failed, in the order of their ends.

    `task` is a function of a module. Its first argument is `shared`, which is sent once to each machine, its second an
    item. Tasks begin in the order of the items and take the resources of a trial. Those that have not ended when the
    time is up are cancelled, and their items are not yielded. Ray must be connected, and `ending` be watched.

    Raises:
        Left: a signal interrupts, or Ray is lost; `ending` knows which.
    """
    if not items:
        return
    remote: Any = ray.remote(num_cpus=settings.cpus_per_trial, num_gpus=settings.gpus_per_trial)(_on_threads)
    sent, threads = ray.put(shared), threads_of(settings.cpus_per_trial)
    waiting = {remote.remote(threads, task, sent, item): item for item in items}
    try:
        while waiting and not is_over():
            for task_of_item in _ended(list(waiting), ending):
                yield waiting.pop(task_of_item), _result(task_of_item, ending)
    finally:
        if not ending.lost:
            for task_of_item in waiting:
                ray.cancel(task_of_item, force=True)


def _on_threads(threads: int, task: Callable[[Shared, Item], Result], shared: Shared, item: Item) -> Result:
    take_threads(threads)
    return task(shared, item)


def _ended(tasks: list[Any], ending: Ending) -> list[Any]:
    """Return the tasks that have ended, after a moment at the latest."""
    if ending.begun:
        raise Left
    try:
        done, _ = ray.wait(tasks, timeout=LOOK)
    except Exception:  # Ray raises whatever its end leads to; any other error goes on its way
        if not ending.begins_soon():
            raise
        raise Left from None
    return list(done)


def _result(task: Any, ending: Ending) -> Any:
    try:
        return ray.get(task)
    except RayError as error:
        if not isinstance(error, RayTaskError) and ending.begins_soon():  # the end of Ray ended the task
            raise Left from None
        return error
