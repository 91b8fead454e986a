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
from trainables.data.images import Images
from trainables.diffusion.process import Diverged
from trainables.metric.checks import CheckReference
from trainables.metric.fmd import Reference
from trainables.report import CHECKS, GUIDANCES, Report
from trainables.training.trainer import Trainer
from trainables.trial import GRID_SIDE, Plan, Preempted, Trial, TrialData, real_picture

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
SEED, SAMPLING_SEED = 5, 11
Make = Callable[..., Trial]
Whole = Callable[[Flat], list[dict[str, Any]]]


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


@pytest.fixture(scope="module")
def whole(images: Images, small_reference: Reference) -> Whole:
    """What a trial reports that is not interrupted; each variant is trained once."""
    known: dict[str, list[dict[str, Any]]] = {}

    def whole(changes: Flat) -> list[dict[str, Any]]:
        if str(changes) not in known:
            variant, data = Variant.from_flat({**TINY, **changes}), TrialData(images, small_reference)
            trial = Trial("whole", variant, SEED, Plan(RUNGS, SAMPLING_SEED, "cpu"), data, Memory())
            known[str(changes)] = [what_it_says(report) for report in trial.reports()]
        return known[str(changes)]

    return whole


@pytest.fixture
def make(storage: Memory, images: Images, small_reference: Reference) -> Make:
    def make(
        name: str = "003-tiny",
        changes: Flat | None = None,
        seed: int = SEED,
        rungs: tuple[int, ...] = RUNGS,
        save_every: float = 60.0,
        report_every: int = 0,
        sampling_seed: int = SAMPLING_SEED,
        draws: tuple[int, ...] = (),
        checks: CheckReference | None = None,
        chooses_by: Reference | None = None,
        **hooks: Any,
    ) -> Trial:
        plan = Plan(rungs, sampling_seed, "cpu", save_every, report_every, draws)
        variant = Variant.from_flat({**TINY, **(changes or {})})
        data = TrialData(images, small_reference, checks, chooses_by)
        return Trial(name, variant, seed, plan, data, storage, **hooks)

    return make


def what_it_says(report: Report, *without: str) -> dict[str, Any]:
    """A report without its times, the name of its trial, and what begins with a word of `without`."""
    left_out = ("trial", *without)
    return {n: value for n, value in asdict(report).items() if "second" not in n and not n.startswith(left_out)}


def poison(network: torch.nn.Module) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(torch.nan)


def test_its_samples_are_checked_where_that_is_asked_and_all_else_is_the_same(
    make: Make, images: Images, small_reference: Reference, storage: Memory
) -> None:
    few = replace(images, checksums={"few": "of MNIST"})
    checks = CheckReference.build(few, "confirm", small_reference.n, small_reference.weights)
    plain, checked = (list(make(name, **given).reports()) for name, given in (("a", {}), ("b", {"checks": checks})))
    for one, other in zip(plain, checked, strict=True):
        assert all(getattr(one, name) is None and getattr(other, name) is not None for name in CHECKS)
        assert what_it_says(one, *CHECKS) == what_it_says(other, *CHECKS)
    (again,) = make("b").reports()
    assert again == checked[-1]
    assert {type(getattr(again, name)) for name in CHECKS} == {float}


def test_a_guidance_that_is_chosen_after_training_is_the_best_of_those_tried_and_the_one_that_is_scored(
    make: Make, small_reference: Reference
) -> None:
    guided: Flat = {"network/conditioning": "class"}
    (told,) = make("choosing", guided, rungs=RUNGS[:1], chooses_by=small_reference).reports()
    assert told.tried_guidance == (0.0, *GUIDANCES)
    best = dict(zip(told.tried_fmd, told.tried_guidance, strict=True))[min(told.tried_fmd)]
    assert told.chosen == {"sampler/guidance": best}
    assert best > 0
    (plain,) = make("plain", guided | told.chosen, rungs=RUNGS[:1]).reports()
    assert plain.chosen == {}
    assert what_it_says(told, "tried") == what_it_says(plain, "tried")
    (again,) = make("choosing", guided, rungs=RUNGS[:1]).reports()
    assert again == told


def test_a_network_without_classes_keeps_its_sampler(make: Make, small_reference: Reference) -> None:
    told = next(make(chooses_by=small_reference).reports())
    assert (told.tried_guidance, told.chosen) == ((), {})


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


def test_several_sets_of_samples_have_the_mean_of_their_scores_and_train_no_other_model(make: Make) -> None:
    one, other = (list(make(f"noise {seed}", sampling_seed=seed).reports()) for seed in (11, 12))
    both = list(make("both", draws=(1, 1, 2)).reports())
    assert [what_it_says(report) for report in both[:2]] == [what_it_says(report) for report in one[:2]]
    for name in ("fmd", "fmd_normalised", "fmd_corrected"):
        values = [getattr(report[-1], name) for report in (one, other)]
        assert values[0] != values[1]
        assert getattr(both[-1], name) == pytest.approx(np.mean(values))
    assert both[-1].fmd_se == pytest.approx(np.hypot(one[-1].fmd_se, other[-1].fmd_se) / 2)
    assert [report.draws for report in both] == [1, 1, 2]
    unscored = ("fmd", "draws")
    assert what_it_says(both[-1], *unscored) == what_it_says(one[-1], *unscored)


def test_a_report_is_of_plain_numbers_that_json_can_hold(make: Make) -> None:
    for report in (next(make().reports()), next(diverging(make("diverging")))):
        for field in fields(report):
            kinds = {"str": str, "int": int, "float": float, "bool": bool}
            if field.name in CHECKS:
                assert getattr(report, field.name) is None
                continue
            value, (kind, *of) = getattr(report, field.name), str(field.type).removesuffix(", ...]").split("tuple[")
            assert type(value) is (tuple if of else kinds[kind])
            assert not of or {type(one) for one in value} <= {kinds[of[0]]}
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


@pytest.mark.parametrize("changes", [{}, {**COLD, "training/split": "80:20", "training/patience": 9}], ids=str)
def test_scores_between_rungs_change_no_bit_of_what_is_reported_at_rungs(
    changes: Flat, make: Make, storage: Memory
) -> None:
    trials = make("without", changes), make("with", changes, report_every=50)
    without, scored = (list(trial.reports()) for trial in trials)
    at_rungs = ([what_it_says(report, "between") for report in reports] for reports in (scored, without))
    assert next(at_rungs) == next(at_rungs)
    assert [[at // 50 for at in report.between_at] for report in scored] == [[], [1, 2], [4, 5, 6, 7]]
    for report in scored:
        assert all(at % 50 < 16 for at in report.between_at)
        assert len(report.between_fmd) == len(report.between_validation_loss) == len(report.between_at)
    weights = (list(trial.trainer.diffusion.network.parameters()) for trial in trials)
    assert all(torch.equal(one, other) for one, other in zip(*weights, strict=True))


def test_a_score_between_rungs_is_that_of_a_trial_with_a_rung_there(make: Make) -> None:
    *_, last = make("with", rungs=(48, 96), report_every=64).reports()
    first, _ = make("a rung there", rungs=(64, 96)).reports()
    assert (last.between_at, last.between_fmd) == ((64,), (first.fmd,))
    assert last.between_validation_loss == (first.validation_loss,)


def test_a_score_between_rungs_that_diverges_is_left_out_and_decides_nothing(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, sound = make(report_every=64), Trial._sample

    def sample(self: Trial) -> torch.Tensor:
        if self.trainer.images_seen == 64:
            raise Diverged("the samples are not finite")
        return sound(self)

    monkeypatch.setattr(Trial, "_sample", sample)
    first, second, third = trial.reports()
    assert not any(report.diverged for report in (first, second, third))
    assert second.between_at == (128,)
    assert len(third.between_at) == 4


def test_the_losses_of_training_average_to_the_loss_since_the_report_before(make: Make) -> None:
    begin = 0
    for report in make(changes={"training/batch": 2}).reports():
        assert report.losses_at[-1] == report.images_seen
        assert list(report.losses_at[:-1]) == [at for at in range(begin + 1, report.images_seen) if at % 100 == 0]
        seen = np.diff([begin, *report.losses_at])
        assert np.average(report.losses, weights=seen) == pytest.approx(report.loss)
        begin = report.images_seen


@pytest.mark.parametrize(("passed", "changes"), [(1, {}), (1, COLD), (2, COLD), (3, {})], ids=str)
def test_a_restarted_trial_repeats_its_last_report_and_goes_on_as_if_never_stopped(
    passed: int, changes: Flat, make: Make, whole: Whole
) -> None:
    killed = make("killed", changes)
    said = list(islice(killed.reports(), passed))
    killed.trainer.run_to(RUNGS[passed - 1] + 20)  # on its way to the next rung when it dies
    reports = list(make("killed", changes).reports())
    assert reports[0] == said[-1]
    assert [what_it_says(report) for report in reports] == whole(changes)[passed - 1 :]


@pytest.mark.parametrize("steps", [1, 7])
def test_a_trial_whose_machine_is_taken_back_leaves_with_all_that_it_has_done(
    steps: int, make: Make, whole: Whole
) -> None:
    done = itertools.count(1)
    leaves = make("leaves", should_leave=lambda: next(done) == steps)
    with pytest.raises(Preempted):
        list(leaves.reports())
    again = make("leaves")
    assert again.trainer.images_seen == leaves.trainer.images_seen > 0
    reports = list(again.reports())
    assert [what_it_says(report) for report in reports] == whole({})[-len(reports) :]


@pytest.mark.parametrize("steps", [1, 9, *(pytest.param(steps, marks=pytest.mark.slow) for steps in (4, 15))])
@pytest.mark.parametrize("changes", [{}, {"training/split": "80:20", "training/lr_decay": "plateau"}], ids=str)
def test_a_trial_that_dies_between_rungs_goes_on_from_what_was_saved_last(
    steps: int, changes: Flat, make: Make, whole: Whole, storage: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    assert [what_it_says(report) for report in reports] == whole(changes)[-len(reports) :]
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


def test_samples_from_degraded_images_start_from_others_than_they_are_compared_with(
    make: Make, images: Images, small_reference: Reference
) -> None:
    assert small_reference.split == "search"
    trial = make(changes={**COLD, "sampler/prior": "degraded"}, rungs=(48,))
    assert trial.source.held_out_images is not None
    assert np.array_equal(trial.source.held_out_images.numpy(), images.confirm)
    assert not next(trial.reports()).diverged


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
        rows = Image.open(BytesIO(storage.pictures["007-morph", "rungs"]))
        assert rows.size == (2 * (10 * 29 + 1), 2 * ((report.rung + 1) * 29 + 1))
        assert (("007-morph", "restorations") in storage.pictures) is (report.images_seen == RUNGS[-1])
    restored = Image.open(BytesIO(storage.pictures["007-morph", "restorations"]))
    assert restored.size == (2 * (3 * 4 * 29 + 1), 2 * (4 * 29 + 1))
    assert list(storage.checkpoints) == ["007-morph"]
    assert {kind for _, kind in storage.pictures} == {"samples", "degradation", "rungs", "restorations"}


def test_the_samples_of_earlier_rungs_stay_also_after_a_restart(make: Make, storage: Memory) -> None:
    list(make("whole").reports())
    next(make("killed").reports())
    (first,) = [picture for (name, kind), picture in storage.pictures.items() if (name, kind) == ("killed", "rungs")]
    list(make("killed").reports())
    assert storage.pictures["killed", "rungs"] == storage.pictures["whole", "rungs"] != first
    pixels = [np.asarray(Image.open(BytesIO(png)))[:58] for png in (first, storage.pictures["killed", "rungs"])]
    assert np.array_equal(*pixels)


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


def test_real_images_are_drawn_in_rows_of_one_label_as_samples_are(mnist: Images) -> None:
    with Image.open(BytesIO(real_picture(mnist))) as picture:
        pixels = np.asarray(picture)[::2, ::2]  # each pixel of an image is two wide
    assert pixels.shape == (10 * 29 + 1, GRID_SIDE * 29 + 1)
    for label in range(10):
        of_label = mnist.search[mnist.search_labels == label]
        for place in range(GRID_SIDE):
            tile = pixels[1 + 29 * label : 29 * (label + 1), 1 + 29 * place : 29 * (place + 1)]
            assert np.array_equal(tile, of_label[place, 0])
