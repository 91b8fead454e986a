"""A report is one page that says what a run holds, breaks at nothing a run is called, and depends on nothing else."""

import base64
import io
import json
import math
import random
import re
import shlex
import shutil
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import plotly.graph_objects as go
import pytest
from PIL import Image

from analysis import report
from analysis.page import method
from analysis.page.context import ReportContext
from analysis.page.coordinates import LANE, coordinate
from analysis.page.influence import SHOWN
from analysis.page.report import page as report_page
from analysis.page.report import write_report
from analysis.run.events import from_json
from analysis.run.run import Event, Run
from analysis.run.storage import PICTURES
from analysis.statistics.ranking import rank, rank_run
from analysis.text.answer import answer as answer_of
from analysis.text.commands import Commands
from analysis.text.formats import csv
from analysis.text.words import fmd_text
from search.command_line import Command, parse, search_options
from search.machine import Machine
from search.settings import Settings
from search.winner.options import TrainOptions
from tests.helpers import fake_runs
from trainables.report import CHECKS

HOSTILE = (
    '</script><img src="x" onerror="alert(1)">',
    "<b>bold</b>",
    '" onmouseover="alert(1)',
    "%{x} $\\LaTeX$ & <!--",
)
MORPH: Event = {"degradation/kind": "morph", "training/lr": 0.002}


@dataclass
class Page(HTMLParser):
    """What a parser of HTML finds on a page: elements, texts by the id of the innermost table or section, scripts."""

    text: str
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    scripts: list[tuple[dict[str, str | None], str]] = field(default_factory=list)
    rows: dict[str, list[list[str]]] = field(default_factory=dict)
    words: str = ""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(self.text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self._open.append((tag, dict(attrs)))
        if tag == "tr":
            self._table().append([])
        elif tag in ("td", "th"):
            self._table()[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        tags = [tag for tag, _ in self._open]
        if tags and tags[-1] == "script":
            self.scripts.append((self._open[-1][1], data))
        elif "table" in tags and ("td" in tags or "th" in tags):
            self._table()[-1][-1] += data
        if tags and tags[-1] not in ("script", "style"):
            self.words += data

    def _table(self) -> list[list[str]]:
        name = next(attributes["id"] for tag, attributes in reversed(self._open) if tag == "table")
        return self.rows.setdefault(str(name), [])

    def figures(self) -> list[Event]:
        """Every figure of every plot."""
        data = [text for attributes, text in self.scripts if attributes.get("type") == "application/json"]
        return [figure for text in data for figure in json.loads(text)]

    def ids(self) -> list[str]:
        return [str(attributes["id"]) for _, attributes in self.elements if "id" in attributes]

    def pictures(self) -> list[str]:
        return [str(attributes["src"]) for tag, attributes in self.elements if tag == "img"]


def made(run: Run) -> Page:
    return Page(report_page(run))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return fake_runs.search(tmp_path)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A search without a confirmation, which no test changes."""
    return fake_runs.search(tmp_path_factory.mktemp("searched"))


@pytest.fixture(scope="module")
def page(searched: Run) -> Page:
    """The page of `searched`."""
    return made(searched)


@pytest.fixture(scope="module")
def confirmed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A search whose third comes first in its confirmation, which no test changes."""
    run = fake_runs.search(tmp_path_factory.mktemp("confirmed"))
    fake_runs.confirm(run, best_of(run)[::-1])
    return run


@pytest.fixture(scope="module")
def confirmed_page(confirmed: Run) -> Page:
    """The page of `confirmed`."""
    return made(confirmed)


def best_of(run: Run) -> list[str]:
    """The first three of a search."""
    return [str(row["trial"]) for row in ReportContext(run).ranked[:3]]


def hostile(root: Path, name: str) -> Run:
    run = Run.create(root, "hostile")
    run.write_settings(fake_runs.settings(name) | {"space": name, "classifier": name, "status": "done"})
    for number, lr in enumerate((0.001, 0.002, 0.003, 0.004, 0.005, 0.006)):
        variant = {"degradation/kind": name if number % 2 else "mask", "training/lr": lr, f"training/{name}": number}
        fake_runs.start(run, f"{number}-x", variant, baseline=name if number == 3 else "")
        fake_runs.report(run, f"{number}-x", 0, 50.0 + number)
        fake_runs.report(run, f"{number}-x", 1, 40.0 + number)
        fake_runs.end(run, f"{number}-x", "FAILED" if number == 4 else "PRUNED", error=name)
    return run


def test_a_page_is_whole_and_leads_only_to_itself(confirmed_page: Page) -> None:
    page = confirmed_page
    assert len(page.ids()) == len(set(page.ids()))
    for _, attributes in page.elements:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            target = attributes.get(name) or "#"
            assert target.startswith(("#", "data:")), target[:80]
            assert target == "#" or target.startswith("data:") or target[1:] in page.ids()
    assert {tag for tag, _ in page.elements}.isdisjoint({"link", "iframe", "object", "embed", "base"})
    styles = re.search(r"<style>(.*?)</style>", page.text, re.DOTALL)
    assert re.search(r"url\(|@import|https?:", styles[1]) is None
    policy = next(a["content"] for t, a in page.elements if t == "meta" and "http-equiv" in a)
    assert str(policy).startswith("default-src 'none';")


def test_the_ranking_has_every_trial_in_the_order_of_the_ranking(searched: Run, page: Page) -> None:
    ranking = rank(searched.trials(), 12.5)
    rows = page.rows["ranking-table"]
    assert [row[1] for row in rows[1:] if len(row) > 1] == ranking["trial"].to_pylist()
    titles = [int(row[0].removesuffix(" images").replace(",", "")) for row in rows if len(row) == 1]
    assert titles == sorted(set(ranking["images_seen"].to_pylist()), reverse=True)
    best = ranking.to_pylist()[0]
    assert f"{best['fmd_normalised']:.3f}" in page.words.split("What came out")[1][:400]


def test_the_first_at_equal_images_and_at_equal_seconds_stand_side_by_side(tmp_path: Path) -> None:
    run = fake_runs.begun(tmp_path, "speeds")
    for number, (fmds, seconds) in enumerate((((100.0, 60.0, 40.0), 10.0), ((90.0, 50.0, 36.0), 25.0))):
        fake_runs.add_trial(run, MORPH | {"training/lr": 0.001 * (1 + number)}, list(fmds), train_seconds=seconds)
    page = made(run)
    assert [row[:4] for row in page.rows["seconds-table"][1:]] == [["001", "1", "36.0", "2"], ["000", "2", "40.0", "1"]]
    assert page.rows["seconds-table"][1][4] == "≈77.1 ± 1.0"  # 90 (50 / 90)^(log(30 / 25) / log(50 / 25))
    # After 30 s the slow one has seen 1,000 images and a tenth of the next 2,000 in 25 s; 9,000 / 1,400 = 6.4.
    sentence = "001 is first at equal images, 000 at equal seconds, because 001 takes 6.4 times as long for an image."
    assert sentence in page.words


def test_the_best_with_labels_and_without_are_named_where_there_are_both(tmp_path: Path) -> None:
    run = fake_runs.begun(tmp_path, "labels")
    fake_runs.add_trial(run, MORPH, [30.0])
    assert "Trials marked -class" not in made(run).words
    fake_runs.add_trial(run, MORPH | {"network/conditioning": "class"}, [20.0])
    fake_runs.add_trial(run, MORPH | {"network/conditioning": "none"}, [40.0])
    words = made(run).words
    assert words.count("extra information: the best with it is 001, the best without it 000.") == 1


def test_a_copy_of_a_run_has_the_same_page_and_no_path_of_this_machine(run: Run, tmp_path: Path) -> None:
    fake_runs.confirm(run, best_of(run))
    copy = shutil.copytree(run.path, tmp_path / "elsewhere" / run.name)
    first = write_report(run).read_bytes()
    assert write_report(Run.open(copy)).read_bytes() == first
    assert report_page(run).encode() == first  # the report that lies there now changes nothing
    assert b"search/generate.py" not in first  # it keeps no model
    (run.confirmation / "checkpoints").mkdir(exist_ok=True)
    model = run.confirmation / "checkpoints" / f"{ReportContext(run).best[0]}.0.pt"
    model.touch()
    first = write_report(run).read_bytes()
    assert f"python search/generate.py runs/{run.name} --out samples.png".encode() in first
    assert f"python search/train.py runs/{run.name} --images 1080000".encode() in first
    assert str(tmp_path).encode() not in first
    assert b"/somewhere" not in first


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_wherever_they_come_from(tmp_path: Path, name: str) -> None:
    page = made(hostile(tmp_path / "hostile", name))
    tame = made(hostile(tmp_path / "tame", "tame"))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in tame.elements]
    names, tame_names = ([sorted(a.keys() - {"class"}) for _, a in found.elements] for found in (page, tame))
    assert names == tame_names  # a long text has a class
    assert sum(name in " ".join(row) for row in page.rows["ranking-table"]) >= 3
    assert len(page.figures()) == len(tame.figures())


def test_plotly_takes_every_figure_and_every_colour_has_a_value_in_both_schemes(confirmed_page: Page) -> None:
    page = confirmed_page
    figures = page.figures()
    assert len(figures) >= 8
    for figure in figures:
        go.Figure(figure["data"], figure["layout"])  # raises at a property or value that Plotly does not know
    used = set(re.findall(r"var\((--[\w-]+)\)", json.dumps(figures) + page.text))
    light, dark = (set(re.findall(r"(--[\w-]+):", part)) for part in page.text.split("prefers-color-scheme: dark", 1))
    assert used <= light & dark


def begun(run: Run) -> None:
    run.write_settings(fake_runs.settings("young") | {"status": "running"})
    fake_runs.start(run, "000-morph", MORPH)


def one(run: Run) -> None:
    begun(run)
    fake_runs.report(run, "000-morph", 0, 90.0)


def worse_than_blank(run: Run) -> None:
    begun(run)
    fake_runs.report(run, "000-morph", 0, 4000.0)
    fake_runs.report(run, "000-morph", 1, 2.0)  # better than the floor


def diverged(run: Run) -> None:
    begun(run)
    fake_runs.report(run, "000-morph", 0, 560.0, diverged=True)
    fake_runs.end(run, "000-morph", "PRUNED")


def crashed(run: Run) -> None:
    begun(run)
    fake_runs.end(run, "000-morph", "FAILED", error="Traceback\nRuntimeError: out of memory")
    run.append(from_json({"event": "end", "trial": "001-without-a-start", "state": "FAILED"}))


def baselines(run: Run) -> None:
    for number in range(8):
        fake_runs.start(run, f"{number}", MORPH | {"training/lr": 0.001 * number}, baseline=f"A{number}")
        fake_runs.report(run, f"{number}", 0, 50.0 + number)
        fake_runs.end(run, f"{number}", "COMPLETE")


def of_one_model(run: Run) -> None:
    saved = fake_runs.settings("young")
    saved["settings"] |= {"trained": ["/somewhere/else/runs/mine", "003-morph"], "rungs": [108_000]}
    run.write_settings(saved)
    for number in range(8):
        fake_runs.start(run, f"{number}", {"sampler/steps": 5 + number})
        fake_runs.report(run, f"{number}", 2, 50.0 + number, validation_loss=0.1, train_seconds=0.0, nfe=number)
        fake_runs.end(run, f"{number}", "COMPLETE")


STAGES = {
    "nothing": (lambda run: None, "No trial gave a result"),
    "begun": (begun, "No trial has a result yet; running: 1"),
    "one": (one, "at 12,000 images seen: there is no curve to draw"),
    "too few for a front": (one, "Fewer than two trials were measured at one number of images seen."),
    "worse than blank": (worse_than_blank, "36,000 images of 108,000"),
    "diverged": (diverged, "1 diverged"),
    "crashed": (crashed, "out of memory"),
    "baselines": (baselines, "No trial of the search itself has reported yet"),
    "of one model": (of_one_model, "search/run.py --config runs/young/search.json"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_at_any_stage_has_every_section_and_says_what_is_missing(tmp_path: Path, stage: str) -> None:
    build, told = STAGES[stage]
    run = Run.create(tmp_path, "young")
    build(run)
    page = made(run)
    assert told in page.words
    names = ["answer", "ranking", "pictures", "curves", "choices", "influence", "rungs", "costs", "losses", "pruned"]
    assert [name for name in page.ids() if name in [*names, "method"]] == [*names, "method"]
    for figure in page.figures():
        assert figure["data"]
        go.Figure(figure["data"], figure["layout"])
    trials = run.trials()["trial"].to_pylist()
    assert {row[1] for row in page.rows["ranking-table"][1:] if len(row) > 1} == set(trials)


def test_without_a_confirmation_the_best_is_said_to_be_one_training(page: Page) -> None:
    assert "one training of one seed" in page.words
    assert "search/run.py --resume degradations --time-budget" in page.words


def test_a_confirmation_is_the_answer(confirmed: Run, confirmed_page: Page) -> None:
    chosen, page = best_of(confirmed), confirmed_page
    found = fake_runs.result_of(confirmed)
    answer = page.words.split("What came out")[1].split("The search's ranking")[0]
    told = answer_of(confirmed)
    assert answer.index(chosen[2]) < min(answer.index(name) for name in chosen[:2])
    assert "one training of one seed" not in answer
    assert all(fact.value in answer and fact.words in answer for fact in told.facts)
    assert all(fact.text in answer for fact in told.details)
    assert f"95 % interval {fmd_text(found.standings[0].low)} to {fmd_text(found.standings[0].high)}" in answer
    assert [row[0] for row in page.rows["confirmed-table"][1:]] == chosen[::-1]
    dots = [trace["x"] for trace in page.figures()[0]["data"] if len(trace["x"]) == 3]
    measured = [[(fmd - 12.5) / 547.5 for fmd in standing.fmds] for standing in found.standings]
    assert [sorted(xs) for xs in dots] == [pytest.approx(sorted(xs)) for xs in measured]


def test_what_fmd_does_not_tell_stands_below_the_confirmed_and_the_searchs_number_beside_them(run: Run) -> None:
    chosen = best_of(run)
    nested, page = fake_runs.confirm(run, chosen), made(run)
    head, *rows = page.rows["checks-table"]
    assert [row[0] for row in rows] == [*chosen, "real images"]
    assert [row[head.index("unreadable")] for row in rows] == ["3.1 %", "6.2 %", "9.3 %", "1.1 %"]
    assert [row[head.index("copied")] for row in rows] == ["0 %"] * 4
    assert "3.1 % unreadable" in page.words
    assert "the classifier is not sure of their label (real images: 1.1 %)" in page.words
    head, *rows = page.rows["confirmed-table"]
    searched = {row["trial"]: f"{row['fmd_normalised']:.3f}" for row in run.trials().to_pylist()}
    assert [row[head.index("in search")] for row in rows] == [searched[name] for name in chosen]
    nested.write_settings({**nested.settings(), "real": {}})
    (nested.path / "log.jsonl").write_text(
        "".join(
            json.dumps({name: value for name, value in json.loads(line).items() if name not in CHECKS}) + "\n"
            for line in (nested.path / "log.jsonl").read_text().splitlines()
        )
    )
    older = made(Run.open(run.path))
    assert "confirmed-table" in older.rows
    assert "checks-table" not in older.rows
    assert "unreadable" not in older.words


def test_a_confirmation_without_a_sound_training_leaves_the_search_the_answer(run: Run) -> None:
    best = best_of(run)[0]
    nested = fake_runs.confirm(run, [])
    fake_runs.start(nested, f"{best}.0", {}, repeats=best)
    fake_runs.report(nested, f"{best}.0", 2, 560.0, diverged=True)
    page = made(run)
    assert "one training of one seed" in page.words
    assert "diverged or failed with one of its fresh seeds" in page.words
    assert "confirmed" not in page.ids()


def test_pictures_and_labels_of_a_confirmed_trial_are_those_of_its_first_fresh_seed_beside_real_images(
    run: Run,
) -> None:
    best, second, other = best_of(run)
    nested = fake_runs.confirm(run, [best, second])
    for name in (f"{best}.0", f"{best}.1"):
        fake_runs.draw(nested, name)
    run.write(run.real_images, run.picture(other, "degradation").read_bytes())
    shown = [base64.b64decode(source.split(",", 1)[1]) for source in made(run).pictures()]
    fresh = nested.picture(f"{best}.0", "samples").read_bytes()
    assert shown[:2] == [fresh, run.real_images.read_bytes()]
    assert fresh in shown[2:]  # in the section of samples, too
    assert run.picture(best, "samples").read_bytes() not in shown
    assert nested.picture(f"{best}.1", "samples").read_bytes() not in shown
    assert run.picture(second, "samples").read_bytes() in shown  # its confirmation drew none
    assert "normalised FMD of one training with a fresh seed at 108,000 images" in made(run).words


def test_the_best_so_far_is_the_lowest_report_until_then(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "progress")
    for number, (fmd, minute) in enumerate(((90.0, 3), (95.0, 1), (80.0, 5), (1.0, 4))):
        fake_runs.start(run, f"{number}", MORPH)
        fake_runs.report(run, f"{number}", 0, fmd, diverged=fmd == 1.0, time=1e9 + 60 * minute)
    (figure,) = plots(made(run))["so-far-plot"]
    best, every = figure["data"]
    assert (best["x"], best["y"]) == ([1, 3, 5], [95, 90, 80])
    assert every["y"] == [95, 90, 80]


def test_words_that_the_first_screen_uses_are_explained(page: Page) -> None:
    glossary = page.words.split("What the words mean")[1].split("The search's ranking")[0]
    assert all(word in glossary for word in ("FMD", "normalised", "left the race", "prior", "rung", "seed", "cold1"))


def test_a_pruned_trial_has_its_place_then_and_in_the_end(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "places")
    run.write_settings(fake_runs.settings("places", scheduler="asha-stopping"))
    for name in "abcd":
        fake_runs.start(run, name, MORPH)
    for name, fmd in (("a", 90.0), ("b", 95.0), ("c", 70.0), ("d", 60.0)):
        fake_runs.report(run, name, 0, fmd)
    fake_runs.report(run, "a", 1, 60.0)
    fake_runs.report(run, "d", 1, 50.0)
    for name in "abcd":
        fake_runs.end(run, name, "PRUNED")
    rows = {row[0]: row[1:] for row in made(run).rows["pruned-table"][1:]}
    # b came second and was then last of two; c was the better of three, but only one of three goes on: it had time.
    assert rows["b"] == ["12,000", "95.0", "2 of 2", "4 of 4", "2 of 4", "behind others"]
    assert rows["c"] == ["12,000", "70.0", "1 of 3", "2 of 4", "2 of 4", "no time left"]
    assert rows["a"] == ["36,000", "60.0", "1 of 1", "2 of 2", "0 of 2", "no time left"]
    assert rows["d"] == ["36,000", "50.0", "1 of 2", "1 of 2", "0 of 2", "no time left"]


def test_pictures_are_those_of_the_run_and_large_ones_are_made_smaller(run: Run) -> None:
    best = ReportContext(run).best
    pictures = [base64.b64decode(source.split(",", 1)[1]) for source in made(run).pictures()]
    files = [run.picture(name, kind).read_bytes() for name in best[:4] for kind in fake_runs.DRAWN]
    assert pictures == [files[0], *files]
    fake_runs.draw(run, best[0], size=700, mode="RGB")
    source = made(run).pictures()[0]
    assert source.startswith("data:image/jpeg;base64,")
    with Image.open(io.BytesIO(base64.b64decode(source.split(",", 1)[1]))) as image:
        assert 320 <= image.width <= 640
    assert len(source) < run.picture(best[0], "samples").stat().st_size / 8


def test_pictures_of_rungs_and_restorations_stand_below_the_samples(run: Run) -> None:
    best = ReportContext(run).best[0]
    for path, shade in ((run.picture(best, "rungs"), 10), (run.picture(best, "restorations"), 20)):
        Image.new("L", (20, 10), shade).save(path)
    pictures = [source.split(",", 1)[1] for source in made(run).pictures()]
    files = [run.picture(best, kind) for kind in PICTURES]
    assert pictures[1:5] == [base64.b64encode(path.read_bytes()).decode() for path in files]


def plots(page: Page) -> dict[str, list[Event]]:
    """The figures of each plot, by its id."""
    texts = {a["id"]: text for a, text in page.scripts if a.get("type") == "application/json"}
    return {str(name).removesuffix("-figures"): json.loads(text) for name, text in texts.items()}


def test_curves_show_what_was_measured_between_rungs_and_losses_of_the_best(tmp_path: Path) -> None:
    run = fake_runs.begun(tmp_path, "curves", metric=fake_runs.CARD | {"floor_sd": 0.5})
    assert "losses-curves-plot" not in plots(made(run))
    fake_runs.start(run, "a", MORPH)
    fake_runs.report(run, "a", 0, 90.0, losses_at=(6000, 12000), losses=(0.5, 0.4), train_seconds=10.0)
    between = {"between_at": (24000,), "between_fmd": (70.0,), "between_validation_loss": (0.3,)}
    fake_runs.report(run, "a", 1, 60.0, losses_at=(24000, 36000), losses=(0.3, 0.2), train_seconds=20.0, **between)
    fake_runs.end(run, "a", "PRUNED")
    drawn = plots(made(run))
    images, seconds = drawn["curves-plot"]
    assert [figure["label"] for figure in (images, seconds)] == ["over images", "over seconds"]
    assert [figure["data"][0]["x"] for figure in (images, seconds)] == [[12000, 24000, 36000], [10, 20, 30]]
    assert images["data"][0]["y"] == [90, 70, 60]
    (band,) = (shape for shape in images["layout"]["shapes"] if shape["type"] == "rect")
    assert (band["y0"], band["y1"]) == (11.5, 13.5)
    training, held_out = drawn["losses-curves-plot"][0]["data"]
    assert (training["x"], training["y"]) == ([6000, 12000, 24000, 36000], [0.5, 0.4, 0.3, 0.2])
    assert held_out["x"] == [12000, 24000, 36000]


def test_labels_and_schedules_are_those_of_the_best(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "labels")
    for name, kind in (("a", "cosine"), ("b", "linear"), ("c", "unheard of")):
        fake_runs.start(run, name, {"schedule/kind": kind, f"schedule/{kind}/T": 500})
        fake_runs.report(run, name, 0, 90.0, labels=(30, 10, 0))
        fake_runs.end(run, name, "PRUNED")
    drawn = plots(made(run))
    assert [trace["y"] for trace in drawn["labels-plot"][0]["data"]] == [[0.75, 0.25, 0]] * 3
    assert [figure["label"] for figure in drawn["schedules-plot"]] == ["alpha_bar", "beta", "log-SNR"]
    for figure in drawn["schedules-plot"]:
        assert [trace["x"][-1] for trace in figure["data"]] == [1, 1]
        assert [len(trace["x"]) for trace in figure["data"]] == [168, 168]  # every third of 500 steps, and the last


def test_a_picture_that_leads_out_of_the_run_or_is_none_is_left_out_and_said(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, third, *_ = ReportContext(run).best
    outside = tmp_path / "secret.png"
    Image.new("L", (9, 9)).save(outside)
    inside = run.samples / "moved.png"
    run.picture(second, "samples").rename(inside)
    for name, target in ((first, outside), (second, inside)):
        run.picture(name, "samples").unlink(missing_ok=True)
        run.picture(name, "samples").symlink_to(target)
    half = run.picture(third, "degradation").read_bytes()[:300]
    run.picture(third, "degradation").write_bytes(half)
    shown = {base64.b64decode(source.split(",", 1)[1]) for source in made(run).pictures()}
    assert inside.read_bytes() in shown
    assert not {outside.read_bytes(), half} & shown
    said = {record.getMessage() for record in caplog.records}
    assert f"{run.picture(first, 'samples')} leads out of the run, and is left out" in said
    assert any(line.startswith(f"{run.picture(third, 'degradation')} is no picture (") for line in said)


def test_the_full_precision_csv_is_the_ranking(searched: Run, page: Page) -> None:
    links = {a.get("download"): str(a["href"]) for tag, a in page.elements if tag == "a"}
    assert base64.b64decode(links["ranking.csv"].split(",", 1)[1]).decode() == csv(rank_run(searched))
    tex = base64.b64decode(links["ranking-table.tex"].split(",", 1)[1]).decode()
    assert all(name in tex for name in searched.trials()["trial"].to_pylist())


def repetition(run: Run) -> list[str]:
    """The words of the command that repeats a run, as its page has it."""
    return shlex.split(method.search_command(ReportContext(run), Commands.anywhere(run)))


def test_the_command_of_the_page_asks_for_the_same_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = fake_runs.search(tmp_path / "runs", trials=1)
    changed = {
        "only": ["C1", "C2"],
        "exact": True,
        "warm_start": ["/elsewhere/runs/a"],
        "tune_guidance": True,
        "confirm_by": ["network/kind"],
        "report_every": 5_000,
        "dataset": "/elsewhere/my images",
        "log_to": ["mlflow"],
    }
    saved = Settings.resolve({"trials": 7}, "degradations", "", Machine(cpus=2, gpus=0)).saved() | changed
    run.update_settings(settings=saved)
    words = repetition(run)
    assert words[:2] == ["python", "search/run.py"]
    given = parse(words[2:])
    assert (given.pop("storage_path"), given.pop("repeats")) == ("runs", str(run.path))
    assert given.pop("config") == "runs/degradations/search.json"
    assert "name" not in given  # the new run has a name of its own
    lists = {name for name, value in given.items() if isinstance(value, tuple)}
    assert {name: list(value) if name in lists else value for name, value in given.items()} == {
        name: saved[name] for name in given
    }
    declared = {name for name in search_options() if saved.get(name) not in (None, [], {})}
    assert declared - given.keys() == {"name", "storage_path"}


def test_the_command_of_a_longer_training_has_its_changes_and_a_name_of_its_own(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "longer")
    origin = {"run": "mine", "trial": "003-a.0", "anew": True}
    begun = {"origin": origin, "changes": {"training.lr_decay": "cosine"}, "every": 50_000}
    run.write_settings(fake_runs.settings("longer") | begun)
    fake_runs.add_trial(run, MORPH, [90.0])
    python, script, *words = repetition(run)
    assert (python, script) == ("python", "search/train.py")
    given: list[TrainOptions] = []
    take = Command("search/train.py", TrainOptions, "", "", lambda options: given.append(options) or 0)
    assert take(words) == 0
    (options,) = given
    assert (options.run, options.trial, options.images, options.every) == ("runs/mine", "003-a.0", 108_000, 50_000)
    assert (options.anew, options.fixed, options.name) == (True, {"training.lr_decay": "cosine"}, "longer-again")


def test_a_name_that_a_shell_would_read_is_quoted_in_every_command(searched: Run, tmp_path: Path) -> None:
    copy = shutil.copytree(searched.path, tmp_path / "my runs; echo")
    words = made(Run.open(copy)).words
    assert words.count("my runs; echo") > 3
    assert words.count("runs/my runs; echo") == words.count("'runs/my runs; echo")
    assert "python analysis/rank.py 'runs/my runs; echo' --at seconds" in words


def test_no_cell_of_a_column_of_numbers_is_sorted_as_a_text(tmp_path: Path) -> None:
    """One trial has no place at equal seconds, another no number of the search at the images of the confirmation."""
    run = fake_runs.begun(tmp_path, "gaps")
    for number, (rungs, seconds) in enumerate(((3, 10.0), (3, 25.0), (3, 90.0), (1, 5.0))):
        fmds = [100.0 - number, 60.0 - number, 40.0 - number][:rungs]
        fake_runs.add_trial(run, MORPH | {"training/lr": 0.001 * (1 + number)}, fmds, train_seconds=seconds)
    fake_runs.confirm(run, ["000", "003"])
    page = made(run)
    cells = [attributes for tag, attributes in page.elements if tag == "td" and attributes.get("class") == "number"]
    assert len(cells) > 30
    for attributes in cells:
        if (key := attributes.get("data-key")) is not None:
            assert key == "" or math.isfinite(float(key))
    dashes = re.findall(r'<td class="number"([^>]*)>-</td>', page.text)
    assert set(dashes) == {' data-key=""', ' data-key="0.0"'}  # that of the best is how far it is behind itself


def test_a_trial_that_asha_would_have_promoted_lacked_time(tmp_path: Path) -> None:
    """Four trials pause at a rung of which one in three goes on: the best lacked time, the others were behind."""
    run = fake_runs.begun(tmp_path, "promotion", starting_point=False)
    for name, fmd in (("a", 90.0), ("b", 60.0), ("c", 80.0), ("d", 70.0)):
        fake_runs.start(run, name, MORPH)
        fake_runs.report(run, name, 0, fmd)
        fake_runs.end(run, name, "PAUSED")
    fake_runs.start(run, "a", MORPH)  # promoted, and cut off by the time
    for name in "abcd":
        fake_runs.end(run, name, "PRUNED")
    why = {row[0]: row[-1] for row in made(run).rows["pruned-table"][1:]}
    assert why == {"a": "no time left", "b": "no time left", "c": "behind others", "d": "behind others"}


def test_a_field_of_more_choices_than_the_plot_has_room_for_is_drawn_and_others_are_said_to_be_left_out(
    tmp_path: Path, page: Page
) -> None:
    run = Run.create(tmp_path, "many")
    for number in range(3 * (SHOWN + 2)):
        variant: Event = {"degradation/kind": f"kind{number // 3}", "schedule/kind": "ab"[number % 2]}
        fake_runs.add_trial(run, variant, [50.0 + number])
    full = made(run)
    (figure,) = plots(full)["effects-plot"]
    drawn = figure["layout"]["yaxis"]["ticktext"]
    assert drawn[0] == "<b>degradation/kind</b>"
    assert len(drawn) == 1 + SHOWN + 2
    assert len(full.rows["effects-table"]) == 1 + SHOWN + 2 + 2
    assert "Fields that do not fit are in the table only." in full.words
    assert "in the table only" not in page.words


@pytest.mark.parametrize("seed", range(20))
def test_an_axis_keeps_the_order_of_numbers_and_the_options_of_words_apart(seed: int) -> None:
    rng = random.Random(seed)
    numbers = [rng.choice([None, 10 ** rng.uniform(-5, 5)]) for _ in range(rng.randint(8, 40))]
    axis = coordinate("training/lr", [1.0, 2.0, *numbers])
    given = [(value, place) for value, place in zip([1.0, 2.0, *numbers], axis.places, strict=True) if value]
    assert [place for _, place in sorted(given)] == sorted(place for _, place in given)
    assert all(0 <= place <= 1 for _, place in given)
    words = [rng.choice([None, "a", "b", "c"]) for _ in range(40)]
    axis = coordinate("schedule/kind", words)
    spans = {w: [p for v, p in zip(words, axis.places, strict=True) if v == w] for w in ("a", "b", "c", None)}
    ends = sorted((min(places), max(places)) for places in spans.values() if places)
    assert all(upper[0] > lower[1] for lower, upper in pairwise(ends))
    assert set(spans[None]) <= {LANE}


def test_the_command_line_writes_the_page_and_says_where(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main([str(run.path)]) == 0
    assert capsys.readouterr().out == f"{run.report}\n"
    assert run.report.read_text() == report_page(run)
