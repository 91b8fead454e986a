"""Say in words what a confirmation shows: which configuration is best, over what, how surely, and for what it holds."""

from analysis.run.run import Run
from analysis.statistics.confirmed import ConfirmationResult, Standing
from analysis.statistics.kinds import named
from analysis.statistics.verdict import Measure, Verdict, searched, verdict
from analysis.text.behind import how_far
from analysis.text.checks import checks_sentence
from analysis.text.opinions import opinion_sentences
from analysis.text.words import counted, fmd_form, interval_text, listed


def headline(run: Run, result: ConfirmationResult) -> str:
    """Return a sentence with the confirmed FMD of the best, what it means, and what the search had said of it."""
    best, card = result.standings[0], result.metric
    count, form = len(best.fmds), fmd_form(best.fmd)
    seeds = "one training with a fresh seed" if count == 1 else f"{count} trainings with fresh seeds"
    before = searched(run, result.images_seen).get(best.trial)
    in_search = f"; the search had said {before:.3f}, of one training" if before is not None else ""
    return (
        f"FMD {best.fmd:{form}}, 95 % interval {interval_text(best.low, best.high, form)}, over {seeds}, "
        f"{card['n']:,} samples each, against real images that the search did not see. Normalised it is "
        f"{best.normalised:.3f}: 0 is as good as real images, 1 a blank set{in_search}."
    )


def conclusions(run: Run, result: ConfirmationResult) -> list[str]:
    """Return, as sentences, what may be concluded from a run's confirmation and what not."""
    excluded = [f"{name} diverged or failed with one of its fresh seeds, and is out." for name in result.excluded]
    cut = ["The time budget ended the race: with a larger --time-budget it goes on to more trainings."]
    rest = [*(cut if result.cut else []), *excluded]
    if not result.standings:
        return [*rest, *(f"{line}." for line in result.left_out.values())]
    found = verdict(run, result)
    measures = [measure for measure in (found.first, found.literature) if measure is not None]
    told = {measure.trial for measure in measures}
    return [
        *([] if result.finished else ["The confirmation is not over: what follows may change."]),
        _best(found, len(result.standings)),
        *([_over_first(found.best, found.first)] if found.first else []),
        *([_over_literature(found.best, found.literature)] if found.literature else []),
        *([_guidance(result)] if result.guidance else []),
        *opinion_sentences(result),
        *([beside] if (beside := checks_sentence(result)) else []),
        *_kinds(found),
        _scope(run, result),
        *rest,
        *(f"{line}." for name, line in result.left_out.items() if name not in told),
    ]


def _best(found: Verdict, count: int) -> str:
    best = found.best
    seeds = counted(len(best.fmds), "fresh seed")
    if count == 1:
        return f"{best.trial} was trained again with {seeds}; there was nothing to compare it with."
    if not found.rivals:
        return (
            f"{best.trial} is the best of the {count} that were trained again, with {seeds}: each of the others is "
            "worse by more than chance does."
        )
    names = listed([rival.trial for rival in found.rivals], most=3)
    nearest = found.rivals[0]
    assert nearest.behind is not None  # only the best has none
    which = "which" if len(found.rivals) == 1 else f"of which {nearest.trial}"
    over = counted(nearest.behind.seeds, "shared seed")
    return (
        f"{best.trial} is ahead, with a chance of {100 * best.p_best:.0f} % of being the best. It cannot be told from "
        f"{names}, {which} is {how_far(nearest.behind)}, over {over}."
    )


def _over_first(best: Standing, first: Measure) -> str:
    if first.trial == best.trial:
        return f"{best.trial} is the search's first starting point: the search found nothing that beats it."
    name = f"{first.trial}, the search's first starting point,"
    if first.searched is not None:
        images, own, other = first.searched
        at = f"normalised, of one training each after {images:,} images"
        return f"{name} was not trained again: the search had {own:.3f} for it and {other:.3f} for the best, {at}."
    if first.behind is None:
        return f"{name} was {_reason(first)}."
    if first.behind.certain:
        return f"{name} is {how_far(first.behind)}: the search has improved on it."
    return f"{name} is {how_far(first.behind)}: that the search has improved on it is not shown."


def _over_literature(best: Standing, literature: Measure) -> str:
    name = named(literature.trial)
    if literature.trial == best.trial:
        return f"The literature's {name} is ahead itself: the search found nothing that beats it."
    if literature.behind is None:
        return f"The literature's {name} was {_reason(literature)}."
    if literature.behind.certain:
        return f"The literature's {name}, after as many images, is {how_far(literature.behind)}."
    return f"The literature's {name} is not beaten: it is {how_far(literature.behind)}."


def _guidance(result: ConfirmationResult) -> str:
    """Return which guidance each configuration is judged with, and which the search had."""
    chosen = [(one.trial, *result.guidance[one.trial]) for one in result.standings if one.trial in result.guidance]
    named = listed([f"{name} {now:.3g} (in the search {before:.3g})" for name, before, now in chosen])
    return f"Guidance was chosen after training, by images of the search, for all that know classes alike: {named}."


def _reason(measure: Measure) -> str:
    """Return what is said of one that was not trained again, without its name."""
    return measure.left_out.partition(" was ")[2] or measure.left_out


def _kinds(found: Verdict) -> list[str]:
    """Return the order of the kinds, and of settings within the first kind, where there are several kinds."""
    if not found.kinds:
        return []
    (first, _), *others = found.kinds
    behind = [f"{kind}, {how_far(other.behind)}" for kind, other in others if other.behind is not None]
    sentences = [f"Kinds, the best of each: {'; then '.join([first, *behind])}."]
    if found.within is not None and found.within.behind is not None:
        told = "" if found.within.behind.certain else ", which chance may do"
        sentences.append(f"Within {first}, {found.within.trial} is {how_far(found.within.behind)}{told}.")
    return sentences


def _scope(run: Run, result: ConfirmationResult) -> str:
    one_model = run.settings().get("settings", {}).get("trained")
    spread = "the noise that samples start from, of one training" if one_model else "training seeds"
    return (
        f"This holds after {result.images_seen:,} images, over {spread}, for {len(result.standings)} of "
        f"{run.trials().num_rows} configurations; it says nothing of longer training or of other data."
    )
