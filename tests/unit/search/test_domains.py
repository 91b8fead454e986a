"""The ends of what a space searches are those that it asks for, beside those that its fields take."""

from pathlib import Path

from search.space.load import load
from search.space.space import searched_domains
from tests.helpers.spaces import PICKY, space_of


def test_the_ends_are_those_that_the_space_asks_for_and_the_field_s_own() -> None:
    found = searched_domains(load("quality", {}))
    assert found["training/lr"] == {"low": 2e-3, "high": 4e-2, "log": True, "least": 1e-5, "most": 0.1}
    assert "schedule/kind" not in found


def test_what_is_fixed_has_no_ends() -> None:
    assert "training/lr" not in searched_domains(load("quality", {"training.lr": "0.01"}))


def test_draws_that_a_space_rejects_have_their_ends_too(tmp_path: Path) -> None:
    found = searched_domains(space_of(tmp_path, PICKY))
    assert found["training/batch"] == {"low": 1, "high": 9, "log": False, "least": 1, "most": 4096}
