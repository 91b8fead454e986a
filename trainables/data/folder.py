"""Images in folders: class folders, such folders for train and test, or one folder without classes."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from trainables.data.groups import by_path
from trainables.data.images import DataError
from trainables.data.sources import PARTS, Found, Part, Sample, counted, readable

# Of the formats that trainables/data/pixels.py decodes.
ENDINGS = {
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".bmp", ".dib"),
    *(".gif", ".webp", ".avif", ".tif", ".tiff", ".pbm", ".pgm", ".ppm", ".pnm"),
}
THUMBNAILS = {"thumbs.db", "ehthumbs.db", "desktop.ini"}
ARCHIVE_JUNK = "__MACOSX"
ORDER = ("train", "val", "test")


@dataclass
class _Tree:
    """The images of a folder, and the folders in it that have some."""

    path: Path
    images: list[Path] = field(default_factory=list)
    folders: dict[str, "_Tree"] = field(default_factory=dict)

    def all_images(self) -> Iterator[Path]:
        """Yield the images of this folder and of all below."""
        yield from self.images
        for tree in self.folders.values():
            yield from tree.all_images()


def find(path: Path, groups: str | None = None) -> Found | None:
    """Return what a folder of images holds, with the groups that a rule makes of paths; None for another path.

    Raises:
        DataError: there are no images, or images lie beside folders of images, or the rule is none.
    """
    if not path.is_dir():
        return None
    group = None if groups is None else by_path(groups)
    passed: Counter[str] = Counter()
    tree = _unwrapped(_read(path, passed, frozenset()))
    parts = _parts(tree, passed)
    counts = {part: sum(1 for _ in one.all_images()) for part, one in parts.items()}
    if not counts.get("train"):
        there = counted(passed) or "nothing"
        raise DataError(f"{readable(path)} holds no images (.png, .jpg and the like); it holds {there}")
    classes = {part: _classes(one) for part, one in parts.items()}
    if len({names is None for names in classes.values()}) > 1:
        flat = next(readable(parts[part].path) for part, names in classes.items() if names is None)
        raise DataError(f"{flat} has no class folders, the other parts have; give all of them some, or none")
    return Found(_kind(classes), sum(counts.values()), partial(_samples, parts, group), passed)


def _read(folder: Path, passed: Counter[str], above: frozenset[Path]) -> _Tree:
    """Return the tree of a folder, sorted by name; count what is passed over. A link to a folder above ends there."""
    tree, inside = _Tree(folder), above | {folder.resolve()}
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{readable(folder)} cannot be read ({error.strerror}); make it readable") from None
    for path in entries:
        reason = _reason_to_pass_over(path)
        if reason:
            passed[reason] += 1
        elif not path.is_dir():
            tree.images.append(path)
        elif path.resolve() in inside:
            passed["links to a folder above"] += 1
        else:
            below = _read(path, passed, inside)
            if below.images or below.folders:
                tree.folders[path.name] = below
            else:
                passed["folders without images"] += 1
    return tree


def _reason_to_pass_over(path: Path) -> str | None:
    """Return what a path is if it is no image and no folder of images, in words."""
    if path.name == ARCHIVE_JUNK:
        return ARCHIVE_JUNK
    if path.name.startswith("."):
        return "hidden files"
    if path.name.lower() in THUMBNAILS:
        return path.name
    if path.is_dir():
        return None
    if not path.is_file():
        return "broken links"
    ending = path.suffix.lower()
    if ending in ENDINGS:
        return None
    return f"{readable(ending)} files" if ending else "files without an ending"


def _unwrapped(tree: _Tree) -> _Tree:
    """Return the first tree that is more than a wrapper.

    While a folder holds a single folder, which holds only folders, descend into it, as archives unpack that way.
    """
    while not tree.images and len(tree.folders) == 1:
        (name, only), *_ = tree.folders.items()
        if name.lower() in PARTS or not only.folders or only.images:
            return tree
        tree = only
    return tree


def _parts(tree: _Tree, passed: Counter[str]) -> dict[Part, _Tree]:
    """Return the tree by its parts; one whose folders are not called train and test or the like is all train."""
    named = [(PARTS[name.lower()], below) for name, below in tree.folders.items() if name.lower() in PARTS]
    named.sort(key=lambda entry: ORDER.index(entry[0]))
    parts = dict(named)
    others = len(tree.folders) - len(named)
    if tree.images or "train" not in parts or (others and len(parts) == 1):
        return {"train": tree}
    if len(parts) < len(named):
        names = ", ".join(readable(below.path.name) for _, below in named)
        raise DataError(f"{readable(tree.path)} has one part under two names: {names}; give each part once")
    if others:
        passed["folders beside train"] += others
    return parts


def _classes(tree: _Tree) -> list[str] | None:
    if tree.images and tree.folders:
        name, few = readable(tree.path), f"{len(tree.images):,} images beside {len(tree.folders):,} folders of images"
        raise DataError(f"{name} holds {few}; give either class folders alone, or images alone")
    return list(tree.folders) or None


def _kind(classes: dict[Part, list[str] | None]) -> str:
    names = {name for some in classes.values() for name in some or ()}
    folders = f"{len(names)} class folder{'s' if len(names) > 1 else ''}"
    what = f"of {folders}" if names else "of images without classes"
    if len(classes) == 1:
        return f"a folder {what}"
    return f"the folders {' and '.join(classes)} {what}"


def _samples(parts: dict[Part, _Tree], group: Callable[[Path, Path], str] | None) -> Iterator[Sample]:
    for part, tree in parts.items():
        labels: list[tuple[str | None, Iterable[Path]]] = [(None, tree.images)]
        labels += [(readable(name), below.all_images()) for name, below in tree.folders.items()]
        for label, paths in labels:
            for path in paths:
                one = None if group is None else group(path, tree.path)
                yield Sample(readable(path), part, label, path.read_bytes, one)
