"""Tasks on the slots of a search, in Ray's processes, beside the trials of Ray Tune."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError

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
) -> Iterator[tuple[Item, Result | RayError]]:
    """Yield each item with the result of its task, or with the error of one that failed, in the order of their ends.

    Tasks begin in the order of the items and take the resources of a trial. Those that have not ended when the time is
    up are cancelled, and their items are not yielded. Ray must be connected.

    Args:
        task: a function of a module.
        shared: its first argument, sent once to each machine.
        items: its second argument, one a task.
        settings: of the search.
        is_over: says whether the time is up.
    """
    if not items:
        return
    remote: Any = ray.remote(num_cpus=settings.cpus_per_trial, num_gpus=settings.gpus_per_trial)(_on_threads)
    sent, threads = ray.put(shared), threads_of(settings.cpus_per_trial)
    waiting = {remote.remote(threads, task, sent, item): item for item in items}
    try:
        while waiting and not is_over():
            done, _ = ray.wait(list(waiting), timeout=LOOK)
            for task_of_item in done:
                yield waiting.pop(task_of_item), _result(task_of_item)
    finally:
        for task_of_item in waiting:
            ray.cancel(task_of_item, force=True)


def _on_threads(threads: int, task: Callable[[Shared, Item], Result], shared: Shared, item: Item) -> Result:
    take_threads(threads)
    return task(shared, item)


def _result(task: Any) -> Any:
    try:
        return ray.get(task)
    except RayError as error:
        return error
