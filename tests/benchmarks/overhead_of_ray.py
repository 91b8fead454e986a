"""What a trial costs beside training, sampling and scoring when Ray runs it: searches of very small networks.

    python tests/benchmarks/overhead_of_ray.py [--trials 10 100 500] [--out DIR]

`beside` is what a trial spends in its process on anything else (its way through Ray to a report and back, its pictures
and checkpoint); `idle` is what its slot stood empty before it; `start` is what all slots stood empty before the search
began and after it ended - the driver's imports, Ray's own start, the report page - shared out; `driver` is the CPU time
of the driver, with Ray Tune's part of it, which tests/benchmarks/overhead.py leaves out.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from side_by_side import heading, keep, machine, show, verdict

TRIAL = 30.0  # seconds of the trial that the overhead is a share of
SPACE = '''
"""Very small networks."""


def space(trial):
    trial.suggest_float("training/lr", 5e-4, 1e-2, log=True)
    trial.suggest_categorical("training/target", ["x0", "v"])
    return {"network/kind": "cnn", "network/cnn/widths": "8-8", "network/cnn/patch": 2, "sampler/steps": 4}
'''


def search(folder: str, trials: int) -> None:
    """Search in this process, and leave beside the run the CPU seconds that it took."""
    from search import run

    (Path(folder) / "tiny.py").write_text(SPACE)
    budget = ["--max-images", "6912", "--grace-images", "256", "--trials", str(trials), "--time-budget", "3600"]
    arguments = ["--space", f"{folder}/tiny.py", "--storage-path", folder, "--name", "run", "--confirm", "0", "--quiet"]
    before = resource.getrusage(resource.RUSAGE_SELF)
    status = run.main([*arguments, *budget])
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    (Path(folder) / "driver.json").write_text(json.dumps({"cpu": seconds, "status": status}))


def measure(trials: int) -> dict[str, float]:
    """Return what a search of so many trials came to, in seconds a trial but for its wall time."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--in-folder", folder, "--trials", str(trials)]
        began = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wall = time.monotonic() - began
        said = json.loads((Path(folder) / "run" / "search.json").read_text())
        driver = json.loads((Path(folder) / "driver.json").read_text())
    spent = said["seconds"]
    useful = spent["train"] + spent["sample"] + spent["score"]
    each = {
        "useful": useful,
        "beside": spent["trials"] - useful,
        "idle": said["slots"] * spent["wall"] - spent["trials"],
        "start": said["slots"] * (wall - spent["wall"]),
        "driver, CPU": driver["cpu"],
    }
    return {name: seconds / trials for name, seconds in each.items()} | {"wall": wall}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[10, 100, 500])
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the rows to DIR/overhead_of_ray.parquet")
    parser.add_argument("--in-folder", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.in_folder:
        search(given.in_folder, given.trials[0])
        return
    facts = machine(("ray", "optuna"))
    heading(facts)
    found = {trials: measure(trials) for trials in given.trials}
    names = ("trials", "training, sampling, scoring", "beside", "idle", "start", "driver, CPU", "wall, in all")
    rows = [(f"{trials}", *(f"{value:.2f}" for value in one.values())) for trials, one in found.items()]
    show("seconds a trial", names, rows)
    for trials, one in found.items():
        share = (one["beside"] + one["idle"] + one["start"]) / TRIAL
        print(verdict(f"overhead as a share of a trial of {TRIAL:.0f} s, {trials} trials", share, 0.1, least=False))
    keep(given.out, "overhead_of_ray", [{"trials": trials, **one} for trials, one in found.items()], facts)


if __name__ == "__main__":
    main()
