"""Generated images as files, written as they come: PNG files in a folder, one picture, or an array."""

import csv
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from search.declaration import SettingsError
from trainables.diffusion.generation import GREY, grid_png

COLUMNS = 20  # of a picture, at most: 1,200 pixels of MNIST


def require_place(out: Path) -> None:
    """Raise SettingsError where images cannot be written to `out`, before any is generated."""
    if out.suffix in (".png", ".npz"):
        if out.is_dir() or not out.absolute().parent.is_dir():
            raise SettingsError(f"--out {out}: give a file in a folder that exists")
    elif out.suffix:
        raise SettingsError(f"--out {out}: give a folder, a .png or a .npz")
    else:
        require_new(out, f"--out {out}")


def require_new(folder: Path, given: str) -> None:
    """Raise SettingsError where a folder has files; `given` begins the error."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise SettingsError(f"{given}: it is there already; give a folder that is new or empty")


def write_images(out: Path, chunks: Iterable[Tensor], n: int, labels: Tensor | None, classes: Sequence[str]) -> None:
    """Write images into a picture (.png), an array (.npz) or a folder, as the name says; it replaces a file.

    `chunks` are the n images in their order, uint8 (k, C, H, W). Their labels int64 (n,) have the names `classes`; None
    where they are unknown.
    """
    if out.suffix == ".png":
        out.write_bytes(grid_png(in_label_rows(torch.cat(list(chunks)).cpu(), labels)))
    elif out.suffix == ".npz":
        _write_array(out, chunks, n, labels)
    else:
        _write_folder(out, chunks, n, labels, classes)


def in_label_rows(images: Tensor, labels: Tensor | None) -> Tensor:
    """Return images (n, C, H, W) as (rows, columns, C, H, W): each label begins a row, which grey images fill up.

    Without labels the picture is about a square. There are at most `COLUMNS` columns.
    """
    groups = [images] if labels is None else [images[labels.cpu() == label] for label in labels.cpu().unique()]
    longest = max(len(group) for group in groups)
    columns = min(COLUMNS, longest if len(groups) > 1 else round(longest**0.5 + 0.5))
    filled = [functional.pad(group, (0,) * 7 + (-len(group) % columns,), value=GREY) for group in groups]
    return torch.cat(filled).unflatten(0, (-1, columns))


def _write_folder(
    folder: Path, chunks: Iterable[Tensor], n: int, labels: Tensor | None, classes: Sequence[str]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{index:0{len(str(n - 1))}d}.png" for index in range(n)]
    left = iter(names)
    for chunk in chunks:
        for pixels in _pixels_last(chunk):
            Image.fromarray(pixels).save(folder / next(left))
    if labels is not None:
        with (folder / "labels.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(("file", "label", "class"))
            table.writerows((name, label, classes[label]) for name, label in zip(names, labels.tolist(), strict=True))


def _write_array(path: Path, chunks: Iterable[Tensor], n: int, labels: Tensor | None) -> None:
    """Write `images` uint8 (n, H, W[, C]) and `labels` int64 (n,) as np.savez does, without holding all images."""
    part = path.with_name(f".{path.name}.part")
    with zipfile.ZipFile(part, "w") as archive:
        with archive.open("images.npy", "w", force_zip64=True) as file:
            for index, chunk in enumerate(chunks):
                pixels = _pixels_last(chunk)
                if index == 0:
                    about = {"descr": "|u1", "fortran_order": False, "shape": (n, *pixels.shape[1:])}
                    np.lib.format.write_array_header_1_0(file, about)
                file.write(pixels.tobytes())
        if labels is not None:
            with archive.open("labels.npy", "w") as file:
                np.lib.format.write_array(file, labels.cpu().numpy())
    part.replace(path)


def _pixels_last(images: Tensor) -> np.ndarray:
    """Return images (k, C, H, W) as (k, H, W), or (k, H, W, 3) in colour."""
    pixels = images.permute(0, 2, 3, 1).cpu().numpy()
    return pixels[..., 0] if pixels.shape[-1] == 1 else pixels
