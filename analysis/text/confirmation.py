"""Say in words what a confirmation shows, and what it does not show."""

from collections.abc import Mapping, Sequence

from analysis.run.run import Run
from analysis.statistics.confirmed import ConfirmationResult, Standing
from analysis.statistics.ranking import MetricCard
from analysis.text.formats import Block, Sheet
from analysis.text.words import listed

COLUMNS = ("trial", "FMD", "norm.", "95 % interval", "seeds", "P(best)", "configuration", "remarks")
TEXTS = ("trial", "configuration", "remarks")


def confirmation_blocks(run: Run, result: ConfirmationResult, words: Mapping[str, str]) -> list[Block]:
    """Return the standings of a confirmation and its conclusions; `words` describe the trials' configurations."""
    title = "Again with fresh seeds, judged by images that the search did not see"
    blocks: list[Block] = [_heading(title, result.metric), standings_sheet(result.standings, words)]
    if result.test_standings:
        title = "The same models on the test images"
        blocks += [_heading(title, result.test_metric), standings_sheet(result.test_standings, words)]
    return [*blocks, "\n".join(conclusions(run, result))]


def _heading(title: str, card: MetricCard) -> str:
    by = f"by the {card['split']} images, FMD {card['version']}"
    return f"{title}, {by}, floor {card['floor']:.4g}, blank {card['blank']:.4g}"


def standings_sheet(standings: Sequence[Standing], words: Mapping[str, str]) -> Sheet:
    """Return the standings of a confirmation as a table; `words` describe the trials' configurations."""
    rows = [
        [
            standing.trial,
            f"{standing.fmd:.4g}",
            f"{standing.normalised:.3f}",
            f"{standing.normalised_low:.3f} to {standing.normalised_high:.3f}",
            str(len(standing.fmds)),
            f"{100 * standing.p_best:.0f} %",
            words.get(standing.trial, ""),
            _remarks(standing),
        ]
        for standing in standings
    ]
    return Sheet(COLUMNS, TEXTS, [("", rows)])


def _remarks(standing: Standing) -> str:
    remarks = []
    if standing.tied:
        remarks.append("may be the best")
    if standing.dropped:
        remarks.append("left the race")
    return f"{standing.baseline} {', '.join(remarks)}".strip()


def conclusions(run: Run, result: ConfirmationResult) -> list[str]:
    """Return, as sentences, what may be concluded from a run's confirmation and what not."""
    sentences = []
    if result.standings:
        best, *others = result.standings
        if not result.finished:
            sentences.append("The confirmation is not over: what follows may change.")
        sentences.append(_best_of(result.standings))
        baseline = next((other for other in others if other.baseline), None)
        if baseline is not None:
            sentences.append(_against_literature(best, baseline))
        sentences.append(_scope(run, result))
    if result.cut:
        sentences.append("The time budget ended the race: with a larger --time-budget it goes on to more trainings.")
    excluded = [f"{name} diverged or failed with one of its fresh seeds, and is out." for name in result.excluded]
    return [*sentences, *excluded, *(f"{line}." for line in result.left_out)]


def _best_of(standings: Sequence[Standing]) -> str:
    best, tied = standings[0], [standing for standing in standings[1:] if standing.tied]
    count = len(best.fmds)
    seeds = "1 fresh seed" if count == 1 else f"{count} fresh seeds"
    if len(standings) == 1:
        return f"{best.trial} was taken again with {seeds}; nothing was there to compare it with."
    if not tied:
        return (
            f"{best.trial} is the best of those that were taken again: with {seeds}, each of the others is worse with "
            f"95 % certainty; its chance of being the best is {100 * best.p_best:.0f} %."
        )
    names = listed([standing.trial for standing in tied], most=len(tied))
    furthest = max(standing.fmd for standing in tied) / best.fmd - 1
    return (
        f"{best.trial} is ahead, but cannot be told from {names}: with {seeds}, their means differ by up to "
        f"{100 * furthest:.1f} %, which chance may do. Choose among them by cost, or give more --seeds."
    )


def _against_literature(best: Standing, baseline: Standing) -> str:
    if baseline.tied:
        return f"The literature's {baseline.baseline} is not beaten: it cannot be told from {best.trial}."
    return (
        f"{baseline.baseline}, which the search ranked best of the literature's, comes after as many images to an FMD "
        f"of {baseline.fmd:.4g} (normalised {baseline.normalised:.3f}), {baseline.fmd / best.fmd:.1f} times that of "
        f"{best.trial}, {best.fmd:.4g} ({best.normalised:.3f})."
    )


def _scope(run: Run, result: ConfirmationResult) -> str:
    one_model = run.settings().get("settings", {}).get("trained")
    spread = "the noise that samples start from, of one training" if one_model else "training seeds"
    return (
        f"This holds after {result.images_seen:,} images seen, over {spread}, for the {len(result.standings)} of "
        f"{run.trials().num_rows} configurations that were taken again; it says nothing of longer training, of other "
        "data, or of configurations that were stopped early or never tried."
    )
