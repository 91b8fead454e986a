"""Inception-FID, which most of the literature reports, where its network and weights are installed.

torchmetrics uses the network of torch-fidelity, whose weights lie in the folder of torch.hub; nothing is downloaded
here. On small grey images FID says little: values of the literature are 62 to 433.
"""

import importlib.util
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from trainables.metric.frechet import Statistics

# The file name in torch-fidelity's URL (torch_fidelity/feature_extractor_inceptionv3.py, 0.3 and 0.4).
WEIGHTS_FILE = "weights-inception-2015-12-05-6726825d.pth"
# The number of features that torchmetrics offers, and the layer whose means over the image they are.
LAYERS = {64: "MaxPool_1", 192: "MaxPool_2", 768: "Mixed_6e", 2048: "AvgPool"}
BATCH = 32


def weights_file() -> Path:
    """Return the path of torch-fidelity's weights, in $TORCH_HOME/hub/checkpoints, by default below ~/.cache/torch."""
    return Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_FILE


def missing() -> str | None:
    """Return the reason in one line why there is no Inception-FID here, or None if there is one."""
    if importlib.util.find_spec("torch_fidelity") is None:
        return "torch-fidelity is not installed: pip install torch-fidelity"
    if not weights_file().is_file():
        return f"no weights at {weights_file()}: put torch-fidelity's {WEIGHTS_FILE} there"
    return None


def inception_statistics(images: Tensor) -> dict[int, Statistics]:
    """Return the statistics of Inception's features of uint8 images (n, C, H, W), C 1 or 3, by their number.

    `frechet_distance` of two statistics equals torchmetrics' FrechetInceptionDistance of so many features, but is never
    negative. An image takes 0.3 CPU-seconds.
    """
    # torchmetrics takes seconds, and its Inception wants torch-fidelity, which may be missing.
    from torchmetrics.image.fid import NoTrainInceptionV3

    network = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(weights_file()))
    found: dict[int, list[Tensor]] = {count: [] for count in LAYERS}

    def keep(count: int, module: nn.Module, given: tuple[Tensor, ...], answer: Tensor) -> None:
        found[count].append(answer.mean((2, 3)))

    for count, layer in LAYERS.items():
        network.get_submodule(layer).register_forward_hook(partial(keep, count))
    with torch.inference_mode():
        for batch in images.cpu().expand(-1, 3, -1, -1).split(BATCH):
            network(batch)
    return {count: Statistics.from_features(torch.cat(batches).numpy()) for count, batches in found.items()}
