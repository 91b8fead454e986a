"""Which targets, weights and samplers a degradation and a schedule allow."""

from collections.abc import Mapping
from dataclasses import replace

from trainables.diffusion.degradations import DEGRADATIONS, Chain, Degradation
from trainables.diffusion.process import WEIGHTS, Weight, last_part
from trainables.diffusion.samplers import SAMPLERS, Sampler
from trainables.diffusion.schedules import ALPHA_BAR_MIN, SCHEDULES, Schedule
from trainables.diffusion.targets import TARGETS, Target
from trainables.domain import ConfigError, Primitive

# Fields whose choices depend on the last degradation.
NEEDS: dict[str, Mapping[str, Target | Weight | Sampler]] = {
    "training/target": TARGETS,
    "training/weight": WEIGHTS,
    "sampler/kind": SAMPLERS,
}


def fitting(name: str, degradation: Degradation) -> list[str]:
    """Return the choices of "training/target", "training/weight" or "sampler/kind" that `degradation` allows."""
    return [kind for kind, choice in NEEDS[name].items() if isinstance(last_part(degradation), choice.last)]


def refuse_misfits(flat: Mapping[str, Primitive], schedule: Schedule, degradation: Degradation) -> None:
    """Raise ConfigError where the parts of a variant do not fit together; `flat` is the whole variant."""
    for name in NEEDS:
        fit = fitting(name, degradation)
        if flat[name] not in fit:
            needed = NEEDS[name][str(flat[name])].last
            ends = [kind for kind, member in DEGRADATIONS.items() if issubclass(member, needed)]
            raise ConfigError(
                f"{name}={flat[name]}: degradation {flat['degradation/kind']} does not end in {' or '.join(ends)}; "
                f"use {name}={', '.join(fit)}"
            )
    _refuse_guidance_without_labels(flat)
    _refuse_labels_of_other_images(flat)
    _refuse_degrading_the_degraded(flat, degradation)
    if schedule.zero_snr:
        refuse_a_target_without_signal(flat, schedule, degradation)


def _refuse_guidance_without_labels(flat: Mapping[str, Primitive]) -> None:
    """Guidance takes two estimates of one network: with the label, and without."""
    if not flat["sampler/guidance"]:
        return
    given = f"sampler/guidance={flat['sampler/guidance']:g}"
    if flat["network/conditioning"] == "none":
        raise ConfigError(
            f"{given}: the network knows no labels; use network/conditioning=class or cluster, or sampler/guidance=0"
        )
    if not flat["training/label_drop"]:
        raise ConfigError(
            f"{given}: with training/label_drop=0 the network never learns to do without a label; "
            "use training/label_drop=0.1, or sampler/guidance=0"
        )


def _refuse_labels_of_other_images(flat: Mapping[str, Primitive]) -> None:
    """The labels of samples are drawn, and would not be those of the images that samples start from."""
    if flat["sampler/prior"] == "degraded" and flat["network/conditioning"] != "none":
        raise ConfigError(
            f"sampler/prior=degraded: with network/conditioning={flat['network/conditioning']} samples have labels of "
            "their own; use network/conditioning=none, or sampler/prior=own, fitted"
        )


def _refuse_degrading_the_degraded(flat: Mapping[str, Primitive], degradation: Degradation) -> None:
    """Targets but x0 restore the image before the last part, which cold samplers would degrade by all parts again."""
    target, sampler = flat["training/target"], SAMPLERS[str(flat["sampler/kind"])]
    if target == "x0" or not isinstance(degradation, Chain) or not sampler.degrades:
        return
    fit = [kind for kind in fitting("sampler/kind", degradation) if not SAMPLERS[kind].degrades]
    raise ConfigError(
        f"sampler/kind={flat['sampler/kind']}: with degradation {flat['degradation/kind']} and "
        f"training/target={target} use sampler/kind={', '.join(fit)}, or training/target=x0"
    )


def refuse_a_target_without_signal(flat: Mapping[str, Primitive], schedule: Schedule, degradation: Degradation) -> None:
    """Raise ConfigError where x_T is eps itself: x0 = (x_t - sigma eps) / alpha divides by 0 (Lin et al. 2023, 3.3)."""
    if not TARGETS[str(flat["training/target"])].needs_signal or not _is_without_signal(schedule):
        return
    fit = [target for target in fitting("training/target", degradation) if not TARGETS[target].needs_signal]
    kind = flat["schedule/kind"]
    if schedule.zero_snr:
        why, other = f"zero_snr=True of schedule/kind={kind}", f"schedule/{kind}/zero_snr=False"
    if not schedule.zero_snr or _is_without_signal(replace(schedule, zero_snr=False)):
        with_signal = [name for name, member in SCHEDULES.items() if not _is_without_signal(member()) and name != kind]
        why, other = f"schedule/kind={kind}", f"schedule/kind={', '.join(with_signal)}"
    raise ConfigError(
        f"training/target={flat['training/target']}: says nothing of x0 at t = T, where {why} leaves no signal; "
        f"use training/target={', '.join(fit)}, or {other}"
    )


def _is_without_signal(schedule: Schedule) -> bool:
    return schedule.alpha_bar()[-1].item() <= ALPHA_BAR_MIN
