"""The literature beside what runs measured: at equal images seen, by one metric, with what its authors report."""

from pathlib import Path

import pytest

from analysis import literature
from analysis.run.run import Run
from analysis.statistics.folds import cross_validations
from analysis.statistics.literature import compare_with_literature
from spaces.baselines import BASELINES
from tests.helpers import fake_runs
from tests.helpers.commands import refusal


def make(root: Path, name: str, fmds: dict[str, dict[int, float]], version: str = "flat-1024-n256-abc") -> Run:
    """A run with trials "A0", "A4", ... that repeat the literature, and others, and their FMD by images seen."""
    run = Run.create(root, name)
    run.write_settings({"metric": {**fake_runs.CARD, "version": version, "floor": 10.0, "blank": 510.0}})
    for number, (trial, reports) in enumerate(fmds.items()):
        baseline = trial if trial in BASELINES else ""
        fake_runs.start(run, trial, {"training/lr": 0.001 * (number + 1)}, baseline)
        for images, fmd in reports.items():
            values = {"images_seen": images, "fmd_normalised": (fmd - 10) / 500, "fmd_se": 1.0}
            fake_runs.report(run, trial, 0, fmd, **values)
    return run


ROWS = {"C2": {100: 400.0, 300: 300.0}, "A0": {100: 200.0, 300: 150.0, 900: 90.0}, "x": {100: 90.0, 300: 60.0}}


def test_rows_are_compared_where_all_of_them_have_been_in_the_literatures_order(tmp_path: Path) -> None:
    compared = compare_with_literature([make(tmp_path, "a", ROWS)])
    assert compared.images_seen == 300
    assert [(row["baseline"], row["fmd"]) for row in compared.literature] == [("A0", 150.0), ("C2", 300.0)]
    assert [(row["trial"], row["fmd"]) for row in compared.found] == [("x", 60.0)]


def test_the_best_comes_from_any_run_of_the_same_metric(tmp_path: Path) -> None:
    runs = [make(tmp_path, "a", ROWS), make(tmp_path, "b", {"y": {300: 40.0}, "z": {900: 20.0}, "w": {300: 50.0}})]
    assert [row["trial"] for row in compare_with_literature(runs).found] == ["y", "w", "x"]


def test_where_the_comparison_ends_before_some_rows_do_it_says_which_went_no_further(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make(tmp_path, "a", ROWS)
    assert compare_with_literature([run]).stopped == ["C2"]
    assert literature.main([str(run.path)]) == 0
    assert "No further, because C2 went no further" in capsys.readouterr().out


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_number_is_cut_however_narrow_the_terminal(
    tmp_path: Path, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert literature.main([str(make(tmp_path, "a", ROWS).path)]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= width
    assert all(f" {fmd} ± 1.0 " in text for fmd in ("150.0", "300.0", "60.0"))


def test_each_row_is_shown_beside_what_was_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make(tmp_path, "a", ROWS)
    for form, expected in (
        ("markdown", "| A0 | starter of all reports | code | 150.0 ± 1.0 | 0.280 | 0.500 |"),
        ("table", "C2"),
    ):
        assert literature.main([str(run.path), "--format", form]) == 0
        printed = capsys.readouterr().out
        assert expected in printed
        assert "300 images seen, FMD flat-1024-n256-abc" in printed
        assert "FID 432, test MSE 0.00275" in printed


def test_some_rows_alone_are_compared_at_what_they_reached(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make(tmp_path, "a", ROWS)
    assert literature.main([str(run.path), "--only", "A0", "--format", "markdown"]) == 0
    printed = capsys.readouterr().out
    assert "900 images seen" in printed
    assert "| A0 |" in printed
    assert "C2" not in printed
    assert literature.main([str(run.path), "--only", "A0,D3"]) == 2
    assert "--only D3: it has not reported; those that have are A0, C2" in capsys.readouterr().err


def test_folds_are_told_by_t_with_mean_and_spread(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run.create(tmp_path, "folds")
    for fold, ssim in enumerate((0.2, 0.3, 0.7)):
        variant = {"training/split": "5-fold-grouped", "training/fold": fold, "training/lr": 0.1}
        fake_runs.start(run, f"{fold}", variant)
        for rung in range(3 if fold else 2):
            by_t = {"ssim_by_t": (0.9, ssim), "loss_by_t": (0.5, 0.1 * rung + fold)}
            fake_runs.report(run, f"{fold}", rung, 40.0 + fold, **by_t)
    fake_runs.start(run, "other", {"training/split": "80:20", "training/fold": 0})
    (found,) = cross_validations(run)
    assert (found.folds, found.images_seen) == ((0, 1, 2), fake_runs.RUNGS[1])
    assert (found.fmd.mean, found.fmd.sd) == (41, 1)
    assert [spread.mean for spread in found.ssim] == pytest.approx([0.9, 0.4])
    assert [spread.sd for spread in found.ssim] == pytest.approx([0, 0.07**0.5])
    assert [spread.mean for spread in found.loss] == pytest.approx([0.5, 1.1])
    assert literature.main([str(run.path), "--folds", "--format", "markdown"]) == 0
    printed = capsys.readouterr().out
    assert "folds 0, 1, 2 held out, 36,000 images seen, FMD 41.0 ± 1.0" in printed
    assert "| 2/10 | 0.400 ± 0.265 | 1.1000 ± 1.0000 |" in printed
    assert literature.main([str(make(tmp_path, "none", ROWS).path), "--folds"]) == 2
    assert "has no trials that hold out different folds; run --space folds" in capsys.readouterr().err


def test_what_cannot_be_compared_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, other = make(tmp_path, "a", ROWS), make(tmp_path, "b", ROWS, version="flat-1024-n512-abc")
    without = make(tmp_path, "c", {"x": {100: 1.0}})
    apart = make(tmp_path, "d", {"A0": {100: 1.0}, "C2": {300: 1.0}})
    judged = fake_runs.confirm(run, ["A0"])
    cases = {
        (run, other): "different metrics do not compare: a by flat-1024-n256-abc, b by flat-1024-n512-abc",
        (without,): "no row of the literature has reported; run --space literature",
        (apart,): "A0, C2 have reported at no number of images in common",
        (run, judged): "confirm is the confirmation of a run: give that run",
    }
    for runs, expected in cases.items():
        line = refusal(literature.main, [str(run.path) for run in runs], capsys)
        assert line.startswith(f"literature.py: {expected}")


def test_runs_of_one_name_are_told_apart_and_none_is_given_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = make(tmp_path / "1", "a", ROWS), make(tmp_path / "2", "a", ROWS, version="flat-1024-n512-abc")
    line = refusal(literature.main, [str(run.path), str(other.path)], capsys)
    assert line.startswith(
        f"literature.py: different metrics do not compare: {run.path} by flat-1024-n256-abc, {other.path}"
    )
    line = refusal(literature.main, [str(run.path), str(run.path)], capsys)
    assert line.startswith(f"literature.py: {run.path} is given 2 times: give each run once")


def test_a_run_that_has_lost_its_settings_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make(tmp_path, "lost", {"A0": {900: 50.0}})
    run.settings_file.unlink()
    assert literature.main([str(run.path)]) == 2
    assert "lost has no settings, which name its metric: bring them back" in capsys.readouterr().err
