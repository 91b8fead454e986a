"""TensorBoard's event files, written through TensorBoard's own record writer."""

import time
from pathlib import Path
from typing import Any

# Imports inside functions: TensorBoard takes a second, and only what writes needs it.


def append_events(path: Path, steps: list[tuple[int, Any]]) -> None:
    """Append to an event file one event for each step, with its values of TensorBoard's Summary.

    The folder is made where it is missing, and no file stays open.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    path.parent.mkdir(parents=True, exist_ok=True)
    begin = [] if path.exists() else [Event(wall_time=time.time(), file_version="brain.Event:2")]
    events = [Event(wall_time=time.time(), step=at, summary=Summary(value=values)) for at, values in steps]
    with path.open("ab") as file:
        for event in (*begin, *events):
            RecordWriter(file).write(event.SerializeToString())


def hparams_record(tag: str, data: Any) -> Any:
    """Return a record of the plugin HParams, an HParamsPluginData, as a value of TensorBoard's Summary."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.metadata import create_summary_metadata

    return Summary.Value(tag=tag, metadata=create_summary_metadata(data))
