"""A search's progress as text: the view that fills a terminal, and the line that sums up where there is none."""

from rich.console import Group, JustifyMethod
from rich.table import Table
from rich.text import Text

from analysis.text.words import counted, fmd_text
from search.progress.budget import as_clock
from search.progress.state import Progress
from trainables.report import Report

SHOWN_BEST = 8
SHOWN_RUNGS = 6


def view(progress: Progress, picture: str, width: int, height: int) -> Group:
    """Return what a terminal of `width` by `height` characters shows; `picture` is the best trial's, or ""."""
    clock = f"{as_clock(progress.budget.elapsed())} of {as_clock(progress.budget.limit)}"
    head = [f"{progress.settings.name}  {clock}, {_left(progress)}", _trials(progress), _pace(progress)]
    path = f"samples of the best  {picture}" if picture else ""
    foot = [path[begin : begin + width] for begin in range(0, len(path), width)]
    rungs = _rungs(progress)
    # Beside these: a blank line and a heading for each table, a line for what has no room, one for the cursor.
    names, hidden = _names(progress, height - len(head) - rungs.row_count - len(foot) - 6)
    if hidden:
        foot.insert(0, f"and {hidden} more that run")
    return Group(*map(_line, head), "", rungs, "", _table(progress, names), *map(_line, foot))


def summary(progress: Progress) -> str:
    """Return one line: the trials by state, how far the oldest that runs is, the best, the pace, the time left."""
    best = []
    for name in progress.ranked()[:1]:
        report = progress.reports[name]
        best.append(f"best {name} {measured(report)} at {report.images_seen:,} images")
    parts = (_trials(progress), _oldest(progress), *best, _pace(progress), _left(progress))
    return "; ".join(part for part in parts if part)


def measured(report: Report) -> str:
    """Return a report's FMD, and normalised."""
    return f"FMD {fmd_text(report.fmd)} ({report.fmd_normalised:.3f})"


def _names(progress: Progress, room: int) -> tuple[list[str], int]:
    """Return the best trials and those that run, as far as there is room, and how many of the latter are left out.

    Those that run get up to half of the lines.
    """
    running = [name for name, state in progress.states.items() if state == "RUNNING"]
    best = progress.ranked()[: min(SHOWN_BEST, max(1, room - min(len(running), room // 2)))]
    rest = [name for name in running if name not in best]
    shown = rest[: max(0, room - len(best))]
    return [*best, *shown], len(rest) - len(shown)


def _rungs(progress: Progress) -> Table:
    table = _columns(("images", "right"), ("reached", "right"), ("continued", "right"), ("best there", "left"))
    for rung in progress.rungs[-SHOWN_RUNGS:]:
        name = rung.best
        best = f"{measured(rung.reached[name])}  {name}" if name else ""
        table.add_row(f"{rung.images:,}", str(len(rung.reached)), str(len(rung.continued)), _line(best))
    return table


def _table(progress: Progress, names: list[str]) -> Table:
    table = _columns(
        ("images", "right"), ("FMD ± s.e.", "right"), ("norm.", "right"), ("state", "left"), ("trial", "left")
    )
    for name in names:
        state = progress.states[name].lower() if name in progress.states else "interrupted"
        if state == "running" and (seen := progress.images_seen(name)):
            state += f" {100 * seen / progress.next_rung(name):.0f} %"
        table.add_row(*_cells(progress.reports.get(name)), state, _line(name))
    return table


def _left(progress: Progress) -> str:
    seconds, estimated = progress.seconds_left()
    return f"{'about' if estimated else 'at most'} {as_clock(seconds)} left"


def _trials(progress: Progress) -> str:
    counts = [f"{count} {state.lower()}" for state, count in progress.counts().items()]
    if progress.diverged():
        counts.append(f"{progress.diverged()} of them diverged")
    return f"{len(progress.states)} of {progress.settings.trials} trials: {', '.join(counts) or 'none yet'}"


def _oldest(progress: Progress) -> str:
    """Return how far the running trial is that was the first to begin; nothing where that is not known."""
    for name, state in progress.states.items():
        if state == "RUNNING" and (seen := progress.images_seen(name)):
            return f"{name} at {seen:,} of {progress.next_rung(name):,} images"
    return ""


def _pace(progress: Progress) -> str:
    rate, overhead = progress.images_per_second(), progress.overhead()
    parts = [f"{rate:,.0f} images/s on {counted(progress.settings.slots, 'slot')}"] if rate else []
    parts += [f"overhead {100 * overhead:.1f} %"] if overhead is not None else []
    return ", ".join(parts)


def _columns(*columns: tuple[str, JustifyMethod]) -> Table:
    """Return a table whose last column is cut where the line is too narrow."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, justify in columns:
        table.add_column(name, justify=justify, no_wrap=name != columns[-1][0])
    return table


def _line(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis")


def _cells(report: Report | None) -> tuple[str, str, str]:
    if report is None:
        return "", "", ""
    return f"{report.images_seen:,}", fmd_text(report.fmd, report.fmd_se), f"{report.fmd_normalised:.3f}"
