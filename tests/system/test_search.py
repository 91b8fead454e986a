"""Whole searches, small ones, on real MNIST with the real Ray: from the command line to the tables, through kills."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from analysis import rank as rank_command
from analysis.run.remote import copy_of
from analysis.run.run import Run
from analysis.statistics.confirmed import confirmation_result
from analysis.statistics.ranking import rank
from analysis.text.answer import answer
from tests.helpers.searches import BUDGET, SCRIPT, TRIALS, Searches, check_run, count_reports, reports, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_on_object_storage_it_goes_on_elsewhere_when_its_machine_is_lost(
    searches: Searches, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ["--storage-path", f"{bucket}/runs"]
    process = searches.start(str(SCRIPT), "--space", "tiny.py", "--name", "a", *where, *BUDGET)
    uri = f"{bucket}/runs/a"
    wait_for(process, copy_of(uri), lambda events: count_reports(events) > 3)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    searches.kill()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    before = reports(Run.open(uri))
    assert len(before) > 2
    refused = searches.run(str(SCRIPT), "--resume", "a", *where)
    assert (refused.returncode, refused.stderr.count("--trust")) == (2, 1)  # the space file is not known elsewhere
    resumed = searches.run(str(SCRIPT), "--resume", "a", *where, "--trust")
    assert resumed.returncode == 0, resumed.stderr
    assert f"rank.py {uri}" in resumed.stdout
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a_third"))
    run = Run.open(uri)
    check_run(run, TRIALS)
    assert before.items() <= reports(run).items()
    assert rank_command.main([uri]) == 0


def test_the_winner_is_confirmed_also_when_the_race_is_cut_off(searches: Searches) -> None:
    arguments = [*BUDGET, "--scheduler", "asha", "--confirm", "2", "--seeds", "2"]
    process = searches.start(str(SCRIPT), "--space", "tiny.py", "--name", "f", *arguments)
    race = searches.folder / "runs" / "f" / "confirm"
    wait_for(process, race, lambda events: count_reports(events) > 0)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    searches.kill()
    before = reports(Run.open(race))
    resumed = searches.run(str(SCRIPT), "--resume", "f")
    assert resumed.returncode == 0, resumed.stderr
    run, nested = Run.open(race.parent), Run.open(race)
    check_run(run, TRIALS)
    assert before.items() <= reports(nested).items()
    rows = nested.trials().to_pylist()
    best = nested.settings()["contenders"]
    assert best[0] == rank(run.trials(), None).to_pylist()[0]["trial"]
    assert {row["repeats"] for row in rows} == set(best)
    assert {row["images_seen"] for row in rows} == {2304}
    for repeat in (0, 1):  # the same fresh seed for all, and none of the search's
        seeds = {row["seed"] for row in rows if row["trial"].endswith(f".{repeat}")}
        assert len(seeds) == 1
        assert seeds.isdisjoint(run.trials()["seed"].to_pylist())
    found = confirmation_result(run)
    assert found is not None
    assert (found.metric["split"], found.test_metric["split"]) == ("confirm", "test")
    assert {s.trial for s in found.test_standings} == {s.trial for s in found.standings if s.tied}
    answered, printed = answer(run), " ".join(resumed.stdout.split())
    assert answered is not None
    assert all(f"{term} {text}" in printed for term, text in answered.lines())
    assert nested.settings()["metric"]["n"] > run.settings()["metric"]["n"]


def test_a_trained_model_is_sampled_from_by_a_search_of_its_own(searches: Searches) -> None:
    assert searches.run(str(SCRIPT), "--space", "tiny.py", "--name", "d", *BUDGET, "--trials", "2").returncode == 0
    trained = Run.open(searches.folder / "runs/d")
    model = next(path.stem for path in trained.checkpoints.glob("*.pt"))
    (row,) = (row for row in trained.trials().to_pylist() if row["trial"] == model)
    arguments = ["--space", "samplers", "--from", f"runs/d/{model}", "--name", "e", "--trials", "5", "--confirm", "0"]
    ended = searches.run(str(SCRIPT), *arguments)
    assert ended.returncode == 0, ended.stderr
    run = Run.open(searches.folder / "runs/e")
    check_run(run, 5)
    rows = run.trials().to_pylist()
    assert {row["sampler/steps"] for row in rows} >= {2, 5, 10}
    for other in rows:
        changed = {name for name, value in row.items() if "/" in name and other[name] != value}
        assert changed <= {"sampler/kind", "sampler/steps", "sampler/spacing"}
        assert (other["images_seen"], other["images_per_second"], other["loss"]) == (row["images_seen"], 0, row["loss"])


def test_a_search_begins_with_what_another_measured_and_goes_on_when_that_is_deleted(searches: Searches) -> None:
    budget = ["--max-images", "2304", "--grace-images", "256", "--confirm", "0"]
    ended = searches.run(str(SCRIPT), "--space", "tiny.py", "--name", "g", "--trials", "4", *budget)
    assert ended.returncode == 0, ended.stderr
    first = Run.open(searches.folder / "runs/g")
    first_starts = first.starts()
    best = next(row for row in rank(first.trials(), None).to_pylist() if row["rank"] == 1)
    warm = ["--space", "tiny.py", "--name", "h", "--warm-start", "runs/g"]
    planned = searches.run(str(SCRIPT), *warm, "--trials", "3", *budget, "--dry-run")
    assert f"warm start 4 trials of {first.uri} (" in planned.stdout, planned.stderr
    assert searches.run(str(SCRIPT), *warm, "--trials", "3", *budget).returncode == 0
    shutil.rmtree(first.path)
    resumed = searches.run(str(SCRIPT), "--resume", "h", "--trials", "5")
    assert resumed.returncode == 0, resumed.stderr
    run = Run.open(searches.folder / "runs/h")
    check_run(run, 5)
    assert {trial.trial for trial in run.earlier_trials()} == first_starts.keys()
    second = next(start for start in run.starts().values() if start.number == 1)  # 0: the space's first starting point
    assert second.variant == first_starts[best["trial"]].variant
    assert run.reports()[second.trial][-1].images_seen == 2304
