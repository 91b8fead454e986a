"""What the parts of a variant can do together: which targets, weights and samplers are right for a degradation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.diffusion.degradations import DEGRADATIONS, Chain, Degradation
from trainables.diffusion.process import TARGETS, WEIGHTS, last_part
from trainables.diffusion.samplers import SAMPLERS
from trainables.domain import ConfigError

if TYPE_CHECKING:
    from trainables.config import Variant

# Of each choice, the last degradation that it is right for.
NEEDS: dict[str, dict[str, type]] = {
    "training/target": {kind: target.last for kind, target in TARGETS.items()},
    "training/weight": {kind: weight.last for kind, weight in WEIGHTS.items()},
    "sampler/kind": {kind: sampler.last for kind, sampler in SAMPLERS.items()},
}


def fitting(name: str, degradation: Degradation) -> list[str]:
    """Return the choices of "training/target", "training/weight" or "sampler/kind" that are right for `degradation`."""
    return [kind for kind, needed in NEEDS[name].items() if isinstance(last_part(degradation), needed)]


def refuse_misfits(variant: Variant) -> None:
    """Raise ConfigError where the parts of `variant` cannot be put together."""
    flat = variant.flat()
    for name in NEEDS:
        fit = fitting(name, variant.degradation)
        if flat[name] not in fit:
            needed = NEEDS[name][str(flat[name])]
            ends = [kind for kind, member in DEGRADATIONS.items() if issubclass(member, needed)]
            raise ConfigError(
                f"{name}={flat[name]}: degradation {flat['degradation/kind']} does not end in {' or '.join(ends)}; "
                f"use {name}={', '.join(fit)}"
            )
    _refuse_degrading_the_degraded(variant)
    _refuse_noise_without_signal(variant)


def _refuse_degrading_the_degraded(variant: Variant) -> None:
    """Targets other than x0 restore the image before the last part; cold samplers degrade it by all parts again."""
    target, kind = variant.training.target, variant.sampler.kind
    if target == "x0" or not isinstance(variant.degradation, Chain) or not SAMPLERS[kind].degrades:
        return
    fit = [sampler for sampler in fitting("sampler/kind", variant.degradation) if not SAMPLERS[sampler].degrades]
    raise ConfigError(
        f"sampler/kind={kind}: with degradation {variant.flat()['degradation/kind']} and training/target={target} "
        f"use sampler/kind={', '.join(fit)}, or training/target=x0"
    )


def _refuse_noise_without_signal(variant: Variant) -> None:
    """At zero SNR, x_T is eps itself and x0 = (x_t - level eps) / signal a division by 0 (Lin et al. 2023, 3.3)."""
    if not (variant.schedule.zero_snr and variant.training.target == "eps"):
        return
    fit = [target for target in fitting("training/target", variant.degradation) if target != "eps"]
    raise ConfigError(
        f"training/target=eps: says nothing of x0 at t = T, where zero_snr=True of the schedule leaves no signal; "
        f"use training/target={', '.join(fit)}, or schedule/{variant.flat()['schedule/kind']}/zero_snr=False"
    )
