"""What folds that cut through objects hide: validation on Fruits-360 with grouped and with leaking folds.

    python tests/benchmarks/leak.py --data-dir DIR [--images 24000] [--folds 2]

Trains the same model on the same number of images with both kinds of folds, interleaved, and prints the loss and the
SSIM of one-step restorations, each on up to 256 images: of the held-out fold, and of those trained on.
"""

import argparse
import statistics

import numpy as np
import torch

from trainables.config import Flat, Variant
from trainables.data.folds import evenly, fold_rows
from trainables.data.images import Images
from trainables.data.load import load
from trainables.metric.restoration import Validation, validation
from trainables.training.trainer import Trainer

CHECKED = 256  # images
MODEL: Flat = {"network/kind": "unet", "network/unet/patch": 2, "training/batch": 32}


def trained(images: Images, kind: str, fold: int, seen: int) -> tuple[Validation, Validation]:
    """Return the validation on the held-out fold and on images that were trained on, after `seen` images."""
    variant = Variant.from_flat({**MODEL, "training/split": kind, "training/fold": fold})
    train, overlays = torch.from_numpy(images.train), torch.from_numpy(images.overlays_train)
    trainer = Trainer(variant, 0, train, overlays, seen, images.groups)
    trainer.run_to(seen)
    fitted, held_out = (evenly(rows, CHECKED) for rows in fold_rows(images.groups, kind, fold))
    return tuple(  # type: ignore[return-value]
        validation(trainer.averaged(), train[torch.from_numpy(rows)], trainer.source, seed=0)
        for rows in (held_out, fitted)
    )


def main() -> None:
    """Print both kinds of folds side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True, help="the data set's folder, with Training and Test in it")
    parser.add_argument("--images", type=int, default=24_000, help="images that each model is trained on")
    parser.add_argument("--folds", type=int, default=2, choices=range(1, 6), help="of five")
    given = parser.parse_args()
    torch.set_num_threads(1)
    images = load("fruits360", given.data_dir)
    print(f"torch {torch.__version__}; {len(images.train)} images of {len(np.unique(images.groups))} objects")
    found: dict[str, list[Validation]] = {"5-fold-grouped": [], "5-fold-leaking": []}
    for fold in range(given.folds):
        for kind in found:
            held_out, fitted = trained(images, kind, fold, given.images)
            found[kind].append(held_out)
            print(
                f"fold {fold} {kind:15} held out: loss {held_out.loss:.5f} SSIM {held_out.ssim:.4f}   "
                f"trained on: loss {fitted.loss:.5f} SSIM {fitted.ssim:.4f}",
                flush=True,
            )
    loss, ssim = (
        {k: statistics.mean(getattr(one, name) for one in found[k]) for k in found} for name in ("loss", "ssim")
    )
    for kind in found:
        print(f"mean   {kind:15} held out: loss {loss[kind]:.5f} SSIM {ssim[kind]:.4f}")
    print(
        f"the leak: folds of images make the held-out loss {1 - loss['5-fold-leaking'] / loss['5-fold-grouped']:.1%} "
        f"lower and SSIM {ssim['5-fold-leaking'] - ssim['5-fold-grouped']:+.4f} higher than folds of objects"
    )


if __name__ == "__main__":
    main()
