"""Say what a confirmation shows, fact by fact: what is best, over what, how surely, and for what that holds."""

from collections.abc import Sequence

from analysis.run.run import Run
from analysis.statistics.confirmed import ConfirmationResult, Standing
from analysis.statistics.kinds import Kinds, named
from analysis.statistics.measures import Measure, Measures, searched
from analysis.text.behind import amount, how_far, interval_of
from analysis.text.facts import Fact
from analysis.text.words import chance, counted, fmd_form, interval_text, listed

SCALE = "0 is as good as real images, 1 as bad as black images"


def certainty(standings: Sequence[Standing]) -> Fact:
    """Return how sure it is that the first of some configurations is the best."""
    best, *others = standings
    if not others:
        seeds = counted(len(best.fmds), "fresh seed")
        return Fact("how sure", "not compared", f"trained again with {seeds}; there was nothing to compare it with")
    value, said = chance(best.p_best), "chance of being the best"
    rivals = [standing for standing in others if standing.tied]
    if not rivals:
        again = f"of the {len(standings)} that were trained again; each of the others is worse by more than chance"
        return Fact("how sure", value, f"{said} {again}")
    names = listed([rival.trial for rival in rivals], most=3)
    nearest = rivals[0]
    assert nearest.behind is not None  # only the best has none
    which = "which" if len(rivals) == 1 else f"of which {nearest.trial}"
    far = f"{which} is {how_far(nearest.behind)}, over {counted(nearest.behind.seeds, 'shared seed')}"
    return Fact("how sure", value, f"{said}; it cannot be told from {names}, {far}")


def confirmed_fmd(best: Standing) -> Fact:
    """Return the confirmed FMD of the best, and what it means."""
    form, count = fmd_form(best.fmd), len(best.fmds)
    trainings = "one training with a fresh seed" if count == 1 else f"{count} trainings with fresh seeds"
    interval = f"95 % interval {interval_text(best.low, best.high, form)} over {trainings}"
    return Fact("FMD", f"{best.fmd:{form}}", f"{interval}; normalised {best.normalised:.3f} ({SCALE})")


def leads(found: Measures, best: str) -> list[Fact]:
    """Return how far the best is ahead of the first starting point, of the plain default and of the literature."""
    facts = []
    if found.first:
        better = ("the search has improved on it", "that the search has improved on it is not shown")
        also = ", which is also the plain default" if found.first == found.default else ""
        facts.append(_lead("first starting point", found.first, best, f"{found.first.trial}{also}", better))
    if found.default and found.default != found.first:
        better = ("the best improves on it", "that the best improves on it is not shown")
        facts.append(_lead("plain default", found.default, best, found.default.trial, better))
    if found.literature:
        better = ("after as many images", "it is not beaten")
        facts.append(_lead("literature", found.literature, best, named(found.literature.trial), better))
    return facts


def _lead(term: str, measure: Measure, best: str, name: str, better: tuple[str, str]) -> Fact:
    """Return how far one is behind the best; `better` is said where it certainly is, and where it may not be."""
    if measure.trial == best:
        return Fact(term, "the best itself", f"{name}; the search found nothing that beats it")
    if measure.searched is not None:
        images, own, other = measure.searched
        compared = f"normalised FMD of {name} and of the best, of one training each after {images:,} images"
        return Fact(term, f"{own:.3f} against {other:.3f}", compared)
    if measure.behind is None:
        reason = measure.left_out.partition(" was not trained again: ")[2] or measure.left_out
        return Fact(term, "not trained again", f"{name}, {reason}")
    said = better[0] if measure.behind.certain else better[1]
    return Fact(term, amount(measure.behind), f"{name}, {interval_of(measure.behind)}; {said}")


def scope(run: Run, result: ConfirmationResult) -> Fact:
    """Return what the result of a confirmation holds for."""
    one_model = run.settings().get("settings", {}).get("trained")
    spread = "the noise that samples start from, of one training" if one_model else "training seeds"
    configurations = f"{len(result.standings)} of {counted(run.trials().num_rows, 'configuration')}"
    images = f"{result.images_seen:,} images seen"
    return Fact("holds for", images, f"among {configurations}, over {spread}; not for longer training or other data")


def cautions(result: ConfirmationResult, told: set[str]) -> list[Fact]:
    """Return what is missing of a confirmation; `told` are the trials of which another fact says it."""
    facts = []
    if result.standings and not result.finished:
        facts.append(Fact("so far", "not over", "the confirmation goes on, and what is said here may change"))
    if result.cut:
        more = "with a larger --time-budget the race goes on to more trainings"
        facts.append(Fact("cut short", "by the time budget", more))
    facts += [Fact("out", name, "diverged or failed with one of its fresh seeds") for name in result.excluded]
    return facts + [Fact("left out", "", line) for name, line in result.left_out.items() if name not in told]


def measured(run: Run, result: ConfirmationResult) -> Fact:
    """Return how the best was measured, and what the search had said of it."""
    best, n = result.standings[0], result.metric["n"]
    before = searched(run, result.images_seen).get(best.trial)
    judged = "of each training, by real images that the search did not see"
    in_search = f"; the search had said {before:.3f}, normalised, of one training" if before is not None else ""
    return Fact("measured", f"{n:,} samples", f"{judged}{in_search}")


def guidance(result: ConfirmationResult) -> list[Fact]:
    """Return which guidance each configuration is judged with, and which the search had, where it was chosen."""
    chosen = [(one.trial, *result.guidance[one.trial]) for one in result.standings if one.trial in result.guidance]
    if not chosen:
        return []
    values = listed([f"{name} {now:.3g} (in the search {before:.3g})" for name, before, now in chosen])
    said = f"by images of the search, for all that know classes alike, {values}"
    return [Fact("guidance", "chosen after training", said)]


def kinds(run: Run, standings: Sequence[Standing]) -> list[Fact]:
    """Return the order of the kinds, and of settings within the kind of the best, where there are several kinds."""
    compared, drawn = Kinds.of_run(run), [standing for standing in standings if not standing.baseline]
    of_each = compared.first_of_each(drawn)
    if len(of_each) < 2:
        return []
    behind = [f"{compared.of(one.trial)}, {how_far(one.behind)}" for one in of_each[1:] if one.behind is not None]
    facts = [Fact("kinds", compared.of(of_each[0].trial), f"by the best of each; then {'; then '.join(behind)}")]
    first = compared.of(standings[0].trial)
    second = next((one for one in drawn[1:] if one.behind and compared.of(one.trial) == first), None)
    if second is not None and second.behind is not None:
        told = "" if second.behind.certain else ", which chance may do"
        facts.append(Fact("within the first", second.trial, f"is {how_far(second.behind)}{told}"))
    return facts
