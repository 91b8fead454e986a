"""A trial without Ray: a report at each rung and nowhere else, the same after any restart, finite come what may."""

import itertools
import json
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields, replace
from io import BytesIO
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.helpers.memory import Memory
from trainables.config import Flat, Variant
from trainables.data.mnist import Images
from trainables.metric.fmd import Reference
from trainables.report import Report
from trainables.training.trainer import Trainer
from trainables.trial import Plan, Preempted, Trial

RUNGS = (48, 150, 400)
TINY: Flat = {
    "network/kind": "unet",
    "network/unet/widths": "4",
    "schedule/kind": "cosine",
    "schedule/cosine/T": 20,
    "sampler/steps": 3,
    "training/batch": 16,
}
COLD: Flat = {"degradation/kind": "mask+morph", "training/target": "x0", "sampler/kind": "cold2"}
Make = Callable[..., Trial]


@pytest.fixture(scope="module")
def images(mnist: Images) -> Images:
    """MNIST with 200 training images, read-only as they come out of Ray's object store."""
    few = {name: getattr(mnist, name)[:200] for name in ("train", "groups", "overlays_train", "overlays_sample")}
    for array in few.values():
        array.flags.writeable = False
    return replace(mnist, **few)


@pytest.fixture
def storage() -> Memory:
    return Memory()


@pytest.fixture
def make(storage: Memory, images: Images, small_reference: Reference) -> Make:
    def make(
        name: str = "003-tiny",
        changes: Flat | None = None,
        seed: int = 5,
        rungs: tuple[int, ...] = RUNGS,
        save_every: float = 60.0,
        **hooks: Any,
    ) -> Trial:
        plan = Plan(rungs, sampling_seed=11, device="cpu", save_every=save_every)
        variant = Variant.from_flat({**TINY, **(changes or {})})
        return Trial(name, variant, seed, plan, images, small_reference, storage, **hooks)

    return make


def what_it_says(report: Report) -> dict[str, Any]:
    """A report without its times and the name of its trial."""
    return {name: value for name, value in asdict(report).items() if "second" not in name and name != "trial"}


def poison(network: torch.nn.Module) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(torch.nan)


@pytest.mark.parametrize("changes", [{}, COLD, {"sampler/kind": "ancestral", "training/target": "v"}], ids=str)
def test_it_reports_at_exactly_the_rungs(changes: Flat, make: Make, small_reference: Reference) -> None:
    trial = make(changes=changes)
    reports = []
    for report in trial.reports():
        assert trial.trainer.images_seen == report.images_seen
        reports.append(report)
    assert [report.images_seen for report in reports] == list(RUNGS)
    assert [report.rung for report in reports] == [0, 1, 2]
    for report in reports:
        assert np.isfinite([report.fmd, report.fmd_normalised, report.fmd_se, report.fmd_corrected, report.loss]).all()
        assert not report.diverged
        assert report.fmd > small_reference.floor
        assert np.isfinite([report.validation_loss, report.ssim, report.psnr, report.rmse]).all()
        assert report.validation_loss == pytest.approx(np.mean(report.loss_by_t))
        assert report.ssim == pytest.approx(np.mean(report.ssim_by_t))
        assert len(report.loss_by_t) == len(report.ssim_by_t) == 10
        assert report.nfe == 3
        assert report.parameters == sum(p.numel() for p in trial.trainer.diffusion.network.parameters())


def test_a_report_is_of_plain_numbers_that_json_can_hold(make: Make) -> None:
    for report in (next(make().reports()), next(diverging(make("diverging")))):
        for field in fields(report):
            kinds = {"str": str, "int": int, "float": float, "bool": bool, "tuple[float, ...]": tuple}
            assert type(getattr(report, field.name)) is kinds[str(field.type)]
        told = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(report).items()}
        assert json.loads(json.dumps(told)) == told


def test_its_seconds_are_those_since_the_last_report(make: Make) -> None:
    for report in make().reports():
        parts = [getattr(report, f"{part}_seconds") for part in ("setup", "train", "sample", "score")]
        assert all(part > 0 for part in parts)
        assert report.images_per_second == pytest.approx(
            (report.images_seen - ([0, *RUNGS][report.rung])) / report.train_seconds
        )


def test_what_a_restarted_trial_waits_after_its_first_report_is_no_training(make: Make) -> None:
    next(make().reports())
    reports = make().reports()
    next(reports)
    time.sleep(0.3)
    assert next(reports).setup_seconds >= 0.3


def test_reporting_disturbs_training_in_no_bit(make: Make, images: Images) -> None:
    trial = make()
    list(trial.reports())
    train, overlays = torch.tensor(images.train), torch.tensor(images.overlays_train)
    alone = Trainer(trial.variant, 5, train, overlays, RUNGS[-1])
    for rung in RUNGS:
        alone.run_to(rung)
    for found, expected in zip(trial.trainer.ema.parameters(), alone.ema.parameters(), strict=True):
        assert torch.equal(found, expected)


def test_the_seed_decides_the_numbers_and_the_name_does_not(make: Make) -> None:
    first, again, other = (
        [what_it_says(report) for report in make(name, seed=seed).reports()]
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first == again
    assert all(one["fmd"] != another["fmd"] for one, another in zip(first, other, strict=True))


@pytest.mark.parametrize(("passed", "changes"), [(1, {}), (1, COLD), (2, COLD), (3, {})], ids=str)
def test_a_restarted_trial_repeats_its_last_report_and_goes_on_as_if_never_stopped(
    passed: int, changes: Flat, make: Make
) -> None:
    whole = [what_it_says(report) for report in make("whole", changes).reports()]
    killed = make("killed", changes)
    said = list(islice(killed.reports(), passed))
    killed.trainer.run_to(RUNGS[passed - 1] + 20)  # on its way to the next rung when it dies
    reports = list(make("killed", changes).reports())
    assert reports[0] == said[-1]
    assert [what_it_says(report) for report in reports] == whole[passed - 1 :]


@pytest.mark.parametrize("steps", [1, 7])
def test_a_trial_whose_machine_is_taken_back_leaves_with_all_that_it_has_done(steps: int, make: Make) -> None:
    whole = [what_it_says(report) for report in make("whole").reports()]
    done = itertools.count(1)
    leaves = make("leaves", should_leave=lambda: next(done) == steps)
    with pytest.raises(Preempted):
        list(leaves.reports())
    again = make("leaves")
    assert again.trainer.images_seen == leaves.trainer.images_seen > 0
    reports = list(again.reports())
    assert [what_it_says(report) for report in reports] == whole[len(whole) - len(reports) :]


@pytest.mark.parametrize("steps", [1, 9, *(pytest.param(steps, marks=pytest.mark.slow) for steps in (4, 15))])
@pytest.mark.parametrize("changes", [{}, {"training/split": "80:20", "training/lr_decay": "plateau"}], ids=str)
def test_a_trial_that_dies_between_rungs_goes_on_from_what_was_saved_last(
    steps: int, changes: Flat, make: Make, storage: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [what_it_says(report) for report in make("whole", changes).reports()]
    killed = make("killed", changes, save_every=0.0)
    save, saved = storage.save_checkpoint, itertools.count(1)

    def save_and_die(name: str, checkpoint: bytes) -> None:
        save(name, checkpoint)
        if next(saved) == steps:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(storage, "save_checkpoint", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            list(killed.reports())
    again = make("killed", changes)
    assert again.trainer.images_seen == killed.trainer.images_seen > 0
    reports = list(again.reports())
    assert [what_it_says(report) for report in reports] == whole[len(whole) - len(reports) :]
    assert all(report.train_seconds > 0 for report in reports)


def test_it_is_validated_on_what_its_split_holds_out_and_else_on_what_the_search_ranks_against(
    make: Make, images: Images
) -> None:
    held_out = make(changes={"training/split": "80:20"}).held_out.numpy()
    assert {image.tobytes() for image in held_out} <= {image.tobytes() for image in images.train}
    kept = make().held_out.numpy()
    assert {image.tobytes() for image in kept} <= {image.tobytes() for image in images.search}
    assert len(held_out) == 40
    assert len(kept) == 64


def test_a_trained_model_is_sampled_from_in_other_ways_and_learns_nothing(make: Make, storage: Memory) -> None:
    *_, last = make("model").reports()
    model = storage.checkpoints["model"]
    again, faster = (
        next(make(f"{steps} steps", {"sampler/steps": steps}, 9, RUNGS[-1:], pretrained=lambda: model).reports())
        for steps in (TINY["sampler/steps"], 1)
    )
    assert (again.fmd, again.loss, again.images_seen) == (last.fmd, last.loss, last.images_seen)
    assert faster.fmd != last.fmd
    assert (faster.nfe, faster.images_per_second) == (1, 0)


def test_once_patience_is_lost_its_pace_is_that_of_its_last_training(make: Make) -> None:
    trial = make(changes={"training/split": "80:20", "training/patience": 1})
    reports = trial.reports()
    first = next(reports)
    trial.trainer.patience.waited = 1
    assert trial.trainer.patience.lost
    for later in reports:
        assert later.images_per_second == first.images_per_second > 0
    assert trial.trainer.images_seen == RUNGS[0]


def diverging(trial: Trial) -> Iterator[Report]:
    """The reports of a trial whose weights are no numbers."""
    poison(trial.trainer.diffusion.network)
    return trial.reports()


def check_diverged(report: Report, reference: Reference) -> None:
    assert report.diverged
    assert (report.fmd, report.fmd_normalised, report.fmd_se) == (reference.blank, 1.0, 0.0)
    assert report.fmd_corrected == reference.blank


def test_a_diverged_trial_reports_the_blank_value_once_and_ends(make: Make, small_reference: Reference) -> None:
    trial = make()
    reports = trial.reports()
    first = next(reports)
    poison(trial.trainer.diffusion.network)
    (last,) = reports
    check_diverged(last, small_reference)
    assert not first.diverged
    assert (last.images_seen, last.rung) == (RUNGS[1], 1)
    (again,) = make().reports()
    assert again == last


def test_samples_that_are_no_numbers_are_divergence_too(make: Make, small_reference: Reference) -> None:
    trial = make()
    poison(trial.trainer.ema)
    (report,) = trial.reports()
    check_diverged(report, small_reference)
    assert report.images_seen == RUNGS[0]


def test_its_pictures_are_there_before_its_report(make: Make, storage: Memory) -> None:
    trial = make("007-morph")
    for report in trial.reports():
        samples = Image.open(BytesIO(storage.pictures["007-morph", "samples"]))
        strip = Image.open(BytesIO(storage.pictures["007-morph", "degradation"]))
        assert samples.format == strip.format == "PNG"
        assert samples.size == (2 * (8 * 29 + 1), 2 * (8 * 29 + 1))
        assert strip.size == (2 * (9 * 29 + 1), 2 * (6 * 29 + 1))
        assert len(np.unique(np.asarray(samples))) > 10, report
    assert list(storage.checkpoints) == ["007-morph"]
    assert set(storage.pictures) == {("007-morph", "samples"), ("007-morph", "degradation")}


def test_it_takes_read_only_arrays_without_a_word(make: Make) -> None:
    torch.set_warn_always(True)  # else torch says it once a process
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            make()
    finally:
        torch.set_warn_always(False)


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_the_device_is_the_one_that_is_there(name: str) -> None:
    device = Plan((1,), 0, name).resolve_device()
    assert device.type == ("cuda" if name == "auto" and torch.cuda.is_available() else "cpu")
