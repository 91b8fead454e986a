"""What search.json of earlier versions means today."""

import pytest

from analysis.run.search_json import FORMAT, translated


@pytest.mark.parametrize(("budget", "expected"), [(510, 1020), (7.5, 15.0), ("510", "1020")])
def test_a_time_budget_of_the_search_alone_is_doubled_for_the_confirmation(
    budget: float | str, expected: float | str
) -> None:
    old = {"format": 2, "settings": {"scheduler": "asha", "time_budget": budget, "confirm": 3}}
    new = translated(old)
    assert new["settings"] == {"scheduler": "asha", "time_budget": expected, "confirm": 3}
    assert new["format"] == FORMAT
    assert translated(new) == new


@pytest.mark.parametrize("none", [0, "0"])
def test_without_a_confirmation_it_is_the_same(none: int | str) -> None:
    old = {"format": 2, "settings": {"scheduler": "asha", "time_budget": 510, "confirm": none}}
    assert translated(old)["settings"] == old["settings"]


@pytest.mark.parametrize(
    ("old", "new"), [("promotion", "asha"), ("asha", "asha-stopping"), ("hyperband", "hyperband"), ("none", "none")]
)
def test_format_1_has_other_names_of_schedulers(old: str, new: str) -> None:
    found = translated({"settings": {"scheduler": old, "time_budget": 510, "confirm": 3}})
    assert found == {"format": FORMAT, "settings": {"scheduler": new, "time_budget": 1020, "confirm": 3}}
