"""Features of a network in a file: their distance, what travels with them, and what is refused."""

import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.helpers.feature_files import SIDE, Means, write_features
from trainables.data.images import Images
from trainables.metric import fmd
from trainables.metric.checks import CheckReference
from trainables.metric.classifier import Weights, features, load_weights
from trainables.metric.classifier_training import ensure_weights
from trainables.metric.feature_file import FeatureFile, FeatureFileError, require_features
from trainables.metric.fmd import Reference
from trainables.metric.frechet import Statistics, frechet_distance

N = 64


@pytest.fixture(scope="module", autouse=True)
def few_floor_sets() -> Iterator[None]:
    """The floor of a reference is of ten sets of images, not of 100."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fmd, "FLOOR_SETS", 10)
        yield


@pytest.fixture(scope="module")
def few(mnist: Images) -> Images:
    splits = {split: getattr(mnist, split)[:200] for split in ("train", "search", "confirm", "test")}
    labels = {f"{split}_labels": getattr(mnist, f"{split}_labels")[:200] for split in splits}
    return replace(mnist, **splits, **labels)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_features(tmp_path_factory.mktemp("files") / "mean values.pt2")


@pytest.fixture(scope="module")
def weights(few: Images, path: Path, cache: Path) -> Weights:
    return ensure_weights(few, FeatureFile.read(path), ("search", "confirm"))


@pytest.fixture(scope="module")
def reference(few: Images, weights: Weights) -> Reference:
    return Reference.build(few, n=N, weights=weights)


def means(images: np.ndarray) -> np.ndarray:
    """The features of `Means` by numpy, of uint8 images (n, 1, 28, 28)."""
    count, _, height, width = images.shape
    squares = images.reshape(count, height // SIDE, SIDE, width // SIDE, SIDE)
    return squares.mean((2, 4)).reshape(count, -1) / 255


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return frechet_distance(Statistics.from_features(a), Statistics.from_features(b))


def test_the_distance_is_that_of_the_files_features(few: Images, reference: Reference) -> None:
    score = reference.score(few.test[:N], reference.classifier())
    generated, real, black = map(means, (few.test[:N], few.search, 0 * few.search))
    assert score.fmd == pytest.approx(distance(generated, real), rel=1e-4)
    assert reference.blank == pytest.approx(distance(black, real), rel=1e-4)
    assert abs(score.normalised) < 0.2


def test_the_version_names_file_width_n_and_content(reference: Reference, path: Path) -> None:
    file = FeatureFile.read(path)
    assert reference.version == f"mean-values-49-n{N}-{file.sha256[:8]}"


def test_labels_and_checks_stay_those_of_the_classifier(few: Images, reference: Reference) -> None:
    samples, plain = few.test[:N], load_weights("mnist")
    ours = reference.score(samples, reference.classifier()).labels
    assert ours == Reference.build(few, n=N).score(samples, plain.classifier()).labels
    assert sum(ours) == N
    found = [
        CheckReference.build(few, "confirm", N, one).of(
            torch.from_numpy(samples), torch.from_numpy(few.train), one.classifier()
        )
        for one in (reference.weights, plain)
    ]
    assert found[0] == found[1]
    assert found[0]["by_labels"] is not None


def test_a_reference_brings_the_network(few: Images, reference: Reference, path: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / path.name
    elsewhere.write_bytes(path.read_bytes())
    weights = replace(load_weights("mnist"), file=FeatureFile.read(elsewhere))
    elsewhere.unlink()
    sent = pickle.loads(pickle.dumps(Reference.build(few, n=N, weights=weights)))
    scores = [one.score(few.test[:N], one.classifier()) for one in (sent, reference)]
    assert scores[0] == scores[1]


def test_features_of_real_images_are_computed_once(few: Images, weights: Weights, cache: Path, tmp_path: Path) -> None:
    kept = sorted((cache / "diffusion-search" / "features").iterdir())
    assert len(kept) == 2
    again = ensure_weights(few, weights.file, ("search", "confirm"), pytest.fail)
    assert again.sha256 == weights.sha256
    said: list[str] = []
    other = FeatureFile.read(write_features(tmp_path / "mean values.pt2", Scaled()))
    doubled = ensure_weights(few, other, ("search", "confirm", "test"), said.append)
    assert len(said) == 1
    assert said[0].startswith("features of 600 real images by mean-values: about ")
    first, second = (Reference.build(few, n=N, weights=one) for one in (weights, doubled))
    assert second.floor == pytest.approx(4 * first.floor, rel=1e-3)  # a squared distance


def test_a_grey_image_has_three_equal_channels(few: Images, tmp_path: Path) -> None:
    file = FeatureFile.read(write_features(tmp_path / "channels.pt2", Channels()))
    x = features(replace(load_weights("mnist"), file=file).classifier(), few.test[:40], "file")
    np.testing.assert_allclose(x, np.repeat(few.test[:40].mean((2, 3)) / 255, 3, 1), rtol=1e-5)


def test_what_a_network_makes_while_it_runs_is_on_its_device(tmp_path: Path) -> None:
    """The device "meta" computes shapes alone, and refuses other tensors, as a GPU does."""
    program = FeatureFile.read(write_features(tmp_path / "ramp.pt2", Ramp())).program("meta")
    assert program(torch.rand(5, 3, 28, 28, device="meta")).device.type == "meta"


def test_each_batch_of_a_long_scoring_is_a_sign_of_life(few: Images, weights: Weights) -> None:
    """The watchdog of a trial counts the calls of these parts."""
    network, calls = weights.classifier(), []
    for part in network.children():
        part.register_forward_pre_hook(lambda *_: calls.append(1))
    features(network, few.test[:100], "file")
    assert len(calls) == 4


class Scaled(Means):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


class Channels(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class Ramp(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((1, 2)) * torch.arange(28, device=x.device)


class Answer(nn.Module):
    """What a function makes of the means."""

    def __init__(self, function: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.function, self.means = function, Means()

    def forward(self, x: Tensor) -> object:
        return self.function(self.means(x))


class Trained(nn.Module):
    """A network that was not set to evaluation mode."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.means, self.layer = Means(), layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.means(x))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Answer(lambda x: x[:, :, None]), r"of 5 images it returns float32 \(5, 49, 1\); let it return features"),
        (Answer(lambda x: x[:, :1]), r"it returns float32 \(5, 1\); let it return features float32 \(N, d\), d of 2"),
        (Answer(lambda x: x.mean()), r"it returns float32 \(\); let it return"),
        (Answer(lambda x: x.half()), r"it returns float16 \(5, 49\); let it return"),
        (Answer(lambda x: (x, x)), "it returns a tuple; let it return one tensor"),
        (Answer(lambda x: x / x.amax(1, keepdim=True)), "its features of real or black images are NaN or infinite"),
        (Answer(lambda x: 0 * x), "its features of all images are the same"),
        (Trained(nn.BatchNorm1d(49)), "depend on the others of a batch, or on chance; export it after .eval()"),
        (Trained(nn.Dropout()), "depend on the others of a batch, or on chance"),
    ],
)
def test_what_are_no_features_is_refused(network: nn.Module, message: str, few: Images, tmp_path: Path) -> None:
    file = FeatureFile.read(write_features(tmp_path / "mine.pt2", network))
    with pytest.raises(FeatureFileError, match=f"^--features mine: .*{message}") as refusal:
        require_features(file, few)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("side", "dynamic", "message"), [(32, True, r"size\(\)\[2\]"), (28, False, r"size\(\)\[0\]")])
def test_images_that_a_network_does_not_take_are_told_in_its_own_words(
    side: int, dynamic: bool, message: str, few: Images, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = FeatureFile.read(write_features(tmp_path / "mine.pt2", side=side, dynamic=dynamic))
    right = r"export it for images \(N, 3, 28, 28\) with a dynamic N; docs/metric.md"
    with pytest.raises(FeatureFileError, match=rf"^--features mine: Guard failed: x.{message} == \d+; {right}"):
        require_features(file, few)
    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_none_is_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(FeatureFileError, match=r"nowhere.pt2: cannot be read \(No such file or directory\)"):
        FeatureFile.read(tmp_path / "nowhere.pt2")
    torch.save({}, tmp_path / "weights.pt2")
    (tmp_path / "half.pt2").write_bytes(path.read_bytes()[:3000])
    for name in ("weights.pt2", "half.pt2"):
        with pytest.raises(FeatureFileError, match=f'{name}: is no program of torch.export.save; docs/metric.md, "F'):
            FeatureFile.read(tmp_path / name)


def test_a_file_that_torch_cannot_load_is_refused(few: Images, tmp_path: Path) -> None:
    with ZipFile(tmp_path / "empty.pt2", "w") as archive:
        archive.writestr("empty/archive_format", "pt2")
    with pytest.raises(FeatureFileError, match=r"^empty: cannot be loaded ") as refusal:
        require_features(FeatureFile.read(tmp_path / "empty.pt2"), few)
    assert "\n" not in str(refusal.value)


def test_a_layer_of_the_classifier_is_not_mixed_up_with_the_file(few: Images, weights: Weights) -> None:
    with pytest.raises(ValueError, match="unknown feature layer 'flat'; known are file"):
        Reference.build(few, n=N, layer="flat", weights=weights)
    with pytest.raises(ValueError, match="unknown feature layer 'file'; known are spatial_mean, flat"):
        Reference.build(few, n=N, layer="file")
