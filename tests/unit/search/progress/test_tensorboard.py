"""What a TensorBoard server answers about a run, and what is left of it when its writer is killed."""

import contextlib
import html
import io
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from analysis.run.events import Start
from analysis.run.run import Run
from analysis.text.answer import Answer
from analysis.text.facts import Fact
from search.progress.tensorboard import SCALARS, TensorBoardWriter, rung_tag
from tests.helpers.event_files import Server
from tests.helpers.tools import until
from trainables.config import Flat
from trainables.report import Report

MASK: Flat = {"degradation/kind": "mask", "degradation/mask/count": 5, "training/lr": 0.002, "network/norm": True}
BLUR: Flat = {"degradation/kind": "blur", "degradation/blur/sigma": 1.5, "training/lr": 0.001, "network/norm": False}


def start(trial: str, variant: Flat, baseline: str = "") -> Start:
    return Start(trial, int(trial[:3]), seed=0, baseline=baseline, variant=variant)


def report(trial: str, rung: int, fmd: float, **more: object) -> Report:
    numbers = {"fmd": fmd, "fmd_normalised": fmd / 700, "loss": 0.5, "validation_loss": 0.6, "ssim": 0.7}
    values = {"trial": trial, "images_seen": 1000 * 2**rung, "rung": rung, "images_per_second": 800.0}
    return Report.from_dict({**values, **numbers, **more})


def draw(run: Run, trial: str, shade: int) -> None:
    Image.new("L", (56, 28), shade).save(run.picture(trial, "samples"))
    Image.new("L", (84, 14), shade).save(run.picture(trial, "degradation"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with a trial in each state, the first of them resumed by a second writer after the first was killed."""
    run = Run.create(tmp_path_factory.mktemp("runs"), "run")
    writer = TensorBoardWriter(run)
    writer.start(start("000-mask", MASK, "A4"))
    draw(run, "000-mask", 60)
    writer.report(report("000-mask", 0, 90.0))
    writer.start(start("001-blur", BLUR))
    writer.report(report("001-blur", 0, 80.0))
    writer.end("001-blur", "PRUNED")
    writer.start(start("002-blur", BLUR | {"degradation/blur/sigma": 3}))
    writer.report(report("002-blur", 0, 700.0, loss=float("inf"), diverged=True))
    writer.end("002-blur", "FAILED")
    writer.start(start("003-mask", MASK | {"degradation/mask/count": 7}))
    [file] = (run.tensorboard / "000-mask").iterdir()
    with file.open("ab") as events:
        events.write(b"half a record")
    resumed = TensorBoardWriter(run)
    resumed.start(start("000-mask", MASK, "A4"))
    draw(run, "000-mask", 200)
    resumed.report(report("000-mask", 1, 45.0))
    resumed.end("000-mask", "COMPLETE")
    facts = [Fact("FMD", "45.0", "of one training"), Fact("how sure", "not compared", "")]
    resumed.answer(Answer("000-mask", "lr=0.002", facts, []))
    return run


def trials(server: Server) -> dict[str, Any]:
    """The rows of HParams, by the name of their trial; each is one session."""
    groups = server.groups()
    assert all([session["name"] for session in group["sessions"]] == [group["name"]] for group in groups)
    return {group["name"].removeprefix("tensorboard/"): group for group in groups}


@pytest.fixture(scope="module")
def server(run: Run) -> Server:
    server = Server(run.path)
    until(lambda: sum(group["sessions"][0]["endTimeSecs"] > 0 for group in trials(server).values()) == 3)
    until(lambda: len(trials(server)) == 4)
    return server


def test_every_trial_is_there_with_its_state(server: Server) -> None:
    states = {name: group["sessions"][0].get("status", "STATUS_UNKNOWN") for name, group in trials(server).items()}
    done = {"000-mask": "STATUS_SUCCESS", "001-blur": "STATUS_SUCCESS", "002-blur": "STATUS_FAILURE"}
    assert states == done | {"003-mask": "STATUS_UNKNOWN"}  # the one that runs


def test_every_field_of_a_conditional_space_is_a_column_with_each_trials_value(server: Server) -> None:
    columns = {column["name"] for column in server.post("plugin/hparams/experiment", {})["hparamInfos"]}
    assert columns == {"baseline"} | MASK.keys() | BLUR.keys()
    rows = trials(server)
    assert rows["000-mask"]["hparams"] == MASK | {"baseline": "A4"}
    assert rows["001-blur"]["hparams"] == BLUR | {"baseline": "none"}
    assert rows["002-blur"]["hparams"] == BLUR | {"baseline": "none", "degradation/blur/sigma": 3}
    assert rows["003-mask"]["hparams"] == MASK | {"baseline": "none", "degradation/mask/count": 7}


def test_a_trials_metrics_are_those_of_its_last_report(server: Server) -> None:
    values = {
        name: {value["name"]["tag"]: value["value"] for value in group.get("metricValues", [])}
        for name, group in trials(server).items()
    }
    assert values["000-mask"]["fmd"] == 45.0
    assert values["000-mask"]["images_seen"] == 2000  # FMDs compare at equal budgets only
    assert values["001-blur"] == pytest.approx(
        {
            **{"fmd": 80.0, "fmd_normalised": 80 / 700, "loss": 0.5, "validation_loss": 0.6, "ssim": 0.7},
            **{"images_per_second": 800.0, "images_seen": 1000, rung_tag(1000, {}): 80.0},
        }
    )
    assert (values["000-mask"][rung_tag(1000, {})], values["000-mask"][rung_tag(2000, {})]) == (90.0, 45.0)
    assert "loss" not in values["002-blur"]
    assert values["003-mask"] == {}


@pytest.mark.parametrize(("tag", "values"), [("fmd", [90.0, 45.0]), ("images_per_second", [800.0, 800.0])])
def test_curves_are_over_images_seen_across_a_resume(server: Server, tag: str, values: list[float]) -> None:
    points = server.get("plugin/scalars/scalars", run="tensorboard/000-mask", tag=tag)
    assert [(step, value) for _, step, value in points] == [(1000, values[0]), (2000, values[1])]


@pytest.mark.parametrize(("tag", "size"), [("samples", (56, 28)), ("strip", (84, 14))])
def test_images_are_those_at_each_report(server: Server, tag: str, size: tuple[int, int]) -> None:
    answers = server.get("plugin/images/images", run="tensorboard/000-mask", tag=tag, sample="0")
    assert [answer["step"] for answer in answers] == [1000, 2000]
    for answer, shade in zip(answers, (60, 200), strict=True):
        query = dict(urllib.parse.parse_qsl(answer["query"]))
        image = Image.open(io.BytesIO(server.get("plugin/images/individualImage", **query)))
        assert (image.size, image.getpixel((0, 0))) == (size, shade)


@pytest.mark.parametrize(
    ("trial", "said"),
    [
        (
            "000-mask",
            ["RUNNING, baseline A4", "COMPLETE at 2,000 images, FMD 45"],
        ),  # its second start is not told again
        ("001-blur", ["RUNNING", "PRUNED at 1,000 images, FMD 80"]),
        ("002-blur", ["RUNNING", "FAILED at 1,000 images, FMD 700"]),
        ("003-mask", ["RUNNING"]),
    ],
)
def test_a_trials_state_and_its_baseline_are_said_in_words(server: Server, trial: str, said: list[str]) -> None:
    texts = server.get("plugin/text/text", run=f"tensorboard/{trial}", tag="state")
    assert [html.unescape(re.sub(r"<[^>]*>|\s+", " ", text["text"])).strip() for text in texts] == said


def test_the_answer_of_the_run_is_said_beside_its_best_trial(server: Server) -> None:
    (text,) = server.get("plugin/text/text", run="tensorboard/000-mask", tag="answer")
    said = " ".join(re.sub(r"<[^>]*>", " ", text["text"]).split())
    assert said == "best : 000-mask: lr=0.002 FMD : 45.0: of one training how sure : not compared"


def test_no_file_and_no_thread_stays_open_and_a_promoted_trial_continues_its_file(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "paused")
    writer = TensorBoardWriter(run)
    for rung in range(2):
        for trial in ("000", "001"):
            writer.start(start(trial, MASK))
            writer.report(report(trial, rung, 90.0))
    assert not [thread for thread in threading.enumerate() if type(thread).__module__.startswith("tensorboard.summary")]
    assert not [file for file in open_files() if file.startswith(str(run.path))]
    assert len(list((run.tensorboard / "000").iterdir())) == 1
    assert tags(run, "000").count("fmd") == 2


def open_files() -> list[str]:
    """The files that this process has open."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # that which listed them
            found.append(os.readlink(f"/proc/self/fd/{number}"))
    return found


def test_what_was_measured_on_the_way_to_a_report_comes_before_it(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "way")
    writer = TensorBoardWriter(run)
    between = {"between_at": (1600,), "between_fmd": (70.0,), "between_validation_loss": (float("nan"),)}
    writer.report(report("000", 1, 45.0, losses_at=(1500, 2000), losses=(0.3, 0.2), **between))
    points = [(step, tag) for step, tag in steps(run, "000") if step < 2000 or tag in ("training_loss", "fmd")]
    assert points == [(1500, "training_loss"), (1600, "fmd"), (2000, "training_loss"), (2000, "fmd")]


def test_a_trial_that_diverged_shows_no_stale_images(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "diverged")
    draw(run, "000", 60)
    writer = TensorBoardWriter(run)
    writer.start(start("000", MASK))
    writer.report(report("000", 0, 700.0, diverged=True))
    assert tags(run, "000") == ["_hparams_/session_start_info", "state", *SCALARS, rung_tag(1000, {})]


def tags(run: Run, trial: str) -> list[str]:
    """The tags in a trial's event files, in order."""
    return [tag for _, tag in steps(run, trial)]


def steps(run: Run, trial: str) -> list[tuple[int, str]]:
    """The steps and tags in a trial's event files, in order."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    files = sorted((run.tensorboard / trial).iterdir())
    events = [event for file in files for event in LegacyEventFileLoader(str(file)).Load()]
    return [(event.step, value.tag) for event in events for value in event.summary.value]


def test_a_killed_process_loses_nothing_that_it_wrote(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "killed")
    program = f"""
import os, signal
from analysis.run.events import Start
from analysis.run.run import Run
from search.progress.tensorboard import TensorBoardWriter
from trainables.report import Report
writer = TensorBoardWriter(Run.open({str(run.path)!r}))
writer.start(Start("000", 0, 0, "", {MASK!r}))
numbers = dict.fromkeys({SCALARS!r}, 0.5)
writer.report(Report.from_dict(dict(numbers, trial="000", images_seen=1000)))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    assert tags(run, "000") == ["_hparams_/session_start_info", "state", *SCALARS, rung_tag(1000, {})]


def test_a_plan_and_the_use_of_a_model_do_not_import_tensorboard() -> None:
    modules = "search.beginning, search.winner.evaluating, search.winner.generating, search.winner.replaying"
    program = f"import sys, {modules}; print(any(name.startswith('tensorboard') for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
