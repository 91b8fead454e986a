"""The stage of the test images: which models are measured, what is stored, and what happens without time or luck."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from analysis.run import evaluations
from analysis.run.events import Start
from analysis.run.run import Run
from analysis.statistics.confirmed import confirmation_result
from search import test_evaluation
from search.machine import Machine
from search.progress.budget import Budget
from search.progress.notes import Notes
from search.settings import Settings
from tests.helpers import fake_runs
from trainables.data.mnist import Images
from trainables.metric.classifier import load_weights
from trainables.metric.fmd import Reference
from trainables.trial import Plan

SETTINGS = Settings.resolve({"name": "confirm"}, "widths", "", Machine(cpus=2, gpus=0))
ROW = {"images_seen": 9_000, "sampler": "ancestral", "steps": 20, "nfe": 20}
FMDS = {"fmd": 30.0, "fmd_se": 1.0, "fmd_normalised": 0.1, "fmd_corrected": 25.0}

Measure = Callable[[Start], dict[str, Any] | Exception | None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A search of two trials and a baseline that were trained again; the first is the best by far."""
    run = Run.create(tmp_path, "run")
    run.write_settings(fake_runs.settings("run"))
    for number, baseline in enumerate(("", "", "A0")):
        fake_runs.add_trial(run, {"training/lr": 0.1 + number}, [50.0 + number], baseline=baseline)
    fake_runs.confirm(run, ["000", "001", "002"], seeds=2, tested=False)
    return run


def measured(
    run: Run, mnist: Images, monkeypatch: pytest.MonkeyPatch, measure: Measure, left: float = 600.0
) -> tuple[list[str], str]:
    """Measure, one model after the other in place of Ray, and return the order of the models and what was said."""
    order: list[str] = []

    def one_by_one(
        task: object, bench: object, starts: list[Start], settings: Settings, is_over: Callable[[], bool]
    ) -> Iterator[tuple[Start, dict[str, Any] | Exception | None]]:
        for start in starts:
            if is_over():
                return
            order.append(start.trial)
            yield start, measure(start)

    monkeypatch.setattr(test_evaluation, "each_on_a_slot", one_by_one)
    result = confirmation_result(run)
    assert result is not None
    notes = Notes(Budget(600.0, earlier=600.0 - left), Console(file=io.StringIO(), width=80))
    test_evaluation.measure_on_test_images(confirmed(run), SETTINGS, result, mnist, load_weights(), notes)
    return order, notes.console.file.getvalue()  # type: ignore[attr-defined]


def good(start: Start) -> dict[str, Any]:
    return {**ROW, **FMDS, "noise": start.seed}


def confirmed(run: Run) -> Run:
    nested = run.confirmed()
    assert nested is not None
    return nested


def is_tested(run: Run) -> bool:
    return bool(confirmed(run).settings()["tested"])


def test_the_possible_winners_and_the_literature_are_measured_once_the_best_first(
    run: Run, mnist: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, said = measured(run, mnist, monkeypatch, good)
    assert order == ["000.0", "000.1", "002.0", "002.1"]
    assert "now 4 models are measured on the test images, about" in " ".join(said.split())
    assert max(map(len, said.splitlines())) <= 80
    assert is_tested(run)
    again, said = measured(run, mnist, monkeypatch, good)
    assert (again, said) == ([], "")
    assert is_tested(run)


def test_one_that_fails_is_named_and_measured_when_the_run_goes_on(
    run: Run, mnist: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = RuntimeError("Traceback ...\nValueError: out of luck")
    _, said = measured(run, mnist, monkeypatch, lambda start: error if start.trial == "000.1" else good(start))
    assert "000.1 could not be measured on the test images: ValueError: out of luck" in " ".join(said.split())
    assert "1 of 4 models are not measured" in said
    assert not is_tested(run)
    assert measured(run, mnist, monkeypatch, good)[0] == ["000.1"]
    assert is_tested(run)


def test_what_there_is_no_time_for_is_not_measured_and_the_run_is_not_at_its_end(
    run: Run, mnist: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, said = measured(run, mnist, monkeypatch, good, left=-200.0)
    assert order == []
    assert "4 of 4 models are not measured on the test images" in said
    assert not is_tested(run)


def test_a_model_whose_samples_diverge_has_no_row_and_holds_up_nothing(
    run: Run, mnist: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(run, mnist, monkeypatch, lambda start: None if start.trial == "002.0" else good(start))
    assert len(evaluations.stored(confirmed(run))) == 3
    assert is_tested(run)


def test_a_model_that_is_gone_is_an_error_and_does_not_count_as_measured(run: Run, mnist: Images) -> None:
    nested, reference = confirmed(run), Reference.build(mnist, "test", 256)
    bench = test_evaluation.Bench(Plan((9_000,), 0, "cpu"), nested.uri, mnist, reference)
    with pytest.raises(FileNotFoundError, match=r"keeps no checkpoint of 000\.0 any more"):
        test_evaluation.measure(bench, nested.starts()["000.0"])
