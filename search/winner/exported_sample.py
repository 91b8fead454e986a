"""Generate images with the model in this folder: `python sample.py --n 100 --label 3 --out samples.png`.

It needs the package diffusion-search, of the version that README.md names. Other uses:

    model = Model.load(folder)
    images = model.sample(100, labels=[3] * 100, seed=0)  # uint8 (100, C, H, W)
    y = model.network(x_t, t / T, labels)  # what it predicts is `training/target` in config.json
"""

import argparse
import sys
from pathlib import Path

import torch

from analysis.process import carry_out
from search.winner.image_files import require_place, write_images
from trainables.model import Model


def main() -> int:
    """Generate images as the command line says."""
    parser = argparse.ArgumentParser(description="Generate images with the model in this folder.")
    parser.add_argument("--n", type=int, default=100, help="number of images, by default 100")
    parser.add_argument("--label", help="their class, by default as often as in training")
    parser.add_argument("--seed", type=int, default=0, help="of the noise, by default 0")
    parser.add_argument("--out", type=Path, default=Path("samples.png"), help="a .png, a .npz or a folder")
    parser.add_argument("--data-dir", help="of the data set; only few models, and no MNIST, need it to sample")
    given = parser.parse_args()
    require_place(given.out)
    model = Model.load(
        Path(__file__).parent, "cuda" if torch.cuda.is_available() else "cpu", given.data_dir, trust=True
    )
    labels = model.draw_labels(given.n, given.seed)
    if given.label is not None:
        labels = torch.full((given.n,), model.label(given.label))
    write_images(given.out, model.sample_in_chunks(given.n, labels, given.seed), given.n, labels, model.classes)
    return 0


if __name__ == "__main__":
    sys.exit(carry_out("sample.py", main))
