"""FMD on real digits: its floor, its scale, its laws, and what it refuses."""

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from trainables.data.images import Images
from trainables.metric import fmd
from trainables.metric.classifier import WIDTHS, Classifier, Weights, features, load_weights, pack
from trainables.metric.feature_network import Layer
from trainables.metric.fmd import Reference, _floor_sets
from trainables.metric.fmd_torchmetrics import FrechetMnistDistance
from trainables.metric.frechet import Statistics, frechet_distance
from trainables.metric.residual import ResidualNetwork

pytestmark = pytest.mark.usefixtures("cache")

N = 128
# For laws that need thousands of images or roots of large matrices.
# test_frechet.py has both routes, n above and below the number of features.
MANY_IMAGES = ["spatial_mean", pytest.param("flat", marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def mnist(mnist: Images) -> Images:
    """MNIST with half of the images to compare with."""
    return replace(mnist, search=mnist.search[::2], confirm=mnist.confirm[::2])


@pytest.fixture(scope="module")
def few_floor_sets(cache: Path) -> Iterator[None]:
    """The floor of a reference is of ten sets of images, not of 78."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fmd, "FLOOR_IMAGES", 10 * N)
        yield


@pytest.fixture(scope="module", params=WIDTHS)
def reference(request: pytest.FixtureRequest, mnist: Images, few_floor_sets: None) -> Reference:
    return Reference.build(mnist, n=N, layer=request.param)


@pytest.fixture(scope="module")
def fruit_weights() -> Weights:
    torch.manual_seed(0)
    return pack(Classifier(3, 100, classes=3), "float16")[0]  # untrained: the laws hold for any features


def draw(images: np.ndarray, count: int) -> np.ndarray:
    """`count` images drawn at random: in MNIST's order neighbours are by one writer, so blocks scatter too much."""
    return images[np.random.default_rng(1).choice(len(images), count, replace=False)]


def noisy(images: np.ndarray, sigma: float) -> np.ndarray:
    """Uint8 images with Gaussian noise of `sigma` in units of black to white."""
    noise = np.random.default_rng(0).normal(0, 255 * sigma, images.shape)
    return np.clip(np.rint(images + noise), 0, 255).astype(np.uint8)


def test_real_images_score_about_zero_and_black_ones_one(
    reference: Reference, mnist: Images, classifier: Classifier
) -> None:
    assert 0 < reference.floor < 0.05 * reference.blank
    real = reference.score(draw(mnist.train, N), classifier)
    assert abs(real.normalised) < 0.01
    blank = reference.score(np.zeros((N, 1, 28, 28), np.uint8), classifier)
    # Identical images are featurised in batches, whose float32 rounding leaves them a tiny covariance.
    assert astuple(blank)[:-1] == pytest.approx(astuple(reference.blank_score())[:-1], rel=1e-3, abs=0.05)
    assert (sum(real.labels), max(blank.labels, default=0)) == ((N, N) if reference.layer == "flat" else (0, 0))


def test_the_score_worsens_with_noise(reference: Reference, mnist: Images, classifier: Classifier) -> None:
    scores = [reference.score(noisy(mnist.test[:N], sigma), classifier).fmd for sigma in (0, 0.1, 0.2, 0.4)]
    assert scores == sorted(scores)
    assert scores[1] > 1.1 * scores[0]


def test_missing_digits_and_a_repeated_digit_score_worse_than_real_ones(
    reference: Reference, mnist: Images, classifier: Classifier
) -> None:
    low = reference.score(mnist.test[mnist.test_labels < 5][:N], classifier)
    repeated = reference.score(np.repeat(mnist.test[:1], N, axis=0), classifier)
    assert 0.02 < low.normalised < repeated.normalised
    assert np.isfinite(astuple(repeated)[:-1]).all()


@pytest.mark.parametrize("reference", MANY_IMAGES, indirect=True)
def test_the_standard_error_is_the_spread_over_disjoint_samples(
    reference: Reference, mnist: Images, classifier: Classifier
) -> None:
    images = noisy(draw(mnist.train, 16 * N), 0.15)
    scores = [reference.score(images[part::16], classifier) for part in range(16)]
    spread = np.std([score.fmd for score in scores], ddof=1)
    # 16 values know their spread to 18 %, and the delta method is first order in 1/n.
    assert 0.6 < np.mean([score.se for score in scores]) / spread < 1.6


@pytest.mark.parametrize("reference", MANY_IMAGES, indirect=True)
def test_the_half_split_correction_takes_most_of_the_bias_off(
    reference: Reference, mnist: Images, classifier: Classifier
) -> None:
    images = noisy(draw(mnist.train, 8 * N), 0.1)
    x = features(classifier, images, reference.layer)
    large = frechet_distance(Statistics.from_features(x), reference.real)
    scores = [reference.score(images[part::8], classifier) for part in range(8)]
    plain = np.mean([score.fmd for score in scores]) - large
    corrected = np.mean([score.corrected for score in scores]) - large
    assert plain > 0
    assert abs(corrected) < 0.6 * plain


def test_another_number_of_images_is_refused(reference: Reference, mnist: Images, classifier: Classifier) -> None:
    with pytest.raises(ValueError, match=rf"scores {N} images, given {N - 1}"):
        reference.score(mnist.test[: N - 1], classifier)


def test_a_classifier_that_is_not_finite_is_noticed(reference: Reference, mnist: Images) -> None:
    broken = load_weights("mnist").classifier()
    next(broken.blocks.parameters()).fill_(torch.nan)
    with pytest.raises(ValueError, match="NaN or infinite"):
        reference.score(mnist.test[:N], broken)


def test_a_reference_brings_its_classifier(
    reference: Reference, mnist: Images, classifier: Classifier, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sent = pickle.dumps(reference)
    monkeypatch.setattr("trainables.metric.classifier.SHIPPED", tmp_path)  # as on a node that has nothing
    brought = pickle.loads(sent).classifier()
    assert not brought.training
    images = mnist.test[:N]
    np.testing.assert_array_equal(features(brought, images), features(classifier, images))


def test_a_reference_of_few_large_images_scores_as_many_as_are_held_out(fruits: Images, fruit_weights: Weights) -> None:
    reference = Reference.build(fruits, weights=fruit_weights)
    assert reference.n == min(len(fruits.search), len(fruits.confirm)) == 6
    assert reference.version == f"flat-1024-n6-{fruit_weights.sha256[:8]}"
    scores = [reference.score(images[:6], reference.classifier()) for images in (fruits.confirm, fruits.confirm * 0)]
    assert scores[0].fmd == pytest.approx(reference.floor, rel=1e-3)
    assert scores[1].fmd == pytest.approx(reference.blank, rel=1e-3)
    with pytest.raises(ValueError, match=r"uint8 images \(N, 3, 100, 100\)"):
        reference.score(np.zeros((6, 1, 28, 28), np.uint8), reference.classifier())


def test_real_fruits_lie_nearer_to_other_views_than_other_fruits_and_noise_do(
    real_fruits: Images, fruit_weights: Weights
) -> None:
    reference = Reference.build(real_fruits, n=64, weights=fruit_weights)
    classifier = reference.classifier()
    views, others = draw(real_fruits.train, reference.n), draw(real_fruits.test, reference.n)
    noise = np.random.default_rng(0).integers(0, 256, others.shape, dtype=np.uint8)
    scores = [reference.score(images, classifier).normalised for images in (views, others, noise)]
    assert scores == sorted(scores)
    assert scores[0] < 0.1


def test_a_reference_survives_pickling_and_the_cache(
    reference: Reference, mnist: Images, classifier: Classifier, cache: Path
) -> None:
    again = Reference.build(mnist, n=N, layer=reference.layer)
    copies = [again, pickle.loads(pickle.dumps(reference))]
    score = reference.score(mnist.test[:N], classifier)
    assert all(copy.score(mnist.test[:N], classifier) == score for copy in copies)
    assert again is not reference
    assert len(list((cache / "diffusion-search" / "references").iterdir())) >= 1


@pytest.mark.parametrize(
    ("count", "n", "sets"), [(5000, 256, 39), (5000, 2048, 4), (5000, 3000, 3), (64, 6, 100), (64, 64, 1)]
)
def test_the_floor_is_of_many_sets_of_n_different_images(
    count: int, n: int, sets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fmd, "FLOOR_IMAGES", 10_000)
    drawn = _floor_sets(count, n)
    assert [len(np.unique(rows)) for rows in drawn] == [n] * sets
    assert len({tuple(sorted(rows)) for rows in drawn}) == sets
    assert all(rows.min() >= 0 and rows.max() < count for rows in drawn)


def test_the_floor_is_the_score_of_real_images(reference: Reference, mnist: Images, classifier: Classifier) -> None:
    others = draw(mnist.confirm, len(mnist.confirm))
    scores = [reference.score(others[N * k : N * (k + 1)], classifier).fmd for k in range(6)]
    error = reference.floor_sd / len(scores) ** 0.5
    assert np.mean(scores) == pytest.approx(reference.floor, abs=4 * error)


def test_the_reference_splits_use_other_images_for_their_floor(mnist: Images) -> None:
    few = Images(**(vars(mnist) | {s: getattr(mnist, s)[:100] for s in ("search", "confirm", "test")}))
    search, confirm, test = (Reference.build(few, split, 50, "spatial_mean") for split in ("search", "confirm", "test"))
    assert len({search.floor, confirm.floor, test.floor}) == 3
    assert search.version == confirm.version == test.version
    Reference.build(few, "test", 200, "spatial_mean")
    with pytest.raises(ValueError, match="n must be 4 to 100 for the 'search' split, given 101"):
        Reference.build(few, "search", 101, "spatial_mean")


@pytest.mark.parametrize(
    ("split", "n", "layer", "message"),
    [
        ("train", N, "flat", "unknown reference split 'train'; known are search, confirm, test"),
        ("search", N, "logits", "unknown feature layer 'logits'; known are spatial_mean, flat"),
        ("search", 3, "flat", "n must be 4 to 2500"),
        ("search", 2_501, "flat", "n must be 4 to 2500"),
    ],
)
def test_bad_requests_get_one_line(mnist: Images, split: str, n: int, layer: Layer, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Reference.build(mnist, split, n, layer)


def test_the_version_names_layer_width_n_and_classifier(reference: Reference) -> None:
    layer: Layer = reference.layer
    assert reference.version.startswith(f"{layer}-{WIDTHS[layer]}-n{N}-")


def test_the_torchmetrics_metric_is_the_same_distance_in_any_batches(mnist: Images, classifier: Classifier) -> None:
    real, fake = torch.from_numpy(mnist.search[:300]), torch.from_numpy(noisy(mnist.test[:200], 0.1))
    expected = frechet_distance(
        *(Statistics.from_features(features(classifier, x, "spatial_mean")) for x in (fake, real))
    )
    metric, other = FrechetMnistDistance("spatial_mean"), FrechetMnistDistance("spatial_mean", classifier)
    for part in real.split(77):
        metric.update(part, real=True)
    metric.update(fake[:150], real=False)
    other.update(fake[150:], real=False)
    metric.merge_state(other)
    assert metric.compute().item() == pytest.approx(expected, rel=1e-4)
    other.update(real[:1], real=True)
    with pytest.raises(ValueError, match="2 or more images on each side, the real side has 1"):
        other.compute()


@pytest.mark.parametrize("layer", MANY_IMAGES)
def test_the_torchmetrics_metric_takes_another_network(layer: Layer, mnist: Images) -> None:
    network = ResidualNetwork().eval()
    metric = FrechetMnistDistance(layer, network)
    for images, real in ((mnist.search[:40], True), (mnist.test[:40], False)):
        metric.update(torch.from_numpy(images), real)
    statistics = [Statistics.from_features(features(network, x[:40], layer)) for x in (mnist.test, mnist.search)]
    assert metric.compute().item() == pytest.approx(frechet_distance(*statistics), rel=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_features_are_those_of_float32_under_autocast(
    dtype: torch.dtype, mnist: Images, classifier: Classifier
) -> None:
    expected = features(classifier, mnist.search[:8])
    with torch.autocast("cpu", dtype):
        found = features(classifier, mnist.search[:8])
    assert found.dtype == np.float32
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("exported", [False, True])
def test_a_gpu_computes_features_without_tf32(
    exported: bool, mnist: Images, classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    if exported:  # as torch.export.export leaves it, which then does not follow the general setting
        torch.backends.cudnn.conv.fp32_precision = "tf32"  # its default

    def precision() -> tuple[str, str]:
        return torch.backends.cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision

    seen, computed, before = [], classifier.features, precision()
    monkeypatch.setattr(classifier, "features", lambda *given: (seen.append(precision()), computed(*given))[1])
    features(classifier, mnist.search[:8])
    assert seen == [("ieee", "ieee")]
    assert precision() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda metric: metric.to(torch.bfloat16),
        lambda metric: metric.to("cpu", torch.float64),
        lambda metric: metric.half(),
        lambda metric: metric.set_dtype(torch.float16),
    ],
)
def test_the_torchmetrics_metric_keeps_its_types(
    change: Callable[[FrechetMnistDistance], FrechetMnistDistance], mnist: Images, classifier: Classifier
) -> None:
    real, fake = torch.from_numpy(mnist.search[:64]), torch.from_numpy(mnist.test[:64])
    distances = []
    for metric in (FrechetMnistDistance("spatial_mean"), change(FrechetMnistDistance("spatial_mean"))):
        metric.update(real, real=True)
        metric.update(fake, real=False)
        distances.append(metric.compute())
    assert torch.equal(*distances)
    assert distances[1].dtype == torch.float64


def test_to_call_the_torchmetrics_metric_is_to_update_it_and_to_have_the_distance_so_far(mnist: Images) -> None:
    real, fake = torch.from_numpy(mnist.search[:64]), torch.from_numpy(mnist.test[:64])
    metric, updated = FrechetMnistDistance("spatial_mean"), FrechetMnistDistance("spatial_mean")
    assert metric(real, real=True).isnan()
    for images in (fake[:40], fake[40:]):
        distance = metric(images, real=False)
    updated.update(real, real=True)
    updated.update(fake, real=False)
    assert distance == metric.compute() == pytest.approx(updated.compute().item(), rel=1e-6)


def test_scoring_does_not_import_heavy_packages() -> None:
    code = (
        "import sys, trainables.metric.fmd; print({'torchvision', 'torchmetrics', 'ray', 'optuna'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
