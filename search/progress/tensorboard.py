"""TensorBoard's event files: a run's trials side by side, their configurations, curves over images seen, and images.

TensorBoard's HParams table has a row for each group of sessions, with the means of its numbers. A trial's record names
no group, so that it is a group of its own, under the path of its folder: trials of several runs have the same names.

TensorBoard takes the columns of the table from the record of an experiment where there is one, and otherwise from the
fields of all trials. Of several such records it takes any one, so a run writes none: search/show.py writes one for all
runs that it shows. The FMD at each rung is a scalar of its own, because a column has the last value of a scalar, and
FMDs compare only at the same number of images seen and by the same version of the metric.
"""

import itertools
import math
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams.api_pb2 import Status
from tensorboard.plugins.hparams.metadata import SESSION_END_INFO_TAG, create_summary_metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from analysis.run.events import Start, State
from analysis.run.run import Run
from analysis.statistics.ranking import MetricCard, metric_card
from analysis.text.answer import Answer
from trainables.report import Picture, Report

SCALARS = ("fmd", "fmd_normalised", "loss", "validation_loss", "ssim", "images_per_second", "images_seen")
# The tags of a trial's pictures.
IMAGES: dict[Picture, str] = {
    "samples": "samples",
    "degradation": "strip",
    "rungs": "samples at each rung",
    "restorations": "restorations",
}
AT_RUNG = "fmd at"  # the group of the scalars that have the FMD at one rung
_WRITERS = itertools.count()


def hparams(start: Start) -> dict[str, Any]:
    """Return the fields of a trial's row in HParams: its configuration, and the baseline that it repeats."""
    return {"baseline": start.baseline or "none", **start.variant}


def rung_tag(images_seen: int, card: MetricCard) -> str:
    """Return the tag of the FMD at a rung, which names what it compares with; `card` may be empty."""
    metric = f" ({card['split']}, {card['version']})" if card else ""
    return f"{AT_RUNG}/{images_seen:,} images{metric}"


class TensorBoardWriter:
    """The event files of a run, one folder for each trial; what a call writes is in the file when it returns.

    A trial that starts again in the same session continues its file. A resumed search begins a new file, because a
    killed one may have left half a record. No file stays open between calls, however many trials are paused.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._file = f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}.{os.getpid()}.{next(_WRITERS)}"
        self._last: dict[str, Report] = {}

    def start(self, start: Start) -> None:
        """Write a trial's configuration and the baseline that it repeats."""
        fields = hparams_pb(hparams(start), trial_id="")
        state = f"RUNNING, baseline {start.baseline}" if start.baseline else "RUNNING"
        self._write(start.trial, (0, [*fields.value, _text("state", state)]))

    def report(self, report: Report) -> None:
        """Write what was measured on the way to a report, its numbers, and the trial's images unless it diverged.

        Each is at its images_seen.
        """
        trial = report.trial
        points = [(at, _scalars(numbers)) for at, numbers in report.on_the_way()]
        tag = rung_tag(report.images_seen, metric_card(self._run))
        values = _scalars({**{name: getattr(report, name) for name in SCALARS}, tag: report.fmd})
        for name, path in {} if report.diverged else self._run.pictures(trial).items():
            values.append(Summary.Value(tag=IMAGES[name], image=_image(path)))
        self._write(trial, *points, (report.images_seen, values))
        self._last[trial] = report

    def end(self, trial: str, state: State) -> None:
        """Write the state in which a trial ended."""
        status = Status.Value("STATUS_FAILURE" if state == "FAILED" else "STATUS_SUCCESS")
        info = HParamsPluginData(session_end_info=SessionEndInfo(status=status, end_time_secs=time.time()))
        last = self._last.pop(trial, None)
        at = f" at {last.images_seen:,} images, FMD {last.fmd:.4g}" if last else ""
        values = [hparams_record(SESSION_END_INFO_TAG, info), _text("state", f"{state}{at}")]
        self._write(trial, (last.images_seen if last else 0, values))

    def answer(self, found: Answer) -> None:
        """Write the run's answer beside its best trial."""
        lines = [f"**{term}**: {text}" for term, text in found.lines()]
        self._write(found.trial, (0, [_text("answer", "\n\n".join(lines))]))

    def _write(self, trial: str, *steps: tuple[int, list[Any]]) -> None:
        """Write the values of TensorBoard's Summary at each step as one event."""
        path = self._run.tensorboard / trial / self._file
        append_events(path, list(steps))
        self._run.send(path)


def _scalars(numbers: Mapping[str, float]) -> list[Any]:
    """Return the finite ones of some numbers as values of TensorBoard's Summary."""
    finite = {name: value for name, value in numbers.items() if math.isfinite(value)}
    return [Summary.Value(tag=name, simple_value=value) for name, value in finite.items()]


def _text(tag: str, text: str) -> Any:
    return text_pb(tag, text).value[0]


def _image(path: Path) -> dict[str, Any]:
    with Image.open(path) as picture:
        width, height = picture.size
    return {"width": width, "height": height, "encoded_image_string": path.read_bytes()}


def append_events(path: Path, steps: list[tuple[int, Any]]) -> None:
    """Append to an event file one event for each step, with its values of TensorBoard's Summary.

    The folder is made where it is missing, and no file stays open.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    begin = [] if path.exists() else [Event(wall_time=time.time(), file_version="brain.Event:2")]
    events = [Event(wall_time=time.time(), step=at, summary=Summary(value=values)) for at, values in steps]
    with path.open("ab") as file:
        for event in (*begin, *events):
            RecordWriter(file).write(event.SerializeToString())


def hparams_record(tag: str, data: Any) -> Any:
    """Return a record of the plugin HParams, an HParamsPluginData, as a value of TensorBoard's Summary."""
    return Summary.Value(tag=tag, metadata=create_summary_metadata(data))
