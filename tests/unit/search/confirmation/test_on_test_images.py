"""The stage of the test images: which models are measured, what is stored, and what happens without time or luck."""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from analysis.run import evaluations
from analysis.run.events import Start
from analysis.run.run import Run
from analysis.run.storage import Folder
from analysis.statistics.confirmed import confirmation_result
from search.confirmation import on_test_images
from search.execution.ending import Ending
from search.machine import Machine
from search.progress.budget import Budget
from search.progress.notes import Notes
from search.session import Session
from search.settings import Settings
from search.trackers.sending import Trackers
from tests.helpers import fake_runs
from trainables.config import Flat, Variant
from trainables.data.images import Images
from trainables.metric.fmd import Reference
from trainables.trial import Plan, Trial, TrialData

SETTINGS = Settings.resolve({"name": "confirm"}, "widths", "", Machine(cpus=2, gpus=0))
ROW = {"images_seen": 9_000, "sampler": "ancestral", "steps": 20, "nfe": 20}
FMDS = {"fmd": 30.0, "fmd_se": 1.0, "fmd_normalised": 0.1, "fmd_corrected": 25.0}

TINY: Flat = {"network/kind": "cnn", "network/cnn/widths": "8-8", "network/cnn/patch": 2, "sampler/steps": 4}

Measure = Callable[[Start], dict[str, Any] | Exception | None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A search of two trials and a baseline that were trained again; the first is the best by far."""
    run = fake_runs.begun(tmp_path, "run")
    for number, baseline in enumerate(("", "", "A0")):
        fake_runs.add_trial(run, {"training/lr": 0.1 + number}, [50.0 + number], baseline=baseline)
    fake_runs.confirm(run, ["000", "001", "002"], seeds=2, tested=False)
    return run


@pytest.fixture(scope="module")
def race_data(mnist: Images) -> TrialData:
    """The images, and a reference of few of those that a race is judged by."""
    few = replace(mnist, confirm=mnist.confirm[:128])
    return TrialData(mnist, Reference.build(few, "confirm", 64))


def measured(
    run: Run, race_data: TrialData, monkeypatch: pytest.MonkeyPatch, measure: Measure, left: float = 600.0
) -> tuple[list[str], str]:
    """Measure, one model after the other in place of Ray, and return the order of the models and what was said."""
    order: list[str] = []

    def one_by_one(
        task: object,
        bench: object,
        starts: list[Start],
        settings: Settings,
        is_over: Callable[[], bool],
        ending: Ending,
    ) -> Iterator[tuple[Start, dict[str, Any] | Exception | None]]:
        for start in starts:
            if is_over():
                return
            order.append(start.trial)
            yield start, measure(start)

    monkeypatch.setattr(on_test_images, "each_on_a_slot", one_by_one)
    result = confirmation_result(run)
    notes = Notes(Budget(600.0, earlier=600.0 - left), Console(file=io.StringIO(), width=80))
    race = Session(run.confirmed(), SETTINGS, race_data, notes, Trackers())
    on_test_images.measure_on_test_images(race, result, Ending(lambda: None))
    return order, notes.console.file.getvalue()  # type: ignore[attr-defined]


def good(start: Start) -> dict[str, Any]:
    return {**ROW, **FMDS, "noise": start.seed}


def is_tested(run: Run) -> bool:
    return bool(run.confirmed().settings()["tested"])


def test_the_possible_winners_and_the_literature_are_measured_once_the_best_first(
    run: Run, race_data: TrialData, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, said = measured(run, race_data, monkeypatch, good)
    assert order == ["000.0", "000.1", "002.0", "002.1"]
    assert "now 4 models are measured on the test images, about" in " ".join(said.split())
    assert max(map(len, said.splitlines())) <= 80
    assert is_tested(run)
    again, said = measured(run, race_data, monkeypatch, good)
    assert (again, said) == ([], "")
    assert is_tested(run)


def test_one_that_fails_is_named_and_measured_when_the_run_goes_on(
    run: Run, race_data: TrialData, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = RuntimeError("Traceback ...\nValueError: out of luck")
    _, said = measured(run, race_data, monkeypatch, lambda start: error if start.trial == "000.1" else good(start))
    assert "000.1 could not be measured on the test images: ValueError: out of luck" in " ".join(said.split())
    assert "1 of 4 models are not measured" in said
    assert "the checkpoint of 000.1 is gone; it is trained again" in said
    assert not is_tested(run)
    assert measured(run, race_data, monkeypatch, good)[0] == ["000.1"]
    assert is_tested(run)


def test_what_there_is_no_time_for_is_not_measured_and_the_run_is_not_at_its_end(
    run: Run, race_data: TrialData, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, said = measured(run, race_data, monkeypatch, good, left=-200.0)
    assert order == []
    assert "4 of 4 models are not measured on the test images" in said
    assert not is_tested(run)


def test_a_model_whose_samples_diverge_has_no_row_and_holds_up_nothing(
    run: Run, race_data: TrialData, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(run, race_data, monkeypatch, lambda start: None if start.trial == "002.0" else good(start))
    assert len(evaluations.stored(run.confirmed())) == 3
    assert is_tested(run)


@pytest.mark.parametrize("damage", ["gone", "damaged"])
def test_a_model_whose_checkpoint_is_gone_or_damaged_is_trained_again_and_measured_as_it_was(
    damage: str, tmp_path: Path, mnist: Images, small_reference: Reference, race_data: TrialData
) -> None:
    """Its reference is another than that of the training, as that of the test images is."""
    nested, plan = Run.create(tmp_path, "confirm"), Plan((64,), 3, "cpu")
    start = Start("000-cnn.0", 0, 11, "", TINY, repeats="000-cnn", sampling_seed=12)
    folder, variant, data = Folder(nested.uri), Variant.from_flat(TINY), TrialData(mnist, small_reference)
    trial = Trial(start.trial, variant, 11, replace(plan, sampling_seed=12), data, folder)
    reports = list(trial.reports())
    bench = on_test_images.Bench(plan, nested.uri, data, race_data.reference)
    assert list(on_test_images._without_model(nested, [start])) == []
    expected = on_test_images.measure(bench, start)
    assert expected is not None
    path = nested.checkpoints / "000-cnn.0.pt"
    if damage == "gone":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    ((name, why),) = on_test_images._without_model(nested, [start])
    assert name == "000-cnn.0"
    assert why.startswith(f"the checkpoint of 000-cnn.0 is {damage}")
    assert not path.exists()
    assert on_test_images.measure(bench, start) == expected
    again = Trial(start.trial, variant, 11, plan, data, folder)
    assert again.last.fmd == reports[-1].fmd  # that of the race, not of the test images
