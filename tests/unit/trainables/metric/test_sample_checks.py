"""Cross-checks of samples: equal to their definitions, quiet on real images, and loud on what each is there for."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchmetrics.image.kid import KernelInceptionDistance

from trainables.data.images import Images
from trainables.evaluation import report_protocol
from trainables.metric import inception
from trainables.metric.classifier import Classifier, features
from trainables.metric.sample_checks import copied, kernel_distance, labels, manifold, nearer, nearest, total_variation

Cloud = np.ndarray


def cloud(n: int, seed: int, d: int = 6, shift: float = 0.0, scale: float = 1.0) -> Cloud:
    """n vectors float32 (n, d), normal."""
    return np.random.default_rng(seed).normal(shift, scale, (n, d)).astype(np.float32)


def drawn(images: np.ndarray, count: int, seed: int = 0) -> torch.Tensor:
    """Random images: in MNIST's order neighbours are by one writer."""
    return torch.from_numpy(images[np.random.default_rng(seed).choice(len(images), count, replace=False)])


@pytest.mark.parametrize(("n", "m", "shift"), [(40, 40, 0.0), (50, 30, 0.0), (30, 60, 0.7)])
def test_kid_equals_its_definition(n: int, m: int, shift: float) -> None:
    x, y = cloud(n, 1, shift=shift), cloud(m, 2)

    def k(a: Cloud, b: Cloud) -> float:
        return (float(a.astype(float) @ b.astype(float)) / len(a) + 1) ** 3

    expected = np.mean([k(x[i], x[j]) for i in range(n) for j in range(n) if i != j])
    expected += np.mean([k(y[i], y[j]) for i in range(m) for j in range(m) if i != j])
    expected -= 2 * np.mean([k(a, b) for a in x for b in y])
    assert kernel_distance(x, y)[0] == pytest.approx(expected, abs=1e-12)


def test_kid_equals_torchmetrics() -> None:
    x, y = cloud(64, 1, d=16, shift=0.5), cloud(64, 2, d=16)
    metric = KernelInceptionDistance(feature=nn.Identity(), subsets=1, subset_size=64)
    metric.update(torch.from_numpy(y), real=True)
    metric.update(torch.from_numpy(x), real=False)
    assert kernel_distance(x, y)[0] == pytest.approx(metric.compute()[0].item(), rel=1e-4)


@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_kids_error_is_that_of_repeated_draws_or_a_little_more(shift: float) -> None:
    found = [kernel_distance(cloud(64, 2 * i, shift=shift), cloud(64, 2 * i + 1)) for i in range(60)]
    values, errors = np.transpose(found)
    assert 0.8 < errors.mean() / values.std(ddof=1) < 2
    assert (abs(values.mean()) < 3 * values.std(ddof=1) / np.sqrt(60)) == (shift == 0)


@pytest.mark.parametrize(("n", "m", "neighbours"), [(30, 30, 5), (20, 50, 3), (50, 20, 1)])
def test_density_and_coverage_equal_their_definitions(n: int, m: int, neighbours: int) -> None:
    x, y = cloud(n, 1, scale=0.8).astype(float), cloud(m, 2).astype(float)
    radii = [sorted(np.linalg.norm(one - other) for other in y)[neighbours] for one in y]
    inside = [[np.linalg.norm(made - one) < radius for one, radius in zip(y, radii, strict=True)] for made in x]
    density, coverage = manifold(x.astype(np.float32), y.astype(np.float32), neighbours)
    assert density == pytest.approx(np.sum(inside) / (neighbours * n))
    assert coverage == pytest.approx(np.any(inside, axis=0).mean())


def test_copies_cover_everything_and_a_collapsed_model_next_to_nothing() -> None:
    real = cloud(200, 1)
    assert manifold(real, real)[1] == 1
    assert manifold(cloud(200, 2), real)[0] == pytest.approx(1, abs=0.15)
    centre = np.repeat(real.mean(0, keepdims=True), 200, axis=0)
    density, coverage = manifold(centre, real)
    assert density > 1
    assert coverage < 0.5
    assert manifold(cloud(200, 2, shift=50), real) == (0, 0)


def test_labels_are_the_classifiers(mnist: Images, classifier: Classifier) -> None:
    zeros, real = mnist.search[mnist.search_labels == 0][:50], mnist.search[:400]
    of_zeros, of_all = (labels(classifier, features(classifier, images)) for images in (zeros, real))
    assert sum(of_zeros) == 50
    assert of_zeros[0] >= 48
    truth = np.bincount(mnist.search_labels[:400], minlength=10)
    assert np.abs(np.array(of_all) - truth).sum() <= 8
    assert total_variation(of_zeros, of_all) == pytest.approx(1 - truth[0] / 400, abs=0.05)


@pytest.mark.parametrize(
    ("generated", "real", "expected"),
    [((5, 5), (50, 50), 0.0), ((4, 0), (2, 2), 0.5), ((3, 0), (0, 9), 1.0), ((6, 3, 1), (3, 6, 1), 0.3)],
)
def test_total_variation_is_between_shares(generated: tuple[int, ...], real: tuple[int, ...], expected: float) -> None:
    assert total_variation(generated, real) == pytest.approx(expected)


def test_the_nearest_are_the_nearest_of_all(mnist: Images) -> None:
    images, training = drawn(mnist.test, 20), drawn(mnist.train, 5000)
    a, b = (x.flatten(1).numpy().astype(float) / 255 for x in (images, training))
    expected = [sorted(np.linalg.norm(one - other) for other in b)[:3] for one in a]
    np.testing.assert_allclose(nearest(images, training, 3).numpy(), expected, rtol=1e-4)
    np.testing.assert_array_equal(nearest(images, training[:2], 3), nearest(images, training[:2], 2))


def test_large_colour_images_are_compared_smaller() -> None:
    images = torch.randint(256, (6, 3, 100, 100), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    found = nearest(images, images[2:], 1)
    assert found[2:].max() < 0.01
    assert found[:2].min() > 1


def test_copies_of_training_images_are_found_and_new_real_ones_are_not(mnist: Images) -> None:
    training = drawn(mnist.train, 10_000)

    def distances(images: torch.Tensor) -> torch.Tensor:
        return nearest(images, training, 1)[:, 0]

    held_out = distances(drawn(mnist.test, 400))
    share, ratio = nearer(distances(training[:200]), held_out)
    assert share == 1
    assert ratio < 0.01
    share, ratio = nearer(distances(drawn(mnist.search, 400)), held_out)
    assert share < 0.05
    assert ratio == pytest.approx(1, abs=0.1)
    share, _ = nearer(distances(torch.cat([training[:200], drawn(mnist.search, 200)])), held_out)
    assert share == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("times", [1, 9, 10, 30])
@pytest.mark.parametrize("least", [0, 200, 250])
def test_copies_are_found_however_often_training_has_the_image(times: int, least: int) -> None:
    """And among bright images, whose distances float32 rounds by more."""
    images = torch.randint(least, 256, (60, 1, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    training = torch.cat([images[:30]] * times + [images[30:50]])
    assert copied(nearest(images[:30], training)) == 1
    assert copied(nearest(images[50:], training)) == 0


def test_the_reports_fmd_is_0_for_real_images_and_1_for_black_ones(mnist: Images, classifier: Classifier) -> None:
    black = report_protocol(np.zeros((64, 1, 28, 28), np.uint8), mnist, classifier)
    assert black["report_normalised"] == pytest.approx(1, abs=1e-3)
    assert black["report_scatter"] == pytest.approx(0, abs=1e-3)
    real = report_protocol(drawn(mnist.confirm, 160), mnist, classifier)
    assert real["report_normalised"] == pytest.approx(0, abs=0.06)
    assert 0 < real["report_scatter"] < 0.06
    first = report_protocol(drawn(mnist.confirm, 160)[:32], mnist, classifier)
    assert (first["report_fmd"], first["report_scatter"]) == (real["report_fmd"], 0)
    noise = np.random.default_rng(0).integers(0, 256, (32, 1, 28, 28), np.uint8)
    values = [black, real, report_protocol(noise, mnist, classifier)]
    x, y = ([one[name] for one in values] for name in ("report_fmd", "report_normalised"))
    assert np.polyval(np.polyfit(x[:2], y[:2], 1), x[2]) == pytest.approx(y[2])  # one scale


def test_without_inception_there_is_one_line_that_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    reason = inception.missing()
    assert reason is not None
    assert "\n" not in reason
    assert "torch-fidelity" in reason
