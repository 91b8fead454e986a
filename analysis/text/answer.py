"""The answer of a run: what is best, over what and how surely, as short facts in the same words on every screen."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from analysis.run.run import Run
from analysis.statistics.confirmed import ConfirmationResult, confirmation_result
from analysis.statistics.measures import measures
from analysis.statistics.ranking import Row, indistinguishable, ranked_rows, shared_values
from analysis.text import verdict as say
from analysis.text.checks import checks_facts
from analysis.text.configuration import CONDITIONING, describe_trials
from analysis.text.confirmation import as_judged
from analysis.text.facts import Fact
from analysis.text.opinions import opinion_facts
from analysis.text.words import counted, fmd_text, listed


@dataclass(frozen=True)
class Answer:
    """The answer, in the same words on every screen.

    Attributes:
        trial: the best one.
        configuration: what it has that not all trials share.
        facts: how good it is, how sure that is, and over what it is better by how much.
        details: what else there is to say.
    """

    trial: str
    configuration: str
    facts: list[Fact]
    details: list[Fact]

    def lines(self) -> list[tuple[str, str]]:
        """Return all of it, each a term and its text."""
        best = Fact("best", self.trial, self.configuration)
        return [(fact.term, fact.text) for fact in (best, *self.facts, *self.details)]


def answer(run: Run) -> Answer | None:
    """Return the answer of a run, by its confirmation or else by its ranking; None before there is any."""
    ranked = ranked_rows(run)
    trials, result = run.trials(), confirmation_result(run)
    words = describe_trials(trials, shared_values(trials))
    names = [row["trial"] for row in ranked]
    if result is not None and result.standings:
        return _confirmed(run, result, as_judged(words, result), names)
    if not ranked:
        return None
    facts = [_fmd_of_search(run, ranked[0]), _uncertain(run, ranked)]
    if "origin" in run.settings():  # a longer training compares nothing
        return Answer(names[0], words[names[0]], facts, [])
    found = measures(run, result, names)
    facts += say.leads(found, names[0])
    facts += say.cautions(result, found.trials()) if result is not None else []
    return Answer(names[0], words[names[0]], facts, _labels(trials, names))


def _confirmed(run: Run, result: ConfirmationResult, words: dict[str, str], ranked: Sequence[str]) -> Answer:
    best, confirmed = result.standings[0], [standing.trial for standing in result.standings]
    compared = measures(run, result, [*confirmed, *result.left_out])
    cautions = say.cautions(result, compared.trials())
    unfinished = [fact for fact in cautions if fact.term == "so far"]
    left_out = [fact for fact in cautions if fact.term == "left out"]
    return Answer(
        trial=best.trial,
        configuration=words.get(best.trial, ""),
        facts=[
            *unfinished,
            say.confirmed_fmd(best),
            say.certainty(result.standings),
            *say.leads(compared, best.trial),
            *opinion_facts(result),
            *checks_facts(result),
            say.scope(run, result),
            *(fact for fact in cautions if fact not in unfinished + left_out),
        ],
        details=[
            say.measured(run, result),
            *say.kinds(run, result.standings),
            *say.guidance(result),
            *_labels(run.trials(), [*confirmed, *ranked]),
            *left_out,
        ],
    )


def _labels(trials: pa.Table, order: Sequence[str]) -> list[Fact]:
    """Return which trials have the images' labels as extra information; nothing where a run has one kind only.

    `order` has the names of the trials that were measured, the best first.
    """
    if CONDITIONING not in trials.column_names:
        return []
    values = zip(trials["trial"].to_pylist(), trials[CONDITIONING].to_pylist(), strict=True)
    labelled = {name: value == "class" for name, value in values}
    if len(set(labelled.values())) < 2:
        return []
    sentence = "Trials marked -class are told each image's label, which is extra information"
    best = {has: next((name for name in order if labelled.get(name) is has), None) for has in (True, False)}
    if None not in best.values():
        sentence += f": the best with it is {best[True]}, the best without it {best[False]}"
    return [Fact("labels", "", f"{sentence}.")]


def _fmd_of_search(run: Run, best: Row) -> Fact:
    settings, draws = run.settings(), run.reports()[best["trial"]][-1].draws
    full = (settings.get("settings", {}).get("rungs") or [best["images_seen"]])[-1]
    sets = f"{counted(draws, 'set')} of " if draws > 1 else ""
    samples = f", {sets}{settings['metric']['n']:,} samples" if "n" in settings.get("metric", {}) else ""
    seen = f"{best['images_seen']:,} images" + (f" of {full:,}" if best["images_seen"] < full else "")
    error = ", with the standard error of its samples" if best["fmd_se"] is not None else ""
    scale = f"; normalised {best['fmd_normalised']:.3f} ({say.SCALE})" if best["fmd_normalised"] is not None else ""
    return Fact("FMD", fmd_text(best["fmd"], best["fmd_se"]), f"of one training on {seen}{samples}{error}{scale}")


def _uncertain(run: Run, ranked: Sequence[Row]) -> Fact:
    """Return why what the search says of its best is not sure."""
    settings = run.settings()
    if "origin" in settings:
        return Fact("how sure", "", "a longer training of a trial that a search had found")
    best, *others = ranked
    same = [row for row in others if row["images_seen"] == best["images_seen"] and indistinguishable(best, row)]
    told = f"; by their FMD it cannot be told from {listed([row['trial'] for row in same])}" if same else ""
    one_model = settings.get("settings", {}).get("trained")
    one = "one set of samples of one trained model" if one_model else "one training of one seed"
    higher = "expect a higher one from another draw of its noise"
    picked = f"{one}, the best of {len(ranked)}, picked by this number; {higher}"
    return Fact("how sure", "not confirmed", f"{picked}{told}")
