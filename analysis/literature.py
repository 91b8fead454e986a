"""The literature beside what was measured here: `python analysis/literature.py RUN ... [--format table|markdown]`.

Each row of the literature that the runs trained, at the largest number of images seen that all of them reached, with
what its authors report; then the best that the runs found at the same number. The authors' numbers are of other
measures and other budgets: FID by other networks, losses of other scales.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # Python put this folder first on the path, where `statistics` hides the standard library's.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from rich.console import Console
from rich.table import Table

from analysis.rank import metric, usual
from analysis.run.run import Run, RunError
from analysis.text.arguments import Parser
from analysis.text.show import configurations
from spaces.baselines import BASELINES

Row = dict[str, Any]
COLUMNS = ("row", "setting", "FMD ± s.e.", "norm.", "SSIM", "held-out loss", "reported")
SHOWN_BEST = 3


def compare(runs: Sequence[Run]) -> tuple[int, list[Row], list[Row]]:
    """Return the images seen, and the reports there of the literature's rows in their order and of the best others.

    Raises:
        RunError: the runs measure by different metrics, trained no row of the literature, or none has reported.
    """
    versions = {metric(run)["version"]: run.name for run in runs if metric(run)}
    if len(versions) > 1:
        given = ", ".join(f"{name} by {version}" for version, name in versions.items())
        raise RunError(f"different metrics do not compare: {given}; give runs of one version")
    reports = [report for run in runs for report in _reports(run)]
    images = _compared_at([report for report in reports if report["baseline"]])
    rows = [report for report in reports if report["images_seen"] == images]
    order = list(BASELINES)
    literature = sorted((row for row in rows if row["baseline"]), key=lambda row: order.index(row["baseline"]))
    others = sorted((row for row in rows if not row["baseline"]), key=lambda row: (row["diverged"], row["fmd"]))
    return images, literature, others[:SHOWN_BEST]


def _reports(run: Run) -> list[Row]:
    """Return a run's reports, each with its trial's baseline and its configuration in a few words."""
    trials = run.trials()
    words = configurations(trials, usual(trials))
    baseline = {row["trial"]: row["baseline"] for row in trials.select(["trial", "baseline"]).to_pylist()}
    return [
        row | {"baseline": baseline[row["trial"]], "words": words[row["trial"]]} for row in run.curves().to_pylist()
    ]


def _compared_at(reports: Sequence[Row]) -> int:
    """Return the largest number of images seen at which every one of the trials that report has reported."""
    seen: dict[str, set[int]] = {}
    for report in reports:
        seen.setdefault(report["baseline"], set()).add(report["images_seen"])
    if not seen or not (common := set.intersection(*seen.values())):
        raise RunError("no row of the literature has reported; run --space literature, which trains them all")
    return max(common)


def cells(runs: Sequence[Run]) -> tuple[str, list[list[str]]]:
    """Return a heading and the comparison as text, a list of one text for each of `COLUMNS` a row."""
    images, literature, best = compare(runs)
    card = metric(runs[0])
    lines = []
    for row in literature:
        entry = BASELINES[row["baseline"]]
        lines.append([entry.name, entry.source, *_measured(row), entry.reported])
    lines += [["found", f"**{row['trial']}** {row['words']}", *_measured(row), ""] for row in best]
    return f"{images:,} images seen, FMD {card['version']}, floor {card['floor']:.4g}, blank {card['blank']:.4g}", lines


def _measured(row: Row) -> list[str]:
    if row["diverged"]:
        return ["diverged", "-", "-", "-"]
    return [
        f"{row['fmd']:.1f} ± {row['fmd_se']:.1f}",
        f"{row['fmd_normalised']:.3f}",
        f"{row['ssim']:.3f}",
        f"{row['validation_loss']:.4f}",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 2 for a usage error."""
    parser = Parser(prog="literature.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="the folder of a run of --space literature, and of others to find the best in",
    )
    parser.add_argument("--format", choices=("table", "markdown"), default="table")
    given = parser.parse_args(arguments)
    try:
        heading, lines = cells([Run.open(run) for run in given.runs])
    except RunError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    if given.format == "markdown":
        rule = ["---", "---", "---:", "---:", "---:", "---:", "---"]
        print(heading, "", *(f"| {' | '.join(line)} |" for line in [list(COLUMNS), rule, *lines]), sep="\n")
        return 0
    table = Table(*COLUMNS, box=None, padding=(0, 2, 0, 0), header_style="dim")
    for line in lines:
        table.add_row(*(text.replace("**", "") for text in line))
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(heading, "", markup=False, highlight=False, sep="\n")
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
