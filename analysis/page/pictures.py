"""Samples and degradation strips of the best few trials, as images inside the page."""

import io
from math import ceil
from pathlib import Path

from PIL import Image

from analysis.page.context import ReportContext
from analysis.page.elements import data_uri

SHOWN = 4
MOST_BYTES = 200_000  # of a PNG; one of 64 digits has 60,000, one of 64 colour photographs nearly two million
MOST_PIXELS = 640  # the width of a reduced picture; twice what it is shown at


def pictures(context: ReportContext) -> dict[str, object]:
    """Return samples and degradation strips of the best few trials that have any."""
    run = context.run
    names = [name for name in context.best if run.sample_grid(name).is_file()][:SHOWN]
    shown = [(context.rows[n], picture(run.sample_grid(n)), picture(run.degradation_strip(n))) for n in names]
    return {"samples": shown, "words": context.words}


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
