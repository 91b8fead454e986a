"""Make the report page of a run: one HTML file that needs no network.

The page depends on nothing but the run, so that a copy of a run has the same page.
"""

import base64
import gzip
from collections.abc import Callable
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis.page.answer import answer
from analysis.page.choices import choices
from analysis.page.confirmed import confirmed
from analysis.page.context import ReportContext
from analysis.page.costs import costs, losses, rungs
from analysis.page.curves import curves
from analysis.page.elements import latex_link
from analysis.page.equal_seconds import equal_seconds
from analysis.page.influence import influence
from analysis.page.method import method
from analysis.page.pictures import pictures
from analysis.page.pruned import pruned
from analysis.page.ranking import ranking
from analysis.page.schedules import schedules
from analysis.run.run import Run
from analysis.text.words import duration, fmd_text, number

# By the name of its template, which is also its id: a section's title in the contents, and the function that returns
# what fills the template, or None where a run has nothing for the section.
SECTIONS: dict[str, tuple[str, Callable[[ReportContext], dict[str, object] | None]]] = {
    "answer": ("", answer),
    "confirmed": ("Confirmed", confirmed),
    "ranking": ("Ranking", ranking),
    "seconds": ("Seconds", equal_seconds),
    "pictures": ("Samples", pictures),
    "curves": ("Curves", curves),
    "schedules": ("Schedules", schedules),
    "choices": ("Choices", choices),
    "influence": ("Influence", influence),
    "rungs": ("Rungs", rungs),
    "costs": ("Cost", costs),
    "losses": ("Loss", losses),
    "pruned": ("Pruned", pruned),
    "method": ("Method", method),
}


# Those that compare trials, of which a longer training has one.
COMPARING = ("choices", "influence", "rungs", "costs", "losses", "pruned")


def page(run: Run) -> str:
    """Return a run's report as HTML."""
    context = ReportContext(run)
    environment = _environment()
    work = "training" if "origin" in context.settings else "search"
    shown = {name: section for name, section in SECTIONS.items() if work == "search" or name not in COMPARING}
    sections = []
    for name, (title, make) in shown.items():
        values = make(context)
        if values is not None:
            content = environment.get_template(f"{name}.html").render(values, work=work)
            sections.append((name, title, Markup(content)))
    return environment.get_template("page.html").render(
        name=run.name,
        space=context.settings.get("space"),
        status=context.settings.get("status"),
        work=work,
        sections=sections,
        plotly=_plotly(),
    )


def write_report(run: Run) -> Path:
    """Write the run's report.html and return its path."""
    run.write(run.report, page(run).encode())
    return run.report


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs  # 0.4 s

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()


@cache
def _environment() -> Environment:
    """Return the templates; every value is escaped unless this package made it as `Markup`."""
    environment = Environment(
        loader=PackageLoader("analysis.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "duration": duration, "fmd_text": fmd_text, "latex_link": latex_link}
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment
