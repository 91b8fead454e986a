"""How many trials share a GPU: the choice, and its measurement, which works on a CPU too."""

import itertools
import json
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from rich.console import Console

from search import run
from search.command_line import parse
from search.declaration import SettingsError
from search.execution import packing
from search.execution.mps import CONTROL, PIPES, mps
from search.execution.packing import GAIN, best, choose, drawn, footprint, measure, training
from search.machine import Machine, MachineError
from search.progress.budget import Budget
from search.progress.notes import Notes
from search.settings import Settings
from search.space.fake_trial import FakeTrial
from search.space.load import load
from search.stages import _sharing_gpus
from spaces.baselines import STARTER
from tests.helpers.spaces import PICKY, space_of
from trainables.config import Flat
from trainables.data.images import Images
from trainables.device import CONTEXT, OutOfMemory, share_of
from trainables.diffusion.process import Diffusion
from trainables.diffusion.source import Source

SHAPE = (1, 28, 28)
TINY: Flat = {"network/kind": "cnn", "network/cnn/widths": "3-4", "training/batch": 16}


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of every batch that is trained on from now on."""
    seen: list[int] = []
    loss = Diffusion.loss

    def spy(self: Diffusion, x0: torch.Tensor, source: Source) -> torch.Tensor:
        seen.append(len(x0))
        return loss(self, x0, source)

    monkeypatch.setattr(Diffusion, "loss", spy)
    return seen


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Measuring takes one thread for its process, which here is that of the tests."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


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


@pytest.mark.parametrize("name", ["widths", "networks"])
def test_memory_is_kept_for_the_largest_of_a_space_and_of_its_baselines(name: str) -> None:
    space = load(name, {})
    most = footprint(drawn(space, SHAPE)[1], SHAPE)
    assert all(footprint(baseline.variant, SHAPE) <= most for baseline in space.baselines)
    rng = random.Random(1)
    others = [footprint(space.draw(FakeTrial({}, rng)), SHAPE) for _ in range(4)]
    assert sum(most >= other for other in others) >= 3


def test_draws_that_a_space_rejects_are_passed_over(tmp_path: Path) -> None:
    typical, largest = drawn(space_of(tmp_path, PICKY), SHAPE)
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


@pytest.mark.slow
def test_what_was_measured_counts_where_more_processes_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    together = packing._together

    def fails_from_two_on(processes: list[packing._Process], new: int) -> float:
        if len(processes) > 1:
            raise MachineError("CUDA error: out of memory")
        return together(processes, new)

    monkeypatch.setattr(packing, "_together", fails_from_two_on)
    paces = measure(TINY, TINY, SHAPE, "cpu", most=4)
    assert list(paces) == [1, 2]
    assert paces[1] > paces[2] == 0
    assert choose(paces) == 1


@pytest.mark.parametrize("change", [{"sampler/prior": "degraded"}, {"training/batch": 300}], ids=str)
def test_variants_of_every_prior_and_batch_can_be_measured(change: Flat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "SECONDS", 0.0)
    monkeypatch.setattr(packing, "STEPS", 2)
    measured = training({**TINY, **change}, SHAPE, "cpu")
    taken, before = next(measured)
    assert 0 <= taken <= before + CONTEXT


def test_all_batches_of_a_measurement_are_whole(batches: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "STEPS", 8)
    next(training({**TINY, "training/batch": 300}, SHAPE, "cpu"))
    assert batches == [300] * 8


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_where_no_trial_can_be_measured_each_has_a_gpu_and_a_line_says_so() -> None:
    said: list[str] = []
    assert best(load("widths", {}), SHAPE, Machine(cpus=4, gpus=1), 1, said.append) == 1
    (line,) = said
    assert re.fullmatch(r"--trials-per-gpu auto: .*NVIDIA.*: one trial has each GPU; give a number for more", line)


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


def test_a_search_that_goes_on_without_its_mps_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mnist: Images
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(PIPES, raising=False)
    machine, notes = Machine(cpus=8, gpus=1), Notes(Budget(60, 0, 0), Console(width=200), quiet=False)
    settings = Settings.resolve({"trials_per_gpu": 3}, "widths", "", machine)
    said: list[str] = []
    monkeypatch.setattr(notes, "say", said.append)
    for shared, lines in ((False, 0), (True, 1)):
        before = settings.sharing(3, machine, mps=shared)
        with _sharing_gpus(before, load("widths", {}), mnist, machine, notes, measures=False) as after:
            assert after == before
        assert len(said) == lines


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_trial_that_takes_more_than_its_share_of_a_gpu_says_so() -> None:
    with pytest.raises(OutOfMemory, match="give a smaller --trials-per-gpu"), share_of(torch.device("cuda", 0), 0.25):
        torch.empty(torch.cuda.get_device_properties(0).total_memory // 2, dtype=torch.uint8, device="cuda")
