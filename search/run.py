"""`python search/run.py --space NAME`: the command line of a search; see --help."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    # Python put this folder first on the path, where its modules hide others of their name; Ray's workers follow.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from analysis.text.process import carry_out
from search.command_line import parse
from search.declaration import SettingsError
from search.execution.threads import ENVIRONMENT
from search.machine import Cluster, Machine, this_machine
from search.progress.budget import as_clock
from search.settings import Settings

if TYPE_CHECKING:
    from analysis.run.earlier import EarlierTrial
    from analysis.run.run import Run
    from search.space.space import Space
    from trainables.data.images import Images
    from trainables.user_code import UserCode

# torch takes two seconds to import, Ray one and pyarrow a third: they are imported once the options are right.


def main(arguments: Sequence[str] | None = None, command: str = "search/run.py") -> int:
    """Run the command line; return the exit status: 0, 2 for a usage error, 3 without a result, 130 if interrupted."""
    began = time.monotonic()
    return carry_out(command, lambda: search(parse(arguments, command), began))


def search(given: dict[str, Any], began: float) -> int:
    """Search with options by name, as `search.command_line.parse` returns them; return the exit status.

    Args:
        given: the options.
        began: when the command began, by the monotonic clock.

    Raises:
        UsageError: one line, before the search begins.
    """
    os.environ |= ENVIRONMENT  # before torch binds this process to a core, and with it all that it starts
    if not (given.get("quiet") or given.get("dry_run")):
        _say("starts: loads PyTorch and the data")
    is_path = "/" in given.get("resume", "")
    if "storage_path" not in given and not is_path and (storage := os.environ.get("SEARCH_STORAGE")):
        given["storage_path"] = storage
        if not given.get("quiet"):
            _say(f"SEARCH_STORAGE {storage}: the runs are there; --storage-path says otherwise")
    return _resume(given, began) if "resume" in given else _begin(given, began)


def _space(given: dict[str, Any], code: UserCode | None) -> Space:
    from search.space.load import load

    return load(given["space"], given["fixed"], given.get("only", ()), given.get("exact", False), code)


def _begin(given: dict[str, Any], began: float) -> int:
    from analysis.run.run import Run
    from search.earlier.earlier_runs import with_runs
    from search.earlier.pretrained import with_trained
    from search.earlier.warm_start import WarmStart
    from search.plan import plan
    from search.resuming import begun
    from search.trust import kept_code, remember
    from search.without_labels import without_classes
    from trainables.data.card import card

    given = with_runs(with_trained(given))
    space = _space(given, kept_code(given))
    if space.samples_only and "trained" not in given:
        raise SettingsError(f"--space {space.given} samples from a trained model: give --from RUN/TRIAL")
    given.setdefault("dataset", space.dataset)
    machine = _machine(given)
    settings = Settings.resolve(given, space.given, space.digest, machine)
    if not given.get("auto_resume"):
        Run.require_new(settings.storage_path, settings.name)
    images = _images(settings, given, began)
    if not images.labelled:
        given = without_classes(given, settings.dataset)
        space = _space(given, space.code)
        settings = Settings.resolve(given, space.given, space.digest, machine)
    if given.get("dry_run"):
        warm_start = WarmStart.of(_earlier(settings, images), space, settings.rungs[-1])
        print(f"{settings.dataset}\n{card(images)}")
        measures_gpu = given.get("trials_per_gpu") == "auto"
        print(plan(settings, space, warm_start, measures_gpu, images.shape))
        return 0
    if space.code is not None:
        remember(space.code)
    if given.get("auto_resume") and (run := begun(settings, given)):
        return _go_on(run, machine, given, space.code, began, images)
    return _run(None, settings, space, images, machine, given, began)


def _images(settings: Settings, given: dict[str, Any], began: float) -> Images:
    """Return the data set; how far its reading is, and what it holds, is said unless `given` has --quiet."""
    from trainables.data.card import summary
    from trainables.data.load import load
    from trainables.data.options import ReadOptions

    def say(line: str) -> None:
        if not (given.get("quiet") or given.get("dry_run")):
            print(f"{as_clock(time.monotonic() - began):>7}  {line}", flush=True)

    images = load(settings.dataset, settings.data_dir, ReadOptions.of(vars(settings)), say)
    if images.facts:
        say(summary(images))
    return images


def _earlier(settings: Settings, images: Images) -> list[EarlierTrial]:
    """Return the trials of earlier runs that a new search begins with; without any it builds no reference."""
    from search.earlier.earlier_runs import take_over
    from trainables.metric.fmd import Reference

    return take_over(settings, images.checksums, Reference.build(images).card()) if settings.warm_start else []


def _resume(given: dict[str, Any], began: float) -> int:
    from search.resuming import open_run, with_place
    from search.trust import code_of

    given = with_place(given)
    run = open_run(given["storage_path"], given["resume"])
    return _go_on(run, _machine(given), given, code_of(run, given.get("trust", False)), began)


def _go_on(
    run: Run,
    machine: Machine | Cluster,
    given: dict[str, Any],
    code: UserCode | None,
    began: float,
    images: Images | None = None,
) -> int:
    from search.resuming import nothing_left, with_space
    from search.space.load import load

    settings = replace(Settings.resume(run.settings()["settings"], given, machine), name=run.name)  # its folder's now
    if (why := nothing_left(run, settings)) is not None:
        from search.session import close_again

        return close_again(run, why)
    space = load(settings.space, settings.fixed, settings.only, settings.exact, code)
    settings = with_space(run, settings, space)
    return _run(run, settings, space, images or _images(settings, given, began), machine, given, began)


def _machine(given: dict[str, Any]) -> Machine | Cluster:
    from search.execution.address import address_of

    address = address_of(given.get("address"))
    if address is None:
        return this_machine()
    if "address" not in given and not given.get("quiet"):
        _say(f"{address.source}: the trials run on that cluster; --address local says otherwise")
    from search.execution.cluster import join_ray

    return join_ray(address)


def _say(text: str) -> None:
    print(f"{as_clock(0):>7}  {text}", flush=True)


def _run(
    run: Run | None,
    settings: Settings,
    space: Space,
    images: Images,
    machine: Machine | Cluster,
    given: dict[str, Any],
    began: float,
) -> int:
    from search.session import run_session

    how = {"quiet": given.get("quiet", False), "measures_gpu": given.get("trials_per_gpu") == "auto"}
    return run_session(run, settings, space, images, machine, began=began, **how)


if __name__ == "__main__":
    sys.exit(main())
