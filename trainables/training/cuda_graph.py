"""Work that a CUDA device is given as one recorded graph, instead of kernel by kernel from Python.

A small network's step is some two hundred kernels of a few microseconds each, fewer than it takes to launch one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# Calls before the recording: libraries set themselves up in the first ones, and an odd batch at an epoch's end is not
# worth a recording, as it never comes so often in a row.
WARM_UP = 3


class Recorded:
    """A function of one tensor that, on a CUDA device, is recorded and from then on replayed as a CUDA graph.

    The function may draw from `generator`, change tensors that stay where they are, and nothing else: what it decides
    on the host is decided once. On other devices it is simply called.

    Attributes:
        function: as it was given.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], generator: torch.Generator) -> None:
        """Record nothing yet."""
        self.function, self._generator = function, generator
        self._graph: torch.cuda.CUDAGraph | None = None
        self._in_a_row = 0
        self._given, self._returned = torch.empty(0), torch.empty(0)

    def __call__(self, given: Tensor) -> Tensor:
        """Return the function's result, which holds until the next call."""
        if given.device.type != "cuda":
            return self.function(given)
        if self._graph is not None and given.shape == self._given.shape:
            self._given.copy_(given)
        elif self._graph is not None or not self._warm(given):
            return self.function(given)
        else:
            self._record(given)
        assert self._graph is not None
        self._graph.replay()
        return self._returned

    def _warm(self, given: Tensor) -> bool:
        """Count this call, and return whether so many of the same shape came in a row that it is to be recorded."""
        self._in_a_row = self._in_a_row + 1 if given.shape == self._given.shape else 1
        self._given = given.clone()
        return self._in_a_row > WARM_UP

    def _record(self, given: Tensor) -> None:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        with torch.cuda.graph(graph):  # on a stream of its own; nothing runs
            self._returned = self.function(self._given)
        self._graph = graph
