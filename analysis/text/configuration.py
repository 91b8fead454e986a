"""Describe configurations in a few words."""

from collections import Counter

import pyarrow as pa

from analysis.run.tables import fields
from analysis.statistics.comparable_trials import value_text
from analysis.statistics.ranking import Row

CONDITIONING = "network/conditioning"  # whether a network is told labels
CLUSTERS = "network/clusters"  # of no meaning where it is not told clusters
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


def describe_trials(trials: pa.Table, shared: Row, first: str | None = None) -> dict[str, str]:
    """Return by trial what its configuration has that is not in `shared`.

    With `first`, the others are told by what differs from that trial. Of a baseline's configuration, only kinds, what
    it is told of an image, and the fields that the search varies are named.
    """
    names = fields(trials)
    rows = {row["trial"]: row for row in trials.select(["trial", "baseline", *names]).to_pylist()}
    drawn = [row for row in rows.values() if not row["baseline"]]
    searched = {name for row in drawn for name in names if row[name] is not None} - shared.keys()
    named = searched | {CONDITIONING}
    # What the first one lacks, such as a field of another schedule, may be the same in all that have it.
    told = {} if first is None else {name: rows[first][name] for name in names if rows[first][name] is not None}
    words = {}
    for trial, row in rows.items():
        known = shared if trial == first else shared | told
        own = {name: row[name] for name in names if row[name] != known.get(name)}
        if row.get(CONDITIONING) != "cluster":
            own.pop(CLUSTERS, None)
        if row["baseline"]:
            own = {n: value for n, value in own.items() if n in named or n.rsplit("/", 1)[-1] in UNNAMED}
        words[trial] = describe_configuration(own)
    return words
