"""Whether the first trial of a session begins: where its process cannot start, Ray tries again for ever."""

import time
from pathlib import Path

import ray

from search.execution.logs import last_complaint
from search.machine import MachineError

# Imports before the first step take seconds, and a minute on a machine that is busy with other things.
LIMIT = 300.0  # seconds


class FirstWorker:
    """Ends a session in which a trial was given out, and none has begun in `limit` seconds or before the time is up."""

    def __init__(self, cpus_per_trial: float, limit: float = LIMIT) -> None:
        self._cpus, self._limit = cpus_per_trial, limit
        self._begun, self._asked = False, 0.0

    def asked(self) -> None:
        """Take in that a trial is to begin."""
        self._asked = self._asked or time.monotonic()

    def begins(self) -> None:
        """Take in that a trial has begun."""
        self._begun = True

    def require(self, *, at_the_end: bool = False) -> None:
        """Raise MachineError if it is too late for a trial to begin."""
        waited = time.monotonic() - self._asked
        if self._begun or not self._asked or (waited < self._limit and not at_the_end):
            return
        if not any(node["Alive"] and node["Resources"].get("CPU", 0) >= self._cpus for node in ray.nodes()):
            self._asked = time.monotonic()  # the machines of a cluster are still to come
            return
        said = last_complaint(Path(ray.get_runtime_context().get_temp_dir()))
        told = f"; the last that one of them said is: {said}" if said else ""
        raise MachineError(f"no trial began in {waited:.0f} seconds, because their processes do not start{told}")
