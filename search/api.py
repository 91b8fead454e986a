"""Searches and what they found, from Python: `open_run` and `start`; docs/notebook.md shows them in use."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from analysis.run.run import Run
from analysis.run.storage import join
from analysis.statistics.ranking import rank_run
from analysis.statistics.winner import training_of
from search.command_line import complete, search_options
from search.config_file import read_options
from search.resuming import with_place
from search.run import search
from search.settings import default_name, located
from search.trust import open_trusted
from search.winner.models import load_model
from trainables.domain import Primitive
from trainables.model import Model


class OpenRun:
    """A run, finished or not; each table is as the run's log is at that moment."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __repr__(self) -> str:
        return f"<run {self._run.uri}>"

    @property
    def trials(self) -> pa.Table:
        """One row a trial; docs/run-format.md has the columns."""
        return self._run.trials()

    @property
    def curves(self) -> pa.Table:
        """One row a report; docs/run-format.md has the columns."""
        return self._run.curves()

    @property
    def ranking(self) -> pa.Table:
        """One row a trial, the best first, with its rank and the fields that differ."""
        return rank_run(self._run)

    @property
    def best(self) -> Model:
        """The winner's model; see `model`."""
        return self.model()

    def model(
        self,
        trial: str | None = None,
        sampler: Mapping[str, Primitive] | None = None,
        data_dir: str | None = None,
    ) -> Model:
        """Return the model of a trial, by default of the winner, as search/generate.py takes it.

        Args:
            trial: its name, or that of one training of the confirmation.
            sampler: fields of the sampler that are to be others, such as {"sampler.steps": 50}.
            data_dir: the folder of the data set, where it is not where it lay in the search.

        Raises:
            UsageError: no model of the trial is kept, or a field cannot be.
        """
        texts = {name: str(value) for name, value in (sampler or {}).items()}
        return load_model(training_of(self._run, trial), texts, data_dir)


def open_run(path: str | Path, trust: bool = False) -> OpenRun:
    """Return the run in a folder or at a URI.

    Args:
        path: of the run.
        trust: whether to execute the code that the run keeps of somebody else's space file, which defines parts.

    Raises:
        RunError: there is none.
        SettingsError: it keeps code that this user has not executed before.
    """
    return OpenRun(open_trusted(path, trusts=trust))


def start(**options: Any) -> OpenRun:
    """Search, or go on with `resume=NAME`, and return the run once that has ended or was interrupted.

    Args:
        options: those of search/run.py by their names, with underscores: space="quality", time_budget=600,
            set={"network.kind": "unet"}.

    Raises:
        UsageError: an option is unknown or has no such value, or the search cannot begin.
    """
    declared = {name: one for name, one in search_options().items() if name not in ("config", "dry_run")}
    texts = {key: _texts(value) for key, value in options.items() if value is not None}
    given = complete(read_options(texts, declared, ""))
    if "resume" not in given and not given.get("auto_resume"):
        given.setdefault("name", default_name(given["space"]))
    search(given, time.monotonic())
    if "resume" in given:
        given = with_place(given)
    return open_run(join(located(given.get("storage_path", "runs")), given.get("resume") or given["name"]))


def _texts(value: Any) -> Any:
    """Return a value as the command line writes it, those of lists and mappings too."""
    if isinstance(value, Mapping):
        return {str(name): _texts(entry) for name, entry in value.items()}
    return [_texts(entry) for entry in value] if isinstance(value, list | tuple) else str(value)
