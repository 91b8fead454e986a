"""The answer of a run in words: what is best, over what and how surely, and what to do next."""

from dataclasses import dataclass

from analysis.run.run import Run
from analysis.statistics.confirmed import confirmation_result
from analysis.statistics.ranking import Row, indistinguishable, rank_run, shared_values
from analysis.text.configuration import describe_trials
from analysis.text.confirmation import as_judged
from analysis.text.verdict import conclusions, headline
from analysis.text.words import fmd_text, listed


@dataclass(frozen=True)
class Answer:
    """The answer, in the same words on every screen.

    Attributes:
        trial: the best one.
        configuration: what it has that not all trials share.
        headline: its FMD, and what that means.
        conclusions: sentences: how sure it is, and over what it is better by how much.
    """

    trial: str
    configuration: str
    headline: str
    conclusions: list[str]


def answer(run: Run) -> Answer | None:
    """Return the answer of a run, by its confirmation or else by its ranking; None before there is any."""
    ranked = [row for row in rank_run(run).to_pylist() if row["rank"] is not None]
    if not ranked:
        return None
    trials, result = run.trials(), confirmation_result(run)
    words = describe_trials(trials, shared_values(trials))
    if result is not None and result.standings:
        best = result.standings[0].trial
        return Answer(best, as_judged(words, result).get(best, ""), headline(run, result), conclusions(run, result))
    first = ranked[0]
    said = conclusions(run, result) if result is not None else []
    return Answer(first["trial"], words[first["trial"]], _searched(run, first), [*_unconfirmed(run, ranked), *said])


def _searched(run: Run, best: Row) -> str:
    card = run.settings().get("metric", {})
    samples = f", {card['n']:,} samples" if "n" in card else ""
    full = (run.settings().get("settings", {}).get("rungs") or [best["images_seen"]])[-1]
    seen = f"{best['images_seen']:,} images" + (f" of {full:,}" if best["images_seen"] < full else "")
    error = " (standard error of its samples)" if best["fmd_se"] is not None else ""
    normalised = ""
    if best["fmd_normalised"] is not None:
        normalised = f" Normalised it is {best['fmd_normalised']:.3f}: 0 is as good as real images, 1 a blank set."
    return f"FMD {fmd_text(best['fmd'], best['fmd_se'])}{error}, of one training on {seen}{samples}.{normalised}"


def _unconfirmed(run: Run, ranked: list[Row]) -> list[str]:
    if "origin" in run.settings():
        return ["This is a longer training of a trial that a search had found."]
    best, *others = ranked
    same = [row for row in others if row["images_seen"] == best["images_seen"] and indistinguishable(best, row)]
    said = [f"Cannot be told from it by their FMD: {listed([row['trial'] for row in same])}."] if same else []
    if run.settings().get("settings", {}).get("trained"):
        one = "one set of samples of one trained model"
    else:
        one = "one training of one seed"
    return [
        *said,
        f"This is {one}, the best of {len(ranked)}, picked by the number that it is reported by: expect a higher one "
        "from another draw of its noise.",
    ]
