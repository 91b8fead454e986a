"""A run with models, for the tests of the commands that use one."""

import pytest

from analysis.run.run import Run
from tests.helpers.trained_runs import trained_run
from trainables.data.images import Images
from trainables.metric.fmd import Reference


@pytest.fixture(scope="session")
def trained(mnist: Images, small_reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A tiny run that was really trained; tests may put other runs beside it."""
    return trained_run(tmp_path_factory.mktemp("runs"), mnist, small_reference)
