"""Inception-FID with random weights, because the trained ones are a download of 95 MB."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torchmetrics.image.fid import NoTrainInceptionV3

from analysis.run.evaluations import EVALUATION_COLUMNS
from trainables.data.images import Images
from trainables.evaluation import INCEPTION_COLUMNS, Evaluation
from trainables.metric.checks import draw_real
from trainables.metric.classifier import features, load_weights
from trainables.metric.feature_file import FeatureFile
from trainables.metric.frechet import frechet_distance
from trainables.metric.inception import LAYERS, inception_statistics, missing, weights_file

NETWORK = "inception-v3-compat"


@pytest.fixture
def random_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The path of random weights, which lie where torch-fidelity's trained ones would."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = weights_file()
    file.parent.mkdir(parents=True)
    torch.save({}, file)
    torch.manual_seed(0)
    with monkeypatch.context() as patched:
        patched.setattr(NoTrainInceptionV3, "load_state_dict", lambda network, state: None)
        network = NoTrainInceptionV3(NETWORK, ["2048"], str(file))
    torch.save(network.state_dict(), file)
    return str(file)


@pytest.mark.slow
def test_the_features_are_those_of_torchmetrics(random_weights: str, mnist: Images) -> None:
    images = torch.from_numpy(mnist.test[:3])
    found = inception_statistics(images)
    assert list(found) == list(LAYERS) == [64, 192, 768, 2048]
    for count, statistics in found.items():
        with torch.inference_mode():
            theirs = NoTrainInceptionV3(NETWORK, [str(count)], random_weights)(images.expand(-1, 3, -1, -1))
        assert theirs.shape == (3, count)
        torch.testing.assert_close(torch.from_numpy(statistics.mean).float(), theirs.mean(0), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_an_evaluation_has_a_distance_by_each_number_of_features(random_weights: str, mnist: Images) -> None:
    assert missing() is None
    images = replace(mnist, train=mnist.train[:512], train_labels=mnist.train_labels[:512])
    measured = Evaluation(images, "confirm", 32).real()
    real, others = (inception_statistics(drawn) for drawn in draw_real(images.confirm, images.search, 32))
    for count, name in INCEPTION_COLUMNS.items():
        assert measured[name] == pytest.approx(frechet_distance(others[count], real[count]), rel=1e-6)
    assert set(INCEPTION_COLUMNS.values()) <= {column.name for column in EVALUATION_COLUMNS}


@pytest.mark.slow
def test_the_file_that_the_documentation_writes_has_the_features_of_torchmetrics(
    random_weights: str, mnist: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parents[4] / "docs" / "metric.md").read_text()
    (block,) = re.findall(r"```python\n(\"\"\"Write inception.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "metric.md", "exec"), {"__name__": "metric"})
    file = FeatureFile.read(tmp_path / "inception.pt2")
    images = mnist.test[:3]
    found = features(replace(load_weights("mnist"), file=file).classifier(), images, "file")
    with torch.inference_mode():
        theirs = NoTrainInceptionV3(NETWORK, ["2048"], random_weights)(torch.from_numpy(images).expand(-1, 3, -1, -1))
    torch.testing.assert_close(torch.from_numpy(found), theirs, rtol=1e-5, atol=0)
