"""The last step of a confirmation: the test set, once, for what may be the best and for the best of the literature."""

from __future__ import annotations

from collections.abc import Callable

from analysis import evaluations
from analysis.results import Run
from analysis.verdict import Verdict
from search.settings import Settings
from trainables.config import Variant
from trainables.data import Images
from trainables.evaluation import Evaluation
from trainables.measuring import measure
from trainables.trial import Plan, Trial


def measure_finally(
    nested: Run, settings: Settings, judged: Verdict, images: Images, samples: int, say: Callable[[str], None]
) -> None:
    """Measure the trainings of a race that is over on the test images, into the evaluation of its run `nested`.

    Measured are those that may be the best and the best of the literature, each unless it was before, by as many
    `samples`. Nothing is chosen by these numbers. Samples start from noise of the training's own seed, which neither
    the search nor the race used for that.
    """
    literature = [standing for standing in judged.standings if standing.baseline][:1]
    wanted = {standing.trial for standing in judged.standings if standing.tied or standing in literature}
    device = "cuda" if settings.gpus_per_trial else "cpu"
    bench = Evaluation(images, "test", samples, device)
    nested.write_settings({**nested.settings(), "final_metric": bench.reference.card()})
    common = {"split": "test", "samples": bench.n, "metric": bench.reference.version}
    known = {row["trial"] for row in evaluations.stored(nested).to_pylist()}
    starts = [event for event in nested.events() if event["event"] == "start" and event["repeats"] in wanted]
    plan = Plan(settings.rungs, settings.seed, str(nested.path.resolve()), device=device)
    for start in starts:
        if start["trial"] not in known:
            variant = Variant.from_flat(start["variant"])
            trial = Trial(start["trial"], variant, start["seed"], plan, images, bench.reference)
            # A training that diverged is one that a user may get, and counts as what it gives.
            blank = {"fmd": bench.reference.blank, "fmd_normalised": 1.0}
            row = measure(bench, trial, start["seed"], restored=False) or blank
            evaluations.store(nested, {"trial": start["trial"], "baseline": start["baseline"], **common, **row})
            say(f"         {start['trial']:<28} on the test images  FMD {row['fmd']:.4g} ({row['fmd_normalised']:.3f})")
    nested.write_settings({**nested.settings(), "tested": True})
