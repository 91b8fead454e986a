"""Checks of samples: quiet on real images, and each of them loud on what it is there for."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from trainables.data.images import Images
from trainables.metric.checks import CheckReference, Checks
from trainables.metric.classifier import Weights, load_weights
from trainables.metric.sample_checks import readable_from
from trainables.report import CHECKS, OTHERS

pytestmark = pytest.mark.usefixtures("cache")

N, TRAINING = 256, 8_000
Check = Callable[[Tensor], dict[str, float]]


@pytest.fixture(scope="module")
def few(mnist: Images) -> Images:
    """MNIST with 8,000 training images."""
    return replace(mnist, train=mnist.train[:TRAINING], checksums={"few": "of MNIST"})


@pytest.fixture(scope="module")
def weights() -> Weights:
    return load_weights("mnist")


@pytest.fixture(scope="module")
def reference(few: Images, weights: Weights, cache: Path) -> CheckReference:
    return CheckReference.build(few, "confirm", N, weights)


@pytest.fixture
def check(few: Images, weights: Weights, reference: CheckReference) -> Check:
    """The checks of N samples."""

    def check(samples: Tensor) -> dict[str, float]:
        found = reference.of(samples, torch.from_numpy(few.train), weights.classifier())
        return {name: value for name, value in found.items() if value is not None}

    return check


@pytest.fixture(scope="module")
def real(mnist: Images) -> Tensor:
    """N test images, of which no check has seen any."""
    return torch.from_numpy(mnist.test[np.random.default_rng(1).permutation(len(mnist.test))[:N]])


def test_real_images_have_the_values_to_reach(check: Check, reference: CheckReference, real: Tensor) -> None:
    found = check(real)
    assert tuple(found) == tuple(reference.real) == CHECKS
    for values in (found, reference.real):
        assert values["unreadable_share"] < 0.04
        assert values["label_distance"] < 0.12
        assert values["density"] == pytest.approx(1, abs=0.15)
        assert values["coverage"] > 0.9
        assert values["memorised_share"] < 0.05
        assert values["memorised_ratio"] == pytest.approx(1, abs=0.1)
        assert values["copied_share"] == 0
        assert values["repeated_share"] < 0.05


def test_other_networks_see_real_images_as_near_and_grey_or_missing_ones_as_far(
    check: Check, reference: CheckReference, real: Tensor, mnist: Images
) -> None:
    found = check(real)
    grey = check((real.float() * 0.9 + 25).to(torch.uint8))
    without_ones = check(torch.from_numpy(mnist.test[mnist.test_labels != 1][:N]))
    for name in OTHERS:
        value = reference.real[name]
        assert value is not None
        assert found[name] == pytest.approx(value, rel=0.25)
        assert min(grey[name], without_ones[name]) > 1.5 * value


def test_digits_laid_over_each_other_cannot_be_read(check: Check, real: Tensor) -> None:
    both = torch.maximum(real, real.roll(1, 0))
    half = torch.cat([real[: N // 2], both[N // 2 :]])
    assert check(both)["unreadable_share"] > 0.15
    assert check(real)["unreadable_share"] < check(half)["unreadable_share"] < check(both)["unreadable_share"]


def test_one_class_has_the_labels_of_one_class_and_covers_little_else(check: Check, mnist: Images) -> None:
    found = check(torch.from_numpy(mnist.test[mnist.test_labels == 7][:N]))
    assert found["label_distance"] == pytest.approx(0.9, abs=0.03)
    assert found["coverage"] < 0.3
    assert found["unreadable_share"] < 0.05


def test_copies_are_found_under_noise_and_among_training_images_that_have_duplicates(
    few: Images, weights: Weights, reference: CheckReference
) -> None:
    noise = torch.randn(N, *few.shape, generator=torch.Generator().manual_seed(0))
    copies = (torch.from_numpy(few.train[:N]) + 8 * noise).clamp(0, 255).to(torch.uint8)
    training = torch.from_numpy(few.train)
    for trained_on in (training, torch.cat([training, training, training])):
        found = reference.of(copies, trained_on, weights.classifier())
        assert found["copied_share"] == pytest.approx(1, abs=0.02)
        assert found["memorised_share"] == 1


def test_samples_that_repeat_each_other_are_found_and_they_cover_little(check: Check, real: Tensor) -> None:
    assert check(real[:1].expand(N, -1, -1, -1))["repeated_share"] == 1
    few_ways = check(real[:16].repeat(N // 16, 1, 1, 1))
    assert few_ways["repeated_share"] == 1
    assert few_ways["copied_share"] == 0
    assert few_ways["coverage"] < check(real)["coverage"] / 2


def test_without_labels_there_is_nothing_to_read(few: Images, weights: Weights, real: Tensor) -> None:
    turned = replace(weights, task="rotations", sha256="another")
    reference = CheckReference.build(few, "confirm", N, turned)
    found = reference.of(real, torch.from_numpy(few.train), turned.classifier())
    missing: Checks = {name: value for name, value in found.items() if value is None}
    assert set(missing) == {"unreadable_share", "label_distance"}
    assert missing == {name: value for name, value in reference.real.items() if value is None}


def test_what_the_classifier_is_sure_of_is_readable_however_sure_it_is_of_real_images() -> None:
    assert readable_from(torch.full((100,), 0.999)) == 0.9
    unsure = torch.cat([torch.linspace(0.2, 0.9, 50), torch.linspace(0.9, 1, 51)])
    assert (unsure < readable_from(unsure)).double().mean() == pytest.approx(0.01, abs=0.001)


def test_a_classifier_that_is_not_sure_of_real_images_cannot_tell_what_is_readable(
    few: Images, weights: Weights, real: Tensor
) -> None:
    assert readable_from(torch.linspace(0.2, 1, 101)) == 0
    tensors = {name: array * (0.02 if name.startswith("head") else 1) for name, array in weights.tensors.items()}
    unsure = replace(weights, tensors=tensors, sha256="unsure")
    reference = CheckReference.build(few, "confirm", N, unsure)
    found = reference.of(real, torch.from_numpy(few.train), unsure.classifier())
    assert {name for name, value in found.items() if value is None} == {"unreadable_share"}
    assert reference.real["unreadable_share"] is None


@pytest.mark.parametrize("kept", [True, False])
def test_they_come_from_the_cache_or_are_computed_again(
    few: Images, weights: Weights, reference: CheckReference, cache: Path, kept: bool
) -> None:
    for path in cache.rglob("*.npz"):
        if not kept:
            path.unlink()
    again = CheckReference.build(few, "confirm", N, weights)
    for copy in (again, pickle.loads(pickle.dumps(again))):
        assert (copy.real, copy.labels, copy.readable) == (reference.real, reference.labels, reference.readable)
        np.testing.assert_array_equal(copy.features, reference.features)
        assert copy.nearest.equal(reference.nearest)
        assert copy.apart.equal(reference.apart)


def test_as_many_samples_as_real_images_are_taken(check: Check, real: Tensor) -> None:
    with pytest.raises(ValueError, match="take 256 samples, given 255"):
        check(real[1:])
