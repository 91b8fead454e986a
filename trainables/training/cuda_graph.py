"""CUDA graphs: a function is recorded once and launched as a whole, instead of kernel by kernel from Python.

A step of a small network has some two hundred kernels of a few microseconds each, and to launch one takes longer.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor

# Calls of one shape before the recording: libraries initialise in the first ones, and the smaller batch at the end of
# an epoch is not worth a recording.
WARM_UP = 3
# The largest difference of a replay from a call, as a share of the value that a call returns, and of what it changes.
# The order of sums may differ between two calls, and Adam's first steps go by the sign of a gradient, however small.
RETURNED_APART, CHANGED_APART = 0.01, 0.2


class Recorded:
    """A function of one tensor which, on a CUDA device, is recorded once and then replayed as a CUDA graph.

    The function may draw from `generator` and change tensors in place. Decisions on the host are taken only once. On
    other devices the function is called. The first replay is compared with a call: where the recording fails or the
    replay differs, the function is called from then on.

    Attributes:
        function: the function.
        refusal: why it is called and not replayed, in one line; empty where it is replayed, or was not recorded yet.
    """

    devices: ClassVar[tuple[str, ...]] = ("cuda",)
    """Where functions are recorded"""

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        generator: torch.Generator,
        changed: Sequence[Sequence[Tensor]] = (),
    ) -> None:
        """Record at a later call.

        Args:
            function: takes a tensor and returns one.
            generator: that it draws from.
            changed: the tensors that it changes in place, in groups that are compared each by itself.
        """
        self.function, self.refusal = function, ""
        self._generator, self._changed = generator, changed
        self._calls = Counter[torch.Size]()
        self._replay: Callable[[], None] | None = None
        self._given, self._returned = torch.empty(0), torch.empty(0)

    def __call__(self, given: Tensor) -> Tensor:
        """Return the function's result, which is valid until the next call."""
        if given.device.type not in self.devices or self.refusal:
            return self.function(given)
        if self._replay is not None and given.shape == self._given.shape:
            self._given.copy_(given)
            self._replay()
            return self._returned
        if self._replay is None and self._is_warm(given):
            return self._record(given)
        return self.function(given)

    def _is_warm(self, given: Tensor) -> bool:
        """Count this call, and return whether there were more than WARM_UP of its shape."""
        self._calls[given.shape] += 1
        return self._calls[given.shape] > WARM_UP

    def _record(self, given: Tensor) -> Tensor:
        """Return the function's result, of a replay if one does what a call does, else of the call."""
        generators = self._generators()
        changed = [tensor for group in self._changed for tensor in group]
        before, drawn = _copies(changed), [one.get_state() for one in generators]
        expected = self.function(given).clone()
        after, drawn_after = _copies(changed), [one.get_state() for one in generators]
        _set(changed, before)
        for generator, state in zip(generators, drawn, strict=True):
            generator.set_state(state)
        self._given = given.clone()
        try:
            self._replay = self._capture()
            self._replay()
            self.refusal = self._difference(expected, before, after)
            if any(_stands_still(*states) for states in zip(generators, drawn, drawn_after, strict=True)):
                self.refusal = "a replay of it draws the same numbers again"
        except RuntimeError as error:  # of torch, and of CUDA
            first: BaseException = error
            while first.__context__ is not None:  # the end of a recording that failed fails too
                first = first.__context__
            self.refusal = f"it cannot be recorded as a CUDA graph ({(str(first).splitlines() or [''])[0]})"
        if not self.refusal:
            return self._returned
        self._replay = None
        _set(changed, after)
        for generator, state in zip(generators, drawn_after, strict=True):
            generator.set_state(state)
        return expected

    def _generators(self) -> list[torch.Generator]:
        """Return what the function may draw from: its own generator, and the device's own, as dropout does."""
        device = self._generator.device
        return [self._generator, torch.cuda.default_generators[device.index or 0]]

    def _capture(self) -> Callable[[], None]:
        """Record the function of `_given` into `_returned`, and return what replays it."""
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        with torch.cuda.graph(graph):  # records on a stream of its own, and runs nothing
            self._returned = self.function(self._given)
        return graph.replay

    def _difference(self, expected: Tensor, before: Sequence[Tensor], after: Sequence[Tensor]) -> str:
        """Return in what a replay differed from a call that began with the same, "" where it did the same."""
        if _apart([self._returned], [expected], [torch.zeros_like(expected)]) > RETURNED_APART:
            return "a replay of it returns something else than a call"
        first = 0
        for group in self._changed:
            at = slice(first, first + len(group))
            if _apart(group, after[at], before[at]) > CHANGED_APART:
                return "a replay of it changes something else than a call"
            first = at.stop
        return ""


def _copies(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensor.detach().clone() for tensor in tensors]


@torch.no_grad()
def _set(tensors: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for tensor, value in zip(tensors, values, strict=True):
        tensor.copy_(value)


@torch.no_grad()
def _apart(found: Sequence[Tensor], expected: Sequence[Tensor], begun: Sequence[Tensor]) -> float:
    """Return the sum of the differences of `found` from `expected`, as a share of those of `expected` from `begun`."""
    apart = sum(float((a - b).abs().sum()) for a, b in zip(found, expected, strict=True))
    moved = sum(float((a - b).abs().sum()) for a, b in zip(expected, begun, strict=True))
    return apart / moved if moved else apart


def _stands_still(generator: torch.Generator, drawn: Tensor, drawn_after: Tensor) -> bool:
    """Return whether a generator is where it was before the call, which it was not after it."""
    return not torch.equal(drawn, drawn_after) and torch.equal(generator.get_state(), drawn)
