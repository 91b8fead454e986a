"""What search/replay.py does: it trains a trial again and compares each report with the one that the run has."""

import math
import tempfile
from collections.abc import Iterator

import torch

from analysis.run.events import Start
from analysis.run.run import Run
from analysis.run.storage import Folder, pretrained_by
from search.declaration import SettingsError
from search.execution.threads import take_threads, threads_of
from search.trust import open_trusted
from search.winner.models import load_images, reference_of
from search.winner.options import ReplayOptions
from trainables.config import Variant
from trainables.report import Report
from trainables.trial import Plan, Trial, TrialData


def replay(given: ReplayOptions) -> int:
    """Train a trial again and print how its numbers compare; return the exit status, 1 where they do not agree.

    Raises:
        UsageError: there is no such run or trial, or the data or the metric are others.
    """
    run = open_trusted(given.run, trusts=given.trust)
    if origin := run.settings().get("origin"):
        right = f"replay {origin['trial']} of the search {origin['run']}, whose first images it has"
        raise SettingsError(f"{run.uri} is a longer training, which did not begin from nothing; {right}")
    start, before = _recorded(run, given.trial)
    print(f"{start.trial} of {run.name}, seed {start.seed}: {before[-1].images_seen:,} images to train on", flush=True)
    agree = True
    draws = tuple(report.draws for report in before)
    for old, new in zip(before, _reports(run, start, given, draws), strict=False):
        same, verdict = judge(old, new.fmd, new.fmd_se)
        agree = agree and same
        print(f"{new.images_seen:>11,} images  FMD {old.fmd:.6f} then, {new.fmd:.6f} now: {verdict}", flush=True)
    print("the numbers agree" if agree else "the numbers do not agree")
    return 0 if agree else 1


def judge(before: Report, fmd: float, se: float) -> tuple[bool, str]:
    """Return whether an FMD and its standard error agree with the report `before`, and in words how well."""
    difference, error = fmd - before.fmd, math.hypot(se, before.fmd_se)
    if difference == 0:
        return True, "the same to the last bit"
    text = f"a difference of {difference:+.3g}, {abs(difference) / error:.2g} standard errors" if error else "different"
    return abs(difference) < 2 * error, text


def _recorded(run: Run, name: str) -> tuple[Start, list[Report]]:
    """Return the trial's start and its reports, by images seen."""
    start, known = run.starts().get(name), run.reports()
    if start is None or name not in known:
        raise SettingsError(
            f"{run.uri} has no reports of a trial {name!r}; it has those of {', '.join(sorted(known)) or 'none'}"
        )
    return start, sorted(known[name], key=lambda report: report.images_seen)


def _reports(run: Run, start: Start, given: ReplayOptions, draws: tuple[int, ...]) -> Iterator[Report]:
    """Yield the trial's reports as they come out now, scored by so many sets of samples at each rung.

    Its files are in a temporary folder.
    """
    settings = run.begun_settings()["settings"]
    take_threads(threads_of(settings["cpus_per_trial"]))
    images = load_images(run, given.data_dir)
    reference = reference_of(run, images, trusts=given.trust)
    device = "cuda" if settings["gpus_per_trial"] and torch.cuda.is_available() else "cpu"
    plan = Plan(tuple(settings["rungs"]), start.noise(settings["seed"]), device, draws=draws)
    variant, data = Variant.from_flat(dict(start.variant)), TrialData(images, reference)
    pretrained = pretrained_by(settings["trained"])
    with tempfile.TemporaryDirectory() as place:
        trial = Trial(start.trial, variant, start.seed, plan, data, Folder(place), pretrained=pretrained)
        yield from trial.reports()
