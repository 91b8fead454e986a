"""Describe configurations in a few words."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa

from analysis.run.tables import fields
from analysis.statistics.comparable_trials import value_text
from analysis.statistics.ranking import Row

UNNAMED = ("kind", "target", "activation")  # fields whose values need no name beside them


def describe_configuration(configuration: Row) -> str:
    """Return a configuration, or a part of one, in a few words: `morph x0 lr=0.002`.

    Values of `UNNAMED` fields come first, without a name. Any other value follows the last part of its field's name, or
    the last two parts where two fields share the last.
    """
    given = {name: value for name, value in configuration.items() if value is not None}
    last = {name: name.rsplit("/", 1)[-1] for name in given}
    uses = Counter(last.values())
    words = [str(given[name]) for part in UNNAMED for name in given if last[name] == part]
    for name in given:
        if last[name] not in UNNAMED:
            short = last[name] if uses[last[name]] == 1 else ".".join(name.split("/")[-2:])
            words.append(f"{short}={value_text(given[name])}")
    return " ".join(words)


def describe_trials(trials: pa.Table, shared: Row) -> dict[str, str]:
    """Return by trial what its configuration has that is not in `shared`.

    Of a baseline's configuration, only kinds and the fields that the search varies are named.
    """
    names = fields(trials)
    rows = trials.select(["trial", "baseline", *names]).to_pylist()
    searched = _searched(rows, names, shared)
    return _describe(rows, names, searched, {row["trial"]: shared for row in rows})


def describe_differences(trials: pa.Table, shared: Row, first: str) -> dict[str, str]:
    """Return by trial in what it differs from the trial `first`, and of that one what is not in `shared`."""
    names = fields(trials)
    rows = trials.select(["trial", "baseline", *names]).to_pylist()
    own = next(row for row in rows if row["trial"] == first)
    # What the first one lacks, such as a field of another schedule, may be the same in all that have it.
    known = {**shared, **{name: own[name] for name in names if own[name] is not None}}
    described = {row["trial"]: known for row in rows} | {first: shared}
    return _describe(rows, names, _searched(rows, names, shared), described)


def _searched(rows: Sequence[Row], names: Sequence[str], shared: Row) -> set[str]:
    """Return the fields that the search varies."""
    return {name for row in rows if not row["baseline"] for name in names if row[name] is not None} - shared.keys()


def _describe(
    rows: Sequence[Row], names: Sequence[str], searched: set[str], known: Mapping[str, Row]
) -> dict[str, str]:
    """Return by trial the fields that differ from what is known of it; of a baseline kinds and searched fields only."""
    words = {}
    for row in rows:
        own = {name: row[name] for name in names if row[name] != known[row["trial"]].get(name)}
        if row["baseline"]:
            own = {n: value for n, value in own.items() if n in searched or n.rsplit("/", 1)[-1] in UNNAMED}
        words[row["trial"]] = describe_configuration(own)
    return words
