"""What a search suggests to do next follows from its numbers, and is a command that the command line takes."""

import math
import shlex
from pathlib import Path
from typing import Any

import pytest

from analysis.run.run import Run
from analysis.statistics.next_steps import Undecided, edges, longer, same, undecided
from analysis.text.commands import Commands
from analysis.text.next_steps import steps
from search.command_line import parse
from search.declaration import SettingsError
from search.machine import Machine
from search.options import SAMPLERS
from search.settings import Settings
from tests.helpers import fake_runs
from tests.helpers.fake_runs import confirmed, result_of

DOMAINS = {"training/lr": {"low": 2e-3, "high": 4e-2, "log": True, "least": 1e-5, "most": 0.1}}


def run_of(folder: Path, lr: float, fmds: list[float], **more: Any) -> Run:
    run = Run.create(folder, "run")
    settings = fake_runs.settings("run")
    settings["settings"]["rungs"] = list(fake_runs.IMAGES)
    run.write_settings(settings | {"domains": DOMAINS} | more)
    fake_runs.add_trial(run, {"training/lr": lr, "training/batch": 64}, fmds)
    return run


@pytest.mark.parametrize(
    ("lr", "beyond"),
    [
        *((3.9e-2, 0.085), (2.01e-3, 0.00095), (0.03, 0.085)),
        *((8e-3, None), (2.5e-2, None)),
        *((1e-3, None), (6e-2, None)),  # outside what was searched
    ],
)
def test_a_number_within_a_tenth_of_an_end_is_to_be_tried_beyond_it(
    tmp_path: Path, lr: float, beyond: float | None
) -> None:
    found = edges(run_of(tmp_path, lr, [30.0]))
    assert [edge.beyond for edge in found] == ([beyond] if beyond else [])


WHOLE = {"training/batch": {"low": 2, "high": 4, "log": False, "least": 1, "most": 8}}


@pytest.mark.parametrize("value", [2, 4])
def test_a_whole_number_that_rounds_to_the_end_is_not_beyond_it(tmp_path: Path, value: int) -> None:
    run = fake_runs.begun(tmp_path, "run", domains=WHOLE)
    fake_runs.add_trial(run, {"training/batch": value}, [30.0])
    assert edges(run) == []


@pytest.mark.parametrize(("confirm", "asked"), [(0, " --confirm 3"), (3, "")])
def test_a_confirmation_that_did_not_begin_is_asked_for_with_a_budget_in_whole_minutes(
    confirm: int, asked: str, tmp_path: Path
) -> None:
    run = run_of(tmp_path, 8e-3, [30.0])
    run.update_settings(settings={**run.settings()["settings"], "confirm": confirm, "time_budget": 302.524})
    said = dict(steps(run, Commands.anywhere(run)))
    (command,) = [command for sentence, command in said.items() if sentence.startswith("Nothing was trained again")]
    assert command.endswith(f"--resume run{asked} --time-budget 840")


def test_without_a_result_there_is_nothing_to_train_again(tmp_path: Path) -> None:
    run = fake_runs.begun(tmp_path, "run")
    ((sentence, command),) = steps(run, Commands.anywhere(run))
    assert "did not start in the time: search on" in sentence
    assert "--time-budget" in command


def test_where_no_trial_came_to_its_first_rung_in_the_time_trials_of_fewer_images_are_suggested(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    saved = fake_runs.settings("run")
    run.write_settings(saved | {"used_seconds": saved["settings"]["time_budget"]})
    fake_runs.start(run, "000-a", {})
    fake_runs.end(run, "000-a", "PRUNED")
    ((sentence, command),) = steps(run, Commands.anywhere(run))
    first, *_, last = saved["settings"]["rungs"]
    assert sentence.startswith(f"No trial reached its first rung, {first:,} images, in the time")
    assert "--warm-start" not in command
    assert command.endswith(f" --max-images {math.ceil(last / 9)} --grace-images {math.ceil(first / 9)}")


def test_an_end_of_the_field_s_own_domain_is_none_to_go_beyond(tmp_path: Path) -> None:
    own = {"training/lr": DOMAINS["training/lr"] | {"most": 4e-2}}
    assert edges(run_of(tmp_path, 4e-2, [30.0], domains=own)) == []


def test_a_curve_that_still_falls_at_the_end_suggests_longer_training(tmp_path: Path) -> None:
    found = longer(run_of(tmp_path / "falls", 8e-3, [190.0, 90.0, 60.0]))
    assert found.images == 3 * fake_runs.IMAGES[2]
    assert 0 < found.expected < found.normalised[1] < found.normalised[0]
    assert longer(run_of(tmp_path / "level", 8e-3, [90.0, 60.5, 60.0])) is None
    assert longer(run_of(tmp_path / "pruned", 8e-3, [90.0, 60.0])) is None


def test_a_choice_that_all_of_the_best_share_is_named_where_others_were_tried(tmp_path: Path) -> None:
    run = fake_runs.begun(tmp_path, "run")
    for number in range(9):
        better = number < 5
        variant: dict[str, Any] = {
            "schedule/kind": "cosine" if better else "linear",
            "training/batch": 32 << number % 2,
        }
        fake_runs.add_trial(run, variant | {"training/lr": 0.01}, [30.0 + number])
    (found,) = same(run)
    assert (found.field, found.value, found.trials) == ("schedule/kind", "cosine", 5)


def test_the_seeds_that_tell_two_apart_are_more_where_they_are_closer(tmp_path: Path) -> None:
    def needed(gap: float) -> int | None:
        fmds = {"001-a": [30.0, 33.0], "000-a": [30.0 * (1 + gap) * 1.005, 33.0 * (1 + gap) / 1.005]}
        run = confirmed(tmp_path / str(gap), fmds)
        run.write_settings(fake_runs.settings("run"))
        found = undecided(run, result_of(run).standings)
        return found.seeds

    near, far = needed(0.01), needed(0.03)
    assert 2 < far < near
    assert needed(0.0001) is None


def test_only_trainings_that_are_missing_are_counted(tmp_path: Path) -> None:
    def found(others: list[float]) -> Undecided:
        run = confirmed(tmp_path / str(len(others)), {"001-a": [30.0, 33.0], "000-a": [30.45, 33.16, *others]})
        run.write_settings(fake_runs.settings("run"))
        close = undecided(run, result_of(run).standings)
        return close

    for others in ([], [32.0, 31.8]):
        close = found(others)
        assert close.seeds > 2
        assert close.trainings == close.seeds - 2 + max(0, close.seeds - 2 - len(others))


@pytest.mark.parametrize("fmds", [[30.0], [30.0, 30.2]])
def test_one_shared_seed_asks_for_a_second_of_those_that_lack_it(tmp_path: Path, fmds: list[float]) -> None:
    run = confirmed(tmp_path, {"001-a": fmds, "000-a": [30.1]})
    run.write_settings(fake_runs.settings("run"))
    found = undecided(run, result_of(run).standings)
    assert (found.other, found.seeds) == ("000-a", 2)
    sentence, command = steps(run, Commands.anywhere(run))[0]
    assert sentence.startswith("One seed does not tell 001-a from 000-a")
    assert "80 %" not in sentence
    assert "--seeds" not in command


@pytest.mark.parametrize(
    ("fmds", "slots", "waves"),
    [
        ({"001-a": [30.0], "000-a": [30.1]}, 64, 1),
        ({"001-a": [30.0], "000-a": [30.1]}, 2, 1),
        ({"001-a": [30.0], "000-a": [30.1]}, 1, 2),
        ({"001-a": [30.0, 31.0], "000-a": [30.1]}, 64, 1),
    ],
)
def test_a_training_takes_its_whole_time_however_many_run_at_once(
    tmp_path: Path, fmds: dict[str, list[float]], slots: int, waves: int
) -> None:
    run = confirmed(tmp_path, fmds, seconds=3_600)
    settings = fake_runs.settings("run")
    run.write_settings(settings | {"settings": {**settings["settings"], "slots": slots}, "used_seconds": 60.0})
    sentence, command = steps(run, Commands.anywhere(run))[0]
    assert f"about {waves} h 0 min more" in sentence
    budget = float(command.rpartition("--time-budget ")[2])
    assert 60 + waves * 3_600 < budget < 60 + 1.5 * waves * 3_600


def lost(folder: Path, contenders: list[str], reported: bool) -> Run:
    """A run of which the first contender diverged, or failed, with a fresh seed."""
    run = run_of(folder, 8e-3, [30.0])
    nested = fake_runs.confirm(run, [])
    nested.update_settings(contenders=contenders)
    fake_runs.start(nested, f"{contenders[0]}.0", {}, repeats=contenders[0])
    if reported:
        fake_runs.report(nested, f"{contenders[0]}.0", 2, 560.0, diverged=True)
    else:
        fake_runs.end(nested, f"{contenders[0]}.0", "FAILED")
    return run


@pytest.mark.parametrize("reported", [False, True])
def test_where_every_contender_was_lost_more_are_to_be_confirmed(tmp_path: Path, reported: bool) -> None:
    said = dict(steps(run := lost(tmp_path / "all", ["000"], reported), Commands.anywhere(run)))
    command = said["Every contender diverged or failed: confirm more."]
    assert "--confirm 6 --time-budget " in command
    assert not [sentence for sentence in said if sentence.startswith("Nothing was trained again")]
    said = dict(steps(run := lost(tmp_path / "some", ["000", "001"], reported), Commands.anywhere(run)))
    (command,) = [command for sentence, command in said.items() if sentence.endswith("train the others.")]
    assert "--confirm" not in command


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("against", [None, "nfe", "seconds"])
def test_a_next_search_begins_with_this_one_where_its_settings_take_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampler: str, against: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"sampler": sampler, "against": against, "scheduler": "none"}
    run = run_of(tmp_path / "runs", 3.9e-2, [30.0])
    run.update_settings(settings={**run.settings()["settings"], **given})
    for commands in (Commands.here(run), Commands.anywhere(run)):
        words = shlex.split(commands.again("--trials 5"))
        asked = {name: value for name, value in parse(words[2:]).items() if value is not None}
        Settings.resolve(asked | {"storage_path": str(tmp_path)}, "widths", "", Machine(cpus=2, gpus=0))
        taken = "--warm-start" in words
        warm = asked | {"warm_start": ("runs/run",)}
        try:
            Settings.resolve(warm | {"storage_path": str(tmp_path)}, "widths", "", Machine(cpus=2, gpus=0))
        except SettingsError:
            assert not taken
        else:
            assert taken


def test_a_value_that_a_shell_would_read_is_quoted(tmp_path: Path) -> None:
    run = fake_runs.begun(tmp_path, "run")
    for number in range(9):
        variant: dict[str, Any] = {"network/kind": "mine;echo $HOME" if number < 5 else "cnn"}
        fake_runs.add_trial(run, variant | {"training/lr": 0.01}, [30.0 + number])
    (command,) = [command for _, command in steps(run, Commands.anywhere(run)) if "--set" in command]
    assert shlex.split(command)[-1] == "network.kind=mine;echo $HOME"


def test_every_command_is_one_that_the_command_line_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = run_of(tmp_path / "my runs", 3.9e-2, [120.0, 90.0, 60.0])
    said = steps(run, Commands.here(run))
    commands = [shlex.split(command) for _, command in said]
    assert len(commands) == 4
    for python, script, *words in commands:
        assert (python, Path(script).name) == (Commands.here(run).python, "run.py")
        given = parse(words)
        assert given["storage_path"] == "my runs"
        assert ("resume" in given) != ("warm_start" in given)
