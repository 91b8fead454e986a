"""TensorBoard's event files: a run's trials side by side, their configurations, curves over images seen, and images.

TensorBoard takes the columns of its HParams table from the record of an experiment where there is one, and otherwise
from the fields of all trials. Here no such record is written, because fields depend on each other and a record would
lack the fields that its trial does not have. A trial writes a record when it starts and one when it ends.
"""

import itertools
import math
import os
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.run.events import Start, State
from analysis.run.run import Run
from analysis.text.answer import Answer
from trainables.report import Picture, Report

# Imports inside functions: TensorBoard takes a second, and only a trial that starts needs it.
SCALARS = ("fmd", "fmd_normalised", "loss", "validation_loss", "ssim", "images_per_second", "images_seen")
# The tags of a trial's pictures.
IMAGES: dict[Picture, str] = {
    "samples": "samples",
    "degradation": "strip",
    "rungs": "samples at each rung",
    "restorations": "restorations",
}
_WRITERS = itertools.count()
PNG_SIZE = struct.Struct(">16x2I")  # width and height, after signature and chunk header


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
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        fields = hparams_pb({"baseline": start.baseline or "none", **start.variant}, trial_id=start.trial)
        state = f"RUNNING, baseline {start.baseline}" if start.baseline else "RUNNING"
        self._write(start.trial, (0, [*fields.value, _state(state)]))

    def report(self, report: Report) -> None:
        """Write what was measured on the way to a report, its numbers, and the trial's images unless it diverged.

        Each is at its images_seen.
        """
        from tensorboard.compat.proto.summary_pb2 import Summary

        trial = report.trial
        values = _scalars({name: getattr(report, name) for name in SCALARS})
        for name, path in {} if report.diverged else self._run.pictures(trial).items():
            values.append(Summary.Value(tag=IMAGES[name], image=_image(path)))
        self._write(trial, *_on_the_way(report), (report.images_seen, values))
        self._last[trial] = report

    def end(self, trial: str, state: State) -> None:
        """Write the state in which a trial ended."""
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.hparams.api_pb2 import Status
        from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo

        status = Status.Value("STATUS_FAILURE" if state == "FAILED" else "STATUS_SUCCESS")
        info = HParamsPluginData(session_end_info=SessionEndInfo(status=status, end_time_secs=time.time()))
        plugin = {"plugin_name": "hparams", "content": info.SerializeToString()}
        end = Summary.Value(tag="_hparams_/session_end_info", metadata={"plugin_data": plugin})
        last = self._last.pop(trial, None)
        at = f" at {last.images_seen:,} images, FMD {last.fmd:.4g}" if last else ""
        self._write(trial, (last.images_seen if last else 0, [end, _state(f"{state}{at}")]))

    def answer(self, found: Answer) -> None:
        """Write the run's answer beside its best trial."""
        lines = [f"Best: {found.trial} {found.configuration}", found.headline, *found.conclusions]
        self._write(found.trial, (0, [_text("answer", "\n\n".join(lines))]))

    def _write(self, trial: str, *steps: tuple[int, list[Any]]) -> None:
        """Write the values of TensorBoard's Summary at each step as one event."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        path = self._run.tensorboard / trial / self._file
        path.parent.mkdir(parents=True, exist_ok=True)  # a run resumed on another machine has no such folder yet
        begin = [] if path.exists() else [Event(wall_time=time.time(), file_version="brain.Event:2")]
        events = [Event(wall_time=time.time(), step=at, summary=Summary(value=values)) for at, values in steps]
        with path.open("ab") as file:
            for event in (*begin, *events):
                RecordWriter(file).write(event.SerializeToString())
        self._run.send(path)


def _on_the_way(report: Report) -> list[tuple[int, list[Any]]]:
    """Return the training losses since the report before, and the scores between rungs, by images seen."""
    found = [(at, {"training_loss": loss}) for at, loss in zip(report.losses_at, report.losses, strict=True)]
    scores = zip(report.between_at, report.between_fmd, report.between_validation_loss, strict=True)
    found += [(at, {"fmd": fmd, "validation_loss": loss}) for at, fmd, loss in scores]
    return [(at, _scalars(numbers)) for at, numbers in sorted(found, key=lambda one: one[0])]


def _scalars(numbers: Mapping[str, float]) -> list[Any]:
    """Return the finite ones of some numbers as values of TensorBoard's Summary."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    finite = {name: value for name, value in numbers.items() if math.isfinite(value)}
    return [Summary.Value(tag=name, simple_value=value) for name, value in finite.items()]


def _state(text: str) -> Any:
    return _text("state", text)


def _text(tag: str, text: str) -> Any:
    from tensorboard.plugins.text.summary_v2 import text_pb

    return text_pb(tag, text).value[0]


def _image(path: Path) -> dict[str, Any]:
    png = path.read_bytes()
    width, height = PNG_SIZE.unpack_from(png)
    return {"width": width, "height": height, "encoded_image_string": png}
