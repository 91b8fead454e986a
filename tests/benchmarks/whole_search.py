"""Whole searches side by side: ours, plain Ray Tune with OptunaSearch, plain Optuna; one space, one kind of trial.

    python tests/benchmarks/whole_search.py [--seconds 420] [--seeds 1] [--arms ours tune ...] [--out DIR]

Each has the machine to itself for so many seconds, its start included, and is then killed. All but one train, sample
and score by the same code, this project's, so what differs is the search: what is tried, how far, in which processes.
`tune` is as in Ray Tune's documentation of OptunaSearch, `tune+asha` with its ASHAScheduler, `optuna` as in Optuna's
tutorial, with its pruner, and `optuna x cores` the same in a process for each core. `tune, starter's loop` is `tune`
for who has no trainer of this project either, and trains as the starter notebook does. `ours, bare` has neither the
literature's configurations nor the points known to be good. A machine with nothing else to do is wanted: arms follow
one another. After its time each model that was trained in full is judged anew, by 2,048 samples of other noise and by
real images that no search ranks by: by the 256 samples that searches rank by, which is the best and what is within a
tenth of it is luck as well.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from side_by_side import heading, keep, machine, show

from search.settings import rungs
from search.space.load import load as load_space
from search.winner.evaluating import SEED

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("ray", "optuna")
# What takes the literature's configurations and the starting points out of a space.
BARE = """
from spaces.{space} import *
BASELINES, STARTS = (), ()
"""
SHOWN = ("trials_an_hour", "in_full_an_hour", "best_fmd", "best_anew", "first_good_after")  # of a summary
Row = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """What an arm is told: everything but how to search."""

    folder: Path
    space: str
    seed: int
    rungs: tuple[int, ...]
    starters_loop: bool = False
    """Train as the starter does"""

    def note(self, **event: Any) -> None:
        """Add to the arm's log, which has the events that a run's has, of several processes at once."""
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps({**event, "time": time.time()}) + "\n")

    def reports(self, name: str, variant: Row, images: Any, reference: Any) -> Iterator[tuple[int, float]]:
        """Train one variant and yield images seen and FMD at each rung."""
        from analysis.run.storage import Folder
        from trainables.config import Variant
        from trainables.trial import Plan, Trial, TrialData

        plan, storage = Plan(self.rungs, self.seed, "cpu"), Folder(str(self.folder))
        self.note(event="start", trial=name, variant=variant, seed=self.seed)
        trial = Trial(name, Variant.from_flat(variant), self.seed, plan, TrialData(images, reference), storage)
        if self.starters_loop:
            from starter import StarterTrainer

            data = trial.trainer.images, trial.trainer.source.overlay_images
            trial.trainer = StarterTrainer(trial.variant, self.seed, *data, total=self.rungs[-1])
        for report in trial.reports():
            self.note(event="report", trial=name, images_seen=report.images_seen, fmd=report.fmd)
            yield report.images_seen, report.fmd


def data() -> tuple[Any, Any]:
    """Return MNIST and what trials are judged by."""
    from trainables.data.load import load
    from trainables.metric.fmd import Reference

    images = load("mnist")
    return images, Reference.build(images)


def tune_arm(task: Task, asha: bool = False) -> None:
    """Search as Ray Tune's documentation has it."""
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch
    from ray.tune.utils import flatten_dict

    def train(config: Row, images: Any, reference: Any) -> None:
        name = tune.get_context().get_trial_id()
        for seen, fmd in task.reports(name, flatten_dict(config), images, reference):
            tune.report({"fmd": fmd, "images_seen": seen})

    images, reference = data()
    aim = {"metric": "fmd", "mode": "min"}
    stopping = ASHAScheduler(
        time_attr="images_seen", grace_period=task.rungs[0], max_t=task.rungs[-1], reduction_factor=3, **aim
    )
    tune.Tuner(
        tune.with_resources(tune.with_parameters(train, images=images, reference=reference), {"cpu": 1}),
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(load_space(task.space, {}).draw, seed=task.seed, **aim),
            scheduler=stopping if asha else None,
            num_samples=-1,
        ),
        run_config=tune.RunConfig(storage_path=str(task.folder), verbose=0),
    ).fit()


def optuna_arm(task: Task, threads: int | None = None) -> None:
    """Search as Optuna's tutorial has it; with a number of threads, as one of several processes."""
    import optuna
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    images, reference = data()
    space = load_space(task.space, {})

    def objective(trial: optuna.Trial) -> float:
        fmd = float("inf")
        for seen, fmd in task.reports(f"{trial.number:03d}", space.draw(trial), images, reference):
            trial.report(fmd, seen)
            if seen < task.rungs[-1] and trial.should_prune():
                raise optuna.TrialPruned
        return fmd

    journal = optuna.storages.journal.JournalFileBackend(str(task.folder / "journal"))
    study = optuna.create_study(
        study_name="plain",
        storage=optuna.storages.JournalStorage(journal),
        sampler=optuna.samplers.TPESampler(seed=None if threads else task.seed),
        load_if_exists=True,
    )
    study.optimize(objective)


def optuna_on_cores(task: Task) -> None:
    """Search with a process for each core on one study."""
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=optuna_arm, args=(task, 1)) for _ in os.sched_getaffinity(0)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def ours(task: Task) -> None:
    """Search as this project does; its log is its reports."""
    command = ["--space", task.space, "--seed", str(task.seed), "--max-images", str(task.rungs[-1]), "--confirm", "0"]
    command += ["--storage-path", str(task.folder), "--name", "run", "--trials", "10000", "--quiet"]
    command += ["--kept-checkpoints", "10000"]
    script, seconds = str(REPOSITORY / "search/run.py"), os.environ["SECONDS_FOR_THIS_ARM"]
    os.execv(sys.executable, [sys.executable, script, *command, "--time-budget", seconds])


ARMS: dict[str, Callable[[Task], None]] = {
    "ours": ours,
    "ours, bare": ours,
    "tune": tune_arm,
    "tune+asha": lambda task: tune_arm(task, asha=True),
    "tune, starter's loop": lambda task: tune_arm(replace(task, starters_loop=True)),
    "optuna": optuna_arm,
    "optuna x cores": optuna_on_cores,
}


def run(arm: str, task: Task, seconds: float) -> list[Row]:
    """Let an arm search for so long and return what its trials reported, with the seconds since its start."""
    space = task.space
    if arm == "ours, bare":
        space = str(task.folder / f"{task.space}.py")
        Path(space).write_text(f'"""Without what is known."""\n{BARE.format(space=task.space)}')
    told = [str(task.folder), space, str(task.seed), ",".join(map(str, task.rungs))]
    mark, began = f"ARM_{uuid.uuid4().hex}", time.time()
    process = subprocess.Popen(
        [sys.executable, __file__, "--one", arm, *told],
        cwd=REPOSITORY,
        env={**os.environ, mark: "1", "SECONDS_FOR_THIS_ARM": str(seconds)},
        stdout=(task.folder / "output.txt").open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        if process.wait(seconds):
            sys.exit(f"{arm} ended before its time:\n{(task.folder / 'output.txt').read_text()[-2000:]}")
    except subprocess.TimeoutExpired:
        kill_all(mark)
        process.wait()
    folder = task.folder / ("run" if arm.startswith("ours") else ".")
    log = folder / "log.jsonl"
    events = [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []
    anew = judge(folder, events, task.rungs)
    return [
        {
            **{key: event[key] for key in ("trial", "images_seen", "fmd")},
            "fmd_anew": anew.get(event["trial"], float("nan")) if event["images_seen"] == task.rungs[-1] else None,
            "second": event["time"] - began,
        }
        for event in events
        if event["event"] == "report"
    ]


def judge(folder: Path, events: list[Row], rungs: tuple[int, ...]) -> dict[str, float]:
    """Return FMD by 2,048 samples of each trial in `folder` that was trained in full, by name, by all cores."""
    full = [event["trial"] for event in events if event["event"] == "report" and event["images_seen"] == rungs[-1]]
    starts = {event["trial"]: event for event in events if event["event"] == "start"}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=spawn) as pool:
        return dict(zip(full, pool.map(judged, [(folder, rungs, starts[name]) for name in full]), strict=True))


def judged(asked: tuple[Path, tuple[int, ...], Row]) -> float:
    """Return FMD by 2,048 samples of one trial, given its run, the rungs and its start."""
    import torch

    from analysis.run.storage import Folder
    from trainables.config import Variant
    from trainables.data.load import load
    from trainables.diffusion.generation import generate
    from trainables.evaluation import SAMPLES
    from trainables.metric.fmd import Reference
    from trainables.trial import Plan, Trial, TrialData

    torch.set_num_threads(1)
    folder, rungs, start = asked
    images, plan, storage = load("mnist"), Plan(rungs, 0, "cpu"), Folder(str(folder))
    reference = Reference.build(images, "confirm", n=SAMPLES)
    variant = Variant.from_flat(start["variant"])
    trial = Trial(start["trial"], variant, start["seed"], plan, TrialData(images, reference), storage)
    drawn = generate(trial.trainer.averaged(), trial.variant.sampler, SAMPLES, images.shape, trial.source, SEED)
    return float(reference.score(drawn, trial.classifier).fmd)


def kill_all(mark: str) -> None:
    """Kill an arm with all that it started, which have the mark in their environment."""
    while marked := [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if has_mark(path, mark)]:
        for number in marked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        time.sleep(0.2)


def has_mark(path: Path, mark: str) -> bool:
    """Return whether a process, by its file of /proc, has the mark."""
    try:
        return mark.encode() in path.read_bytes()
    except OSError:
        return False  # it has ended


def summary(rows: list[Row], full: int, good: float, seconds: float) -> Row:
    """Return what an arm came to; `good` is the FMD, judged anew, that counts as a good trial."""
    complete = [row for row in rows if row["images_seen"] == full]
    found = [row["second"] for row in complete if row["fmd_anew"] <= good]
    first = min(complete, key=lambda row: row["fmd"], default=None)
    return {
        "trials_an_hour": len({row["trial"] for row in rows}) * 3600 / seconds,
        "in_full_an_hour": len(complete) * 3600 / seconds,
        "best_fmd": first and first["fmd"],
        "best_anew": first and first["fmd_anew"],
        "first_good_after": min(found, default=None),
        "complete": complete,
    }


def main() -> None:
    """Run the arms one after another, seed by seed, and print what they came to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=420, help="for each arm and seed (default: 420)")
    parser.add_argument("--seeds", type=int, default=1, help="how many (default: 1)")
    parser.add_argument("--first-seed", type=int, default=0, help="the others follow it (default: 0)")
    parser.add_argument("--space", default="degradations")
    parser.add_argument("--max-images", type=int, default=108_000, help="of a trial in full")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--out", type=Path, help="folder for whole_search.parquet, a row a report")
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        arm, folder, space, seed, budgets = given.one
        ARMS[arm](Task(Path(folder), space, int(seed), tuple(map(int, budgets.split(",")))))
        return
    facts = machine(PACKAGES)
    heading(facts)
    budgets, rows = rungs(math.ceil(given.max_images / 9), given.max_images, 3), []
    for seed in seeds(given):
        for arm in given.arms:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                found = run(arm, Task(Path(folder), given.space, seed, budgets), given.seconds)
            rows += [{"arm": arm, "seed": seed, **row} for row in found]
            print(f"{arm}, seed {seed}: {len(found)} reports", flush=True)
    keep(given.out, "whole_search", rows, {**facts, "seconds": str(given.seconds)})
    report(rows, given, budgets[-1])


def report(rows: list[Row], given: argparse.Namespace, full: int) -> None:
    """Print a table for each seed, and how ours compares over all of them."""
    by_seed = []
    for seed in seeds(given):
        of_seed = [row for row in rows if row["seed"] == seed]
        good = 1.1 * min((row["fmd_anew"] for row in of_seed if row["images_seen"] == full), default=float("nan"))
        by_arm = {arm: [row for row in of_seed if row["arm"] == arm] for arm in given.arms}
        found = {arm: summary(of_arm, full, good, given.seconds) for arm, of_arm in by_arm.items()}
        first = f"first within 10 % of the best ({good / 1.1:.1f} anew)"
        columns = ("", "trials an hour", "in full", "FMD of its best", "judged anew", first)
        cells = [[arm, *(told(one[name]) for name in SHOWN)] for arm, one in found.items()]
        show(f"seed {seed}, {given.seconds:.0f} s each, {full:,} images in full", columns, cells)
        by_seed.append(found)
    for ours in (arm for arm in given.arms if arm.startswith("ours")):
        for other in (arm for arm in given.arms if not arm.startswith("ours")):
            pairs = [(found[ours], found[other]) for found in by_seed]
            ratios = [one["trials_an_hour"] / max(two["trials_an_hour"], 1e-9) for one, two in pairs]
            print(f"{ours} tries {statistics.median(ratios):.1f} times as many variants as {other}")
            for number, (one, two) in zip(seeds(given), pairs, strict=True):
                print(f"  seed {number}: {reached(one, two, given.seconds)}")


def reached(one: Row, other: Row, seconds: float) -> str:
    """Say when one arm had a model, judged anew, as good as the best of another, and when that arm had it."""
    if not other["complete"]:
        return "the other arm trained no model in full"
    best = min(other["complete"], key=lambda row: row["fmd_anew"])
    times = [row["second"] for row in one["complete"] if row["fmd_anew"] <= best["fmd_anew"]]
    when = f"after {min(times):.0f} s" if times else f"not in {seconds:.0f} s"
    return f"the other's best, {best['fmd_anew']:.2f} judged anew after {best['second']:.0f} s, is reached {when}"


def seeds(given: argparse.Namespace) -> range:
    """Return the seeds that are asked for."""
    return range(given.first_seed, given.first_seed + given.seeds)


def told(value: float | None) -> str:
    """Return a number for the table, "never" for none."""
    return "never" if value is None else f"{value:.1f}"


if __name__ == "__main__":
    main()
