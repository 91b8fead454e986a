"""The last step of a confirmation: its possible winners and the best of the literature on the test images, once."""

from __future__ import annotations

from analysis.run import evaluations
from analysis.run.run import Run
from analysis.run.storage import Folder
from analysis.statistics.confirmed import ConfirmationResult
from search.settings import Settings
from trainables.config import Variant
from trainables.data.mnist import Images
from trainables.metric.evaluation import Evaluation, measure
from trainables.trial import Plan, Trial


def measure_on_test_images(
    nested: Run, settings: Settings, result: ConfirmationResult, images: Images, quiet: bool
) -> None:
    """Measure the trainings of a race that has ended on the test images, into the evaluation of its run `nested`.

    The contenders that may be the best and the best of the literature are measured, each once. The number of samples is
    that of the race, or that of the test images if there are fewer. Nothing is chosen by these numbers. Samples start
    from noise of the training's own seed, which neither the search nor the race used for samples.
    """
    literature = [standing for standing in result.standings if standing.baseline][:1]
    wanted = {standing.trial for standing in result.standings if standing.tied or standing in literature}
    starts = [start for start in nested.starts().values() if start.repeats in wanted]
    plan, folder = Plan(settings.rungs, settings.seed), Folder(nested.uri)
    n = min(result.metric["n"], len(images.test))
    bench = Evaluation(images, "test", n, plan.resolve_device(), inception=False)
    nested.write_settings({**nested.settings(), "final_metric": bench.reference.card()})
    common = {"split": "test", "samples": bench.n, "metric": bench.reference.version}
    rows = evaluations.stored(nested).to_pylist()
    known = {tuple(row[name] for name in ("trial", "noise", *common)) for row in rows}
    reported = nested.reports()
    for start in starts:
        if start.trial in reported and (start.trial, start.seed, *common.values()) not in known:
            variant = Variant.from_flat(dict(start.variant))
            trial = Trial(start.trial, variant, start.seed, plan, images, bench.reference, folder)
            row = measure(bench, trial, start.seed, restored=False)
            if row is not None:
                evaluations.store(nested, {"trial": start.trial, "baseline": start.baseline, **common, **row})
                if not quiet:
                    fmd = f"FMD {row['fmd']:.4g} ({row['fmd_normalised']:.3f})"
                    print(f"         {start.trial:<28} on the test images  {fmd}")
    nested.write_settings({**nested.settings(), "tested": True})
