"""search.api: tables and models of a run, and options by their names."""

from typing import Any

import pytest
import torch

from analysis.run.run import Run, RunError
from search import api
from tests.helpers.trained_runs import OTHER, VARIANTS, WINNER
from trainables.domain import UsageError


def test_a_run_has_its_tables_and_the_model_of_its_winner(trained: Run) -> None:
    run = api.open_run(trained.uri)
    assert run.trials.equals(trained.trials())
    assert run.curves.equals(trained.curves())
    assert run.ranking["trial"].to_pylist() == [WINNER, OTHER]
    images = run.best.sample(3, labels=[1, 2, 3], seed=4)
    assert (images.shape, images.dtype) == ((3, 1, 28, 28), torch.uint8)
    assert torch.equal(images, run.best.sample(3, labels=[1, 2, 3], seed=4))
    assert run.best.variant.flat().items() >= VARIANTS[WINNER].items()
    other = run.model(OTHER, {"sampler.steps": 7})
    assert other.sampling.steps == 7
    assert other.network(torch.zeros(2, 1, 28, 28), torch.ones(2)).shape == (2, 1, 28, 28)
    with pytest.raises(RunError, match="keeps no model of the trial nobody"):
        run.model("nobody")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "--space is missing"),
        ({"space": "quality", "trails": 3}, "^unknown option trails; did you mean trials"),
        ({"space": "quality", "dry_run": True}, "^unknown option dry_run"),
        ({"space": "quality", "trials": 0}, "^trials 0: give a whole number from 1 to "),
        ({"space": "nothing"}, "unknown space 'nothing'"),
        ({"space": "quality", "set": {"network.kind": "none"}}, "network/kind='none'"),
        ({"space": "quality", "set": {"training.batch": 0}, "trials": None}, "training/batch=0"),
        ({"resume": "mine", "seed": 3}, "--seed does not go with --resume"),
    ],
    ids=str,
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        api.start(**options)


def test_a_run_that_goes_on_is_named_by_its_path_or_its_place(trained: Run) -> None:
    trained.update_settings(used_seconds=1e9)  # nothing is left to do
    place, name = trained.path.parent, trained.name
    assert api.start(resume=str(trained.path)).trials.equals(trained.trials())
    assert api.start(resume=name, storage_path=str(place)).trials.equals(trained.trials())


def test_a_search_that_may_go_on_by_itself_needs_a_name() -> None:
    with pytest.raises(UsageError, match="--auto-resume: the run goes on by its name; give --name"):
        api.start(space="quality", auto_resume=True)
