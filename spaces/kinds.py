"""Kinds of degradations that spaces search, and which fields change anything beside each."""

from trainables.config import Variant
from trainables.diffusion.degradations import DEGRADATIONS, Gaussian, Overlay
from trainables.diffusion.samplers import SAMPLERS
from trainables.domain import ConfigError

_CORRUPTIONS = [kind for kind in DEGRADATIONS if kind not in ("gaussian", "flow", "noise")]
_OVERLAYS = [kind for kind in _CORRUPTIONS if issubclass(DEGRADATIONS[kind], Overlay)]
KINDS = (
    "gaussian",
    "flow",
    *_CORRUPTIONS,
    *(f"{kind}+gaussian" for kind in _CORRUPTIONS),
    "mask+contrast+gaussian",
    *(f"{kind}+noise" for kind in _OVERLAYS),
)
# Every corruption with noise, because samples without noise lack diversity.
WITH_NOISE = tuple(f"{kind}+noise" if kind in _OVERLAYS else f"{kind}+gaussian" for kind in _CORRUPTIONS)
# These follow t / T alone, whatever the schedule.
BY_TIME = frozenset(("mask", "inpaint", "fade", "contrast", "local_contrast", "blur", "pixelate", "average"))
# These draw nothing at random.
WITHOUT_Z = frozenset(("blur", "pixelate"))


def follows_schedule(degradation: str) -> bool:
    """Return whether x_t depends on the schedule, for a kind of degradation or several joined by +."""
    return not BY_TIME.issuperset(degradation.split("+"))


def has_prior(degradation: str) -> bool:
    """Return whether a kind of degradation, or one of several joined by +, has a prior that is not the fitted one."""
    return any(DEGRADATIONS[kind].has_prior for kind in degradation.split("+"))


def samplers_for(degradation: str, target: str) -> tuple[str, ...]:
    """Return the samplers that a kind of degradation and a prediction target allow, each under one of its names."""
    fitting = [sampler for sampler in SAMPLERS if _fits(degradation, target, sampler)]
    return tuple(sampler for sampler in fitting if _same(sampler, degradation) not in fitting)


def _same(sampler: str, degradation: str) -> str:
    """Return another name of what a sampler does with a kind of degradation, "" where there is none."""
    *before, last = (DEGRADATIONS[kind] for kind in degradation.split("+"))
    if sampler == "euler" and issubclass(last, Gaussian):
        return "ddim"
    if sampler == "cold2_estimated" and not before and issubclass(last, Overlay):
        return "euler"
    if sampler == "cold2_estimated" and not last.is_solved:
        return "cold2"
    return "cold1" if sampler == "renoise" and WITHOUT_Z.issuperset(degradation.split("+")) else ""


def _fits(degradation: str, target: str, sampler: str) -> bool:
    try:
        Variant.from_flat({"degradation/kind": degradation, "training/target": target, "sampler/kind": sampler})
    except ConfigError:
        return False
    return True
