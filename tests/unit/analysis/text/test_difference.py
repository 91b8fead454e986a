"""A sentence says which trials are first in two orders, and why they differ where speed explains it."""

from typing import Any

import pytest

from analysis.text.equal_seconds import difference


def rows(order: str, images: dict[str, int] | None = None, gap: float = 10.0, reading: str = "measured") -> list[Any]:
    seen = images or {}
    return [
        {"trial": name, "fmd": 50 + gap * place, "fmd_se": 1.0, "images_seen": seen.get(name, 9), "reading": reading}
        for place, name in enumerate(order)
    ]


@pytest.mark.parametrize(
    ("by_images", "by_seconds", "sentence"),
    [
        (rows("abc"), rows("acb"), "a is first at equal images and at equal seconds."),
        (
            rows("ab"),
            rows("ba", {"a": 4}),
            "a is first at equal images, b at equal seconds, because a takes 2.2 times as long for an image.",
        ),
        (rows("ab"), rows("ba", {"a": 4}, reading="ended"), "a is first at equal images, b at equal seconds."),
        (rows("ab"), rows("bc"), "a is first at equal images, b at equal seconds."),
        (
            rows("ab"),
            rows("ba", gap=1.0),
            "a is first at equal images, b at equal seconds; their FMDs there are within two standard errors.",
        ),
    ],
)
def test_the_sentence_says_which_and_why(by_images: list[Any], by_seconds: list[Any], sentence: str) -> None:
    assert difference(by_images, by_seconds) == sentence
