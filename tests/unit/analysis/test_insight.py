"""What a run tells besides its ranking, as a command prints it."""

import json
import random
from dataclasses import asdict
from pathlib import Path

import pytest

from analysis import insight
from analysis.run.run import Run
from analysis.statistics.effects import effects
from analysis.statistics.importances import importances
from analysis.statistics.pareto import points
from analysis.statistics.ranking import rank_run
from tests.helpers.fake_runs import add_trial


def write(root: Path, count: int) -> Run:
    draw = random.Random(0)
    run = Run.create(root, "degradations")
    for number in range(count):
        variant = {"schedule/kind": draw.choice(["cosine", "linear"]), "training/lr": draw.uniform(1e-3, 6e-3)}
        fmd = 40.0 + 20 * (variant["schedule/kind"] == "linear") + draw.random()
        fmds, state = ([fmd], "PRUNED") if number % 4 == 3 else ([fmd, fmd / 2], "COMPLETE")
        add_trial(run, variant, fmds, state, nfe=draw.randint(5, 20))
    return run


def test_schedules_are_those_of_the_best_trials(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write(tmp_path, 12)
    assert insight.main([str(run.path), "--schedules", "--format", "markdown"]) == 0
    printed = capsys.readouterr().out
    assert "| 1,000 | 1e-09 |" in printed or "| 1,000 | 4.036e-05 |" in printed
    assert insight.main([str(run.path), "--schedules", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    best = [row["trial"] for row in rank_run(run).to_pylist()][:5]
    assert sorted(name for one in found for name in one["trials"]) == sorted(best)
    assert all(len(one[curve]) == 1000 for one in found for curve in ("beta", "alpha_bar", "log_snr"))


def test_json_holds_what_the_functions_return(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write(tmp_path, 40)
    assert insight.main([str(run.path), "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["images_seen"], told["trials"], told["reported"]) == (3_000, 30, 40)
    assert told["importances"] == [asdict(found) for found in importances(run)]
    assert told["effects"] == [asdict(found) for found in effects(run)]
    assert told["rung_correlation"][0]["stopped"] == 10
    fronts = {cost: [asdict(p) for p in found if p.dominated_by is None] for cost, found in points(run).items()}
    assert told["fronts"] == fronts


@pytest.mark.parametrize("form", ["table", "markdown", "latex"])
def test_tables_say_of_which_trials_they_are(tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert insight.main([str(write(tmp_path, 40).path), "--format", form]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "30 trials that the search drew, at 3,000 images seen, survivors of 40" in text
    assert "only of trials that were not pruned in between" in text
    for word in ("schedule/kind", "cosine", "Spearman", "network evaluations for one generated image"):
        assert word in text


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_young_run_says_what_it_takes(tmp_path: Path, count: int, capsys: pytest.CaptureFixture[str]) -> None:
    run = write(tmp_path, count)
    assert insight.main([str(run.path)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Which fields mattered takes 20 trials" in text
    assert f"{count} trials that the search drew" in text or count == 0
    assert insight.main([str(run.path), "--format", "json"]) == 0
