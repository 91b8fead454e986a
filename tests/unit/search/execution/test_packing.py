"""How many trials share a GPU: the choice, and its measurement, which works on a CPU too."""

import itertools
import json
import os
import random
from pathlib import Path

import pytest
import torch

from search import run
from search.command_line import parse
from search.declaration import SettingsError
from search.execution.mps import CONTROL, PIPES, mps
from search.execution.packing import GAIN, choose, drawn, footprint, measure
from search.machine import Machine, MachineError
from search.settings import Settings
from search.space.fake_trial import FakeTrial
from search.space.load import load
from spaces.baselines import STARTER
from trainables.config import Flat
from trainables.device import OutOfMemory, share_of

SHAPE = (1, 28, 28)
TINY: Flat = {"network/kind": "cnn", "network/cnn/widths": "3-4", "training/batch": 16}


@pytest.mark.parametrize("seed", range(20))
def test_more_trials_are_taken_as_long_as_twice_as_many_gain_something(seed: int) -> None:
    rng = random.Random(seed)
    paces = {2**k: rng.uniform(100, 200) * 1.2**k for k in range(6)}
    taken = choose(paces)
    before = [pace for trials, pace in paces.items() if trials <= taken]
    assert all(b >= GAIN * a for a, b in itertools.pairwise(before))
    assert 2 * taken not in paces or paces[2 * taken] < GAIN * before[-1]


def test_a_gpu_that_is_full_is_left_to_one_trial_and_an_empty_one_to_all() -> None:
    assert choose({1: 100.0, 2: 101.0, 4: 400.0}) == 1
    assert choose({1: 100.0, 2: 190.0, 3: 260.0}) == 3


@pytest.mark.parametrize("name", ["widths", "networks", "literature"])
def test_memory_is_kept_for_the_largest_of_a_space_and_of_its_baselines(name: str) -> None:
    space = load(name, {})
    most = footprint(drawn(space, SHAPE)[1], SHAPE)
    assert all(footprint(baseline.variant, SHAPE) <= most for baseline in space.baselines)
    rng = random.Random(1)
    others = [footprint(space.draw(FakeTrial({}, rng)), SHAPE) for _ in range(4)]
    assert sum(most >= other for other in others) >= 3


def test_draws_that_a_space_rejects_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "picky.py").write_text(
        "import optuna\n\n\ndef space(trial):\n"
        '    if trial.suggest_int("training/batch", 1, 9) > 3:\n        raise optuna.TrialPruned\n'
    )
    typical, largest = drawn(load(str(tmp_path / "picky.py"), {}), SHAPE)
    assert (typical["training/batch"], largest["training/batch"]) == (2, 3)


def test_a_batch_and_the_pixels_of_a_network_count_as_its_parameters_do() -> None:
    taken = [
        footprint({**STARTER, "training/batch": batch, "network/cnn/patch": patch}, SHAPE)
        for batch, patch in ((64, 2), (64, 1), (128, 1))
    ]
    assert taken == sorted(taken)
    assert taken[2] > 1.8 * taken[1] > 1.8 * 3 * taken[0]


@pytest.mark.slow
def test_processes_train_side_by_side_as_many_as_there_is_room_for() -> None:
    paces = measure(TINY, {**TINY, "network/conditioning": "class"}, SHAPE, "cpu", most=2)
    assert list(paces) == [1, 2]
    assert min(paces.values()) > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_trial_that_cannot_be_trained_is_reported_in_a_line() -> None:
    with pytest.raises(MachineError, match=r"--trials-per-gpu auto: .*NVIDIA.*; give a number") as caught:
        measure(TINY, TINY, SHAPE, "cuda", most=2)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_there_is_nothing_to_share(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--space", "widths", "--trials-per-gpu", "auto"]) == 2
    assert "there are 0 GPUs" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "meant"), [("auto", "auto"), ("3", 3)])
def test_trials_per_gpu_is_a_number_or_auto(text: str, meant: object) -> None:
    assert parse(["--space", "widths", "--trials-per-gpu", text])["trials_per_gpu"] == meant


def test_trials_per_gpu_is_nothing_else() -> None:
    with pytest.raises(SettingsError, match=r"--trials-per-gpu.*many: give a whole number from 1 to 100, or auto"):
        parse(["--space", "widths", "--trials-per-gpu", "many"])


def test_without_its_program_there_is_no_mps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(PIPES, raising=False)
    with mps() as shared:
        assert not shared
        assert PIPES not in os.environ


def test_an_mps_of_the_users_own_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PIPES, "/somewhere")
    with mps() as shared:
        assert shared
    assert os.environ[PIPES] == "/somewhere"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize(("daemon", "quits"), [("exit 1", False), ("[ $# = 0 ] || exit 0", True)], ids=["none", "one"])
def test_where_mps_does_not_work_nothing_of_it_stays(
    daemon: str, quits: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program, told = tmp_path / CONTROL, tmp_path / "told"
    program.write_text(f"#!/bin/sh\n{daemon}\n/bin/cat >> {told}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(PIPES, raising=False)
    with mps() as shared:
        assert not shared
        assert PIPES not in os.environ
    assert told.exists() == quits
    assert not quits or told.read_text().startswith("quit")


def test_a_search_that_goes_on_shares_gpus_as_it_did() -> None:
    machine = Machine(cpus=8, gpus=1)
    settings = Settings.resolve({"trials_per_gpu": "auto"}, "widths", "", machine).sharing(3, machine, mps=True)
    assert (settings.slots, settings.mps) == (3, True)
    again = Settings.resume(json.loads(json.dumps(settings.saved())), {}, machine)
    assert (again.slots, again.mps, again.gpus_per_trial) == (3, True, settings.gpus_per_trial)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_trial_that_takes_more_than_its_share_of_a_gpu_says_so() -> None:
    with (
        pytest.raises(OutOfMemory, match="give a smaller --trials-per-gpu"),
        share_of(torch.device("cuda", 0), 0.25),
    ):
        torch.empty(torch.cuda.get_device_properties(0).total_memory // 2, dtype=torch.uint8, device="cuda")
