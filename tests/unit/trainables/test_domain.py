"""Domains: what lies inside comes back in the field's own type, what lies outside is refused in one helpful line."""

from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from trainables.domain import Choice, ConfigError, Domain, Int, Log, Uniform, Widths, construct, domains, widths

NAN, INF = float("nan"), float("inf")

INSIDE: list[tuple[Domain, object, object]] = [
    (Uniform(-1, 2), -1, -1.0),
    (Uniform(-1, 2), 2.0, 2.0),
    (Log(1e-4, 0.1), 1e-4, 1e-4),
    (Log(1e-4, 0.1), 0.1, 0.1),
    (Int(1, 10_000), 1, 1),
    (Int(1, 10_000), 10_000.0, 10_000),
    (Choice("adam", "adamw"), "adamw", "adamw"),
    (Choice(3, 5, 7), 5.0, 5),
    (Choice(True, False), False, False),
    (Widths(), "16-32-32-16", "16-32-32-16"),
    (Widths(1, 4), "1024", "1024"),
]

OUTSIDE: list[tuple[Domain, object]] = [
    *[(Uniform(-1, 2), value) for value in (-1.001, 2.001, NAN, INF, -INF, "1", None, True, [1.0])],
    *[(Log(1e-4, 0.1), value) for value in (0.0, 9e-5, -1e-3, 0.11)],
    *[(Int(1, 9), value) for value in (0, 10, 1.5, "3", False, NAN, INF)],
    *[(Choice("adam", "adamw"), value) for value in ("sgd", "", 1, None, ["adam"])],
    *[(Choice(1, 2), value) for value in (3, True, "1", 1.5)],
    *[(Choice(True, False), value) for value in (1, 0, "true")],
    *[(Widths(2, 3), value) for value in ("16", "1-2-3-4", "", "16-", "16--32", "0-16", "16-1025", "a-b", "1.5-2", 16)],
]

TEXTS: list[tuple[Domain, str, object]] = [
    (Uniform(-1, 2), "-0.5", -0.5),
    (Log(1e-5, 1), "2e-3", 2e-3),
    (Int(1, 5000), "1e3", 1000),
    (Int(1, 5000), " 28 ", 28),
    (Choice("gelu", "elu"), " GELU ", "gelu"),
    (Choice(3, 5, 7), "7", 7),
    (Choice(True, False), "true", True),
    (Widths(), " 8-16 ", "8-16"),
]

BAD_TEXTS: list[tuple[Domain, str]] = [
    (Uniform(0, 1), "half"),
    (Uniform(0, 1), "nan"),
    (Log(0.1, 1), "inf"),
    (Int(1, 9), "2.5"),
    (Int(1, 9), ""),
    (Choice("a", "b"), "c"),
    (Widths(), "16,32"),
]


@pytest.mark.parametrize(("domain", "given", "expected"), INSIDE)
def test_a_value_inside_comes_back_in_the_fields_own_type(domain: Domain, given: object, expected: object) -> None:
    value = domain.check("some/field", given)
    assert value == expected
    assert type(value) is type(expected)
    assert domain.check("some/field", value) == value
    assert domain.parse("some/field", str(expected)) == expected


@pytest.mark.parametrize(("domain", "given"), OUTSIDE)
def test_a_value_outside_is_refused_in_one_line_with_name_value_and_domain(domain: Domain, given: object) -> None:
    with pytest.raises(ConfigError) as refusal:
        domain.check("some/field", given)
    assert_helpful(str(refusal.value), domain, repr(given))


@pytest.mark.parametrize(("domain", "text", "expected"), TEXTS)
def test_text_is_read_as_the_fields_own_type(domain: Domain, text: str, expected: object) -> None:
    value = domain.parse("some/field", text)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(("domain", "text"), BAD_TEXTS)
def test_text_outside_is_refused_in_one_line(domain: Domain, text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        domain.parse("some/field", text)
    assert_helpful(str(refusal.value), domain, text)


def assert_helpful(message: str, domain: Any, given: str) -> None:
    assert "\n" not in message
    assert message.startswith(f"some/field={given}") or message.startswith(f"some/field={given!r}")
    allowed = domain.options if isinstance(domain, Choice) else [v for v in vars(domain).values() if v is not None]
    assert all((v if isinstance(v, str) else f"{v:g}") in message for v in allowed if not isinstance(v, bool))


def test_widths_are_read_in_order() -> None:
    assert widths("16-32-8") == (16, 32, 8)
    assert widths("7") == (7,)


@dataclass(frozen=True)
class Example:
    """Two searchable fields and one that is not."""

    rate: Annotated[float, Log(0.1, 1)] = 0.5
    plain: str = "not searched"
    count: Annotated[int, Int(1, 9)] = 3


def test_the_domains_of_a_dataclass_are_those_beside_its_fields_in_order() -> None:
    assert list(domains(Example).items()) == [("rate", Log(0.1, 1)), ("count", Int(1, 9))]
    with pytest.raises(TypeError, match="not a dataclass"):
        domains(int)


def test_construction_checks_every_value_and_names_the_field_in_full() -> None:
    made = construct(Example, "some/example", {"count": 5.0})
    assert made == Example(count=5)
    assert type(made.count) is int
    with pytest.raises(ConfigError, match=r"^some/example/rate=2\.0 is outside its domain: 0\.1 to 1$"):
        construct(Example, "some/example", {"rate": 2.0})
