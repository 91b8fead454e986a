"""Odd images of the user's own are decoded as a viewer shows them, passed over and counted, or refused in one line."""

import gzip
import os
import re
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.helpers.own_images import pictures, save_all
from tests.unit.trainables.data.conftest import Read, Refused
from trainables.data.pixels import decode, decoding
from trainables.data.splits import SPLITS

RED, WHITE = (255, 0, 0), (255, 255, 255)
HALVES = np.zeros((16, 16, 3), np.uint8)
HALVES[:8] = RED  # red above black


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    file = BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def shown(content: bytes, channels: int = 3, background: tuple[int, int, int] = WHITE) -> np.ndarray:
    """An image of 16 x 16 as it is decoded, (H, W, C)."""
    with decoding():
        return decode(content, 16, channels, background).transpose(1, 2, 0)


def corners(content: bytes, background: tuple[int, int, int] = WHITE) -> list[tuple[int, ...]]:
    """The colours in the middle of the upper and of the lower half."""
    pixels = shown(content, background=background)
    return [tuple(pixels[row, 8].tolist()) for row in (4, 12)]


def exif(orientation: int) -> Image.Exif:
    data = Image.Exif()
    data[0x0112] = orientation
    return data


def half_transparent(mode: str) -> Image.Image:
    image = Image.fromarray(HALVES).convert("RGBA")
    image.putalpha(Image.fromarray(np.repeat(np.uint8([255, 0]), 8)[:, None].repeat(16, 1)))
    return image.convert(mode)


def palette_with_transparency() -> bytes:
    image = Image.new("P", (16, 16), 0)
    image.putpalette([*RED, 0, 0, 0])
    image.paste(1, (0, 8, 16, 16))
    return encoded(image, transparency=1)


def sixteen_bits() -> Image.Image:
    return Image.fromarray(np.repeat(np.uint16([0xFFFF, 0x8000]), 8)[:, None].repeat(16, 1))


def row(value: int, depth: int) -> bytes:
    """A row of 16 pixels of a grey of `depth` bits."""
    return int(16 * f"{value:0{depth}b}", 2).to_bytes(2 * depth, "big")


def twelve_bits() -> bytes:
    """A TIFF of 12 bits of grey, which Pillow does not write."""
    pixels = row(0xFFF, 12) * 8 + row(0x800, 12) * 8
    # Width, height, bits, no compression, black is 0, where the pixels are, rows and bytes (TIFF 6.0, section 2).
    values = {256: 16, 257: 16, 258: 12, 259: 1, 262: 1, 273: 8 + 2 + 8 * 12 + 4, 278: 16, 279: len(pixels)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in values.items())
    return struct.pack("<2sHIH", b"II", 42, 8, len(values)) + entries + struct.pack("<I", 0) + pixels


def png(side: int, depth: int, colour: int, pixels: bytes, transparent: bytes = b"") -> bytes:
    """A PNG of colour type `colour`; Pillow writes few depths."""
    header = struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"tRNS", transparent), (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    kept = [(n, d) for n, d in chunks if d or n != b"tRNS"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in kept
    )


def with_a_transparent_grey(depth: int) -> bytes:
    """White above a grey of which every pixel is transparent."""
    most, grey = 2**depth - 1, (2**depth - 1) // 5 if depth > 2 else depth - 1
    pixels = (b"\0" + row(most, depth)) * 8 + (b"\0" + row(grey, depth)) * 8
    return png(16, depth, 0, pixels, struct.pack(">H", grey))


def with_a_transparent_colour() -> bytes:
    """Red above a colour of 3 x 16 bits of which every pixel is transparent."""
    red, clear = (struct.pack(">3H", *value) for value in ((0xFFFF, 0, 0), (0x1234, 0x5678, 0x9ABC)))
    return png(16, 16, 2, (b"\0" + 16 * red) * 8 + (b"\0" + 16 * clear) * 8, clear)


def frames() -> bytes:
    second = Image.new("RGB", (16, 16), (0, 0, 255))
    return encoded(Image.fromarray(HALVES), "GIF", save_all=True, append_images=[second])


BLACK, GREY = (0, 0, 0), (128, 128, 128)
DECODED: dict[str, tuple[Callable[[], bytes], list[tuple[int, ...]]]] = {
    "colour": (lambda: encoded(Image.fromarray(HALVES)), [RED, BLACK]),
    "a palette": (lambda: encoded(Image.fromarray(HALVES).quantize(4)), [RED, BLACK]),
    "a palette with a transparent colour": (palette_with_transparency, [RED, WHITE]),
    "transparency": (lambda: encoded(half_transparent("RGBA")), [RED, WHITE]),
    "grey with transparency": (lambda: encoded(half_transparent("LA")), [(76, 76, 76), WHITE]),
    "a transparent colour of RGB": (lambda: encoded(Image.fromarray(HALVES), transparency=BLACK), [RED, WHITE]),
    "transparent WebP": (lambda: encoded(half_transparent("RGBA"), "WEBP", lossless=True), [RED, WHITE]),
    "16 bits of grey": (lambda: encoded(sixteen_bits()), [WHITE, GREY]),
    "16 bits of grey in TIFF": (lambda: encoded(sixteen_bits(), "TIFF"), [WHITE, GREY]),
    "12 bits of grey in TIFF": (twelve_bits, [WHITE, GREY]),
    "a transparent colour of 16 bits": (with_a_transparent_colour, [RED, WHITE]),
    "1 bit": (lambda: encoded(Image.fromarray(HALVES[..., 0] > 0)), [WHITE, BLACK]),
    "CMYK": (lambda: encoded(Image.fromarray(HALVES).convert("CMYK"), "TIFF"), [RED, BLACK]),
    "the first frame of a film": (frames, [RED, BLACK]),
    "turned upside down by EXIF": (lambda: encoded(Image.fromarray(HALVES), exif=exif(3)), [BLACK, RED]),
    "mirrored by EXIF": (lambda: encoded(Image.fromarray(HALVES), exif=exif(4)), [BLACK, RED]),
    "turned by EXIF": (lambda: encoded(Image.fromarray(HALVES.swapaxes(0, 1)), exif=exif(5)), [RED, BLACK]),
    "an EXIF that is none": (lambda: encoded(Image.fromarray(HALVES), exif=b"Exif\0\0rubbish"), [RED, BLACK]),
}


@pytest.mark.parametrize("kind", DECODED)
def test_an_odd_image_is_decoded_as_a_viewer_shows_it(kind: str) -> None:
    make, colours = DECODED[kind]
    assert corners(make()) == colours


def test_a_jpeg_of_cmyk_is_in_its_colours() -> None:
    upper, lower = np.array(corners(encoded(Image.fromarray(HALVES).convert("CMYK"), "JPEG", quality=95)))
    assert np.abs(upper - RED).max() < 12
    assert lower.max() < 12


@pytest.mark.parametrize("background", [WHITE, BLACK, (18, 52, 86)])
def test_transparent_pixels_show_the_background(background: tuple[int, int, int]) -> None:
    assert corners(encoded(half_transparent("RGBA")), background) == [RED, background]


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_transparent_grey_shows_the_background_at_any_depth(depth: int) -> None:
    assert corners(with_a_transparent_grey(depth), background=RED) == [WHITE, RED]


def test_half_transparent_edges_are_mixed_before_they_are_resized() -> None:
    """Colours of pixels that nobody sees do not shine through: green under alpha 0 beside red stays unseen."""
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, ::2] = (*RED, 255)
    pixels[:, 1::2] = (0, 255, 0, 0)
    middle = shown(encoded(Image.fromarray(pixels)))[4:-4, 4:-4].reshape(-1, 3).mean(0)
    np.testing.assert_allclose(middle, [255, 127.5, 127.5], atol=2)


def test_a_large_image_is_averaged_and_not_sampled() -> None:
    stripes = np.zeros((160, 160, 3), np.uint8)
    stripes[:, ::2] = 255
    inside = shown(encoded(Image.fromarray(stripes)))[2:-2, 2:-2]
    assert np.abs(inside.astype(int) - 127).max() <= 2


@pytest.mark.parametrize(("height", "width"), [(48, 16), (16, 48), (47, 16)])
def test_of_an_oblong_image_the_middle_square_is_kept(height: int, width: int) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    top, left = (height - 16) // 2, (width - 16) // 2
    image[top : top + 16, left : left + 16] = WHITE
    inside = shown(encoded(Image.fromarray(image)))[1:-1, 1:-1]
    assert inside.min() > 250


def test_a_jpeg_with_a_thumbnail_of_its_sides_is_nearly_the_same_as_in_full() -> None:
    """A large JPEG is decoded at a fraction of its sides, which has to look like the whole."""
    smooth = np.asarray(Image.fromarray(pictures(1, 8)[0]).resize((512, 512), Image.Resampling.BICUBIC))
    jpeg, png = (encoded(Image.fromarray(smooth), form) for form in ("JPEG", "PNG"))
    assert np.abs(shown(jpeg).astype(int) - shown(png)).mean() < 3


# Each damages the file 7.png of a folder; then what is said of it.
def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def bomb(path: Path) -> None:
    """A PNG of a few bytes that says that it has 60,000 x 60,000 pixels."""
    path.write_bytes(png(60_000, 8, 2, b"\0" * 100))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut short": (truncate, "cannot be read: "),
    "empty": (lambda path: path.write_bytes(b""), "cannot be read: it is empty"),
    "text": (lambda path: path.write_text("<html>404</html>"), "cannot be read: it is no image of a known format"),
    "a bomb": (bomb, r"cannot be read: it is too large: Image size \(3600000000 pixels\)"),
    "PostScript": (lambda path: path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n"), "it is no image of a known format"),
    "32 bits": (
        lambda path: Image.fromarray(np.full((16, 16), 100_000, np.int32)).save(path, "TIFF"),
        "cannot be read: its pixels have 32 bits, or a sign; convert it to 8 or 16 bits",
    ),
    "32 bits of few values": (
        lambda path: Image.fromarray(np.full((16, 16), 255, np.int32)).save(path, "TIFF"),
        "cannot be read: its pixels have 32 bits, or a sign; convert it to 8 or 16 bits",
    ),
    "floating point": (
        lambda path: Image.fromarray(np.zeros((16, 16), np.float32)).save(path, "TIFF"),
        "cannot be read: its pixels are floating-point numbers; convert it to 8 or 16 bits",
    ),
}


@pytest.mark.parametrize(("change", "reason"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_image_is_named_in_one_line_or_left_out_and_counted(
    change: Callable[[Path], object], reason: str, pets: Path, read: Read, refused: Refused
) -> None:
    damaged = pets / "dogs 10" / "7.png"
    change(damaged)
    said = refused(pets)
    assert re.search(reason, said)
    assert said.startswith(str(damaged))
    assert said.endswith("; repair or remove it, or give --skip-damaged")
    images = read(pets, skip_damaged=True)
    assert images.facts["damaged"].startswith(f"1 left out; {damaged} cannot be read: ")
    labels = np.concatenate([getattr(images, f"{split}_labels") for split in SPLITS])
    assert np.bincount(labels).tolist() == [52, 52, 51]
    assert read(pets, skip_damaged=True).facts == images.facts  # from the cache


def add_hidden(folder: Path) -> None:
    for name in (".DS_Store", "._0.png", ".hidden.jpg"):
        (folder / "cats" / name).write_bytes(b"no image")


def add_archive_junk(folder: Path) -> None:
    save_all(folder / "__MACOSX" / "cats", pictures(3, seed=50))


def add_thumbnails(folder: Path) -> None:
    (folder / "cats" / "Thumbs.db").write_bytes(b"x")
    (folder / "desktop.ini").write_bytes(b"x")


def add_other_files(folder: Path) -> None:
    for name in ("readme.txt", "cats/labels.csv", "cats/photo.HEIC", "LICENSE"):
        (folder / name).write_bytes(b"x")


def add_empty_class(folder: Path) -> None:
    (folder / "mice" / "deeper").mkdir(parents=True)


def add_broken_link(folder: Path) -> None:
    (folder / "cats" / "gone.png").symlink_to(folder / "nowhere.png")


def add_circle(folder: Path) -> None:
    (folder / "cats" / "again").symlink_to(folder)


PASSED_OVER: dict[str, tuple[Callable[[Path], object], str]] = {
    "hidden files": (add_hidden, "hidden files 3"),
    "what macOS adds to archives": (add_archive_junk, "__MACOSX 1"),
    "thumbnails": (add_thumbnails, "Thumbs.db 1, desktop.ini 1"),
    "other files": (add_other_files, ".csv files 1, .heic files 1, .txt files 1, files without an ending 1"),
    "folders without images": (add_empty_class, "folders without images 2"),
    "broken links": (add_broken_link, "broken links 1"),
    "links in a circle": (add_circle, "links to a folder above 1"),
}


@pytest.mark.parametrize(("add", "told"), PASSED_OVER.values(), ids=PASSED_OVER)
def test_what_is_no_image_is_passed_over_and_counted(
    add: Callable[[Path], object], told: str, pets: Path, read: Read
) -> None:
    before = read(pets)
    add(pets)
    images = read(pets)
    assert (images.checksums, images.classes) == (before.checksums, before.classes)
    assert images.facts["passed over"] == told


def test_endings_in_capitals_and_wrong_ones_are_read(pets: Path, read: Read) -> None:
    before = read(pets)
    (pets / "cats/0.png").rename(pets / "cats/0.PNG")
    (pets / "cats/1.png").rename(pets / "cats/1.JPeG")
    assert read(pets).checksums == before.checksums


def test_names_that_are_no_utf8_are_read_and_can_be_printed(pets: Path, read: Read, refused: Refused) -> None:
    before = read(pets)
    os.rename(os.fsencode(pets / "cats/0.png"), os.fsencode(pets / "cats") + b"/caf\xe9.png")
    os.rename(os.fsencode(pets / "cats"), os.fsencode(pets) + b"/cats-\xff")
    images = read(pets)
    assert images.classes[0] == "cats-\ufffd"
    np.testing.assert_array_equal(images.train, before.train)
    with open(os.fsencode(pets) + b"/cats-\xff/caf\xe9.png", "wb"):
        pass
    assert "/cats-\ufffd/caf\ufffd.png cannot be read: it is empty" in refused(pets).encode().decode()


def save_grey(folder: Path, mode: str) -> None:
    for number, image in enumerate(pictures(140, channels=1)):
        Image.fromarray(image[..., 0]).convert(mode).save(folder / f"{number}.png")


@pytest.mark.parametrize(
    ("mode", "options", "channels"),
    [
        ("L", {}, 1),
        ("RGB", {}, 1),
        ("LA", {}, 1),
        ("L", {"channels": 3}, 3),
        ("LA", {"background": "#ff0000"}, 1),
    ],
)
def test_images_that_are_all_grey_have_one_channel(
    mode: str, options: dict[str, object], channels: int, tmp_path: Path, read: Read
) -> None:
    save_grey(tmp_path, mode)
    assert read(tmp_path, **options).shape == (channels, 16, 16)


def test_one_image_in_colour_makes_three_channels_unless_one_is_asked_for(tmp_path: Path, read: Read) -> None:
    save_grey(tmp_path, "L")
    Image.fromarray(HALVES).save(tmp_path / "colour.png")
    assert read(tmp_path).shape == (3, 16, 16)
    grey = read(tmp_path, channels=1)
    assert grey.shape == (1, 16, 16)
    halves = np.repeat(np.uint8([76, 0]), 8)[:, None].repeat(16, 1)  # red is 76 of grey
    assert any((image[0] == halves).all() for split in SPLITS for image in getattr(grey, split))


@pytest.mark.parametrize(
    ("height", "width", "side"),
    [(16, 16, 16), (28, 28, 28), (64, 64, 64), (65, 65, 32), (20, 30, 20), (8, 8, 16), (200, 70, 32)],
)
def test_images_keep_their_side_where_all_are_alike_and_small(
    height: int, width: int, side: int, tmp_path: Path, read: Read
) -> None:
    array = np.random.default_rng(0).integers(0, 256, (130, height, width, 3), np.uint8)
    np.savez(tmp_path / "x.npz", images=array)
    assert read(tmp_path / "x.npz").shape == (3, side, side)


def test_images_of_different_sizes_become_32_pixels(tmp_path: Path, read: Read) -> None:
    save_all(tmp_path, pictures(130, 20))
    Image.fromarray(pictures(1, 24, seed=1)[0]).save(tmp_path / "other.png")
    images = read(tmp_path)
    assert images.shape == (3, 32, 32)
    assert images.facts["sizes"] == "20 x 20 to 24 x 24, resized to 32 x 32"


def remove_most(folder: Path) -> None:
    for path in folder.glob("*/[1-9]*.png"):
        path.unlink()


def put_beside(folder: Path) -> None:
    (folder / "cats/0.png").rename(folder / "0.png")


def flat_test(folder: Path) -> None:
    (folder / "train").mkdir()
    for path in list(folder.glob("[cd]*")):
        path.rename(folder / "train" / path.name)
    save_all(folder / "test", pictures(3))


def two_trains(folder: Path) -> None:
    (folder / "cats").rename(folder / "train")
    (folder / "dogs 2").rename(folder / "Training")
    (folder / "dogs 10").rename(folder / "test")


def no_images(folder: Path) -> None:
    for path in folder.glob("*/*.png"):
        path.rename(path.with_suffix(".heic"))


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "too few": (
        remove_most,
        r"the data set has 3 different images; a search needs 128 or more, "
        r"32 each for train, search, confirm and test$",
    ),
    "images beside folders": (put_beside, "holds 1 images beside 3 folders of images; give either class folders alone"),
    "parts with and without classes": (flat_test, "/test has no class folders, the other parts have"),
    "a part twice": (two_trains, "has one part under two names: Training, train, test; give each part once"),
    "no images": (no_images, r"holds no images \(.png, .jpg and the like\); it holds .heic files 156"),
}


@pytest.mark.parametrize(("change", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_folder_that_is_no_data_set_is_refused_in_one_line(
    change: Callable[[Path], object], reason: str, pets: Path, refused: Refused
) -> None:
    change(pets)
    assert re.match(rf"{re.escape(str(pets))}.*{reason}", refused(pets))


IMAGES = pictures(130)
ARRAYS: dict[str, tuple[dict[str, np.ndarray], str]] = {
    "pickled objects": ({"images": np.array([{}, None], object)}, "it holds Python objects, which are never loaded"),
    "floats": ({"images": IMAGES / 255}, "images of .* is of float64; give images as uint8, 0 to 255"),
    "no images": ({"weights": IMAGES}, "holds weights; give train_images and train_labels"),
    "flat rows": ({"images": IMAGES.reshape(130, -1)}, r"has the shape \(130, 768\); give images as \(N, H, W\)"),
    "no pixels": ({"images": IMAGES[:, :0]}, "its images have no pixels"),
    "several labels an image": (
        {"images": IMAGES, "labels": np.zeros((130, 14), int)},
        r"labels of .* has the shape \(130, 14\); give one label for each of the 130 images",
    ),
    "labels of half": ({"images": IMAGES, "labels": np.arange(65)}, "one label for each of the 130 images"),
    "labels that are floats": ({"images": IMAGES, "labels": np.ones(130)}, "is of float64; give labels that are whole"),
    "labels in train only": (
        {"train_images": IMAGES, "train_labels": np.arange(130), "test_images": IMAGES},
        "has labels for some of its parts only; give all, or none",
    ),
    "two names of a part": (
        {"images": IMAGES, "train_images": IMAGES},
        "holds one part under several names: images, train_images",
    ),
}


@pytest.mark.parametrize(("arrays", "reason"), ARRAYS.values(), ids=ARRAYS)
def test_arrays_that_are_no_data_set_are_refused_in_one_line(
    arrays: dict[str, np.ndarray], reason: str, tmp_path: Path, refused: Refused
) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    assert re.search(reason, refused(tmp_path / "x.npz"))


def test_medmnists_arrays_are_read(tmp_path: Path, read: Read) -> None:
    parts = {"train": 100, "val": 70, "test": 40}
    arrays = {f"{part}_images": pictures(count, 28, count, 1)[..., 0] for part, count in parts.items()}
    labels = {f"{part}_labels": (np.arange(count) % 5)[:, None] for part, count in parts.items()}
    np.savez(tmp_path / "medmnist.npz", **arrays, **labels)
    images = read(tmp_path / "medmnist.npz")
    assert [len(split) for split in (images.train, images.search, images.confirm, images.test)] == [100, 35, 35, 40]
    assert (images.shape, images.classes) == ((1, 28, 28), tuple("01234"))


IDX = struct.pack(">BBBBIII", 0, 0, 8, 3, 130, 16, 16) + pictures(130, channels=1).tobytes()
FILES: dict[str, tuple[str, bytes, str]] = {
    "an idx file cut short": ("train-images-idx3-ubyte", IDX[:-7], "holds 33,273 bytes, its header says 130 x 16 x 16"),
    "an idx file with half a header": ("train-images-idx3-ubyte", IDX[:9], "holds 0 bytes, its header says"),
    "an empty idx file": ("train-images-idx3-ubyte", b"", "starts with nothing, not with an idx header"),
    "an idx file of floats": ("train-images-idx3-ubyte", b"\0\0\x0d\3" + IDX[4:], "starts with 00000d03"),
    "a gzip cut short": ("train-images-idx3-ubyte.gz", gzip.compress(IDX)[:-20], "cannot be read"),
    "idx files without train": ("t10k-images-idx3-ubyte", IDX, "holds no train-images-idx3-ubyte"),
    "an .npz that is none": ("x.npz", b"PK", "cannot be read"),
    "a parquet file that is none": ("x.parquet", b"PAR1", "cannot be read"),
}


@pytest.mark.parametrize(("name", "content", "reason"), FILES.values(), ids=FILES)
def test_a_damaged_file_is_refused_in_one_line_that_names_it(
    name: str, content: bytes, reason: str, tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / name).write_bytes(content)
    said = refused(tmp_path / name if name.startswith("x.") else tmp_path)
    assert re.match(rf"{re.escape(str(tmp_path))}.*{reason}", said)


PNG = encoded(Image.fromarray(HALVES))
TABLES: dict[str, tuple[dict[str, list[object]], str]] = {
    "no images": ({"text": ["a"], "label": [1]}, r"has the columns text \(.*string.*\), label \(int64\); give one"),
    "a path to nothing": (
        {"image": [{"bytes": None, "path": "nowhere.png"}]},
        "row 0 cannot be read: it has no bytes, and there is no file .*/nowhere.png; repair",
    ),
    "a text that is no path": (
        {"file_name": ["nowhere.png"]},
        "row 0 cannot be read: it has no bytes, and there is no",
    ),
    "nothing": ({"image": [{"bytes": None, "path": None}]}, "neither bytes nor a path"),
    "a label missing": ({"image": [PNG, PNG], "label": [0, None]}, "row 1 has no label; give all of them one"),
    "a label of test sets": ({"image": [PNG], "label": [-1]}, "row 0 has no label"),
}


@pytest.mark.parametrize(("columns", "reason"), TABLES.values(), ids=TABLES)
def test_a_table_that_is_no_data_set_is_refused_in_one_line(
    columns: dict[str, list[object]], reason: str, tmp_path: Path, refused: Refused
) -> None:
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    assert re.search(reason, refused(tmp_path / "x.parquet"))


def test_one_image_is_no_data_set(pets: Path, refused: Refused) -> None:
    assert "0.png is no data set; give a folder of images, of class folders" in refused(pets / "cats" / "0.png")
