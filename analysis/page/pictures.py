"""Samples, degradation strips and restorations of the best few trials, as images inside the page, and their labels."""

import io
from math import ceil
from pathlib import Path

from PIL import Image

from analysis.page.context import ReportContext, plain
from analysis.page.elements import Figure, data_uri
from analysis.page.plots import axis, figure

SHOWN = 4
MOST_BYTES = 200_000  # of a PNG; one of 64 digits has 60,000, one of 64 colour photographs nearly two million
MOST_PIXELS = 640  # the width of a reduced picture; twice what it is shown at


def pictures(context: ReportContext) -> dict[str, object]:
    """Return the pictures of the best few trials that have any, by kind, and a plot of their samples' labels."""
    run = context.run
    names = [name for name in context.best if run.sample_grid(name).is_file()][:SHOWN]
    kinds = {
        "samples": run.sample_grid,
        "degradation": run.degradation_strip,
        "rungs": run.rung_rows,
        "restorations": run.restorations,
    }
    shown = [(context.rows[n], {kind: picture(path(n)) for kind, path in kinds.items()}) for n in names]
    labelled = [name for name in context.best if context.rows[name]["labels"]]
    return {
        "samples": shown,
        "words": context.words,
        "labels": _labels(context, labelled) if labelled else None,
    }


def _labels(context: ReportContext, names: list[str]) -> Figure:
    """Return bars of the predicted labels of trials' samples, beside the line of equal shares."""
    counts = {name: context.rows[name]["labels"] for name in names}
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
    line = {"color": "var(--axis)", "width": 1, "dash": "dot"}
    across = axis("predicted label", dtick=1 if classes <= 20 else None, showgrid=False)
    return figure(bars, across, axis("share of samples", tickformat=".0%"), shapes=[{**equal, "line": line}])


def picture(path: Path) -> str | None:
    """Return a picture as a link that holds it, a large one reduced; None where there is no file."""
    if not path.is_file():
        return None
    data = path.read_bytes()
    if len(data) > MOST_BYTES:
        return data_uri("image/jpeg", _reduced(data))
    return data_uri("image/png", data)


def _reduced(data: bytes) -> bytes:
    """Return a picture as a JPEG no wider than `MOST_PIXELS`."""
    with Image.open(io.BytesIO(data)) as opened:
        image = opened.convert("RGB")
    image = image.reduce(ceil(image.width / MOST_PIXELS))
    reduced = io.BytesIO()
    image.save(reduced, "JPEG", quality=85)
    return reduced.getvalue()
