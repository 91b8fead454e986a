"""The columns of TensorBoard's HParams table, for all runs that it shows at once.

TensorBoard sorts the columns of fields by whether they "differ", then by name, and shows the first five. Here only the
fields that all trials of the searches' own have, with two values or more among them, "differ". After them come fields
that are blank for some, because they depend on another field, and those in which only the literature's configurations
differ. A field with one value is left out. The columns of metrics stay in the order given, and the first five are
shown.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from analysis.run.events import Start
from search.progress.event_files import append_events, hparams_record
from search.progress.tensorboard import hparams

# What else is a column, after the FMD at each rung: neither compares trials at different budgets.
OTHERS = ("images_seen", "images_per_second")
Value = str | float | bool


def write_columns(folder: Path, starts: Iterable[Start], rungs: Sequence[str]) -> None:
    """Write an event file that says which columns the table has; none where no field differs.

    `folder` is a new one below TensorBoard's, `starts` are the trials of all runs. `rungs` are the tags of the FMD at
    each rung, in the order of the columns.
    """
    from tensorboard.plugins.hparams.api_pb2 import Experiment, MetricInfo, MetricName
    from tensorboard.plugins.hparams.metadata import EXPERIMENT_TAG
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

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
    from tensorboard.plugins.hparams.api_pb2 import DataType, HParamInfo, Interval

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
