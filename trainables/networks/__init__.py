"""Networks: (x_t, t / T, label) -> y, the model's guess of its target, of x_t's shape.

A network is described by a frozen dataclass of its hyperparameters; `build` makes the module. Activations stay in NHWC
order throughout: layer normalisation then needs no copies. A new network is one file and one line below.
"""

from trainables.networks.base import ACTIVATIONS, Network
from trainables.networks.cnn import CNN
from trainables.networks.convnext_unet import ConvNeXtUNet
from trainables.networks.dit import DiT
from trainables.networks.fruits_unet import FruitsUNet
from trainables.networks.unet import UNet

__all__ = ["ACTIVATIONS", "CNN", "NETWORKS", "ConvNeXtUNet", "DiT", "FruitsUNet", "Network", "UNet"]

NETWORKS: dict[str, type[Network]] = {
    "cnn": CNN,
    "unet": UNet,
    "fruits_unet": FruitsUNet,
    "convnext_unet": ConvNeXtUNet,
    "dit": DiT,
}
