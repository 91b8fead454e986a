"""What a search shows while it runs: its numbers, the view that fits a terminal, the lines where there is none."""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from rich.console import Console

from analysis.run.events import End, Start
from analysis.run.run import Run
from analysis.run.storage import Disk
from search.history import History
from search.machine import Machine
from search.progress import budget as budget_module
from search.progress import terminal as terminal_module
from search.progress.budget import Budget
from search.progress.notes import Notes
from search.progress.state import Progress
from search.progress.terminal import REFRESH_SECONDS, SUMMARY_SECONDS, Display
from search.progress.view import summary, view
from search.schedulers import ASHA, Decision
from search.settings import Settings
from tests.helpers.tools import Clock
from trainables.report import Report

RUNGS = (100, 300, 900)
SECONDS = {"train_seconds": 4.0, "sample_seconds": 2.0, "score_seconds": 1.0, "setup_seconds": 0.5}
LIMIT = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(budget_module, "time", clock)
    monkeypatch.setattr(terminal_module, "time", clock)
    return clock


def make_settings(trials: int = 7, slots: int = 2) -> Settings:
    given = {"name": "run", "trials": trials, "max_images": 900, "grace_images": 100, "storage_path": "runs"}
    return Settings.resolve(given, "widths", "", Machine(slots, 0))


def make_budget() -> Budget:
    """The budget of a command that begins now."""
    return Budget(LIMIT, began=Clock.now)


def make_display(quiet: bool = False, terminal: bool = False, height: int = 24, **settings: int) -> Display:
    console = Console(
        file=io.StringIO(), force_terminal=terminal, width=80, height=height, color_system=None, legacy_windows=False
    )
    chosen = make_settings(**settings)
    return Display(chosen, Notes(make_budget(), console, quiet))


def make_report(name: str, rung: int, fmd: float, diverged: bool = False) -> Report:
    numbers = {"fmd": fmd, "fmd_normalised": fmd / 100, "fmd_se": 0.5, "images_per_second": 25.0}
    values = {"trial": name, "images_seen": RUNGS[rung], "rung": rung, "diverged": diverged}
    return Report.from_dict({**values, **numbers, **SECONDS})


def printed(display: Display) -> str:
    return display.notes.console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def shown(display: Display) -> list[str]:
    """The lines of the view as the display's console renders them."""
    console = display.notes.console
    width, height = console.size
    with console.capture() as capture:
        console.print(view(display.progress, display._picture(), width, height))
    return capture.get().splitlines()


def search(display: Display, clock: Clock) -> None:
    """Three trials of seven: one is pruned at the first rung, one diverges, the third runs on from the second."""
    for number, (fmd, diverged) in enumerate(((30.0, False), (8.0, True), (20.0, False))):
        name = f"{number:03d}-x"
        display.started(name)
        clock.now += 10
        stops = number != 2
        display.reported(make_report(name, 0, fmd, diverged), Decision.STOP if stops else Decision.CONTINUE)
        if stops:
            display.left(name, "PRUNED")
    clock.now += 10
    display.reported(make_report("002-x", 1, 15.0), Decision.CONTINUE)


def pause(display: Display, name: str, fmd: float) -> None:
    """Let a trial start and pause at the first rung."""
    display.started(name)
    display.reported(make_report(name, 0, fmd), Decision.PAUSE)
    display.left(name, "PAUSED")


def test_trials_are_counted_by_state_and_a_paused_one_runs_again_once_it_is_promoted(clock: Clock) -> None:
    display = make_display()
    search(display, clock)
    pause(display, "003-x", 10.0)
    display.started("004-x")
    display.left("004-x", "FAILED")
    assert display.progress.counts() == {"RUNNING": 1, "PAUSED": 1, "PRUNED": 2, "FAILED": 1}
    assert display.progress.diverged() == 1
    display.started("003-x")
    assert display.progress.counts() == {"RUNNING": 2, "PRUNED": 2, "FAILED": 1}


def test_a_rung_tells_which_trials_reached_it_which_continued_and_which_is_best(clock: Clock) -> None:
    display = make_display()
    search(display, clock)
    pause(display, "003-x", 10.0)
    first, second, last = display.progress.rungs
    assert (set(first.reached), first.continued) == ({"000-x", "001-x", "002-x", "003-x"}, {"002-x"})
    assert (set(second.reached), second.continued, set(last.reached)) == ({"002-x"}, {"002-x"}, set())
    assert (first.best, second.best, last.best) == ("003-x", "002-x", None)  # 001-x has less, but diverged
    display.started("003-x")
    assert first.continued == {"002-x", "003-x"}
    assert display.progress.ranked() == ["002-x", "003-x", "000-x", "001-x"]  # by budget, then by FMD


def test_pace_is_of_all_slots_and_overhead_is_time_without_training_sampling_or_scoring(clock: Clock) -> None:
    progress = Progress(make_settings(), make_budget())
    assert (progress.images_per_second(), progress.overhead()) == (None, None)
    clock.now += 5  # until the first two trials start
    for name in ("000-x", "001-x"):
        progress.started(name)
    clock.now += 10
    for name in ("000-x", "001-x"):
        progress.reported(make_report(name, 0, 20.0), continues=True)
    clock.now += 50  # no report tells of this time
    assert progress.images_per_second() == pytest.approx(2 * 25 * 4 / 15)
    assert progress.overhead() == pytest.approx(1 - 2 * (4 + 2 + 1) / (2 * 10))


def test_time_left_is_the_trials_left_at_the_pace_so_far_and_what_comes_after_them(clock: Clock) -> None:
    progress = Progress(make_settings(trials=10), make_budget(), after=lambda: 100.0)
    assert progress.seconds_left() == (LIMIT, False)
    for number in range(4):
        progress.started(f"{number:03d}-x")
    clock.now += 40
    for number in range(2):
        progress.left(f"{number:03d}-x", "PRUNED")
    assert progress.seconds_left() == ((6 + 2 / 2) * 40 / 2 + 100, True)  # 6 to start, 2 half done; 2 ended in 40 s
    clock.now += 800
    assert progress.seconds_left() == (LIMIT - 840, True)  # no more than the budget
    progress.left("002-x", "PAUSED")
    assert progress.seconds_left() == (LIMIT - 840, False)  # it may be promoted or not
    clock.now += 100
    progress.left("002-x", "PRUNED")
    assert progress.seconds_left() == (LIMIT - 940, False)  # the trials have had their time
    clock.now += 100
    assert progress.seconds_left() == (0.0, False)


def test_a_resumed_search_shows_what_it_had_and_counts_its_own_pace(clock: Clock, tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    for number, fmds in enumerate(((30.0, 20.0), (40.0,), (10.0,))):
        name = f"{number:03d}-x"
        run.append(Start(name, number, seed=1, baseline="", variant={"pixels": "a"}))
        for rung, fmd in enumerate(fmds):
            run.append(make_report(name, rung, fmd))
    run.append(End("000-x", "PRUNED"))
    display = make_display()
    clock.now += 500
    display.recall(run, History(run.events(), ASHA(RUNGS, 3)))
    progress = display.progress
    # The third is the best: it was about to continue, so it was interrupted and is not paused.
    assert progress.counts() == {"PAUSED": 1, "PRUNED": 1}
    assert [line.split()[-2] for line in shown(display) if line.rstrip().endswith("002-x")][-1] == "interrupted"
    assert (set(progress.rungs[0].reached), progress.rungs[0].continued) == ({"000-x", "001-x", "002-x"}, {"000-x"})
    assert progress.ranked()[0] == "000-x"
    assert (progress.images_per_second(), progress.seconds_left()[1]) == (None, False)
    assert "".join(shown(display)[-3:]).replace(" ", "").endswith(str(run.picture("000-x", "samples")))


@pytest.mark.parametrize(("slots", "height"), [(2, 24), (64, 24), (64, 50), (8, 18)])
def test_the_view_fits_its_terminal_with_the_best_and_some_that_run(clock: Clock, slots: int, height: int) -> None:
    display = make_display(height=height, slots=slots, trials=500)
    display._run = Run(
        Disk(Path.cwd() / "runs" / "a-search-with-a-name-that-is-far-longer-than-most-names-of-searches-are")
    )
    for number in range(100 + slots):
        name = f"{number:03d}-average+gaussian+pixelate+inpaint+snow"
        display.started(name)
        if number < 100:
            display.reported(make_report(name, number % 3, 100.0 + number), Decision.STOP)
            display.left(name, "PRUNED")
    lines = shown(display)
    assert len(lines) < height
    assert max(map(len, lines)) <= 80
    assert f"{100 + slots} of 500 trials: {slots} running, 100 pruned" in lines
    text = "\n".join(lines)
    assert text.index("002-average") < text.index("005-average")  # the best at the full budget
    assert "far-longer-than-most-names-of-searches-are/samples/002-average" in "".join(lines)
    running = sum(" running " in line for line in lines[2:])
    hidden = re.search(r"and (\d+) more that run", text)
    assert running >= 1
    assert running + (int(hidden[1]) if hidden else 0) == slots


def run_display(display: Display, clock: Clock) -> str:
    display.open(again=2)
    search(display, clock)
    clock.now += REFRESH_SECONDS
    display.refresh()
    display.close()
    return printed(display)


def test_without_a_terminal_every_report_is_a_plain_line_and_every_minute_is_summed_up(clock: Clock) -> None:
    display = make_display()
    lines = run_display(display, clock).splitlines()
    decisions = [line.split("  ")[-1].strip() for line in lines[1:5]]
    assert decisions == ["pruned", "diverged", "continues", "continues"]
    assert max(map(len, lines)) <= 80
    assert not any("\x1b" in line for line in lines)
    for _ in range(3):
        clock.now += SUMMARY_SECONDS
        display.refresh()
        display.refresh()
    added = printed(display).splitlines()[len(lines) :]
    assert max(map(len, added)) <= 80
    text = " ".join(line.strip() for line in added)
    counts = "3 of 7 trials: 1 running, 2 pruned, 1 of them diverged"
    assert text.count(f"{counts}; best 002-x FMD 15.0 (0.150) at 300 images") == 3


def test_the_line_of_a_report_says_that_its_trial_pauses_or_is_complete(clock: Clock) -> None:
    display = make_display()
    display.started("000-x")
    display.reported(make_report("000-x", 0, 30.0), Decision.PAUSE)
    display.reported(make_report("000-x", 2, 30.0), Decision.STOP)
    assert [line.split()[-1] for line in printed(display).splitlines()[-2:]] == ["paused", "complete"]


def test_on_a_terminal_nothing_is_printed_for_a_report_and_the_view_is_gone_at_the_end(clock: Clock) -> None:
    text = run_display(make_display(terminal=True), clock)
    assert "3 of 7 trials: 1 running, 2 pruned, 1 of them diverged" in text
    assert "continues" not in text
    assert "\x1b[2J" not in text  # a screen that is cleared flickers
    assert "\x1b[?25h" in text  # the cursor is given back
    assert screen(text)[-1].endswith("goes on with 2 interrupted trials")


def test_how_far_a_running_trial_is_is_shown_until_it_reports(clock: Clock) -> None:
    display = make_display()
    display.started("000-x")
    assert "000-x at" not in summary(display.progress)
    display.advanced("000-x", 25)
    assert "1 running; 000-x at 25 of 100 images; " in summary(display.progress)
    assert any("running 25 %" in line for line in shown(display))
    display.reported(make_report("000-x", 0, 30.0), Decision.CONTINUE)
    assert "000-x at" not in summary(display.progress)
    display.advanced("000-x", 150)
    assert "000-x at 150 of 300 images" in summary(display.progress)
    display.left("000-x", "PRUNED")
    assert "000-x at" not in summary(display.progress)


def train(display: Display, clock: Clock, pace: float, seconds: int = 80) -> None:
    """Let a trial train without a report, at a pace in images a second."""
    display.started("000-x")
    for second in range(0, seconds, 20):
        display.advanced("000-x", round(1 + pace * second))
        clock.now += 20


def test_where_no_trial_reaches_its_first_rung_in_time_one_line_says_so_and_what_to_do(clock: Clock) -> None:
    display = make_display()
    train(display, clock, pace=0.05)
    lines = " ".join(printed(display).split())
    assert lines.count("000-x reaches its first rung, 100 images, only in 32:40, and the time of the trials") == 1
    assert "a larger --time-budget, or smaller --max-images and --grace-images" in lines


def test_nothing_is_said_of_a_pace_that_is_enough_or_not_known_or_once_a_trial_has_reported(clock: Clock) -> None:
    fast, young, slow_second = make_display(), make_display(), make_display()
    train(fast, clock, pace=2.0)
    train(young, clock, pace=0.05, seconds=20)
    slow_second.started("001-x")
    slow_second.reported(make_report("001-x", 0, 30.0), Decision.PAUSE)
    train(slow_second, clock, pace=0.05)
    assert "reaches its first rung" not in "".join(map(printed, (fast, young, slow_second)))


def test_a_view_is_drawn_at_most_once_a_second(clock: Clock) -> None:
    display = make_display(terminal=True)
    display.open(again=0)
    display.refresh()
    before = len(printed(display))
    for _ in range(9):
        clock.now += REFRESH_SECONDS / 10
        display.refresh()
    assert len(printed(display)) == before
    clock.now += REFRESH_SECONDS / 5
    display.refresh()
    display.close()
    assert len(printed(display)) > before


@pytest.mark.parametrize("terminal", [False, True])
def test_quiet_shows_nothing(clock: Clock, terminal: bool) -> None:
    display = make_display(quiet=True, terminal=terminal)
    assert run_display(display, clock) == ""
    clock.now += SUMMARY_SECONDS
    display.refresh()
    assert printed(display) == ""


def screen(text: str) -> list[str]:
    """What a terminal shows after a text with cursor up, carriage return and erase line: its lines but the blank last.

    A terminal scrolls, so that lines are counted from the first.
    """
    lines, row, column = [""], 0, 0
    for sequence, plain in re.findall(r"(\x1b\[[0-9;?]*[A-Za-z])|(\r|\n|[^\x1b\r\n]+)", text):
        if sequence.endswith("A"):
            row -= int(sequence[2:-1] or 1)
            assert row >= 0, "the cursor went above what was printed"
        elif sequence.endswith("K"):
            lines[row] = ""
        elif plain == "\r":
            column = 0
        elif plain == "\n":
            row, column = row + 1, 0
            lines += [""] if row == len(lines) else []
        elif plain:
            lines[row] = lines[row][:column].ljust(column) + plain + lines[row][column + len(plain) :]
            column += len(plain)
    while lines and not lines[-1]:
        lines.pop()
    return lines


PROGRAM = """
import os
from rich.console import Console
from search.machine import Machine
from search.progress.budget import Budget
from search.progress.notes import Notes
from search.progress.terminal import Display
from search.schedulers import Decision
from search.settings import Settings
from trainables.report import Report

given = {"name": "run", "trials": 99, "max_images": 900, "grace_images": 100}
settings = Settings.resolve(given, "widths", "", Machine(64, 0))
display = Display(settings, Notes(Budget(1000.0), Console()))
display.open(again=0)
for number in range(70):
    display.started(f"{number:03d}-x")
    if number < 6:
        values = {"trial": f"{number:03d}-x", "images_seen": 100, "fmd": 50.0, "images_per_second": 25.0}
        display.reported(Report.from_dict(values), Decision.STOP)
        display.left(f"{number:03d}-x", "PRUNED")
display.notes.say("a note")
for _ in range(5):
    display._refreshed = 0
    display.refresh()
os.write(1, b"MARK")
display.close()
"""


def in_terminal(program: str, rows: int, columns: int) -> str:
    """Run a Python program in a terminal of a size and return what it wrote."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), follower)
    process = subprocess.Popen(
        [sys.executable, "-c", program], **streams, env={**environment, "TERM": "xterm-256color"}
    )
    os.close(follower)
    written = b""
    try:
        while data := os.read(leader, 65536):
            written += data
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(leader)
    assert process.wait() == 0, written.decode()
    return written.decode()


def test_in_a_real_terminal_the_view_stays_in_its_place_and_goes_at_the_end() -> None:
    text = in_terminal(PROGRAM, rows=24, columns=80)
    assert "\x1b[2J" not in text
    before, after = screen(text[: text.index("MARK")]), screen(text.replace("MARK", ""))
    assert [line.split("  ")[-1] for line in after] == ["a note"]
    assert before[:1] == after
    assert sum("70 of 99 trials: 64 running, 6 pruned" in line for line in before) == 1
    assert len(before) - 1 < 24
    assert re.fullmatch(r"and \d+ more that run", before[-1])
