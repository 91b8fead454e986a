"""Samplers, their steps and guidance for a trained model, without training; needs --from RUN/TRIAL."""

from spaces.kinds import samplers_for
from spaces.recipe import GUIDANCE
from spaces.suggest import Asked, suggest
from trainables.config import Flat
from trainables.domain import Choice, Uniform

SAMPLES_ONLY = True
BASELINES: tuple[str, ...] = ()
CONFIRM_BY = ("sampler/kind",)

STEPS = (2, 5, 10, 20, 50, 100, 250)
STARTS: tuple[Flat, ...] = tuple({"sampler/steps": steps} for steps in STEPS)


def space(trial: Asked) -> Flat:
    """Suggest a sampler that the model's degradation and target allow, its steps and their spacing, and guidance.

    A model is guided if it knows classes or clusters, and was trained without them, too.
    """
    kind = str(suggest(trial, "degradation/kind", Choice("gaussian")))
    target = str(suggest(trial, "training/target", Choice("x0")))
    suggest(trial, "sampler/kind", Choice(*samplers_for(kind, target)))
    suggest(trial, "sampler/steps", Choice(*STEPS))
    suggest(trial, "sampler/spacing", Uniform(1, 1.5))  # 1.5 has 1.16 times the FMD of 1 (tests/benchmarks/axes.py)
    conditional = suggest(trial, "network/conditioning", Choice("none")) != "none"
    if suggest(trial, "training/label_drop", Choice(0.1)) and conditional:
        suggest(trial, "sampler/guidance", GUIDANCE)
    return {}
