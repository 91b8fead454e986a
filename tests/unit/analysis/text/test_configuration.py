"""A configuration is described by what it does not share with the others, in the words of its fields."""

from pathlib import Path

from analysis.run.run import Run
from analysis.statistics.ranking import shared_values
from analysis.text.configuration import describe_trials
from tests.helpers import fake_runs


def test_what_all_that_have_a_field_share_is_no_difference_to_one_that_lacks_it(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    sigmoid = {"schedule/kind": "sigmoid", "schedule/sigmoid/tau": 1.0}
    variants = {
        "000-a": {"schedule/kind": "cosine", "training/lr": 1e-3},
        "001-a": {**sigmoid, "training/lr": 1e-3},
        "002-a": {**sigmoid, "training/lr": 2e-3},
    }
    for name, variant in variants.items():
        fake_runs.start(run, name, variant)
        fake_runs.report(run, name, 0, 30.0)
    trials = run.trials()
    assert describe_trials(trials, shared_values(trials), "000-a") == {
        "000-a": "cosine lr=0.001",
        "001-a": "sigmoid",
        "002-a": "sigmoid lr=0.002",
    }


def test_of_a_baseline_it_is_told_that_it_knows_nothing_where_all_others_know_clusters(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    told = {"network/conditioning": "cluster", "network/clusters": 100, "training/warmup": 100}
    nothing = {"network/conditioning": "none", "network/clusters": 50, "training/warmup": 0}
    for name, baseline, variant in (("000-a", "", told), ("001-a", "", told), ("002-A0", "A0", nothing)):
        fake_runs.start(run, name, {"schedule/kind": "cosine", **variant}, baseline=baseline)
        fake_runs.report(run, name, 0, 30.0)
    trials = run.trials()
    for first in ("000-a", None):
        words = describe_trials(trials, shared_values(trials), first)
        assert (words["001-a"], words["002-A0"]) == ("", "conditioning=none")
