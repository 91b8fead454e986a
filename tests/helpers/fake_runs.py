"""Runs that nobody trained, for the tests of what is made from a run: the log is written, the rest is the product's."""

import random
from pathlib import Path
from typing import Any

from PIL import Image

from analysis.run import evaluations
from analysis.run.events import End, Start, State
from analysis.run.run import Run
from analysis.run.search_json import FORMAT
from analysis.statistics.confirmed import ConfirmationResult, confirmation_result
from analysis.text.answer import answer
from trainables.config import Flat
from trainables.report import Picture, Report

RUNGS = (12_000, 36_000, 108_000)
IMAGES = (1_000, 3_000, 9_000)  # rungs of `add_trial`
CARD: dict[str, Any] = {
    "version": "flat-64-n256-ab12cd34",
    "layer": "flat",
    "n": 256,
    "split": "search",
    "floor": 12.5,
    "blank": 560.0,
}
# Of the samples of the confirmation of `confirm`, and of real images.
CHECKED = {
    "unreadable_share": 0.031,
    "label_distance": 0.024,
    "density": 0.9,
    "coverage": 0.884,
    "memorised_share": 0.012,
    "memorised_ratio": 1.02,
    "copied_share": 0.0,
    "repeated_share": 0.104,
    "by_labels": 2.5,
    "by_rotations": 3.5,
}
REAL_CHECKED = {
    **CHECKED,
    "unreadable_share": 0.011,
    "label_distance": 0.016,
    "coverage": 0.951,
    "repeated_share": 0.009,
    "by_labels": 0.4,
    "by_rotations": 0.5,
}
KINDS = ("gaussian", "mask", "blur", "morph")
DRAWN: tuple[Picture, ...] = ("samples", "degradation")

# Of the confirmation of `confirmed`.
JUDGE = {"version": "flat-1024-n64-0", "layer": "flat", "n": 64, "split": "confirm", "floor": 10.0, "blank": 510.0}


def settings(name: str, scheduler: str = "asha") -> dict[str, Any]:
    """What search.json holds, of a run that lay in a folder of its own."""
    search = {
        "name": name,
        "storage_path": "/somewhere/else/runs",
        "space": "degradations",
        "space_digest": "acad11",
        "fixed": {"network/kind": "cnn"},
        "dataset": "mnist",
        "data_dir": None,
        "trained": None,
        "trials": 32,
        "time_budget": 600.0,
        "rungs": list(RUNGS),
        "reduction_factor": 3,
        "scheduler": scheduler,
        "sampler": "tpe",
        "seed": 4,
        "address": None,
        "cpus_per_trial": 1,
        "gpus_per_trial": 0,
        "slots": 2,
        "against": None,
        "confirm": 3,
        "seeds": 4,
    }
    spent = {"wall": 498.0, "trials": 966.0, "train": 829.0, "sample": 77.0, "score": 32.0, "setup": 17.0}
    versions = {"python": "3.11.7", "torch": "2.15.0"}
    return {
        "format": FORMAT,
        "status": "done",
        "settings": search,
        "space": "Which corruption to learn to undo.",
        "versions": versions,
        "data": {"train-images": "ba89"},
        "classifier": "b41396",
        "metric": CARD,
        "wall_seconds": 498.0,
        "seconds": spent,
        "slots": 2,
        "overhead": 0.028,
        "idle": 0.03,
    }


def begun(root: Path, name: str, **more: object) -> Run:
    """A run that has its settings, and what else is given of search.json."""
    run = Run.create(root, name)
    run.write_settings(settings(name) | more)
    return run


def start(
    run: Run, name: str, variant: Flat, baseline: str = "", repeats: str | None = None, seed: int | None = None
) -> None:
    """Start a trial; its seed is its number unless it is given."""
    number = run.trials().num_rows
    run.append(Start(name, number, number if seed is None else seed, baseline, variant, repeats, time=1e9 + number))


def report(run: Run, name: str, rung: int, fmd: float, **more: object) -> None:
    """Report an FMD at a rung; keywords change the report."""
    values = {
        "trial": name,
        "images_seen": RUNGS[rung],
        "rung": rung,
        "fmd": fmd,
        "fmd_se": 0.04 * fmd,
        "fmd_normalised": (fmd - 12.5) / 547.5,
        "fmd_corrected": 0.8 * fmd,
        "loss": 0.1,
        "validation_loss": 0.01 * fmd**0.5,
        "ssim": 0.5,
        "psnr": 16.0,
        "rmse": 0.1,
        "train_seconds": 9.0 + fmd / 100,
        "sample_seconds": 1.5,
        "score_seconds": 0.5,
        "setup_seconds": 0.1,
        "images_per_second": 1200.0,
        "parameters": 181108,
        "nfe": 20,
        "time": 1.1e9 + rung,
    }
    run.append(Report.from_dict({**values, **more}))


def end(run: Run, name: str, state: State, error: str = "") -> None:
    """End a trial."""
    run.append(End(name, state, error, time=1.2e9))


def add_trial(
    run: Run,
    variant: Flat,
    fmds: list[float],
    state: State = "COMPLETE",
    baseline: str = "",
    kind: str = "",
    **more: object,
) -> None:
    """Append a trial, named by its number and kind, with a report for each FMD, at `IMAGES`; keywords change those."""
    name = f"{run.trials().num_rows:03d}" + (f"-{kind}" if kind else "")
    start(run, name, variant, baseline)
    for rung, fmd in enumerate(fmds):
        report(run, name, rung, fmd, **{"images_seen": IMAGES[rung], "fmd_se": 1.0, **more})
    if state != "RUNNING":
        end(run, name, state)


def draw(run: Run, name: str, size: int = 40, mode: str = "L") -> None:
    """Draw the pictures of a trial that `DRAWN` names, of noise."""
    pixels = random.Random(name)
    for kind in DRAWN:
        image = Image.frombytes(mode, (size, size), pixels.randbytes(size * size * len(mode)))
        image.save(run.picture(name, kind))


def search(root: Path, trials: int = 30, seed: int = 0, name: str = "degradations") -> Run:
    """A search of ASHA over kinds, schedules and learning rates, with a baseline, a diverged and a failed trial."""
    rng, run = random.Random(seed), begun(root, name)
    seen: tuple[list[float], ...] = ([], [], [])
    for number in range(trials):
        kind, schedule = rng.choice(KINDS), rng.choice(("cosine", "linear"))
        variant: Flat = {"schedule/kind": schedule, "degradation/kind": kind, "training/lr": 10 ** rng.uniform(-4, -2)}
        variant |= {"degradation/mask/count": rng.randint(1, 9)} if kind == "mask" else {}
        trial = f"{number:03d}-{kind}"
        start(run, trial, variant | {"training/batch": rng.choice((32, 64, 128))}, baseline="A0" if number == 1 else "")
        draw(run, trial)
        state: State = "COMPLETE"
        quality = 40 + 30 * KINDS.index(kind) + rng.lognormvariate(2, 1)
        for rung, values in enumerate(seen):
            diverged = number == 5
            fmd = 560.0 if diverged else quality / 1.5**rung + rng.random()
            report(run, trial, rung, fmd, diverged=diverged)
            values.append(float("inf") if diverged else fmd)
            if diverged or (rung < 2 and sum(v < fmd for v in values) >= max(1, len(values) // 3)):
                state = "PRUNED"
                break
        if number == 7:
            end(run, trial, "FAILED", "Traceback\n  ...\nValueError: lost its <way>")
        else:
            end(run, trial, state)
    return run


def many(root: Path, trials: int, seed: int = 0) -> Run:
    """A search of thousands of trials, a third of which reached each next rung, without pictures."""
    rng, run = random.Random(seed), begun(root, "many")
    for number in range(trials):
        kind = rng.choice(KINDS)
        trial = f"{number:04d}-{kind}"
        variant: Flat = {"degradation/kind": kind, "schedule/kind": rng.choice(("cosine", "linear"))}
        variant |= {"training/lr": 10 ** rng.uniform(-4, -2), "training/batch": rng.choice((32, 64, 128))}
        variant |= {"degradation/mask/count": rng.randint(1, 9)} if kind == "mask" else {}
        run.append(Start(trial, number, number, "", variant, None, time=1e9 + number))
        reached = 3 if number % 9 == 0 else 2 if number % 3 == 0 else 1
        for rung in range(reached):
            losses = {"losses_at": tuple(range(1_000, 12_001, 1_000)), "losses": tuple(rng.random() for _ in range(12))}
            report(run, trial, rung, rng.uniform(40, 200) / 1.5**rung, **losses)
        end(run, trial, "COMPLETE" if reached == 3 else "PRUNED")
    return run


def confirm(run: Run, names: list[str], seeds: int = 3, seed: int = 0, tested: bool = True) -> Run:
    """The confirmation of trials of a run with fresh seeds, the first of them the best by far."""
    rng, nested = random.Random(seed), Run.create(run.path, run.confirmation.name)
    cards = {split: CARD | {"version": f"flat-64-n2048-{split}", "split": split} for split in ("confirm", "test")}
    said = {"status": "done", "metric": cards["confirm"], "final_metric": cards["test"]}
    nested.write_settings(said | {"contenders": names, "tested": tested, "real": REAL_CHECKED})
    rows = {row["trial"]: row for row in run.trials().to_pylist()}
    for place, name in enumerate(names):
        for repeat in range(seeds):
            variant = run.starts()[name].variant
            start(nested, f"{name}.{repeat}", variant, baseline=rows[name]["baseline"], repeats=name, seed=repeat)
            trial, fmd = f"{name}.{repeat}", 30 * 1.3**place * rng.uniform(0.99, 1.01)
            report(nested, trial, 2, fmd, **{**CHECKED, "unreadable_share": 0.031 * (1 + place)})
            end(nested, trial, "COMPLETE")
            if tested:
                row = {"trial": trial, "split": "test", "metric": cards["test"]["version"], "samples": 2048}
                row |= {"noise": repeat}  # its seed
                evaluations.store(nested, row | {"fmd": fmd + 1, "fmd_se": 1.0, "sampler": "ancestral", "steps": 20})
    return nested


def confirmed(folder: Path, fmds: dict[str, list[float]], tested: bool = True, seconds: float = 0.0) -> Run:
    """A run of trials with names such as 003-a, or 000-A0 for a baseline, and its confirmation with these FMDs.

    Each training of the confirmation took so many seconds.
    """
    run = Run.create(folder, "run")
    baselines = {name: name[4:] if name[4:].startswith("A0") else "" for name in fmds}
    for name in sorted(fmds):
        run.append(Start(name, int(name[:3]), 0, baselines[name], {}))
    nested = Run.create(run.path, run.confirmation.name)
    nested.write_settings({"metric": JUDGE, "tested": tested, "final_metric": {**JUDGE, "split": "test", "floor": 0.0}})
    for name, values in fmds.items():
        for seed, fmd in enumerate(values):
            start(nested, f"{name}.{seed}", {}, baselines[name], repeats=name, seed=seed)
            values = {"trial": f"{name}.{seed}", "images_seen": 900, "fmd": fmd, "train_seconds": seconds}
            nested.append(Report.from_dict(values))
    return run


def result_of(run: Run) -> ConfirmationResult:
    """The result of the confirmation of a run that has one."""
    found = confirmation_result(Run.open(run.path))
    assert found is not None
    return found


def told(run: Run) -> dict[str, str]:
    """What the answer of a run says, by its terms."""
    found = answer(run)
    return dict(found.lines())
