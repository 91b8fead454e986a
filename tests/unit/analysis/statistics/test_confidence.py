"""Laws of the race: which trainings its next round asks for."""

from analysis.statistics.confidence import next_round


def test_a_race_begins_with_one_each_and_doubles_for_those_that_may_win() -> None:
    assert next_round({"a": [], "b": [], "c": []}, 8) == {"a": 1, "b": 1, "c": 1}
    assert next_round({"a": [30.0], "b": [31.0], "c": [90.0]}, 8) == {"a": 2, "b": 2}
    assert next_round({"a": [30.0, 30.1], "b": [31.0, 29.0], "c": [90.0]}, 8) == {"a": 4, "b": 4}
    assert next_round({"a": [30.0, 30.1], "b": [31.0, 29.0], "c": [90.0]}, 3) == {"a": 3, "b": 3}
    assert next_round({"a": [30.0, 30.1], "b": [31.0, 29.0], "c": [90.0]}, 2) == {}


def test_a_winner_far_ahead_still_has_two_seeds() -> None:
    assert next_round({"a": [30.0], "b": [90.0]}, 8) == {"a": 2}
    assert next_round({"a": [30.0, 30.3], "b": [90.0]}, 8) == {}
    assert next_round({"a": []}, 8) == {"a": 2}
    assert next_round({}, 8) == {}


def test_a_race_ends_where_pairs_tell_its_contenders_apart_although_their_ranges_overlap() -> None:
    assert next_round({"a": [30.0, 36.0, 28.0, 33.0], "b": [31.0, 37.1, 28.9, 34.1]}, 8) == {}
    assert next_round({"a": [30.0, 36.0, 28.0, 33.0], "b": [37.1, 31.0, 34.1, 28.9]}, 8) == {"a": 8, "b": 8}
