"""The classifier: the shipped one is what its card says, and training it again gives the same bits."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from trainables import features as features_module
from trainables.data import Images
from trainables.features import (
    WEIGHTS,
    WIDTHS,
    Block,
    Classifier,
    Layer,
    WeightsError,
    features,
    load_card,
    load_classifier,
)
from trainables.features_training import SHIFT, accuracy, main, shifted, train, train_and_write, write


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifier("mnist")


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped weights that a test may damage."""
    folder = Path(shutil.copytree(WEIGHTS, tmp_path / "weights"))
    monkeypatch.setattr(features_module, "WEIGHTS", folder)
    return folder


def test_the_shipped_classifier_is_as_accurate_as_its_card_says(mnist: Images, classifier: Classifier) -> None:
    measured = accuracy(classifier, mnist.test, mnist.test_labels)
    assert measured >= 0.993
    # Another CPU's rounding may turn the rare undecided image.
    assert measured == pytest.approx(load_card("mnist")["test_accuracy"], abs=3e-4)


def test_the_shipped_classifier_was_trained_on_this_data_and_split(mnist: Images) -> None:
    card = load_card("mnist")
    assert card["data_checksums"].items() <= mnist.checksums.items()
    assert (card["split"], card["images"]) == ("train", len(mnist.train))


def test_the_architecture_is_the_literatures(classifier: Classifier) -> None:
    convolutions = [module for module in classifier.modules() if isinstance(module, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [32, 64, 128, 64]
    assert all(c.kernel_size == (5, 5) for c in convolutions)
    assert classifier.pool.output_size == 4
    assert (classifier.head.in_features, classifier.head.out_features) == (1024, 10)


def test_a_block_equals_torchs_layer_norm_over_channels_and_space() -> None:
    block = Block(3, 8, size=7, stride=2)
    nn.init.normal_(block.norm.weight)
    nn.init.normal_(block.norm.bias)
    oracle = nn.LayerNorm([8, 7, 7])
    with torch.no_grad():
        oracle.weight.copy_(block.norm.weight.permute(2, 0, 1))
        oracle.bias.copy_(block.norm.bias.permute(2, 0, 1))
    x = torch.randn(5, 3, 14, 14)
    expected = nn.functional.gelu(oracle(block.convolution(x)))
    torch.testing.assert_close(block(x), expected)
    torch.testing.assert_close(block(x.contiguous(memory_format=torch.channels_last)), expected)


@pytest.mark.parametrize("layer", WIDTHS)
def test_features_do_not_depend_on_batches_or_container(mnist: Images, classifier: Classifier, layer: Layer) -> None:
    images = mnist.search[:50]
    whole = features(classifier, images, layer)
    assert whole.shape == (50, WIDTHS[layer])
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(whole, features(classifier, images, layer))
    np.testing.assert_array_equal(whole, features(classifier, torch.from_numpy(images), layer))
    np.testing.assert_allclose(whole, features(classifier, images, layer, batch=7), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "images",
    [np.zeros((4, 1, 28, 28), np.float32), np.zeros((4, 28, 28), np.uint8), np.zeros((4, 3, 28, 28), np.uint8)],
)
def test_other_images_are_refused_with_what_was_given(classifier: Classifier, images: np.ndarray) -> None:
    with pytest.raises(ValueError, match=rf"uint8 images \(N, 1, 28, 28\) in 0..255, given {images.dtype} \(4,"):
        features(classifier, images)


def test_damaged_weights_are_not_loaded(weights: Path) -> None:
    path = weights / "mnist.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=rf"^{path} has SHA-256 .* its card says .* train it again: [^\n]*$"):
        load_classifier("mnist")
    path.unlink()
    with pytest.raises(WeightsError, match="train it again"):
        load_classifier("mnist")


def test_a_data_set_without_a_classifier_is_told_how_to_train_one() -> None:
    with pytest.raises(WeightsError, match=r"python -m trainables\.features --dataset fashion$"):
        load_classifier("fashion")


@pytest.mark.parametrize("seed", [0, 1])
def test_training_again_gives_the_same_bits(mnist: Images, seed: int) -> None:
    first, second = (train(mnist.train[:512], mnist.train_labels[:512], 1, seed).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = train(mnist.train[:512], mnist.train_labels[:512], 1, seed + 2).state_dict()
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_what_is_written_is_what_is_loaded(weights: Path) -> None:
    torch.manual_seed(5)
    written = Classifier()
    card = write(written, {"test_accuracy": 0.5}, weights / "mnist.safetensors")
    assert json.loads((weights / "mnist.json").read_text()) == card == load_card("mnist")
    loaded = load_classifier("mnist").state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in written.state_dict().items())


def test_a_classifier_below_the_required_accuracy_is_not_written(
    mnist: Images, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)  # belongs to the command, not to this process
    few = dataclasses.replace(
        mnist,
        train=mnist.train[:256],
        train_labels=mnist.train_labels[:256],
        test=mnist.test[:300],
        test_labels=mnist.test_labels[:300],
    )
    assert train_and_write(few, 1, tmp_path / "mnist.safetensors") == 1
    assert "below the 99.30%" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["--epochs", "0"], ["--dataset", "cifar"], ["--data-dir", "/nowhere"]])
def test_bad_arguments_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        raise SystemExit(main(arguments))
    assert caught.value.code == 2
    assert arguments[1] in capsys.readouterr().err


def test_shifting_moves_each_image_as_a_whole() -> None:
    torch.manual_seed(0)
    images = torch.zeros(200, 1, 28, 28, dtype=torch.uint8)
    images[:, 0, 10:13, 15:20] = torch.randint(1, 256, (200, 3, 5), dtype=torch.uint8)
    moved = shifted(images)
    offsets = {
        (dy, dx)
        for before, after in zip(images, moved, strict=True)
        for dy in range(-SHIFT, SHIFT + 1)
        for dx in range(-SHIFT, SHIFT + 1)
        if torch.equal(after, before.roll((dy, dx), (1, 2)))
    }
    assert (moved.flatten(1).sum(1) == images.flatten(1).sum(1)).all()
    assert len(offsets) == (2 * SHIFT + 1) ** 2
