"""What can go wrong with a trial, its process, its checkpoint or its disk, in whole searches with the real Ray."""

import json
import math
import random
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from analysis.run.events import Event
from analysis.run.run import Run
from analysis.run.tables import CURVES
from tests.helpers.disks import Disk
from tests.helpers.searches import (
    BUDGET,
    SCRIPT,
    SPACE,
    TRIALS,
    Searches,
    check_run,
    count_reports,
    reports,
    wait_for,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

# A search whose trials also write what they report to a file that the product does not know.
WITNESSED = """
import json, os, sys
from dataclasses import asdict
from search import run
from search.execution import worker

FILE = os.path.abspath("witness.jsonl")
train, reports = worker.run_trial, worker.Trial.reports


def told(self):
    for report in reports(self):
        line = json.dumps(asdict(report)) + "\\n"
        file = os.open(FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, line.encode())
        os.close(file)
        yield report


def witnessed(config, work, data):
    worker.Trial.reports = told
    train(config, work, data)


worker.run_trial = witnessed
sys.exit(run.main())
"""
RESTARTS = 10


def wait_until_reported(process: subprocess.Popen[str], folder: Path, count: int) -> None:
    """Wait until a search has so many reports; before the first, until there is something to resume."""

    def there(events: list[Event]) -> bool:
        return (folder / "search.json").exists() and count_reports(events) >= count

    wait_for(process, folder, there)


def test_killed_ten_times_a_search_has_every_report_once_and_no_other(searches: Searches) -> None:
    rng = random.Random(10)
    (searches.folder / "witnessed.py").write_text(WITNESSED)
    begin = ["--space", "tiny.py", "--name", "a", *BUDGET, "--trials", "1000"]  # more than it can have before the last
    folder, reported = searches.folder / "runs" / "a", 0
    for _ in range(RESTARTS):
        process = searches.start("witnessed.py", *(["--resume", "a"] if (folder / "search.json").exists() else begin))
        wait_until_reported(process, folder, reported + rng.randrange(3))  # no more than before: as it begins
        time.sleep(rng.uniform(0, 2))
        searches.kill()
        process.communicate()
        reported = count_reports(Run.open(folder).events())
    assert reported > RESTARTS / 2
    trials = Run.open(folder).trials().num_rows + 3
    ended = searches.run("witnessed.py", "--resume", "a", "--trials", str(trials))
    assert ended.returncode == 0, ended.stderr
    run = Run.open(folder)
    check_run(run, trials)
    said: dict[tuple[str, int], dict[str, Any]] = {}
    for line in (searches.folder / "witness.jsonl").read_text().splitlines():
        report = json.loads(line)
        assert said.setdefault((report["trial"], report["images_seen"]), report) == report
    rows = {(row["trial"], row["images_seen"]): row for row in run.curves().to_pylist()}
    told = [name for name in CURVES.names if name not in ("number", "time")]
    assert {key: {name: row[name] for name in told} for key, row in rows.items()} == {
        key: {name: report[name] for name in told} for key, report in said.items()
    }
    assert len(rows) == run.curves().num_rows


# Each happens once to the trial of one learning rate, or at every try.
TROUBLED = """
import os, pickle, signal, sys, time
from pathlib import Path
from search import run
from search.execution import pulse, worker
from trainables.diffusion import process as diffusion

pulse.LATER = 5.0
HERE, train, reports, losses = Path.cwd(), worker.run_trial, worker.Trial.reports, diffusion.LOSSES


class Malicious:
    def __reduce__(self):
        return os.mkdir, (str(HERE / "executed"),)


def once(what):
    file = HERE / what
    return not file.exists() and not file.write_text("")


def die(self, checkpoint):
    self.storage.save_checkpoint(self.name, checkpoint)
    os.kill(os.getpid(), signal.SIGKILL)


def told(self):
    lr = self.variant.training.lr
    for report in reports(self):
        yield report
        if lr == 0.0011 and once("hangs"):
            time.sleep(10_000)
        if lr == 0.0016 and once("stopped"):
            os.kill(os.getpid(), signal.SIGSTOP)  # with the thread that would end it
        if lr == 0.0012 and once("damaged"):
            die(self, b"PK of a checkpoint")
        if lr == 0.0013 and once("malicious"):
            die(self, pickle.dumps(Malicious(), protocol=2))
        if lr == 0.0014:
            os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does when there is no memory left
        if lr == 0.0015:
            raise MemoryError("no room for 8 GiB")


def ruined(loss):
    return lambda *of: float("nan") * loss(*of)


def troubled(config, work, data):
    worker.Trial.reports = told
    lr = config["variant"]["training/lr"]
    if lr == 0.0018:
        raise RuntimeError("out of luck")
    diffusion.LOSSES = {name: ruined(loss) if lr == 0.0017 else loss for name, loss in losses.items()}
    train(config, work, data)


worker.run_trial = troubled
sys.exit(run.main())
"""


def test_a_trial_that_hangs_is_damaged_or_has_no_memory_is_tried_again_and_the_search_goes_on(
    searches: Searches,
) -> None:
    """And one that diverges is not tried again."""
    (searches.folder / "troubled.py").write_text(TROUBLED)
    rates = (0.002, 0.0011, 0.0016, 0.0012, 0.0013, 0.0014, 0.0015, 0.0018, 0.0017)
    starts = ", ".join(f'{{"training/lr": {lr}, "training/target": "x0"}}' for lr in rates)
    (searches.folder / "tiny.py").write_text(SPACE.replace("STARTS = (", f"STARTS = ({starts}, "))
    arguments = ["--space", "tiny.py", "--name", "a", "--scheduler", "none", *BUDGET, "--trials", "9"]
    limits = ["--hang-limit", "45", "--time-budget", "2000"]
    ended = searches.run("troubled.py", *arguments, *limits, COLUMNS="1000")  # no line is wrapped
    assert ended.returncode == 0, ended.stderr
    run = Run.open(searches.folder / "runs" / "a")
    study = check_run(run, 9)
    rows = {row["training/lr"]: row for row in run.trials().to_pylist()}
    assert {lr: row["state"] for lr, row in rows.items()} == {
        **dict.fromkeys(rates[:5], "COMPLETE"),
        **dict.fromkeys(rates[5:8], "FAILED"),
        0.0017: "PRUNED",
    }
    diverged = rows[0.0017]
    assert (diverged["diverged"], diverged["fmd_normalised"]) == (True, 1.0)
    assert study.trials[diverged["number"]].value == diverged["fmd"]
    assert math.isfinite(diverged["fmd"])
    assert rows[0.0018]["fmd"] is None
    assert not (searches.folder / "executed").exists()
    said = {lr: [line for line in ended.stdout.splitlines() if rows[lr]["trial"] in line] for lr in rates}
    tried = {lr: [line for line in lines if "failed and is tried again" in line] for lr, lines in said.items()}
    # One that is damaged dies first, and what it left is found at the next try.
    assert [len(tried[lr]) for lr in rates] == [0, 1, 1, 2, 2, 2, 2, 2, 0]
    assert "its process showed no sign of life, and was ended" in tried[0.0016][0]
    assert "its process died" in tried[0.0011][0]
    assert "it did not report for" in tried[0.0011][0]
    assert all("is damaged" in tried[lr][1] and "it begins anew" in tried[lr][1] for lr in (0.0012, 0.0013))
    errors = {name: end.error for name, end in run.ends().items() if end.state == "FAILED"}
    assert "died" in errors[rows[0.0014]["trial"]]
    assert "no room for 8 GiB" in errors[rows[0.0015]["trial"]]
    assert "out of luck" in errors[rows[0.0018]["trial"]]


def test_on_a_full_disk_a_search_ends_with_a_line_and_goes_on_when_there_is_room(searches: Searches) -> None:
    disk = Disk(searches.folder / "disk", "1200k")  # room for the first trials
    try:
        begin = ["--space", "tiny.py", "--name", "a", "--storage-path", "disk", *BUDGET]
        ended = searches.run(str(SCRIPT), *begin)
        assert ended.returncode == 2, ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr + ended.stdout
        line = r"search/run.py: cannot write to .*, No space left on device: see to it, then --resume the run"
        assert re.fullmatch(line, ended.stderr.strip().splitlines()[-1]), ended.stderr
        before = reports(Run.open(disk.path / "a"))
        assert before
        disk.grow("64m")
        resumed = searches.run(str(SCRIPT), "--resume", "a", "--storage-path", "disk")
        assert resumed.returncode == 0, resumed.stderr
        run = Run.open(disk.path / "a")
        check_run(run, TRIALS)
        assert before.items() <= reports(run).items()
    finally:
        searches.kill()
        disk.remove()
