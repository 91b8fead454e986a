"""Small data sets of the user's own, in every form that is read."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.helpers.own_images import CLASSES, pictures, save_all
from trainables.data.images import DataError, Images
from trainables.data.load import load
from trainables.data.options import ReadOptions

Read = Callable[..., Images]
Refused = Callable[..., str]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The user's cache, empty before each test."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder / "diffusion-search"


@pytest.fixture
def read(own_cache: Path) -> Read:
    """Read images; what is said goes to a list that may be given as `said`."""

    def read(path: Path, said: list[str] | None = None, **options: object) -> Images:
        return load(str(path), None, ReadOptions(**options), ([] if said is None else said).append)

    return read


@pytest.fixture
def refused(read: Read) -> Refused:
    """The one line by which images are refused."""

    def refused(path: Path, **options: object) -> str:
        with pytest.raises(DataError) as caught:
            read(path, **options)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return refused


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """156 images of 16 x 16 in three class folders."""
    for number, name in enumerate(CLASSES):
        save_all(tmp_path / "pets" / name, pictures(52, seed=number))
    return tmp_path / "pets"
