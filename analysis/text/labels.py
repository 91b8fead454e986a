"""Say which trials have the images' labels as extra information, where a run has both kinds."""

from collections.abc import Sequence

import pyarrow as pa

CONDITIONING = "network/conditioning"


def labels_sentence(trials: pa.Table, order: Sequence[str]) -> str:
    """Return sentences about the trials with labels and without; empty where a run has one kind only.

    `order` has the names of the trials that were measured, the best first.
    """
    if CONDITIONING not in trials.column_names:
        return ""
    values = zip(trials["trial"].to_pylist(), trials[CONDITIONING].to_pylist(), strict=True)
    labelled = {name: value not in ("none", None) for name, value in values}
    if len(set(labelled.values())) < 2:
        return ""
    sentence = "Trials marked -class are told each image's label, which is extra information"
    best = {has: next((name for name in order if labelled.get(name) is has), None) for has in (True, False)}
    if None in best.values():
        return f"{sentence}."
    return f"{sentence}: the best with it is {best[True]}, the best without it {best[False]}."
