"""CUDA graphs: a function is recorded once and launched as a whole, instead of kernel by kernel from Python.

A step of a small network has some two hundred kernels of a few microseconds each, and to launch one takes longer.
"""

from collections.abc import Callable

import torch
from torch import Tensor

# Calls of one shape in a row before the recording: libraries initialise in the first ones, and the smaller batch at the
# end of an epoch is not worth a recording.
WARM_UP = 3


class Recorded:
    """A function of one tensor which, on a CUDA device, is recorded once and then replayed as a CUDA graph.

    The function may draw from `generator` and change tensors in place. Decisions on the host are taken only once. On
    other devices the function is called.

    Attributes:
        function: the function.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], generator: torch.Generator) -> None:
        """Record at a later call."""
        self.function, self._generator = function, generator
        self._graph: torch.cuda.CUDAGraph | None = None
        self._in_a_row = 0
        self._given, self._returned = torch.empty(0), torch.empty(0)

    def __call__(self, given: Tensor) -> Tensor:
        """Return the function's result, which is valid until the next call."""
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
        """Count this call, and return whether more than WARM_UP of the same shape came in a row."""
        self._in_a_row = self._in_a_row + 1 if given.shape == self._given.shape else 1
        self._given = given.clone()
        return self._in_a_row > WARM_UP

    def _record(self, given: Tensor) -> None:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        with torch.cuda.graph(graph):  # records on a stream of its own, and runs nothing
            self._returned = self.function(self._given)
        self._graph = graph
