"""search/show.py: what TensorBoard's HParams backend makes of several runs below one folder."""

from pathlib import Path
from typing import Any

import pytest

from analysis.run.run import Run
from analysis.statistics.ranking import metric_card, rank_run
from search.progress.showing import OTHERS, Value, differing, fill, found_runs, parts
from search.progress.tensorboard import rung_tag
from search.show import MOST, main
from tests.helpers import fake_runs
from tests.helpers.event_files import Server, write_events
from tests.helpers.fake_runs import RUNGS
from tests.helpers.tools import until

TRIALS = 12


def search(root: Path, name: str, trials: int, seed: int) -> Run:
    run = fake_runs.search(root, trials, seed, name)
    for trial in run.starts():
        for picture in run.pictures(trial).values():
            picture.unlink()  # they take most of the time
    fake_runs.confirm(run, rank_run(run)["trial"].to_pylist()[:2], seeds=2, seed=seed)
    write_events(run)
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Two searches below one folder, with trials of the same names; the second was resumed."""
    root = tmp_path_factory.mktemp("runs")
    found = {name: search(root, name, TRIALS, seed) for seed, name in enumerate(("first", "second"))}
    write_events(found["second"])  # a session that tells all of it once more
    return found


def metrics(group: dict[str, Any]) -> dict[str, float]:
    return {value["name"]["tag"]: value["value"] for value in group.get("metricValues", [])}


def check_rows(rows: dict[str, dict[str, Any]], runs: dict[str, Run], places: tuple[str, str]) -> None:
    """Assert that there is one row for each trial of each run, with its own fields and its own FMD at each rung."""
    expected = {}
    for name, run in runs.items():
        nested = run.confirmed()
        for place, one in zip(places, (run, nested), strict=True):
            expected |= {f"{name}/{place}/{trial}": (one, trial) for trial in one.starts()}
    assert set(rows) == set(expected)
    for name, (run, trial) in expected.items():
        assert [session["name"] for session in rows[name]["sessions"]] == [name]
        lr = run.starts()[trial].variant.get("training/lr")
        assert rows[name].get("hparams", {}).get("training/lr") == lr
        card, reports = metric_card(run), run.reports().get(trial, [])
        fmds = {tag: value for tag, value in metrics(rows[name]).items() if tag.startswith("fmd at/")}
        assert fmds == pytest.approx({rung_tag(report.images_seen, card): report.fmd for report in reports})


def test_without_show_a_row_is_one_trial_of_one_run(runs: dict[str, Run]) -> None:
    server = Server(runs["first"].path.parent)
    until(lambda: len(server.groups()) == 2 * (TRIALS + 4))
    until(lambda: all(group["sessions"][0]["endTimeSecs"] for group in server.groups()))
    rows = {group["name"]: group for group in server.groups()}
    check_rows(rows, runs, (runs["first"].tensorboard.name, "confirm/tensorboard"))


@pytest.fixture(scope="module")
def shown(runs: dict[str, Run], tmp_path_factory: pytest.TempPathFactory) -> Server:
    """What search/show.py shows of the folder of both."""
    folder = tmp_path_factory.mktemp("shown")
    count = fill(folder, parts(found_runs([str(runs["first"].path.parent)])), MOST)
    assert count == 2 * (TRIALS + 4)
    server = Server(folder)
    until(lambda: len(server.groups()) == count)
    until(lambda: all(group["sessions"][0]["endTimeSecs"] for group in server.groups()))
    return server


def test_a_row_is_one_trial_of_one_run(runs: dict[str, Run], shown: Server) -> None:
    check_rows({group["name"]: group for group in shown.groups()}, runs, ("search", "confirmation"))


def test_columns_in_which_own_trials_differ_come_first(runs: dict[str, Run], shown: Server) -> None:
    fields = shown.post("plugin/hparams/experiment", {})["hparamInfos"]
    first = ["degradation/kind", "schedule/kind", "training/batch", "training/lr"]
    last = ["baseline", "degradation/mask/count"]  # the baseline's, and one that is blank for some
    assert [(field["name"], field["differs"]) for field in fields] == [
        *((name, True) for name in first),
        *((name, False) for name in last),
    ]


def test_budgets_and_judges_have_columns_of_their_own(runs: dict[str, Run], shown: Server) -> None:
    columns = [column["name"]["tag"] for column in shown.post("plugin/hparams/experiment", {})["metricInfos"]]
    nested = runs["first"].confirmed()
    searched = [rung_tag(images, metric_card(runs["first"])) for images in sorted(RUNGS, reverse=True)]
    judged = rung_tag(RUNGS[-1], metric_card(nested))
    assert judged not in searched
    assert columns == [*searched, judged, *OTHERS]


def test_of_many_trials_the_best_of_each_run_are_shown(runs: dict[str, Run], tmp_path: Path) -> None:
    found = parts(runs.values())
    assert fill(tmp_path, found, 12) == 12
    linked = [link.relative_to(tmp_path) for link in tmp_path.rglob("*") if link.is_symlink()]
    first, second = (rank_run(run)["trial"].to_pylist() for run in runs.values())
    for name, ranked in (("first", first), ("second", second)):
        assert {link.name for link in linked if link.parent == Path(name, "search")} == set(ranked[:3])
        assert len([link for link in linked if link.parent == Path(name, "confirmation")]) == 3


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    runs = [Run.create(tmp_path / folder, "same") for folder in "ab"]
    assert [part.label for part in parts(runs)] == ["same/search", "same (2)/search"]
    assert [part.label for part in parts(runs[:1])] == ["search"]


def test_fields_with_one_value_are_no_columns_and_those_of_baselines_come_last() -> None:
    trials: list[dict[str, Value]] = [
        {"baseline": "none", "lr": 0.1, "kind": "mask", "count": 5, "norm": True, "same": 1, "batch": 32},
        {"baseline": "none", "lr": 0.2, "kind": "mask", "count": 7, "norm": False, "same": 1, "batch": 32},
        {"baseline": "none", "lr": 0.1, "kind": "blur", "sigma": 1.5, "norm": True, "same": 1, "batch": 32},
        {"baseline": "A0", "kind": "flow", "lr": 0.1, "same": 1, "batch": 128},
    ]
    first = {name: comes_first for name, _, comes_first in differing(trials)}
    last = dict.fromkeys(("baseline", "batch", "count"), False)
    assert first == dict.fromkeys(("kind", "lr", "norm"), True) | last
    assert {name: comes_first for name, _, comes_first in differing(trials[-1:] * 2)} == {}
    alone = [trials[-1], trials[-1] | {"baseline": "B3", "lr": 0.2}]
    assert {name: comes_first for name, _, comes_first in differing(alone)} == {"baseline": True, "lr": True}


@pytest.mark.parametrize("words", [["nowhere"], ["."], ["--most", "0", "."]])
def test_what_cannot_be_shown_is_one_line(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        raise SystemExit(main(words))
    assert stopped.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
