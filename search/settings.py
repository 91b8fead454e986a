"""The settings of a search: what the command line leaves open is filled in for the machine at hand; all is checked."""

from __future__ import annotations

import math
import re
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from analysis.run.storage import is_remote
from search.machine import Cluster, Machine

SCHEDULERS = ("promotion", "asha", "hyperband", "iepoch", "none")  # of search/schedulers.py
SAMPLERS = ("tpe", "gp", "random", "qmc", "nsga2")  # of search/study/samplers.py
LEARN_IN_FULL = ("gp", "nsga2")  # samplers that learn nothing from a trial that was stopped early
COSTS = ("nfe", "parameters", "seconds")  # of search/study/journal.py: what FMD can be traded against


class SettingsError(ValueError):
    """Settings that cannot be; one line, what was given and what would be right."""


@dataclass(frozen=True)
class Size:
    """What a search takes unless it is told otherwise."""

    trials: int
    time_budget: float
    """Seconds after which no trial starts."""
    max_images: int
    """Images that a trial which is never stopped trains on."""
    gpus_per_trial: float
    images_per_second: float
    """Of one trial, typical of the project's spaces; only for the estimate of --dry-run."""


# "cpu": two cores; nine minutes for the search and as long again for the confirmation. With eta 3 the rungs are 4,000,
# 12,000, 36,000 and 108,000 images: the first says little (rank correlation with the end 0.1, the second 0.8), but
# costs less still, and nothing is lost where a trial that waits can go on later (tests/benchmarks/schedulers.py).
# 108,000 images take the CNN on patches about a minute of one core.
# "gpu": one card and about an hour, four trials sharing it, because one small network does not fill it.
SIZES = {
    "cpu": Size(trials=64, time_budget=510, max_images=108_000, gpus_per_trial=0, images_per_second=1_100),
    "gpu": Size(trials=128, time_budget=2_700, max_images=5_400_000, gpus_per_trial=0.25, images_per_second=10_000),
}


# Of a run that is told nothing else: the trials that are trained again after the search, and their fresh seeds at most.
CONFIRM = 3
SEEDS = 4
# One step of the slowest network takes seconds; what comes before the first, imports on a busy machine, a minute.
HANG_LIMIT = 600.0
# Of the best trials at the full budget, to draw from, train on or evaluate; the others only cost disk.
KEPT_CHECKPOINTS = 3


@dataclass(frozen=True)
class Settings:
    """Everything that makes a search what it is; `search.json` holds it, and a resumed search takes it from there."""

    name: str
    storage_path: str
    space: str
    space_digest: str
    fixed: dict[str, str]
    """Of `--set`: flat name -> value, as written."""
    dataset: str
    data_dir: str | None
    trained: tuple[str, str] | None
    """Of `--from`: the folder of a run and the trial of it that is sampled from; None where trials are trained."""
    trials: int
    time_budget: float
    rungs: tuple[int, ...]
    """Images seen at which trials are compared; the last is the full budget."""
    reduction_factor: int
    scheduler: str
    sampler: str
    seed: int
    address: str | None
    cpus_per_trial: float
    gpus_per_trial: float
    slots: int
    """Trials that run at a time."""
    against: str | None = None
    """A cost that is minimised beside FMD, one of `COSTS`."""
    confirm: int = CONFIRM
    """Trials that are trained again with fresh seeds after the search."""
    seeds: int = SEEDS
    """Fresh seeds of each, at most."""
    hang_limit: float = HANG_LIMIT
    """Seconds without a step, in training or in sampling, after which a trial is ended and tried again."""
    kept_checkpoints: int = KEPT_CHECKPOINTS
    """Complete trials, the best, whose checkpoint stays."""
    mps: bool = False
    """Whether trials share a GPU by NVIDIA's MPS, with which their number was measured."""

    @property
    def objectives(self) -> tuple[str, ...]:
        """What the study minimises."""
        return ("fmd",) if self.against is None else ("fmd", self.against)

    @classmethod
    def resolve(cls, given: dict[str, Any], space: str, digest: str, machine: Machine | Cluster) -> Self:
        """Return the settings of a new search: `given` by the command line, the rest sized for `machine`.

        Raises:
            SettingsError: a value is out of range, or the machine has not what a trial takes.
        """
        size = SIZES["gpu" if machine.gpus else "cpu"]
        eta = given.get("reduction_factor", 3)
        in_full = "against" in given or given.get("sampler") in LEARN_IN_FULL
        cpus, gpus = given.get("cpus_per_trial", 1), _gpus(given, size.gpus_per_trial)
        settings = cls(
            name=given.get("name", _name(space)),
            storage_path=located(given.get("storage_path", "runs")),
            space=space,
            space_digest=digest,
            fixed=dict(given.get("fixed", {})),
            dataset=given.get("dataset", "mnist"),
            data_dir=_folder(given["data_dir"]) if "data_dir" in given else None,
            trained=given.get("trained"),
            trials=given.get("trials", size.trials),
            time_budget=given.get("time_budget", size.time_budget),
            rungs=rungs(given.get("grace_images"), given.get("max_images", size.max_images), eta),
            reduction_factor=eta,
            scheduler=given.get("scheduler", "none" if in_full else "promotion"),
            sampler=given.get("sampler", "tpe"),
            seed=given.get("seed", 0),
            address=given.get("address"),
            cpus_per_trial=cpus,
            gpus_per_trial=gpus,
            slots=_slots(machine, cpus, gpus),
            against=given.get("against"),
            confirm=given.get("confirm", CONFIRM),
            seeds=given.get("seeds", SEEDS),
            hang_limit=given.get("hang_limit", HANG_LIMIT),
            kept_checkpoints=given.get("kept_checkpoints", KEPT_CHECKPOINTS),
        )
        return settings.checked()

    @classmethod
    def resume(cls, saved: dict[str, Any], given: dict[str, Any], machine: Machine | Cluster) -> Self:
        """Return the settings of a search that goes on: those saved, with more trials or time if that is given.

        Raises:
            SettingsError: as `resolve` does.
        """
        may_change = ("trials", "time_budget", "cpus_per_trial", "confirm", "seeds", "hang_limit", "kept_checkpoints")
        changed = {name: given[name] for name in may_change if name in given}
        changed["gpus_per_trial"] = _gpus(given, saved["gpus_per_trial"])
        changed |= {"address": given.get("address"), "storage_path": located(given.get("storage_path", "runs"))}
        if "data_dir" in given:
            changed["data_dir"] = _folder(given["data_dir"])
        trained = saved["trained"] and tuple(saved["trained"])
        settings = cls(**{"confirm": 0, **saved, "rungs": tuple(saved["rungs"]), "trained": trained, **changed})
        return replace(settings, slots=_slots(machine, settings.cpus_per_trial, settings.gpus_per_trial)).checked()

    def sharing(self, trials: int, machine: Machine | Cluster, mps: bool) -> Self:
        """Return these settings with so many trials on each GPU, by MPS or by turns."""
        share = 1 / trials
        return replace(self, gpus_per_trial=share, slots=_slots(machine, self.cpus_per_trial, share), mps=mps)

    def checked(self) -> Self:
        """Return these settings if they make sense; raise SettingsError if not."""
        _require(self.trials >= 1, f"--trials {self.trials}: give at least 1")
        _require(self.time_budget > 0, f"--time-budget {self.time_budget:g}: give a number of seconds above 0")
        _require(self.confirm >= 0, f"--confirm {self.confirm}: give a number of trials, 0 for none")
        _require(self.seeds >= 2, f"--seeds {self.seeds}: give at least 2, one seed tells nothing of the spread")
        _require(self.hang_limit >= 1, f"--hang-limit {self.hang_limit:g}: give a number of seconds of at least 1")
        _require(self.kept_checkpoints >= 1, f"--kept-checkpoints {self.kept_checkpoints}: give at least 1")
        stops = self.against is not None and self.scheduler != "none"
        instead = f"a trial that is stopped early has no {self.against} to compare; give --scheduler none"
        _require(not stops, f"--against {self.against} with --scheduler {self.scheduler}: {instead}")
        stops = self.sampler in LEARN_IN_FULL and self.scheduler != "none"
        instead = "it learns nothing from a trial that is stopped early; give --scheduler none, or --sampler tpe"
        _require(not stops, f"--sampler {self.sampler} with --scheduler {self.scheduler}: {instead}")
        timeless = self.trained is not None and self.against == "seconds"
        _require(not timeless, "--against seconds with --from: nothing is trained; give --against nfe")
        _require(self.seed >= 0, f"--seed {self.seed}: give a number of at least 0")
        return self

    def saved(self) -> dict[str, Any]:
        """Return these settings as JSON has them."""
        return {**asdict(self), "rungs": list(self.rungs)}


def rungs(grace: int | None, full: int, eta: int) -> tuple[int, ...]:
    """Return grace * eta^k below `full`, and `full`; without `grace` four rungs that end there.

    Raises:
        SettingsError: they are no ascending budgets.
    """
    _require(eta >= 2, f"--reduction-factor {eta}: give a whole number of at least 2")
    _require(full >= 1, f"--max-images {full}: give at least 1")
    grace = math.ceil(full / eta**3) if grace is None else grace
    _require(1 <= grace <= full, f"--grace-images {grace}: give a number from 1 to --max-images, {full}")
    budgets = [grace]
    while budgets[-1] * eta < full:
        budgets.append(budgets[-1] * eta)
    return tuple(dict.fromkeys([*budgets, full]))


def _gpus(given: dict[str, Any], otherwise: float) -> float:
    if "trials_per_gpu" not in given:
        return given.get("gpus_per_trial", otherwise)
    trials = 1 if given["trials_per_gpu"] == "auto" else given["trials_per_gpu"]  # until it is measured
    _require("gpus_per_trial" not in given, "--trials-per-gpu and --gpus-per-trial say the same: give one of them")
    _require(trials >= 1, f"--trials-per-gpu {trials}: give at least 1")
    return 1 / trials


def _slots(machine: Machine | Cluster, cpus: float, gpus: float) -> int:
    _require(cpus > 0, f"--cpus-per-trial {cpus:g}: give a number above 0")
    whole = gpus <= 1 or gpus == int(gpus)
    _require(gpus >= 0 and whole, f"--gpus-per-trial {gpus:g}: give a fraction of one GPU or a whole number of them")
    _require(cpus <= machine.cpus, f"--cpus-per-trial {cpus:g}: there are {machine.cpus} cores; give at most that many")
    advice = f"give at most {machine.gpus}" if machine.gpus else "give 0 to train on the CPU"
    _require(gpus <= machine.gpus, f"--gpus-per-trial {gpus:g}: there are {machine.gpus} GPUs; {advice}")
    return machine.slots(cpus, gpus)


def _name(space: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(space).stem).lstrip("._-") + time.strftime("-%Y%m%d-%H%M%S")


def located(path: str) -> str:
    """Return a folder as an absolute path, and a URI of object storage as it is, but for a slash at its end."""
    path = path.removeprefix("file://")
    return path.rstrip("/") if is_remote(path) else str(Path(path).expanduser().resolve())


def _folder(data_dir: str) -> str:
    _require(not is_remote(data_dir), f"--data-dir {data_dir}: give a folder; its data are sent to where trials run")
    return located(data_dir)


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise SettingsError(message)
