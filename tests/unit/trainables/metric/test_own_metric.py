"""The metric of a user's own images: learned from their classes or from rotations, told when poor, never made up."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.memory import Memory
from tests.helpers.own_images import bars, save_all
from trainables.config import Flat, Variant
from trainables.data.images import Images
from trainables.data.load import load
from trainables.domain import ConfigError
from trainables.evaluation import Evaluation
from trainables.metric.checks import OTHER_LAYER, other_weights
from trainables.metric.classifier import RECIPES, Recipe, Weights, WeightsError, load_card, load_weights
from trainables.metric.classifier_training import (
    ensure_classifier,
    ensure_others,
    in_all_turns,
    train_tested,
    turned_at_random,
)
from trainables.metric.fmd import Reference
from trainables.trial import Plan, Trial, TrialData

TINY: Flat = {"network/cnn/widths": "4-4", "schedule/cosine/T": 20, "sampler/steps": 3, "training/batch": 32}


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A user's cache, and recipes that take seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        for name in [name for name in RECIPES if name.startswith("own")]:
            patch.setitem(RECIPES, name, replace(RECIPES[name], epochs=1, least_images=2_500))
        yield


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Images:
    """Bars at three places, of a class each."""
    folder = tmp_path_factory.mktemp("labelled")
    for number, row in enumerate((1, 6, 11)):
        save_all(folder / f"at {row}", bars(70, row, number))
    return load(str(folder))


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> Images:
    """Bars near the top."""
    folder = tmp_path_factory.mktemp("unlabelled")
    save_all(folder, bars(200, 1))
    return load(str(folder))


@pytest.mark.parametrize("name", ["labelled", "unlabelled"])
def test_a_network_that_learned_the_images_is_trained_once_and_told(name: str, request: pytest.FixtureRequest) -> None:
    images: Images = request.getfixturevalue(name)
    said: list[str] = []
    weights = ensure_classifier(images, said.append)
    shown = len(images.confirm) * (1 if images.labelled else 4)
    what = "classes" if images.labelled else "rotation"
    assert f"the classifier of these images by their {what} gets 100.00% of the {shown} images of confirm" in said[-1]
    again = ensure_classifier(images, pytest.fail)
    assert (again.sha256, again.task) == (weights.sha256, weights.task)
    assert load_card(images.name, images.checksums)["task"] == weights.task


@pytest.mark.parametrize(("name", "tasks"), [("labelled", {"labels", "rotations"}), ("unlabelled", {"rotations"})])
def test_other_networks_learn_the_images_once(name: str, tasks: set[str], request: pytest.FixtureRequest) -> None:
    images: Images = request.getfixturevalue(name)
    assert other_weights(images) == {}
    said: list[str] = []
    others = ensure_others(images, said.append)
    assert set(others) == tasks
    for what in ("classes", "rotation")[-len(tasks) :]:
        assert any(f"the other network of these images by their {what} gets" in line for line in said)
    assert {task: one.sha256 for task, one in other_weights(images).items()} == {
        task: one.sha256 for task, one in ensure_others(images, pytest.fail).items()
    }
    for one in others.values():
        reference = Reference.build(images, "confirm", layer=OTHER_LAYER, weights=one)
        assert 0 < reference.floor < reference.blank


def test_the_version_of_the_metric_names_what_was_learned(labelled: Images, unlabelled: Images) -> None:
    for images, begins in ((labelled, "flat-1024-n"), (unlabelled, "rotations-flat-1024-n")):
        weights = ensure_classifier(images, lambda line: None)
        reference = Reference.build(images, weights=weights)
        assert reference.version == f"{begins}{min(len(images.search), len(images.confirm))}-{weights.sha256[:8]}"
        assert 0 < reference.floor < reference.blank
        assert reference.version == Reference.build(images).version  # from the cache


def test_one_class_is_learned_by_rotations_and_never_100_percent_right_for_nothing(
    tmp_path: Path, labelled: Images
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 16, 16, 1), np.uint8)
    save_all(tmp_path / "one class", noise)
    images = load(str(tmp_path))
    said: list[str] = []
    weights, _, card = train_tested(images, replace(RECIPES[images.name], least_images=500), said.append)
    assert weights.task == "rotations"
    assert card["confirm_accuracy"] < 0.5
    assert said[-1].startswith("warning: below 90% (guessing: 25%) its features say little of how an image is turned")


def test_classes_that_cannot_be_seen_are_told(labelled: Images) -> None:
    rng = np.random.default_rng(0)
    mixed = replace(labelled, train_labels=rng.permutation(labelled.train_labels))
    said: list[str] = []
    train_tested(mixed, RECIPES["own"], said.append)
    assert said[-1].startswith(
        "warning: below 90% (guessing: 34%) its features say little of which class an image is of"
    )


def test_other_images_and_other_options_have_other_classifiers(labelled: Images, unlabelled: Images) -> None:
    ensure_classifier(labelled, lambda line: None)
    assert load_weights("own", labelled.checksums).task == "labels"
    with pytest.raises(WeightsError, match="is missing; train the classifier: a search on these images begins with it"):
        load_weights("own", {**labelled.checksums, "images": "other"})


@pytest.mark.parametrize(
    ("count", "steps"),
    [(1_000, 235), (50_000, 2_340), (1_000_000, 2_344)],  # of 128 images each
)
def test_small_sets_are_shown_often_and_large_ones_not_whole(count: int, steps: int) -> None:
    recipe = Recipe(required_accuracy=0, least_images=30_000, most_images=300_000)
    assert recipe.steps_of(count) == pytest.approx(steps, rel=0.12)


def test_turns_are_the_classes_of_rotations() -> None:
    torch.manual_seed(0)
    images = torch.randint(0, 256, (200, 3, 16, 16), dtype=torch.uint8)
    shown, turns = turned_at_random(images)
    assert torch.bincount(turns).tolist() == pytest.approx([50] * 4, abs=20)
    mirrored = 0
    for image, turned, turn in zip(images, shown, turns.tolist(), strict=True):
        back = turned.rot90(-turn, (1, 2))
        mirrored += torch.equal(back, image.flip(2))
        assert torch.equal(back, image) or torch.equal(back, image.flip(2))
    assert 70 < mirrored < 130
    held_out, classes = in_all_turns(images.numpy())
    for turn in range(4):
        np.testing.assert_array_equal(np.rot90(held_out[classes == turn], -turn, (2, 3)), images.numpy())


def weights_of(images: Images) -> Weights:
    return ensure_classifier(images, lambda line: None)


def a_trial(images: Images, changes: Flat) -> Trial:
    reference = Reference.build(images, weights=weights_of(images))
    variant = Variant.from_flat({**TINY, **changes})
    return Trial("000-a", variant, 1, Plan((64, 192), 0, device="cpu"), TrialData(images, reference), Memory())


def test_networks_that_know_classes_are_trained_on_labels_and_refused_without(
    labelled: Images, unlabelled: Images
) -> None:
    known: Flat = {"network/conditioning": "class", "sampler/guidance": 0.5}
    assert [report.diverged for report in a_trial(labelled, known).reports()] == [False, False]
    assert [report.diverged for report in a_trial(unlabelled, {}).reports()] == [False, False]
    with pytest.raises(ConfigError, match="the images have no labels; use network/conditioning=cluster"):
        a_trial(unlabelled, known)


def test_an_evaluation_counts_predicted_labels_only_where_there_are_labels(
    labelled: Images, unlabelled: Images
) -> None:
    for images in (labelled, unlabelled):
        evaluation = Evaluation(images, "test", 32, weights=weights_of(images))
        columns = evaluation.real()
        assert (columns["label_distance"] is not None) == ("labels" in columns) == images.labelled
        assert columns["fmd"] < evaluation.reference.blank
