"""A tiny run whose trials were really trained, without Ray: a search of two trials and the confirmation of one."""

from dataclasses import replace
from pathlib import Path

from analysis.run.events import End, Start
from analysis.run.run import Run
from analysis.run.storage import Folder
from tests.helpers.fake_runs import settings
from trainables.config import Flat, Variant
from trainables.data.images import Images
from trainables.metric.fmd import Reference
from trainables.trial import Plan, Trial, TrialData

TINY: Flat = {
    "network/kind": "cnn",
    "network/cnn/widths": "4-4",
    "network/cnn/patch": 4,
    "schedule/kind": "cosine",
    "schedule/cosine/T": 20,
    "sampler/steps": 3,
    "training/batch": 16,
}
RUNGS = (32, 64)
# The search's winner knows classes; the other trial starts from images of another data set.
WINNER, OTHER = "000-gaussian-class", "001-morph"
VARIANTS = {
    WINNER: {**TINY, "network/conditioning": "class"},
    OTHER: {**TINY, "degradation/kind": "morph", "sampler/kind": "cold1"},
}
SEEDS = (11, 12)


def trained_run(root: Path, images: Images, reference: Reference, name: str = "tiny") -> Run:
    """Train the trials and return their run; the FMDs are written such that the winner and its seed 1 are the best."""
    run = Run.create(root, name)
    for seed, (trial, flat) in enumerate(VARIANTS.items()):
        _train(run, Start(trial, seed, seed, "", Variant.from_flat(flat).flat()), images, reference, 50.0 + seed)
    nested = run.begin_confirmation()
    for repeat, seed in enumerate(SEEDS):
        start = replace(run.starts()[WINNER], trial=f"{WINNER}.{repeat}", number=repeat, seed=seed, time=0.0)
        start = replace(start, repeats=WINNER, sampling_seed=seed)
        _train(nested, start, images, reference, 40.0 - repeat)
    for part in (run, nested):
        searched = {**settings(part.name)["settings"], "rungs": list(RUNGS), "max_images": RUNGS[-1]}
        about = {**settings(part.name), "settings": searched, "metric": reference.card(), "data": images.checksums}
        part.write_settings(about)
    return run


def _train(run: Run, start: Start, images: Images, reference: Reference, fmd: float) -> None:
    plan = Plan(RUNGS, start.sampling_seed or 0, device="cpu")
    variant, data = Variant.from_flat(dict(start.variant)), TrialData(images, reference)
    trial = Trial(start.trial, variant, start.seed, plan, data, Folder(run.uri))
    run.append(start)
    for report in trial.reports():
        run.append(replace(report, fmd=fmd - report.rung))
    run.append(End(start.trial, "COMPLETE"))
