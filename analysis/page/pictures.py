"""What the best few trials generate, and what they learnt to undo, as images inside the page."""

from __future__ import annotations

import base64
import io
from math import ceil
from pathlib import Path

from analysis.page.context import ReportContext
from analysis.page.markup import Markup, paragraph, section, tag
from analysis.text.words import number

SHOWN = 4
MOST_BYTES = 200_000  # of a PNG; one of 64 digits has 60,000, one of 64 colour photographs nearly two million
MOST_PIXELS = 640  # the width, of those that are more; twice what it is shown at


def pictures(context: ReportContext) -> Markup:
    """Return samples and degradation strips of the best few trials that have any."""
    run = context.run
    names = [name for name in context.best if run.sample_grid(name).is_file()][:SHOWN]
    if not names:
        return section("pictures", "Samples", paragraph("No trial has drawn samples yet."))
    figures = [_figure(context, name) for name in names]
    text = "What a trial generates, then images being degraded (top rows) and samples on their way (bottom rows)."
    return section("pictures", "Samples", paragraph(text), *figures)


def picture(path: Path, text: str) -> Markup:
    """Return a picture as a part of the page, nothing where there is none."""
    return tag("img", src=_uri(path), alt=text) if path.is_file() else Markup()


def _figure(context: ReportContext, name: str) -> Markup:
    row = context.rows[name]
    told = f"{number(row['fmd_normalised'])} normalised FMD at {row['images_seen']:,} images. {context.words[name]}"
    grid = picture(context.run.sample_grid(name), f"samples of {name}")
    strip = picture(context.run.degradation_strip(name), f"degradation and sampling of {name}")
    caption = tag("figcaption", tag("strong", name), " ", told)
    return tag("figure", tag("div", grid, strip, class_="pair"), caption, class_="samples")


def _uri(path: Path) -> str:
    data, kind = path.read_bytes(), "png"
    if len(data) > MOST_BYTES:
        data, kind = _smaller(data), "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _smaller(data: bytes) -> bytes:
    """Return a picture as a JPEG no wider than `MOST_PIXELS`."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as opened:
        image = opened.convert("RGB")
    image = image.reduce(ceil(image.width / MOST_PIXELS))
    smaller = io.BytesIO()
    image.save(smaller, "JPEG", quality=85)
    return smaller.getvalue()
