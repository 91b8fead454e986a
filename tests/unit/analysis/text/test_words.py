"""How numbers, times and names are written in sentences and tables."""

import math

import pytest

from analysis.text.words import duration, fmd_form, fmd_text, interval_text, listed, with_error


@pytest.mark.parametrize(
    ("fmd", "error", "expected"),
    [
        (7.0, None, "7.00"),
        (18.64, None, "18.6"),
        (187.2, None, "187"),
        (1234.5, None, "1234"),
        (7.0, 0.123, "7.00 ± 0.12"),
        (187.2, 0.12, "187.2 ± 0.1"),  # one digit of the error if that is finer
        (0.0, None, "0.00"),
        (math.inf, None, "inf"),
    ],
)
def test_an_fmd_has_three_significant_digits(fmd: float, error: float | None, expected: str) -> None:
    assert fmd_text(fmd, error) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [(12.4, "187 ± 12"), (0.3, "187 ± 0.3"), (0.00042, "187 ± 0.0004"), (0.0, "187 ± 0"), (None, "187 ± -")],
)
def test_an_error_that_rounds_to_zero_has_one_significant_digit(error: float | None, expected: str) -> None:
    assert with_error(187.2, error, ".0f") == expected


def test_an_interval_has_the_digits_of_what_it_is_about() -> None:
    assert interval_text(6.384, 12.5, fmd_form(7.0)) == "6.38 to 12.50"


def test_words_for_times_and_names() -> None:
    assert [duration(s) for s in (None, 0.4, 59.6, 498, 3600 * 5 + 61)] == [
        "-",
        "0 s",
        "1 min 0 s",
        "8 min 18 s",
        "5 h 1 min",
    ]
    assert [listed(list(names)) for names in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
    assert listed(list("abcdefgh")) == "a, b, c, d, e, f and 2 more"
