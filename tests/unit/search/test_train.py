"""search/train.py: longer is the same as longer from the start, interrupted or not, and begins where it should."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from analysis.run.run import Run
from analysis.run.storage import Folder
from analysis.statistics.winner import training_of
from search import replay, train
from search.declaration import SettingsError
from search.resuming import open_run
from search.winner import training
from search.winner.longer import default_name, longer_run
from tests.helpers.commands import refusal
from tests.helpers.memory import Memory
from tests.helpers.trained_runs import OTHER, RUNGS, WINNER
from trainables.config import Variant
from trainables.data.images import Images
from trainables.metric.fmd import Reference
from trainables.trial import Plan, Trial, TrialData

MODEL = f"{WINNER}.1"  # of the winner's trainings the one with the lowest FMD


def fmds(run: Path) -> dict[int, float]:
    opened = Run.open(run)
    (reports,) = opened.reports().values()
    return {report.images_seen: report.fmd for report in reports}


@pytest.fixture(scope="module")
def at_once(trained: Run, mnist: Images, small_reference: Reference) -> Callable[..., dict[int, float]]:
    """The FMDs of a training that was planned for all of its rungs from the start."""

    def scored(rungs: tuple[int, ...], name: str = MODEL, **changes: Any) -> dict[int, float]:
        start = training_of(trained, name).start
        variant = Variant.from_flat({**start.variant, **changes})
        plan = Plan(rungs, start.sampling_seed or 4, device="cpu")  # 4: the seed of the run
        trial = Trial(name, variant, start.seed, plan, TrialData(mnist, small_reference), Memory())
        return {report.images_seen: report.fmd for report in trial.reports()}

    return scored


def test_a_training_goes_on_as_if_it_had_been_planned_so(
    trained: Run, at_once: Callable[..., dict[int, float]], capsys: pytest.CaptureFixture[str]
) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    assert train.main([str(trained.path), "--images", "128", "--every", "48"]) == 0
    assert torch.get_num_threads() == threads == 1  # as in the search
    longer = trained.path.with_name(f"{trained.name}-{MODEL}")
    before = {report.images_seen: report.fmd for report in training_of(trained).run.reports()[MODEL]}
    expected = at_once((*RUNGS, 96, 128))
    assert fmds(longer) == before | {96: expected[96], 128: expected[128]}
    printed = capsys.readouterr().out
    assert "        128 images  FMD " in printed
    assert f"search/generate.py {longer} --out samples.png\n" in printed
    run = Run.open(longer)
    assert run.settings()["origin"] == {"run": trained.name, "trial": MODEL, "anew": False}
    assert (run.settings()["changes"], run.settings()["every"]) == ({}, 48)
    assert run.trials()["state"].to_pylist() == ["COMPLETE"]
    assert run.report.is_file()
    assert training_of(run).report.images_seen == 128
    # Further still, by the new run or by the same command; both are one training.
    assert train.main([str(longer), "--images", "144"]) == 0
    assert train.main([str(trained.path), "--images", "1.6e2"]) == 0
    assert list(fmds(longer)) == [32, 64, 96, 128, 135, 144, 160]
    assert train.main([str(trained.path), "--images", "160"]) == 2
    assert f"{MODEL} has seen 160 images; give a larger --images" in capsys.readouterr().err
    with pytest.raises(SettingsError, match=r"it is one longer training; go on with search/train\.py"):
        open_run(str(longer.parent), longer.name)


def interrupting(step: int) -> Callable[[], Any]:
    """In place of `leaving`: asks to leave after so many steps."""

    @contextmanager
    def leaving() -> Iterator[Callable[[], bool]]:
        asked = 0

        def leaves() -> bool:
            nonlocal asked
            asked += 1
            return asked >= step

        yield leaves

    return leaving


def test_interrupted_it_goes_on_to_the_same_numbers(
    trained: Run,
    at_once: Callable[..., dict[int, float]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = [str(trained.path), OTHER, "--images", "160", "--every", "80"]
    with monkeypatch.context() as patch:
        patch.setattr(training, "leaving", interrupting(step=2))  # after 96 of 80 and 160
        assert train.main(command) == 130
    assert "interrupted: the same command goes on" in capsys.readouterr().out
    longer = Run.open(trained.path.with_name(f"{trained.name}-{OTHER}"))
    assert longer.settings()["status"] == "interrupted"
    assert longer.trials()["state"].to_pylist() == ["PAUSED"]
    assert train.main(command) == 0
    expected = at_once((*RUNGS, 80, 160), OTHER)
    found = fmds(longer.path)
    assert (found[80], found[160]) == (expected[80], expected[160])


def test_anew_it_begins_with_fresh_weights_and_other_fields(
    trained: Run, at_once: Callable[..., dict[int, float]], capsys: pytest.CaptureFixture[str]
) -> None:
    fields = ["--set", "training.lr_decay=cosine"]
    command = [str(trained.path), MODEL, "--images", "96", "--every", "48", "--anew", "--name", "mine"]
    assert train.main([*command, *fields]) == 0
    expected = at_once((48, 96), **{"training/lr_decay": "cosine"})
    assert fmds(trained.path.with_name("mine")) == expected
    assert Run.open(trained.path.with_name("mine")).settings()["changes"] == {"training.lr_decay": "cosine"}
    assert train.main([*command, "--set", "training.lr=0.001", "--images", "120"]) == 2
    assert "began with other fields; with another --name it begins anew" in capsys.readouterr().err
    assert train.main([str(trained.path), "--images", "96", "--name", "mine"]) == 2
    assert "mine is there already and of another training; give another --name" in capsys.readouterr().err


def test_a_name_is_made_for_a_trial_of_any_name() -> None:
    name = default_name("mine", "065-pixelate+gaussian-class.0", anew=True)
    assert name == "mine-065-pixelate-gaussian-class.0-anew"
    assert len(default_name("r" * 90, "065-gaussian", anew=False)) == 100


def test_a_longer_training_goes_on_as_it_began(trained: Run, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--images", "96", "--every", "48"]
    assert train.main([str(trained.path), MODEL, *command, "--name", "longer"]) == 0
    longer = str(trained.path.with_name("longer"))
    line = refusal(train.main, [longer, "--images", "128", "--anew", "--name", "another"], capsys)
    assert "is a longer training itself, which goes on as it began; leave out --anew, --name" in line
    line = refusal(replay.main, [longer, MODEL], capsys)
    assert f"replay {MODEL} of the search {trained.name}" in line


def test_no_fewer_images_are_reported_than_the_weights_have_seen(
    trained: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [str(trained.path), OTHER, "--every", "80", "--name", "less"]
    with monkeypatch.context() as patch:
        patch.setattr(training, "leaving", interrupting(step=2))  # after 96 of 80 and 160
        assert train.main([*command, "--images", "160"]) == 130
    line = refusal(train.main, [*command, "--images", "90"], capsys)
    assert "has seen 96 images; give a larger --images" in line
    assert Run.open(trained.path.with_name("less")).settings()["status"] == "interrupted"


def test_a_command_that_was_killed_at_its_beginning_begins_again(trained: Run, tmp_path: Path) -> None:
    given = train.TrainOptions(
        run=str(trained.path),
        trial=MODEL,
        images=96,
        every=None,
        anew=False,
        fixed={},
        name="cut",
        data_dir=None,
        trust=False,
    )
    longer = longer_run(trained, given)
    before = longer.events()
    (longer.path / "search.json").unlink()  # which is written last
    again = longer_run(trained, given)
    assert [event for event in again.events() if event in before] == before
    assert again.settings()["origin"]["trial"] == MODEL
    assert Folder(again.uri).load_checkpoint(MODEL) == Folder(trained.confirmed().uri).load_checkpoint(MODEL)
    with pytest.raises(SettingsError, match="give another --name"):
        longer_run(trained, replace(given, name=trained.name))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], f"{MODEL} has seen 64 images; give a larger --images, such as 2e6"),
        (["--images", "64"], f"{MODEL} has seen 64 images; give a larger --images"),
        (["--images", "many"], "--images many: give a number of images from 1 to "),
        (["--images", "65", "--name", "a b"], "run name 'a b': "),
        (["nobody", "--images", "64"], "keeps no model of the trial nobody"),
        (["--images", "1e3", "--set", "training.lr=7", "--name", "x"], "training/lr=7.0 is outside its domain"),
    ],
    ids=str,
)
def test_a_usage_error_is_one_line_and_status_2(
    arguments: list[str], complaint: str, trained: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refusal(train.main, [str(trained.path), *arguments], capsys)
    assert line.startswith("search/train.py: ")
    assert complaint in line


def test_a_first_signal_asks_to_leave_and_a_second_interrupts(capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with training.leaving() as leaves:
        assert not leaves()
        signal.raise_signal(signal.SIGTERM)
        assert leaves()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    assert "again leaves at once" in capfd.readouterr().err
