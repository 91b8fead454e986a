"""What has to hold before a run goes on: its space draws what it drew."""

import json
import random
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from analysis.run.events import End
from analysis.run.run import Run, RunError
from search import run as command
from search.declaration import SettingsError
from search.machine import Machine
from search.resuming import begun, nothing_left, open_run, pending, require_same_data, require_same_metric, with_space
from search.settings import Settings
from search.space.fake_trial import FakeTrial
from search.space.load import load
from search.space.space import Space
from tests.helpers import fake_runs
from trainables.config import Flat
from trainables.report import Report

WIDTHS = load("widths", {"network.kind": "cnn"})
CHANGED = replace(WIDTHS, digest="another")


def settings(space: Space) -> Settings:
    return Settings.resolve({"name": "run"}, space.given, WIDTHS.digest, Machine(cpus=2, gpus=0))


def drawn(**changes: Any) -> Flat:
    (first, *_) = (answers for name, answers in WIDTHS.queue() if not name)
    variant = WIDTHS.draw(FakeTrial(first, random.Random(0)))
    return {**variant, **changes}


def make_run(folder: Path, written_by: str, *variants: Flat, baseline: str = "") -> Run:
    run = Run.create(folder, "run")
    run.write_settings({"versions": {"diffusion-search": written_by}})
    for number, variant in enumerate(variants):
        fake_runs.start(run, f"{number:03d}", variant, baseline)
    return run


def test_nobody_is_told_to_delete_a_run_with_results(tmp_path: Path) -> None:
    run = make_run(tmp_path, "0.1.0", drawn())
    (run.path / "search.json").unlink()
    with pytest.raises(RunError, match=r"run has lost its search.json: bring it back from a copy of the run") as told:
        open_run(str(tmp_path), "run")
    assert not {"remove", "delete"} & set(str(told.value).split())


def test_a_run_goes_on_with_the_very_same_space(tmp_path: Path) -> None:
    with_space(make_run(tmp_path, "0.1.0", {"nothing": 1}), settings(WIDTHS), WIDTHS)


def test_a_run_of_an_earlier_version_goes_on_if_its_space_still_draws_what_it_drew(tmp_path: Path) -> None:
    complete = drawn()
    without_a_default = {name: value for name, value in complete.items() if name != "training/ema"}
    assert without_a_default != complete
    run = make_run(tmp_path, "0.1.0", complete, without_a_default)
    accepted = with_space(run, settings(CHANGED), CHANGED)
    assert accepted == replace(settings(CHANGED), space_digest="another")
    run.write_settings({"versions": {"diffusion-search": version("diffusion-search")}})  # as the search writes it
    assert with_space(run, accepted, CHANGED) == accepted


@pytest.mark.parametrize("changes", [{"training/lr": 0.05}, {"training/no_field": 1}])
def test_it_does_not_if_the_space_cannot(changes: Flat, tmp_path: Path) -> None:
    run = make_run(tmp_path, "0.1.0", drawn(), drawn(**changes))
    with pytest.raises(SettingsError, match="the defaults around it, is not what it was"):
        with_space(run, settings(CHANGED), CHANGED)


def test_a_run_that_was_killed_while_its_report_was_written_is_closed_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path, version("diffusion-search"), drawn())
    run.append(Report.from_dict({"trial": "000", "images_seen": 108_000, "rung": 3, "fmd": 9.0, "fmd_se": 0.1}))
    run.append(End("000", "COMPLETE"))
    ended = {**replace(settings(WIDTHS), trials=1, confirm=0, storage_path=str(tmp_path)).saved(), "name": "run"}
    run.update_settings(status="done", settings=ended, metric=fake_runs.CARD)
    part = run.report.with_name(f".{run.report.name}.part")
    part.write_text("<html>")
    assert command.main(["--resume", "run", "--storage-path", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "nothing is left to do: run has had all its 1 trials; give a larger --trials, or --confirm" in said
    assert "000" in run.report.read_text()
    assert not part.exists()


def test_a_run_goes_on_under_the_name_that_its_folder_has_now(tmp_path: Path) -> None:
    run = make_run(tmp_path, version("diffusion-search"), drawn())
    run.update_settings(settings={**replace(settings(WIDTHS), trials=1).saved(), "confirm": 0}, used_seconds=1e6)
    renamed = Run.open(run.path.rename(tmp_path / "renamed"))
    resumed = Settings.resume(renamed.settings()["settings"], {}, Machine(cpus=2, gpus=0))
    assert (nothing_left(renamed, resumed) or "").startswith("renamed has had 1000000 seconds")
    with pytest.raises(SettingsError, match=r"^--resume renamed: "):
        with_space(renamed, resumed, CHANGED)


def test_what_the_literature_did_need_not_lie_in_the_space(tmp_path: Path) -> None:
    run = make_run(tmp_path, "0.1.0", drawn(**{"training/lr": 0.0123}), baseline="A0")
    with_space(run, settings(CHANGED), CHANGED)


@pytest.mark.parametrize("given", ["widths", "/home/me/my_space.py"])
def test_a_run_of_this_version_does_not_go_on_with_another_space(given: str, tmp_path: Path) -> None:
    changed = replace(CHANGED, given=given)
    with pytest.raises(SettingsError, match="is not what it was"):
        with_space(make_run(tmp_path, version("diffusion-search"), drawn()), settings(changed), changed)


@pytest.mark.parametrize(("confirmed", "refused"), [(300.0, False), (600.0, True)])
def test_a_run_whose_budget_was_that_of_the_search_alone_has_as_much_again_for_all_of_it(
    confirmed: float, refused: bool, tmp_path: Path
) -> None:
    run = make_run(tmp_path, "0.1.0", drawn())
    saved = {**settings(WIDTHS).saved(), "time_budget": 510}
    (run.path / "search.json").write_text(json.dumps({"format": 2, "settings": saved, "wall_seconds": 510.0}))
    nested = run.begin_confirmation()
    nested.write_settings({"settings": saved, "wall_seconds": confirmed, "tested": False})
    resumed = Settings.resume(run.settings()["settings"], {}, Machine(cpus=2, gpus=0))
    assert resumed.time_budget == 1020
    refusal = "run has had 1110 seconds; give a larger --time-budget"
    assert nothing_left(run, resumed) == (refusal if refused else None)


def test_a_job_that_is_started_again_finds_its_run(tmp_path: Path) -> None:
    given = {"name": "run", "storage_path": str(tmp_path), "seed": 1, "fixed": {"network.kind": "cnn"}, "trials": 4}
    first = Settings.resolve(given, WIDTHS.given, WIDTHS.digest, Machine(cpus=2, gpus=0))
    assert begun(first, given) is None
    run = Run.create(tmp_path, "run")
    assert begun(first, given) is None  # it was killed before it began
    run.write_settings({"settings": json.loads(json.dumps(first.saved())), "metric": fake_runs.CARD})
    again = given | {"trials": 8}
    on_another_machine = Settings.resolve(again, WIDTHS.given, WIDTHS.digest, Machine(cpus=4, gpus=1))
    found = begun(on_another_machine, again)
    assert found.uri == run.uri


@pytest.mark.parametrize(
    ("changes", "flag"), [({"seed": 2}, "--seed"), ({"fixed": {}}, "--set"), ({"warm_start": ("x",)}, "--warm-start")]
)
def test_a_run_that_began_with_other_options_is_not_gone_on_with(
    changes: dict[str, Any], flag: str, tmp_path: Path
) -> None:
    given = {"name": "run", "storage_path": str(tmp_path), "seed": 1, "fixed": {"network.kind": "cnn"}}
    machine = Machine(cpus=2, gpus=0)
    first = Settings.resolve(given, WIDTHS.given, WIDTHS.digest, machine)
    Run.create(tmp_path, "run").write_settings(
        {"settings": json.loads(json.dumps(first.saved())), "metric": fake_runs.CARD}
    )
    other = given | changes
    with pytest.raises(SettingsError, match=f"--auto-resume: run began with another {flag}; give another --name"):
        begun(Settings.resolve(other, WIDTHS.given, WIDTHS.digest, machine), other)


def test_a_run_goes_on_by_itself_only_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="give --name"):
        begun(settings(WIDTHS), {})


def test_a_run_goes_on_with_its_own_data_and_metric_only(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    for settings in (
        {},
        {"data": {"images": "ab"}, "metric": {**fake_runs.CARD, "version": "flat-1"}},
    ):  # the first ended too early
        run.write_settings(settings)
        require_same_data(run, {"images": "ab"}, "--resume run")
        require_same_metric(run, "flat-1")
    with pytest.raises(SettingsError, match="--resume run: the data are not those that it began with"):
        require_same_data(run, {"images": "cd"}, "--resume run")
    with pytest.raises(SettingsError, match="--resume run: its FMDs are flat-1, here they would be flat-2"):
        require_same_metric(run, "flat-2")


@pytest.mark.parametrize(("changes", "expected"), [({}, False), ({"cut": True}, True), ({"tested": False}, True)])
def test_a_confirmation_that_lacked_time_is_to_go_on(changes: dict[str, Any], expected: bool, tmp_path: Path) -> None:
    run, asked = Run.create(tmp_path, "run"), settings(WIDTHS)
    assert pending(run, asked)
    run.begin_confirmation().write_settings({"settings": asked.saved(), "tested": True, **changes})
    assert pending(run, asked) == expected
    assert pending(run, replace(asked, seeds=asked.seeds + 1))
    assert pending(run, replace(asked, confirm_by=("network.cnn.kernel",)))
    assert not pending(run, replace(asked, confirm=0))
