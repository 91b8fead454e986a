"""One image of any format, decoded as a viewer shows it, and fitted into a square."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, TiffImageFile

from trainables.data.images import DataError
from trainables.data.sources import Content, first_line

Image.init()  # by itself Pillow loads the rarer formats only when no other fits
# None of these runs another program to decode, as Pillow does for EPS. Some builds of Pillow lack the last two.
FORMATS: list[str] = [
    name for name in ("PNG", "JPEG", "BMP", "DIB", "GIF", "TIFF", "PPM", "WEBP", "AVIF") if name in Image.OPEN
]
PNG_DEPTH = 24  # the byte of a PNG that has the bits of a channel
GREY = frozenset(("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"))


class Header(NamedTuple):
    """What an image says of itself before it is decoded."""

    width: int
    height: int
    is_grey: bool
    """Whether its format has no colour; an image in colour may be grey, too"""
    is_transparent: bool


@contextmanager
def decoding() -> Iterator[None]:
    """Silence Pillow's warnings of odd metadata and large images; what cannot be read still raises an error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
        yield


def header(content: Content) -> Header:
    """Return the header of an image; raise DataError, with the reason alone, where it cannot be read."""
    if isinstance(content, np.ndarray):
        channels = content.shape[2] if content.ndim == 3 else 1
        return Header(content.shape[1], content.shape[0], channels == 1, channels == 4)
    with _in_one_line():
        image = _open(content)
        return Header(image.width, image.height, image.mode in GREY, image.has_transparency_data)


def decode(content: Content, side: int, channels: int, background: tuple[int, int, int]) -> np.ndarray:
    """Return an image as uint8 (channels, side, side), channels 1 or 3: its largest middle square, resized bicubically.

    It is turned as its EXIF says, transparent pixels show `background`, 16 bits become 8. Of several frames or pages
    the first is taken. Colour profiles are not applied.

    Raises:
        DataError: it cannot be decoded; the message is the reason alone.
    """
    with _in_one_line():
        image = _open(content)
        image.draft(None, (2 * side, 2 * side))  # a large JPEG is decoded at an eighth of its sides and more
        image.load()
        _require_few_bits(image)
        depth = _depth(image, content)
        image = _eight_bits(_upright(image), depth)
        if image.has_transparency_data:
            ground = Image.new("RGBA", image.size, (*background, 255))
            image = Image.alpha_composite(ground, image.convert("RGBA"))
        image = image.convert("RGB").convert("L" if channels == 1 else "RGB")
        fitted = ImageOps.fit(image, (side, side), Image.Resampling.BICUBIC)
        return np.asarray(fitted).reshape(side, side, channels).transpose(2, 0, 1)


def _open(content: Content) -> Image.Image:
    if isinstance(content, np.ndarray):
        return Image.fromarray(np.ascontiguousarray(content.squeeze(2) if content.shape[2:] == (1,) else content))
    if not content:
        raise DataError("it is empty")
    return Image.open(BytesIO(content), formats=FORMATS)


def _upright(image: Image.Image) -> Image.Image:
    """Return an image turned as its EXIF says; one whose EXIF is damaged stays as it is, as in a viewer."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged metadata lead to errors of any type in Pillow, and the pixels are still whole
        return image


def _require_few_bits(image: Image.Image) -> None:
    if image.mode == "I" and image.format == "TIFF":  # in files of other formats this mode has 16 bits
        raise DataError("its pixels have 32 bits, or a sign; convert it to 8 or 16 bits")
    if image.mode == "F":
        raise DataError("its pixels are floating-point numbers; convert it to 8 or 16 bits")


def _depth(image: Image.Image, content: Content) -> int:
    """Return how many bits a channel has in the file, of grey and of a PNG in colour; Pillow keeps it for itself."""
    if isinstance(content, bytes) and image.format == "PNG":
        return content[PNG_DEPTH]
    tags = image.tag_v2 if isinstance(image, TiffImageFile) else {}
    return int(tags.get(BITSPERSAMPLE, (16,))[0]) if image.mode.startswith("I") else 8


def _eight_bits(image: Image.Image, depth: int) -> Image.Image:
    """Return an image of 8 bits a channel, whose file has `depth`; Pillow itself would clip what has more.

    Its transparent colour, where it has one, is of 8 bits, too: Pillow leaves that as the file has it.
    """
    transparent = image.info.get("transparency")
    if image.mode.startswith("I"):
        pixels = np.asarray(image).astype(np.int64)
        grey = Image.fromarray((pixels >> depth - 8).astype(np.uint8))
        if isinstance(transparent, int):
            grey.putalpha(Image.fromarray(np.where(pixels == transparent, 0, 255).astype(np.uint8)))
        return grey
    if image.mode == "L" and isinstance(transparent, int):
        image.info["transparency"] = transparent * 255 // (2**depth - 1)
    if image.mode == "RGB" and isinstance(transparent, tuple):
        image.info["transparency"] = tuple(value >> depth - 8 for value in transparent)
    return image


@contextmanager
def _in_one_line() -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except MemoryError:
        raise DataError("it does not fit into memory") from None
    except UnidentifiedImageError:
        raise DataError("it is no image of a known format") from None
    except Image.DecompressionBombError as error:
        raise DataError(f"it is too large: {first_line(error)}") from None
    except Exception as error:  # damaged files lead to errors of any type in Pillow's decoders
        raise DataError(first_line(error)) from None
