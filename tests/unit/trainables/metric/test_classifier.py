"""Classifiers: the shipped ones are what their cards say, others are trained once, and training gives the same bits."""

import dataclasses
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from trainables.data.images import Images
from trainables.data.load import load
from trainables.data.mnist import CHECKSUMS
from trainables.metric.classifier import (
    FEATURE_NETWORKS,
    RECIPES,
    SHIPPED,
    WIDTHS,
    Block,
    Classifier,
    Stored,
    WeightsError,
    features,
    load_card,
    load_weights,
    pack,
    weights_file,
    write,
)
from trainables.metric.classifier_training import accuracy, ensure_classifier, main, shifted, train
from trainables.metric.feature_network import Layer, NetworkName

QUICK = dataclasses.replace(RECIPES["fruits360"], least_images=0, epochs=12, batch=8)
SHAPES = [(1, 28, 10), (3, 28, 2), (3, 64, 5), (3, 65, 5), (3, 100, 131)]


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped weights that a test may damage."""
    folder = Path(shutil.copytree(SHIPPED, tmp_path / "weights"))
    monkeypatch.setattr("trainables.metric.classifier.SHIPPED", folder)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A user's cache, and a recipe that takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        patch.setitem(RECIPES, "fruits360", QUICK)
        yield folder


@pytest.fixture(scope="module")
def trained(cache: Path, fruits: Images) -> list[str]:
    """What training a classifier of the fruits said; it lies in the cache."""
    said: list[str] = []
    ensure_classifier(fruits, said.append)
    return said


@pytest.fixture(scope="module", params=["mnist", "fashion-mnist"])
def shipped(request: pytest.FixtureRequest, shared: Path) -> Images:
    """A data set of which the classifier comes along."""
    if request.param == "mnist":
        return load("mnist")
    if not (shared / "fashion_mnist").is_dir():
        pytest.skip(f"{shared} lacks fashion_mnist; set DIFFUSION_SEARCH_DATA to a folder that has it")
    return load("fashion-mnist", shared / "fashion_mnist")


@pytest.mark.parametrize("every", [20, pytest.param(1, marks=pytest.mark.slow)])
def test_a_shipped_classifier_is_as_accurate_as_its_card_says(every: int, shipped: Images) -> None:
    classifier, said = load_weights(shipped.name).classifier(), load_card(shipped.name)["test_accuracy"]
    images = shipped.test[::every]
    # Of all images, another CPU's rounding may turn the rare undecided one; else five binomial standard deviations.
    tolerance = 1e-3 if every == 1 else 5 * (said * (1 - said) / len(images)) ** 0.5
    assert accuracy(classifier, images, shipped.test_labels[::every]) == pytest.approx(said, abs=tolerance)


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.json")))
def test_every_shipped_classifier_is_good_enough_and_of_the_published_data(name: str) -> None:
    card, classifier = load_card(name), load_weights(name).classifier()
    assert card["test_accuracy"] >= RECIPES[name].required_accuracy
    assert card["data_checksums"] == CHECKSUMS[card["dataset"]]
    assert classifier.shape == (1, 28, 28)


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


@pytest.mark.parametrize(("channels", "size", "classes"), SHAPES)
@pytest.mark.parametrize(("network", "widths"), [("plain", WIDTHS), ("residual", {"spatial_mean": 96, "flat": 1536})])
def test_features_are_of_the_same_width_for_images_of_any_size(
    network: NetworkName, widths: dict[Layer, int], channels: int, size: int, classes: int
) -> None:
    classifier = FEATURE_NETWORKS[network](channels, size, classes)
    x = torch.rand(2, channels, size, size)
    assert classifier(x).shape == (2, classes)
    for layer, width in widths.items():
        assert classifier.features(x, layer).shape == (2, width)


@pytest.mark.parametrize(("channels", "size", "classes"), SHAPES)
def test_the_last_block_sees_4_x_4_cells_or_more_and_few_enough_to_be_quick(
    channels: int, size: int, classes: int
) -> None:
    x = torch.rand(2, channels, size, size)
    assert 4 <= Classifier(channels, size, classes).blocks(x).shape[-1] <= 16


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
    parts = [features(classifier, images[i : i + 7], layer) for i in range(0, 50, 7)]
    np.testing.assert_allclose(whole, np.concatenate(parts), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "images",
    [np.zeros((4, 1, 28, 28), np.float32), np.zeros((4, 28, 28), np.uint8), np.zeros((4, 3, 28, 28), np.uint8)],
)
def test_other_images_are_refused_with_what_was_given(classifier: Classifier, images: np.ndarray) -> None:
    with pytest.raises(ValueError, match=rf"uint8 images \(N, 1, 28, 28\) in 0..255, given {images.dtype} \(4,"):
        features(classifier, images)
    with pytest.raises(ValueError, match=r"uint8 images \(N, 3, 100, 100\)"):
        features(Classifier(3, 100, 5), np.zeros((4, 3, 28, 28), np.uint8))


def test_damaged_weights_are_not_loaded(weights: Path) -> None:
    path = weights / "mnist.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=rf"^{path} has SHA-256 .* its card says .* train it again: [^\n]*$"):
        load_weights("mnist")
    path.unlink()
    with pytest.raises(WeightsError, match="train it again"):
        load_weights("mnist")


@pytest.mark.parametrize("file", ["mnist.safetensors", "mnist.json"])
def test_damaged_shipped_weights_are_an_error_not_a_reason_to_train(mnist: Images, weights: Path, file: str) -> None:
    (weights / file).write_text("damaged")
    with pytest.raises(WeightsError, match=rf"^{weights}/mnist"):
        ensure_classifier(mnist)


def test_a_data_set_without_a_classifier_is_told_how_to_train_one(cache: Path) -> None:
    with pytest.raises(WeightsError, match=r"python -m trainables\.metric\.classifier_training --dataset fruits360$"):
        load_weights("fruits360", {"fruits360": "of other photographs"})
    with pytest.raises(WeightsError, match="no classifier for data set 'fashion'; known are mnist, fashion-mnist, fru"):
        load_weights("fashion")


def test_a_classifier_is_trained_once_and_then_found(cache: Path, trained: list[str], fruits: Images) -> None:
    assert "training the classifier of fruits360" in trained[0]
    assert "of the 6 images of confirm right" in trained[-1]
    found = ensure_classifier(fruits, pytest.fail)
    assert found.shape == (3, 100, 100)
    card = load_card("fruits360", fruits.checksums)
    assert card["sha256"] == found.sha256
    measured = accuracy(found.classifier(), fruits.confirm, fruits.confirm_labels)
    assert measured == card["confirm_accuracy"] >= 0.95


@pytest.mark.usefixtures("trained")
def test_other_data_and_other_recipes_have_other_classifiers(fruits: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    checksums = fruits.checksums
    names = {weights_file("fruits360", checksums), weights_file("fruits360", checksums | {"fruits360": "another"})}
    assert weights_file("fruits360", {k: v for k, v in checksums.items() if k == "fruits360"}) in names
    monkeypatch.setitem(RECIPES, "fruits360", dataclasses.replace(QUICK, seed=1))
    assert len(names | {weights_file("fruits360", checksums)}) == 3


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize("suffix", [".safetensors", pytest.param(".json", marks=pytest.mark.slow)])
def test_a_damaged_cache_is_trained_again_to_the_same_bits(
    cache: Path, fruits: Images, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load_weights("fruits360", fruits.checksums)
    copy = Path(shutil.copytree(cache, tmp_path / "copy"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(copy))
    weights_file("fruits360", fruits.checksums).with_suffix(suffix).write_bytes(b"")
    said: list[str] = []
    assert ensure_classifier(fruits, said.append).sha256 == before.sha256
    assert len(said) == 2
    assert load_weights("fruits360", fruits.checksums).sha256 == before.sha256


def test_an_unwritable_cache_costs_time_only(
    cache: Path, fruits: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    monkeypatch.setitem(RECIPES, "fruits360", dataclasses.replace(QUICK, epochs=1, required_accuracy=0))
    said: list[str] = []
    assert ensure_classifier(fruits, said.append).shape == (3, 100, 100)
    assert "cannot be kept" in said[-1]


def test_training_leaves_the_number_of_threads_as_it_was(
    cache: Path, fruits: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(RECIPES, "fruits360", dataclasses.replace(QUICK, epochs=1, required_accuracy=0))
    torch.set_num_threads(2)
    try:
        ensure_classifier(fruits, lambda line: None)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_training_again_gives_the_same_bits(mnist: Images) -> None:
    few = dataclasses.replace(mnist, train=mnist.train[:256], train_labels=mnist.train_labels[:256])
    recipe = dataclasses.replace(RECIPES["mnist"], epochs=1)
    first, second = (train(few, recipe).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = train(few, dataclasses.replace(recipe, seed=recipe.seed + 1)).state_dict()
    assert not torch.equal(first["head.weight"], other["head.weight"])


@pytest.mark.parametrize(("stored", "tolerance"), [("float32", 0.0), ("float16", 1e-3)])
def test_what_is_written_is_what_is_loaded(weights: Path, stored: Stored, tolerance: float) -> None:
    torch.manual_seed(5)
    written = Classifier(3, 40, 7)
    packed, content = pack(written, stored)
    write(content, {"sha256": packed.sha256, "shape": [3, 40, 40]}, weights / "mnist.safetensors")
    assert load_card("mnist") == {"sha256": packed.sha256, "shape": [3, 40, 40]}
    loaded = load_weights("mnist").classifier()
    assert loaded.shape == written.shape
    expected = written.state_dict()
    for name, tensor in loaded.state_dict().items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, expected[name], rtol=tolerance, atol=tolerance * 1e-3)
        np.testing.assert_array_equal(tensor.numpy(), packed.tensors[name])


def test_files_can_be_read_by_others(tmp_path: Path) -> None:
    write(b"content", {}, tmp_path / "x.safetensors")
    assert sorted(os.listdir(tmp_path)) == ["x.json", "x.safetensors"]
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in tmp_path.iterdir())


def test_a_classifier_below_the_required_accuracy_is_not_kept(
    cache: Path, fruits: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(RECIPES, "fruits360", dataclasses.replace(QUICK, epochs=1, required_accuracy=1.01))
    with pytest.raises(WeightsError, match=r"images of confirm right, below the 101.00% .*; it is not kept$"):
        ensure_classifier(fruits, lambda line: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("cache")
def test_the_command_line_writes_where_it_is_told(
    fruits_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "fruits.safetensors"
    arguments = ["--dataset", "fruits360", "--data-dir", str(fruits_folder), "--out", str(out)]
    monkeypatch.setitem(RECIPES, "fruits360", dataclasses.replace(QUICK, required_accuracy=0))
    assert main([*arguments, "--epochs", "1"]) == 0
    assert f"{out}: SHA-256" in capsys.readouterr().out
    assert out.is_file()
    written = out.read_bytes()
    monkeypatch.setitem(RECIPES, "fruits360", dataclasses.replace(QUICK, required_accuracy=1.01))
    assert main([*arguments, "--epochs", "1"]) == 1
    assert "below the 101.00%" in capsys.readouterr().err
    assert out.read_bytes() == written


@pytest.mark.slow
def test_a_classifier_of_real_photographs_knows_held_out_views(
    real_fruits: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    weights = ensure_classifier(real_fruits)
    assert accuracy(weights.classifier(), real_fruits.search, real_fruits.search_labels) >= 0.95


@pytest.mark.parametrize(
    "arguments",
    [["--epochs", "0"], ["--dataset", "cifar"], ["--data-dir", "/nowhere"], ["--dataset", "fruits360"]],
)
def test_bad_arguments_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        raise SystemExit(main(arguments))
    assert caught.value.code == 2
    assert arguments[1] in capsys.readouterr().err


@pytest.mark.parametrize("pixels", [1, 2])
def test_shifting_moves_each_image_as_a_whole(pixels: int) -> None:
    torch.manual_seed(0)
    images = torch.zeros(200, 3, 28, 30, dtype=torch.uint8)
    images[:, :, 10:13, 15:20] = torch.randint(1, 256, (200, 3, 3, 5), dtype=torch.uint8)
    moved = shifted(images, pixels)
    offsets = {
        (dy, dx)
        for before, after in zip(images, moved, strict=True)
        for dy in range(-pixels, pixels + 1)
        for dx in range(-pixels, pixels + 1)
        if torch.equal(after, before.roll((dy, dx), (1, 2)))
    }
    assert (moved.flatten(2).sum(2) == images.flatten(2).sum(2)).all()
    assert len(offsets) == (2 * pixels + 1) ** 2
