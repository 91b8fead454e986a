"""Writes a run's report page: `python analysis/report.py RUN`.

`report.html` in the run's folder is one file that needs no network: the answer, the rankings, samples, plots, what was
stopped, and how to do it again. It depends on nothing but the run, so that a copy of a run has the same report.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

if __name__ == "__main__":
    # Python put this folder first on the path, where `statistics` hides the standard library's.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from analysis.page.answer import answer, heading
from analysis.page.choices import choices
from analysis.page.context import ReportContext
from analysis.page.costs import costs, losses, rungs
from analysis.page.curves import curves
from analysis.page.influence import influence
from analysis.page.markup import Markup, tag
from analysis.page.method import method
from analysis.page.pictures import pictures
from analysis.page.ranking import confirmed, ranking
from analysis.page.stopped import stopped
from analysis.run.run import Run
from analysis.text.arguments import Parser

# Nothing may be loaded, wherever the page is opened; Plotly draws with inline styles and makes its downloads as blobs.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
SECTIONS = (
    *((None, answer), ("Confirmed", confirmed), ("Ranking", ranking), ("Samples", pictures), ("Curves", curves)),
    *(("Choices", choices), ("Influence", influence), ("Rungs", rungs), ("Cost", costs), ("Loss", losses)),
    *(("Stopped", stopped), ("Method", method)),
)


def page(run: Run) -> str:
    """Return a run's report as HTML."""
    context = ReportContext.of(run)
    made = [(title, make.__name__, make(context)) for title, make in SECTIONS]
    contents = [tag("a", title, href=f"#{name}") for title, name, part in made if title and part]
    from plotly.offline import get_plotlyjs

    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", run.name),
        tag("style", _file("page.css")),
    )
    main = tag("main", tag("header", heading(context), tag("nav", *contents)), *(part for *_, part in made))
    scripts = [tag("script", Markup(get_plotlyjs())), tag("script", _file("page.js"))]
    noscript = tag("noscript", tag("p", "The plots and the sorting of tables need JavaScript.", class_="note"))
    return f"<!doctype html>\n{tag('html', head, tag('body', noscript, main, *scripts), lang='en')}\n"


def write_report(run: Run) -> Path:
    """Write the run's report.html and return its path."""
    run.write(run.report, page(run).encode())
    return run.report


def _file(name: str) -> Markup:
    return Markup((files("analysis.page") / name).read_text())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 2 for a usage error."""
    parser = Parser(prog="report.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "run", metavar="RUN", help="the run's folder, such as runs/degradations; it may still be going on"
    )
    given = parser.parse_args(arguments)
    return parser.carry_out(lambda: print(write_report(Run.open(given.run))))


if __name__ == "__main__":
    sys.exit(main())
