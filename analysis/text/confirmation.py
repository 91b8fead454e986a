"""Write the tables of a confirmation as text."""

from collections.abc import Mapping, Sequence

from analysis.run.run import Run
from analysis.statistics.confirmed import ConfirmationResult, Standing
from analysis.statistics.measures import searched
from analysis.statistics.ranking import MetricCard
from analysis.text.behind import behind_text
from analysis.text.checks import check_rows, shown
from analysis.text.formats import Block, Sheet
from analysis.text.opinions import opinion_rows, opinion_titles
from analysis.text.words import chance, fmd_form, fmd_text, interval_text, number, percent

COLUMNS = (
    *("trial", "FMD", "95 % interval", "behind", "seeds", "P(best)", "norm.", "in search"),
    *("configuration", "remarks"),
)
TEXTS = ("trial", "configuration", "remarks")
DROPS = ("remarks", "configuration", "P(best)", "95 % interval", "in search", "norm.")
LEGEND = (
    "behind: how much higher its FMD is than that of the first row, with a 95 % interval, from seeds that both have. "
    "norm.: 0 is real images, 1 black images. in search: the same, as the search reported it of one training."
)
CHECKS_TITLE = "What FMD does not tell: shares of the samples that the confirm images judge, and of as many real images"
OPINIONS_TITLE = "The same samples by the features of other networks: Frechet distances to the confirm images"
CHECKS_DROPS = ("memorised", "repeated", "labels off")


def confirmation_blocks(run: Run, result: ConfirmationResult, words: Mapping[str, str]) -> list[Block]:
    """Return the standings of a confirmation; `words` describe the trials' configurations."""
    before, words = searched(run, result.images_seen), as_judged(words, result)
    title = "Again with fresh seeds, judged by the confirm images, which the search did not see"
    blocks: list[Block] = [_heading(title, result.metric), standings_sheet(result.standings, words, before)]
    if result.test_standings:
        title = "The same models on the test images"
        blocks += [_heading(title, result.test_metric), standings_sheet(result.test_standings, words, before)]
    return [*blocks, LEGEND, *opinion_blocks(result), *checks_blocks(result)]


def as_judged(words: Mapping[str, str], result: ConfirmationResult) -> dict[str, str]:
    """Return the words of configurations, with the guidance that was chosen after training where it is another."""
    other = {name: chosen for name, (own, chosen) in result.guidance.items() if chosen != own}
    judged = {name: f"{words.get(name, '')}, judged with guidance={other[name]:g}" for name in other}
    return {**words, **{name: text.removeprefix(", ") for name, text in judged.items()}}


def opinion_blocks(result: ConfirmationResult) -> list[Block]:
    """Return a table of the distances by the features of other networks; nothing for a run without them."""
    if not result.opinions:
        return []
    rows = [[name, *map(fmd_text, values)] for name, values in opinion_rows(result)]
    return [OPINIONS_TITLE, Sheet(["trial", "FMD", *opinion_titles(result)], ["trial"], [("", rows)], drops=())]


def checks_blocks(result: ConfirmationResult) -> list[Block]:
    """Return a table of what was measured of the samples beside their FMD; nothing for a run without that."""
    checks = shown(result)
    if not checks:
        return []
    rows = [[name, *(percent(values.get(check.name)) for check in checks)] for name, values in check_rows(result)]
    legend = " ".join(f"{check.title}: {check.brief}." for check in checks)
    sheet = Sheet(["trial", *(check.title for check in checks)], ["trial"], [("", rows)], drops=CHECKS_DROPS)
    return [CHECKS_TITLE, sheet, legend]


def _heading(title: str, card: MetricCard) -> str:
    return f"{title}: FMD {card['version']}, floor {fmd_text(card['floor'])}, blank {fmd_text(card['blank'])}"


def standings_sheet(standings: Sequence[Standing], words: Mapping[str, str], before: Mapping[str, float]) -> Sheet:
    """Return the standings of a confirmation, the best first, as a table.

    By trial `words` describe the configuration, and `before` has the normalised FMD that the search reported.
    """
    rows = [
        [
            standing.trial,
            *standing_texts(standing, standings_form(standings)),
            number(before.get(standing.trial)),
            words.get(standing.trial, ""),
            standing_remarks(standing),
        ]
        for standing in standings
    ]
    return Sheet(COLUMNS, TEXTS, [("", rows)], drops=DROPS)


def standings_form(standings: Sequence[Standing]) -> str:
    """Return the format of the FMDs of standings, of which there is at least one."""
    return fmd_form(min(standing.fmd for standing in standings))


def standing_texts(standing: Standing, form: str) -> list[str]:
    """Return FMD, interval, behind, seeds, P(best) and norm. of a standing; `form` is the format of the FMDs."""
    return [
        f"{standing.fmd:{form}}",
        interval_text(standing.low, standing.high, form),
        behind_text(standing.behind),
        str(len(standing.fmds)),
        chance(standing.p_best),
        f"{standing.normalised:.3f}",
    ]


def standing_remarks(standing: Standing) -> str:
    """Return the name of a baseline, and whether it may be the best or left the race."""
    remarks = []
    if standing.tied:
        remarks.append("may be the best")
    if standing.dropped:
        remarks.append("left the race")
    return f"{standing.baseline} {', '.join(remarks)}".strip()
