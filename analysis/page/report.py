"""Make the report page of a run: one HTML file that needs no network.

The page depends on nothing but the run, so that a copy of a run has the same page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis.page.answer import answer
from analysis.page.choices import choices
from analysis.page.confirmed import confirmed
from analysis.page.context import ReportContext
from analysis.page.costs import costs, losses, rungs
from analysis.page.curves import curves
from analysis.page.influence import influence
from analysis.page.method import method
from analysis.page.pictures import pictures
from analysis.page.pruned import pruned
from analysis.page.ranking import ranking
from analysis.run.run import Run

Values = dict[str, object]


@dataclass(frozen=True)
class Section:
    """A section of the page: the name of its template and id, its title in the contents, and what fills the template.

    `make` returns None where a run has nothing for the section, which is then left out.
    """

    name: str
    title: str
    make: Callable[[ReportContext], Values | None]


SECTIONS = (
    Section("answer", "", answer),
    Section("confirmed", "Confirmed", confirmed),
    Section("ranking", "Ranking", ranking),
    Section("pictures", "Samples", pictures),
    Section("curves", "Curves", curves),
    Section("choices", "Choices", choices),
    Section("influence", "Influence", influence),
    Section("rungs", "Rungs", rungs),
    Section("costs", "Cost", costs),
    Section("losses", "Loss", losses),
    Section("pruned", "Pruned", pruned),
    Section("method", "Method", method),
)
STATUS = {"running": "This search was going on when the page was made.", "interrupted": "This search was interrupted."}


def page(run: Run) -> str:
    """Return a run's report as HTML."""
    from plotly.offline import get_plotlyjs  # 0.4 s

    context = ReportContext.of(run)
    environment = _environment()
    sections = []
    for section in SECTIONS:
        values = section.make(context)
        if values is not None:
            content = environment.get_template(f"{section.name}.html").render(values)
            sections.append((section, Markup(content)))
    leads = (context.settings.get("space"), STATUS.get(context.settings.get("status", "")))
    return environment.get_template("page.html").render(
        name=run.name,
        leads=[text for text in leads if text],
        sections=sections,
        style=_own_file("page.css"),
        scripts=[Markup(get_plotlyjs()), _own_file("page.js")],
    )


def write_report(run: Run) -> Path:
    """Write the run's report.html and return its path."""
    run.write(run.report, page(run).encode())
    return run.report


def _environment() -> Environment:
    """Return the templates; every value is escaped unless this package made it as `Markup`."""
    environment = Environment(
        loader=PackageLoader("analysis.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment


def _own_file(name: str) -> Markup:
    return Markup((files("analysis.page") / "templates" / name).read_text())
