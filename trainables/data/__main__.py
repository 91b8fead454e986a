"""`python -m trainables.data PATH`: say what a data set holds before anything is trained on it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from trainables.data.card import card
from trainables.data.images import DataError
from trainables.data.load import load
from trainables.data.options import GROUPS, LEAST_SIDE, MOST_SIDE, NAMED, ReadOptions, is_colour
from trainables.data.sources import readable

DESCRIPTION = """\
Show what a data set holds: images, classes, splits, what was passed over. A
search with the same --dataset and options trains on exactly these images.
"""
COLUMNS = 12  # of the picture


def main(arguments: Sequence[str] | None = None, command: str = "python -m trainables.data") -> int:
    """Run the command line; return 0, or 2 where the data set cannot be read."""
    options = _parser(command).parse_args(arguments)
    how = ReadOptions(options.image_size, options.channels, options.background, options.skip_damaged, options.groups)
    try:
        images = load(options.dataset, options.data_dir, how, lambda line: print(line, file=sys.stderr, flush=True))
        if options.grid is not None:
            import torch  # two seconds, which the text does not need

            from trainables.diffusion.generation import grid_png, in_rows

            labels = torch.tensor(images.train_labels) if images.labelled else None
            options.grid.write_bytes(grid_png(in_rows(torch.tensor(images.train), labels, COLUMNS)))
    except (DataError, OSError) as error:
        print(f"{command.removeprefix('python -m ')}: {error}", file=sys.stderr)
        return 2
    print(f"{readable(options.dataset)}\n{card(images)}")
    return 0


def _parser(command: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=command, description=DESCRIPTION)
    parser.add_argument("dataset", metavar="PATH|NAME", help=f"images of your own, or {', '.join(NAMED)}")
    parser.add_argument("--data-dir", metavar="DIR", help="folder of a data set with a name")
    parser.add_argument("--image-size", type=_side, metavar="N", help=f"side in pixels, {LEAST_SIDE} to {MOST_SIDE}")
    parser.add_argument("--channels", type=int, choices=(1, 3), help="1 for grey, 3 for colour")
    parser.add_argument("--background", type=_background, default="white", help="what transparent pixels show")
    parser.add_argument("--skip-damaged", action="store_true", help="leave out images that cannot be read")
    parser.add_argument("--groups", metavar="RULE", help=GROUPS)
    parser.add_argument("--grid", type=Path, metavar="FILE.png", help="write a picture of some training images")
    return parser


def _side(text: str) -> int:
    if not text.isdecimal() or not LEAST_SIDE <= int(text) <= MOST_SIDE:
        raise argparse.ArgumentTypeError(f"{text}: give a whole number from {LEAST_SIDE} to {MOST_SIDE}")
    return int(text)


def _background(text: str) -> str:
    if not is_colour(text):
        raise argparse.ArgumentTypeError(f"{text}: give white, black or #rrggbb")
    return text


if __name__ == "__main__":
    sys.exit(main())
