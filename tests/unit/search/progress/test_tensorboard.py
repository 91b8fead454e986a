"""What a TensorBoard server answers about a run, and what is left of it when its writer is killed."""

import contextlib
import html
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from analysis.run.events import Start
from analysis.run.run import Run
from analysis.text.answer import Answer
from search.progress.tensorboard import SCALARS, TensorBoardWriter
from trainables.config import Flat
from trainables.report import Report

MASK: Flat = {"degradation/kind": "mask", "degradation/mask/count": 5, "training/lr": 0.002, "network/norm": True}
BLUR: Flat = {"degradation/kind": "blur", "degradation/blur/sigma": 1.5, "training/lr": 0.001, "network/norm": False}
DEADLINE = 90  # seconds; a server answers within a few on an idle machine


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
    resumed.answer(Answer("000-mask", "lr=0.002", "FMD 45", ["There was nothing to compare it with."]))
    return run


class Server:
    """A TensorBoard server of its own on this machine."""

    def __init__(self, folder: Path) -> None:
        from tensorboard import program

        server = program.TensorBoard()
        arguments = ["--logdir", str(folder), "--host", "127.0.0.1", "--port", "0", "--reload_interval", "1"]
        server.configure(argv=["tensorboard", *arguments])
        self.url = server.launch() + "data/"

    def get(self, path: str, **query: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(query)}", timeout=DEADLINE) as answer:
            data = answer.read()
        return json.loads(data) if answer.headers.get_content_type() == "application/json" else data

    def post(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            return json.loads(answer.read())

    def trials(self) -> dict[str, Any]:
        statuses = [f"STATUS_{name}" for name in ("UNKNOWN", "SUCCESS", "FAILURE", "RUNNING")]
        body = {"startIndex": 0, "sliceSize": 100, "allowedStatuses": statuses, "colParams": []}
        groups = self.post("plugin/hparams/session_groups", body).get("sessionGroups", [])
        return {group["name"]: group for group in groups}


def until(ready: Callable[[], bool]) -> None:
    """Ask again and again until the answer is yes; fail after the deadline."""
    last = time.monotonic() + DEADLINE
    while not ready():
        assert time.monotonic() < last, "the server never answered what was expected"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def server(run: Run) -> Server:
    server = Server(run.path)
    until(lambda: sum(group["sessions"][0]["endTimeSecs"] > 0 for group in server.trials().values()) == 3)
    until(lambda: len(server.trials()) == 4)
    return server


def test_every_trial_is_there_with_its_state(server: Server) -> None:
    states = {name: group["sessions"][0].get("status", "STATUS_UNKNOWN") for name, group in server.trials().items()}
    done = {"000-mask": "STATUS_SUCCESS", "001-blur": "STATUS_SUCCESS", "002-blur": "STATUS_FAILURE"}
    assert states == done | {"003-mask": "STATUS_UNKNOWN"}  # the one that runs


def test_every_field_of_a_conditional_space_is_a_column_with_each_trials_value(server: Server) -> None:
    columns = {column["name"] for column in server.post("plugin/hparams/experiment", {})["hparamInfos"]}
    assert columns == {"baseline"} | MASK.keys() | BLUR.keys()
    trials = server.trials()
    assert trials["000-mask"]["hparams"] == MASK | {"baseline": "A4"}
    assert trials["001-blur"]["hparams"] == BLUR | {"baseline": "none"}
    assert trials["002-blur"]["hparams"] == BLUR | {"baseline": "none", "degradation/blur/sigma": 3}
    assert trials["003-mask"]["hparams"] == MASK | {"baseline": "none", "degradation/mask/count": 7}


def test_a_trials_metrics_are_those_of_its_last_report(server: Server) -> None:
    values = {
        name: {value["name"]["tag"]: value["value"] for value in group.get("metricValues", [])}
        for name, group in server.trials().items()
    }
    assert values["000-mask"]["fmd"] == 45.0
    assert values["000-mask"]["images_seen"] == 2000  # FMDs compare at equal budgets only
    assert values["001-blur"] == pytest.approx(
        {
            **{"fmd": 80.0, "fmd_normalised": 80 / 700, "loss": 0.5, "validation_loss": 0.6, "ssim": 0.7},
            **{"images_per_second": 800.0, "images_seen": 1000},
        }
    )
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
    assert said == "Best: 000-mask lr=0.002 FMD 45 There was nothing to compare it with."


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
    assert tags(run, "000") == ["_hparams_/session_start_info", "state", *SCALARS]


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
    assert tags(run, "000") == ["_hparams_/session_start_info", "state", *SCALARS]


def test_tensorboard_is_imported_only_when_something_is_written() -> None:
    program = (
        "import sys, search.progress.tensorboard; print(any(name.startswith('tensorboard') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
