"""Samples, degradation strips and restorations of the best few trials, as images inside the page, and their labels."""

import io
import logging
from collections.abc import Mapping, Sequence
from itertools import islice
from math import ceil
from pathlib import Path

from PIL import Image

from analysis.page.context import ReportContext, plain
from analysis.page.elements import Figure, data_uri
from analysis.page.plots import axis, figure
from analysis.run.run import Run
from analysis.run.storage import PICTURES

SHOWN = 4
MOST_BYTES = 200_000  # of a PNG; one of 64 digits has 60,000, one of 64 colour photographs nearly two million
MOST_PIXELS = 640  # the width of a reduced picture; twice what it is shown at


def pictures(context: ReportContext) -> dict[str, object]:
    """Return the pictures of the best few trials that have any, by kind, and a plot of their samples' labels."""
    trainings = {name: context.pictured(name) for name in context.best}
    found = (
        (name, row, {kind: picture(run, run.picture(row["trial"], kind)) for kind in PICTURES})
        for name, (run, row) in trainings.items()
    )
    counts = {name: row["labels"] for name, (_, row) in trainings.items() if sum(row["labels"] or ())}
    return {
        "samples": list(islice((one for one in found if one[2]["samples"]), SHOWN)),
        "words": context.words,
        "labels": _labels(context, counts) if counts else None,
    }


def _labels(context: ReportContext, counts: Mapping[str, Sequence[int]]) -> Figure:
    """Return bars of the predicted labels of trials' samples, beside the line of equal shares."""
    classes = max(len(of_trial) for of_trial in counts.values())
    bars = [
        {
            "type": "bar",
            "x": list(range(len(of_trial))),
            "y": [count / sum(of_trial) for count in of_trial],
            "marker": {"color": context.colour(name)},
            "hovertext": [f"{plain(name)}<br>{count:,} samples of label {at}" for at, count in enumerate(of_trial)],
        }
        for name, of_trial in counts.items()
    ]
    equal = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 1 / classes, "y1": 1 / classes}
    line = {"color": "var(--muted)", "width": 1, "dash": "dot"}
    across = axis("predicted label", dtick=1 if classes <= 20 else None, showgrid=False)
    return figure(bars, across, axis("share of samples", tickformat=".0%"), shapes=[{**equal, "line": line}])


def picture(run: Run, path: Path) -> str | None:
    """Return a picture of a run as a link that holds it, a large one reduced; None where there is none."""
    data = run.read_picture(path)
    if data is None:
        return None
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            image.load()
            return data_uri("image/jpeg", _reduced(image)) if len(data) > MOST_BYTES else data_uri("image/png", data)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # as Pillow says of damage
        logging.getLogger(__name__).warning("%s is no picture (%s), and is left out", path, error)
        return None


def _reduced(image: Image.Image) -> bytes:
    """Return a picture as a JPEG no wider than `MOST_PIXELS`."""
    reduced = io.BytesIO()
    image.convert("RGB").reduce(ceil(image.width / MOST_PIXELS)).save(reduced, "JPEG", quality=85)
    return reduced.getvalue()
