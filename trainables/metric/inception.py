"""Inception-FID, which most of the literature reports; only where its network and its weights are installed.

torchmetrics takes the network from torch-fidelity, and that its weights from torch.hub's folder, where it would
download them; here nothing is downloaded. On small grey images FID says little: the literature's is 62 to 433.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import Tensor

from trainables.metric.frechet import Statistics

# The name under which torch-fidelity's URL is cached (torch_fidelity/feature_extractor_inceptionv3.py, 0.3 and 0.4).
WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"
BATCH = 32


def weights_file() -> Path:
    """Return where torch-fidelity looks for the weights: $TORCH_HOME/hub/checkpoints, by default in ~/.cache/torch."""
    return Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS


def missing() -> str | None:
    """Return in one line why there is no Inception-FID here, or None if there is one."""
    if importlib.util.find_spec("torch_fidelity") is None:
        return "torch-fidelity is not installed: pip install torch-fidelity"
    if not weights_file().is_file():
        return f"no weights at {weights_file()}: put torch-fidelity's {WEIGHTS} there"
    return None


def inception_statistics(images: Tensor) -> Statistics:
    """Return the statistics of Inception's 2,048 features of uint8 images (n, C, H, W), C 1 or 3.

    `frechet_distance` of two of them is torchmetrics' FrechetInceptionDistance, but never negative where n is small. An
    image takes 0.3 CPU-seconds.
    """
    from torchmetrics.image.fid import NoTrainInceptionV3

    network = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(weights_file()))
    with torch.inference_mode():
        features = [network(batch) for batch in images.cpu().expand(-1, 3, -1, -1).split(BATCH)]
    return Statistics.from_features(torch.cat(features).numpy())
