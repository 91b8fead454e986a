"""Adam and AdamW with torch's fused kernels, without torch.optim.

Creating the first optimizer of torch.optim imports torch._dynamo, which takes longer than importing torch
(tests/benchmarks/start.py). The fused and foreach kernels are public only through torch.optim, so their private names
are called here.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from trainables.checkpoint import CheckpointError

BETA1, EPS = 0.9, 1e-8  # Kingma & Ba 2015, algorithm 1; torch's defaults


class Adam:
    """The optimizer torch.optim.Adam(fused=True), or AdamW, with the learning rate in float32.

    Attributes:
        params: the parameters, on one device.
        lr: scalar float32 on that device; set it with `fill_`, because a recorded CUDA graph reads it there.
    """

    def __init__(self, params: Iterable[Tensor], weight_decay: float, decoupled: bool, beta2: float = 0.999) -> None:
        """Start with zero moments; `decoupled` weight decay makes it AdamW (Loshchilov & Hutter 2019)."""
        self.params: list[Tensor] = list(params)
        self.weight_decay, self.beta2 = weight_decay, beta2
        self.lr = torch.zeros((), device=self.params[0].device)
        self._kernel = torch._fused_adamw_ if decoupled else torch._fused_adam_
        self._first, self._second = ([torch.zeros_like(p, requires_grad=False) for p in self.params] for _ in range(2))
        self._steps = [torch.zeros_like(self.lr) for _ in self.params]

    @property
    def changed(self) -> tuple[list[Tensor], ...]:
        """What a step changes: the parameters, their moments and their numbers of steps."""
        return self.params, self._first, self._second, self._steps

    def zero_grad(self) -> None:
        """Set the gradients to None."""
        for p in self.params:
            p.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Step the parameters by their gradients; all must have one."""
        torch._foreach_add_(self._steps, 1)
        self._kernel(
            self.params,
            [p.grad for p in self.params],  # type: ignore[misc]
            self._first,
            self._second,
            [],
            self._steps,
            lr=self.lr,
            beta1=BETA1,
            beta2=self.beta2,
            weight_decay=self.weight_decay,
            eps=EPS,
            amsgrad=False,
            maximize=False,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the moments and the number of steps, in the order of the parameters."""
        return {"first": self._first, "second": self._second, "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state`, whose tensors may be on any device.

        Raises:
            CheckpointError: the state is not one of this class.
        """
        if state.keys() != self.state_dict().keys():
            raise CheckpointError("the checkpoint is of another version of this program")
        for name, own in self.state_dict().items():
            for mine, saved in zip(own, state[name], strict=True):
                mine.copy_(saved)
