"""`python search/replay.py RUN TRIAL`: train a trial again and compare its FMDs; see --help."""

from __future__ import annotations

import math
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    # Python put this folder first on the path, where its modules hide others of their name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from analysis.text.process import carry_out
from search.command_line import parse_replay
from search.declaration import SettingsError
from search.execution.threads import ENVIRONMENT, take_threads, threads_of
from search.options import ReplayOptions

if TYPE_CHECKING:
    from analysis.run.events import Start
    from analysis.run.run import Run
    from trainables.report import Report


def main(arguments: Sequence[str] | None = None, command: str = "search/replay.py") -> int:
    """Run the command line; return the exit status: 0 if the numbers agree, 1 if not, 2 for a usage error."""
    os.environ |= ENVIRONMENT  # as that of a trial: the last bits of an FMD depend on the threads of numpy
    return carry_out(command, lambda: _replay(parse_replay(arguments, command)))


def _replay(given: ReplayOptions) -> int:
    from analysis.run.run import Run  # pyarrow and numpy take a third of a second
    from search.trust import install_parts

    run = Run.open(given.run)
    install_parts(run, given.trust)
    start, before = _recorded(run, given.trial)
    print(f"{start.trial} of {run.name}, seed {start.seed}: {before[-1].images_seen:,} images to train on", flush=True)
    agree = True
    for old, new in zip(before, _reports(run, start, given.data_dir), strict=False):
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


# Imports inside functions: torch takes two seconds, and --help and usage errors do not need it.
def _reports(run: Run, start: Start, data_dir: str | None) -> Iterator[Report]:
    """Yield the trial's reports as they come out now; its files are in a temporary folder."""
    import torch

    from analysis.run.storage import Folder
    from search.winner.models import load_images, reference_of
    from trainables.config import Variant
    from trainables.trial import Plan, Trial

    settings = run.begun_settings()["settings"]
    take_threads(threads_of(settings["cpus_per_trial"]))
    images = load_images(run, data_dir)
    reference = reference_of(run, images)
    device = "cuda" if settings["gpus_per_trial"] and torch.cuda.is_available() else "cpu"
    # A confirmation has fresh noise for each fresh seed.
    noise = settings["seed"] if start.sampling_seed is None else start.sampling_seed
    plan = Plan(tuple(settings["rungs"]), noise, device)
    pretrained = None
    if settings["trained"]:
        other, model = settings["trained"]
        pretrained = partial(Folder(other).require_checkpoint, model)
    variant = Variant.from_flat(dict(start.variant))
    with tempfile.TemporaryDirectory() as place:
        trial = Trial(start.trial, variant, start.seed, plan, images, reference, Folder(place), pretrained)
        yield from trial.reports()


if __name__ == "__main__":
    sys.exit(main())
