"""What search/show.py does: it finds runs, and makes the folder that TensorBoard shows of them."""

import itertools
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tensorboard import program
from tensorboard.plugins.hparams.api_pb2 import DataType, Experiment, HParamInfo, Interval, MetricInfo, MetricName
from tensorboard.plugins.hparams.metadata import EXPERIMENT_TAG
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from analysis.process import interruptible
from analysis.run.events import Start
from analysis.run.log import RunError
from analysis.run.run import Run
from analysis.run.storage import is_remote
from analysis.statistics.ranking import metric_card, rank_run
from search.progress.tensorboard import append_events, hparams, hparams_record, rung_tag

# What else is a column, after the FMD at each rung: neither compares trials at different budgets.
OTHERS = ("images_seen", "images_per_second")

Value = str | float | bool


class Part:
    """A search, or a confirmation, as one folder of TensorBoard.

    Attributes:
        label: the folder's name below TensorBoard's.
        run: the run.
        trials: names of its trials that have curves, best first.
    """

    def __init__(self, label: str, run: Run) -> None:
        self.label, self.run = label, run
        ranked: list[str] = rank_run(run)["trial"].to_pylist()
        self.trials = [name for name in ranked if (run.tensorboard / name).is_dir()]


def show(paths: Sequence[str], most: int, options: Sequence[str]) -> int:
    """Serve TensorBoard for runs until it is interrupted; return its exit status.

    `paths` are those of runs, or of folders of runs. It shows `most` trials at the most, with `options` of TensorBoard.

    Raises:
        RunError: there is no run, or none with a trial that has curves.
    """
    found = parts(found_runs(paths))
    known = sum(len(part.trials) for part in found)
    if not known:
        raise RunError(f"no trial of {' '.join(paths)} has curves yet: show it again once one has begun")
    with interruptible(), tempfile.TemporaryDirectory(prefix="show-") as folder:
        shown = fill(Path(folder), found, most)
        if shown < known:
            print(f"{shown} of {known} trials, the best of each run; all of them: --most {known}", flush=True)
        server = program.TensorBoard()
        server.configure(argv=["tensorboard", "--logdir", folder, *options])
        return 0 if server.main() == 0 else 1


def found_runs(paths: Iterable[str]) -> list[Run]:
    """Return the runs at paths, each a run's or that of a folder with runs.

    Raises:
        RunError: there is none at one of them.
    """
    found = []
    for path in paths:
        try:
            found.append(Run.open(path))
        except RunError:
            below = [] if is_remote(path) else _runs_below(Path(path))
            if not below:
                raise
            found += below
    return found


def parts(runs: Sequence[Run]) -> list[Part]:
    """Return the searches and the confirmations of runs, each under a name of its own.

    The name of a run that is shown alone is left out, because TensorBoard cuts the names of folders.
    """
    found: list[Part] = []
    names = Counter[str]()
    for run in runs:
        names[run.name] += 1
        label = f"{run.name} ({names[run.name]})" if names[run.name] > 1 else run.name
        above = f"{label}/" if len(runs) > 1 else ""
        found.append(Part(f"{above}search", run))
        if (confirmed := run.confirmed()) is not None:
            found.append(Part(f"{above}confirmation", confirmed))
    return found


def fill(folder: Path, found: Sequence[Part], most: int) -> int:
    """Link the best trials of each run, `most` in all, below a folder, and write the columns of their table.

    Where all fit, the folders of the runs are linked, in which trials of a search that goes on appear. It returns how
    many trials are linked.
    """
    chosen = best_of_each(found, most)
    if len(chosen) == sum(len(part.trials) for part in found):
        for part in found:
            _link(folder / part.label, part.run.tensorboard)
    else:
        for part, name in chosen:
            _link(folder / part.label / name, part.run.tensorboard / name)
    starts = [start for part in found for start in part.run.starts().values()]
    write_columns(folder / "columns", starts, rung_tags(part.run for part in found))
    return len(chosen)


def best_of_each(found: Sequence[Part], most: int) -> list[tuple[Part, str]]:
    """Return the best trial of each part, then the second of each, and so on, `most` in all."""
    rounds = itertools.zip_longest(*([(part, name) for name in part.trials] for part in found))
    return [trial for turn in rounds for trial in turn if trial is not None][:most]


def rung_tags(runs: Iterable[Run]) -> list[str]:
    """Return the tags of the FMD at each rung of runs: searches first, the full budget before what is below it."""
    found = {}
    for run in runs:
        card = metric_card(run)
        seen = {report.images_seen for reports in run.reports().values() for report in reports}
        for images in seen | set(run.settings().get("settings", {}).get("rungs", ())):
            found[rung_tag(images, card)] = (card.get("split") != "search", -images)
    return sorted(found, key=lambda tag: (*found[tag], tag))


def _link(at: Path, target: Path) -> None:
    at.parent.mkdir(parents=True, exist_ok=True)
    at.symlink_to(target.resolve(), target_is_directory=True)


def _runs_below(folder: Path) -> list[Run]:
    found = []
    for path in sorted(folder.glob("*")):
        with suppress(RunError):
            found.append(Run.open(path))
    return found


def write_columns(folder: Path, starts: Iterable[Start], rungs: Sequence[str]) -> None:
    """Write an event file that says which columns the table of HParams has; none where no field differs.

    TensorBoard sorts the columns of fields by whether they "differ", then by name, and shows the first five. Here only
    the fields that all trials of the searches' own have, with two values or more among them, "differ". After them come
    fields that are blank for some, because they depend on another field, and those in which only the literature's
    configurations differ. A field with one value is left out. The columns of metrics stay in the order given, and the
    first five are shown.

    `folder` is a new one below TensorBoard's, `starts` are the trials of all runs. `rungs` are the tags of the FMD at
    each rung, in the order of the columns.
    """
    fields = [_field(name, values, first) for name, values, first in differing([hparams(start) for start in starts])]
    if fields:
        metrics = [MetricInfo(name=MetricName(tag=tag)) for tag in (*rungs, *OTHERS)]
        data = HParamsPluginData(experiment=Experiment(hparam_infos=fields, metric_infos=metrics))
        append_events(folder / "events.out.tfevents.columns", [(0, [hparams_record(EXPERIMENT_TAG, data)])])


def differing(trials: Sequence[dict[str, Value]]) -> list[tuple[str, list[Value], bool]]:
    """Return the fields with two values or more: name, values, and whether it comes first; by name.

    Those come first that every trial which is no baseline has, and in which these differ. Where all are baselines, they
    count alike.
    """
    own = [trial for trial in trials if trial["baseline"] == "none"] or trials
    found = []
    for name in sorted({name for trial in trials for name in trial}):
        values = [trial[name] for trial in trials if name in trial]
        among = [trial.get(name) for trial in own]
        if len(set(values)) > 1:
            found.append((name, values, None not in among and len(set(among)) > 1))
    return found


def _field(name: str, values: list[Value], first: bool) -> Any:
    kinds = {bool if isinstance(value, bool) else str if isinstance(value, str) else float for value in values}
    info = HParamInfo(name=name, differs=first)
    if kinds == {float}:
        info.type = DataType.Value("DATA_TYPE_FLOAT64")
        info.domain_interval.CopyFrom(Interval(min_value=min(values), max_value=max(values)))
    elif kinds == {bool}:
        info.type = DataType.Value("DATA_TYPE_BOOL")
        info.domain_discrete.extend([False, True])
    else:
        info.type = DataType.Value("DATA_TYPE_STRING")
        info.domain_discrete.extend(sorted({str(value) for value in values}))
    return info
