"""Draws of t in training: functions (n, T, mean, source) -> t, int64 (n,) from 1 to T.

`mean` is the mean of logit(t / T), used by `logit_normal` alone.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from trainables.diffusion.source import Source

Times = Callable[[int, int, float, Source], Tensor]


def uniform(n: int, T: int, mean: float, source: Source) -> Tensor:
    """Return independent steps, each as likely as the others (Ho et al. 2020, algorithm 1)."""
    return source.index(T, n) + 1


def stratified(n: int, T: int, mean: float, source: Source) -> Tensor:
    """Return a uniform step of each n-th of 1..T, so a batch has all noise levels (cf. Kingma et al. 2021, I.1)."""
    shares = source.uniform(torch.Size((n,))) + torch.arange(n, device=source.generator.device)
    return _steps(shares / n, T)


def logit_normal(n: int, T: int, mean: float, source: Source) -> Tensor:
    """Return T sigmoid(z), z ~ N(mean, 1), rounded up: few steps near 1 and T (Esser et al. 2024, section 3.1)."""
    return _steps(torch.sigmoid(source.normal(torch.Size((n,))) + mean), T)


def _steps(shares: Tensor, T: int) -> Tensor:
    return (shares * T).ceil().long().clamp(1, T)


TIMES: dict[str, Times] = {"uniform": uniform, "stratified": stratified, "logit_normal": logit_normal}
