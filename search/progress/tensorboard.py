"""TensorBoard: a run's trials side by side, with their configurations, their curves over images seen and their images.

TensorBoard shows tags in alphabetical order, so that here the curves of FMD come first, then the pictures; and of the
fields those that differ between trials first, by name, five of them until more are ticked.

It takes the columns of its HParams table from the first record of an experiment that it meets; where fields depend on
each other, that record lacks what its trial does not have. Where there is none, it takes every field of every trial: so
a trial here writes only how it starts and how it ends, and is there while it runs and after it failed.
"""

from __future__ import annotations

import itertools
import math
import os
import socket
import struct
import time
from pathlib import Path
from typing import Any

from analysis.run.run import Run

SCALARS = ("fmd", "fmd_normalised", "loss", "validation_loss", "ssim", "images_per_second", "images_seen")
_BOARDS = itertools.count()
PNG_SIZE = struct.Struct(">16x2I")  # width and height, after signature and chunk header


class TrialBoard:
    """The event files of a run, a folder a trial; what a call writes is in the file when it returns.

    A trial that is started again goes on in its folder, in the same file unless it is a resumed search that starts it:
    a killed one may have left half a record. Between two calls no file is open, so that any number of trials may wait.
    """

    def __init__(self, run: Run) -> None:
        """Write nothing yet."""
        self._run = run
        self._file = f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}.{os.getpid()}.{next(_BOARDS)}"
        self._last: dict[str, dict[str, Any]] = {}

    def start(self, trial: str, variant: dict[str, Any], baseline: str) -> None:
        """Write a trial's configuration: its flat variant and the name of the baseline that it repeats, or ""."""
        from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionStartInfo

        info = SessionStartInfo(group_name=trial, start_time_secs=time.time())
        for name, value in {"baseline": baseline or "none", **variant}.items():
            setattr(info.hparams[name], _KIND_OF_VALUE[type(value)], value)
        start = _session("session_start_info", HParamsPluginData(session_start_info=info))
        said = f"RUNNING, baseline {baseline}" if baseline else "RUNNING"
        self._write(trial, 0, [start, _text("state", said)])

    def report(self, trial: str, report: dict[str, Any]) -> None:
        """Write a report's numbers, and the trial's images as they now are unless it diverged, at its images_seen."""
        numbers = {name: report[name] for name in SCALARS if math.isfinite(report[name])}
        values: list[dict[str, Any]] = [{"tag": name, "simple_value": value} for name, value in numbers.items()]
        pictures = {"samples": self._run.sample_grid(trial), "strip": self._run.degradation_strip(trial)}
        for name, path in pictures.items():
            if path.is_file() and not report["diverged"]:
                values.append({"tag": name, "image": _image(path)})
        self._write(trial, report["images_seen"], values)
        self._last[trial] = report

    def end(self, trial: str, state: str) -> None:
        """Write that a trial ended, and how."""
        from tensorboard.plugins.hparams.api_pb2 import Status
        from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo

        status = Status.Value("STATUS_FAILURE" if state == "FAIL" else "STATUS_SUCCESS")
        info = SessionEndInfo(status=status, end_time_secs=time.time())
        end = _session("session_end_info", HParamsPluginData(session_end_info=info))
        last = self._last.pop(trial, None)
        said = f"{state} at {last['images_seen']:,} images, FMD {last['fmd']:.4g}" if last else state
        self._write(trial, last["images_seen"] if last else 0, [end, _text("state", said)])

    def _write(self, trial: str, step: int, values: list[dict[str, Any]]) -> None:
        """Write summary values, each given as the fields of TensorBoard's Summary.Value, as one event."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        path = self._run.tensorboard / trial / self._file
        path.parent.mkdir(parents=True, exist_ok=True)  # a run resumed on another machine has no such folder yet
        begin = [] if path.exists() else [Event(wall_time=time.time(), file_version="brain.Event:2")]
        summary = Summary(value=[Summary.Value(**value) for value in values])
        with path.open("ab") as file:
            for event in (*begin, Event(wall_time=time.time(), step=step, summary=summary)):
                RecordWriter(file).write(event.SerializeToString())
        self._run.send(path)


_KIND_OF_VALUE = {bool: "bool_value", int: "number_value", float: "number_value", str: "string_value"}


def _session(tag: str, data: Any) -> dict[str, Any]:
    content = {"plugin_name": "hparams", "content": data.SerializeToString()}
    return {"tag": f"_hparams_/{tag}", "metadata": {"plugin_data": content}}


def _text(tag: str, text: str) -> dict[str, Any]:
    from tensorboard.plugins.text.metadata import create_summary_metadata
    from tensorboard.util.tensor_util import make_tensor_proto

    return {"tag": tag, "metadata": create_summary_metadata(tag, ""), "tensor": make_tensor_proto([text])}


def _image(path: Path) -> dict[str, Any]:
    png = path.read_bytes()
    width, height = PNG_SIZE.unpack_from(png)
    return {"width": width, "height": height, "encoded_image_string": png}
