"""`python search/generate.py RUN [TRIAL]`: generate images with a trained model; see --help."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Python put this folder first on the path, where its modules hide others of their name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from search.command_line import Command
from search.winner.options import GenerateOptions

GENERATE = """\
Generate images with the model that won a search, or with that of another trial.

Of a trial that the confirmation trained again with fresh seeds it is the
training with the lowest FMD on the images that judge the confirmation; that FMD
is a little too low for it. Of another trial it is the search's own training, if
its checkpoint is kept.
"""
EXAMPLES = """\
examples:
  python search/generate.py runs/mine
      the winner's picture: samples.png, with a row for each class
  python search/generate.py runs/mine --n 10000 --out digits.npz
      images uint8 (10000, 28, 28) and, where the model knows classes, labels
  python search/generate.py runs/mine --n 1000 --label 3 --out threes
      a folder of 1,000 PNG files and labels.csv
  python search/generate.py runs/mine 018-gaussian --set sampler.steps=50

exit status: 0 done; 2 a usage error; 3 the samples are not finite;
130 interrupted
"""


def _generate(given: GenerateOptions) -> int:
    from search.winner.generating import generate  # torch takes two seconds, which --help and usage errors do not need

    return generate(given)


main = Command("search/generate.py", GenerateOptions, GENERATE, EXAMPLES, _generate)

if __name__ == "__main__":
    sys.exit(main())
