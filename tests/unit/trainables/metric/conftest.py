"""What the tests of the metric share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from trainables.metric.classifier import Classifier, load_weights


@pytest.fixture(scope="session")
def classifier() -> Classifier:
    """The shipped classifier of MNIST."""
    return load_weights("mnist").classifier()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a user's cache that only this module has."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder
