"""The settings of a search: given by options, completed for the machine at hand, checked."""

import logging
import math
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Self

from analysis.run.storage import is_remote
from search.declaration import Resume, SettingsError, completed, options
from search.machine import Cluster, Machine
from search.options import LEARN_IN_FULL, MOST, SearchOptions
from trainables.data.options import NAMED

# Among the ten best of 22 models Kendall's tau of FMD by 256 samples with FMD by 2,048 is 0.39 for one set of samples
# and 0.53 for the mean of two or four; a set takes a second, a training to the full budget a minute. Where nothing is
# trained a set of samples is all that a trial takes. source: tests/benchmarks/draws.py
DRAWS = 2
PACKAGES = {"mlflow": "mlflow-skinny", "wandb": "wandb"}  # extras, which the trackers of --log-to need
LISTS = ("warm_start", "only", "confirm_by", "log_to")  # options that are tuples of texts, and lists in search.json


@dataclass(frozen=True, kw_only=True)
class Settings(SearchOptions):
    """Everything that makes a search what it is: its options, and what follows from them.

    search.json holds it, and a search that is resumed reads it there.
    """

    space_digest: str
    slots: int
    """Trials that run at a time."""
    mps: bool = False
    """Whether trials share a GPU by NVIDIA's MPS, with which their number was measured."""
    draws: int = 1
    """Sets of samples by whose mean FMD a trial is judged at the full budget; runs of older versions go on with 1."""

    @cached_property
    def rungs(self) -> tuple[int, ...]:
        """Images seen at which trials are compared, ascending; the last is the full budget."""
        return rungs(self.grace_images, self.max_images, self.reduction_factor)

    @property
    def objectives(self) -> tuple[str, ...]:
        """What the study minimises."""
        return ("fmd",) if self.against is None else ("fmd", self.against)

    @classmethod
    def resolve(cls, given: dict[str, Any], space: str, digest: str, machine: Machine | Cluster) -> Self:
        """Return the settings of a new search; options that are not given have the default for `machine`."""
        values = completed(cls, given, 0 if given.get("gpus_per_trial") == 0 else machine.gpus)
        _require_ranges(cls, values)
        if "scheduler" not in given and (values["against"] or values["sampler"] in LEARN_IN_FULL):
            values["scheduler"] = "none"
        if values["only"]:
            alone = {"scheduler": "none", "trials": len(values["only"]), "confirm": 0}
            values |= {name: value for name, value in alone.items() if name not in given}
        if "grace_images" not in given:
            values["grace_images"] = math.ceil(values["max_images"] / values["reduction_factor"] ** 2)
        values |= {"space": space, "space_digest": digest, "name": given.get("name", default_name(space))}
        values |= {"fixed": given.get("fixed", {}), "draws": 1 if values["trained"] else DRAWS}
        return cls._on(machine, values, given)

    @classmethod
    def resume(cls, saved: dict[str, Any], given: dict[str, Any], machine: Machine | Cluster) -> Self:
        """Return the settings of a search that goes on: those saved, but for options that --resume lets change.

        Options of another version are left out, and said.

        Raises:
            SettingsError: a value that was saved is of a wrong type or out of range.
        """
        known = with_budgets({name: value for name, value in saved.items() if value is not None})
        names = {entry.name for entry in fields(cls)}
        if unknown := sorted(map(ascii, known.keys() - names - {"rungs"})):
            logging.getLogger(__name__).warning("search.json has options of another version: %s", ", ".join(unknown))
        values = completed(cls, {}, machine.gpus) | {"space_digest": ""}
        values |= {name: known[name] for name in names if name in known}
        values["trained"] = tuple(values["trained"]) if values["trained"] else None
        values |= {name: tuple(values[name]) for name in LISTS}
        for name, declared in options(cls).items():
            if declared.resume is Resume.PER_SESSION:
                values[name] = given.get(name, declared.default)
            elif declared.resume is Resume.CHANGEABLE and name in given:
                values[name] = given[name]
        _require_ranges(cls, values, "search.json: ")
        return cls._on(machine, values, given)

    @classmethod
    def _on(cls, machine: Machine | Cluster, values: dict[str, Any], given: dict[str, Any]) -> Self:
        """Return the settings of some values on a machine; raise SettingsError where they do not go together."""
        values["gpus_per_trial"] = _gpus(given, values["gpus_per_trial"])
        values["storage_path"] = located(values["storage_path"])
        values["dataset"] = _dataset(values["dataset"])
        values["data_dir"] = _folder("--data-dir", values["data_dir"])
        values["features"] = None if values["features"] is None else located(values["features"])
        values["slots"] = _slots(machine, values["cpus_per_trial"], values["gpus_per_trial"])
        settings = cls(**values)
        settings._require_consistency()
        return settings

    def _require_consistency(self) -> None:
        if self.grace_images > self.max_images:
            right = f"give a number from 1 to --max-images, {self.max_images:,}"
            raise SettingsError(f"--grace-images {self.grace_images:,}: {right}")
        if self.trained and self.against == "seconds":
            raise SettingsError("--against seconds with --from: nothing is trained; give --against nfe")
        require_packages(self.log_to)
        if self.warm_start:
            self._require_warm_start()
        if self.scheduler == "none":
            return
        if self.scheduler == "hyperband" and self.reduction_factor ** (len(self.rungs) - 1) > MOST:
            right = "its brackets would take more trials than there can be; give a larger --grace-images"
            raise SettingsError(f"--scheduler hyperband with {len(self.rungs)} rungs: {right}")
        if self.against:
            right = f"a trial that is stopped early has no {self.against} to compare; give --scheduler none"
            raise SettingsError(f"--against {self.against} with --scheduler {self.scheduler}: {right}")
        if self.sampler in LEARN_IN_FULL:
            right = "it learns nothing from a trial that is stopped early; give --scheduler none, or --sampler tpe"
            raise SettingsError(f"--sampler {self.sampler} with --scheduler {self.scheduler}: {right}")

    def _require_warm_start(self) -> None:
        if self.sampler in LEARN_IN_FULL:
            right = "it does not learn from the trials of other runs; give --sampler tpe"
            raise SettingsError(f"--warm-start with --sampler {self.sampler}: {right}")
        if self.against == "seconds":
            right = "seconds depend on what else a machine did; give --against nfe, or parameters"
            raise SettingsError(f"--warm-start with --against seconds: {right}")

    def sharing(self, trials: int, machine: Machine | Cluster, *, mps: bool) -> Self:
        """Return these settings with so many trials on each GPU, by MPS or by turns."""
        share = 1 / trials
        return replace(self, gpus_per_trial=share, slots=_slots(machine, self.cpus_per_trial, share), mps=mps)

    def saved(self) -> dict[str, Any]:
        """Return these settings, and the rungs that follow from them, as JSON has them."""
        lists = {name: list(getattr(self, name)) for name in LISTS}
        return {**asdict(self), **lists, "rungs": list(self.rungs)}


def rungs(grace: int, full: int, eta: int) -> tuple[int, ...]:
    """Return the budgets grace * eta^k below `full`, and `full`, in images seen."""
    budgets = [grace]
    while budgets[-1] * eta < full:
        budgets.append(budgets[-1] * eta)
    return tuple(dict.fromkeys([*budgets, full]))


def with_budgets(saved: dict[str, Any]) -> dict[str, Any]:
    """Return saved settings with the options that the rungs came from, which runs of version 0.1 do not have."""
    return {"max_images": saved["rungs"][-1], "grace_images": saved["rungs"][0], **saved}


def located(path: str) -> str:
    """Return a folder as an absolute path, and a URI of object storage as it is, but for a slash at its end."""
    path = path.removeprefix("file://")
    if is_remote(path):
        return path.rstrip("/")
    try:
        return str(Path(path).expanduser().resolve())
    except (RuntimeError, ValueError) as error:  # nobody of that name, no home, a null byte
        raise SettingsError(f"{path!r} is no folder ({error}): give its whole path") from None


def require_packages(log_to: Iterable[str]) -> None:
    """Raise SettingsError where the package of a tracker, which a value of --log-to names, is not installed."""
    for given in log_to:
        package = PACKAGES[given.partition(":")[0]]
        try:
            distribution(package)
        except PackageNotFoundError:
            raise SettingsError(f"{given}: the package {package} is missing; pip install {package}") from None


def _require_ranges(cls: type, values: dict[str, Any], where: str = "") -> None:
    for name, declared in options(cls).items():
        if values[name] is not None:
            declared.require(values[name], where + declared.flag)


def _gpus(given: dict[str, Any], otherwise: float) -> float:
    if "trials_per_gpu" not in given:
        return otherwise
    if "gpus_per_trial" in given:
        raise SettingsError("--trials-per-gpu and --gpus-per-trial say the same: give one of them")
    trials = given["trials_per_gpu"]
    return 1 if trials == "auto" else 1 / trials  # auto is measured later


def _slots(machine: Machine | Cluster, cpus: float, gpus: float) -> int:
    if gpus > 1 and gpus != int(gpus):
        raise SettingsError(f"--gpus-per-trial {gpus:g}: give a fraction of one GPU or a whole number of them")
    if cpus > machine.cpus:
        raise SettingsError(f"--cpus-per-trial {cpus:g}: there are {machine.cpus} cores; give at most that many")
    if gpus > machine.gpus:
        right = f"give at most {machine.gpus}" if machine.gpus else "give 0 to train on the CPU"
        raise SettingsError(f"--gpus-per-trial {gpus:g}: there are {machine.gpus} GPUs; {right}")
    slots = machine.slots(cpus, gpus)
    if not slots:
        raise SettingsError(f"--cpus-per-trial {cpus:g} --gpus-per-trial {gpus:g}: no machine has both; give fewer")
    return slots


def default_name(space: str) -> str:
    """Return a name for a run that is given none: its space, the time, and four random digits."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(space).stem).lstrip("._-")
    return f"{stem}{time.strftime('-%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def _dataset(given: str) -> str:
    """Return the name of a data set, or the absolute path of images of the user's own."""
    if given in NAMED or not (is_remote(given) or Path(given).expanduser().exists()):
        return given  # an unknown name is refused where the data set is read
    if not given.isprintable():
        shown = given.encode("utf-8", "replace").decode()
        raise SettingsError(f"--dataset {shown!r}: its name cannot be printed everywhere; rename it")
    return str(_folder("--dataset", given))


def _folder(flag: str, given: str | None) -> str | None:
    if given is None:
        return None
    if is_remote(given):
        raise SettingsError(f"{flag} {given}: give a folder; its data are sent to where trials run")
    return located(given)
