"""`python search/evaluate.py RUN [TRIAL ...]`: evaluate trained trials in more ways than a search does; see --help."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Python put this folder first on the path, where its modules hide others of their name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from search.command_line import Command
from search.winner.options import EvaluateOptions

EVALUATE = """\
Evaluate trained trials of a run. Each trial generates images, which are
compared with the real images of a split, and restores held-out images.
Generation and restoration have columns of their own. Only trials that have
reported and whose checkpoint is kept can be evaluated: the best, as many as
--kept-checkpoints said, and those that run or are paused; in the folder
confirm/ of a run, all.
"""
EXAMPLES = """\
examples:
  python search/evaluate.py runs/mine
      evaluate all trials that are kept, against the test images
  python search/evaluate.py runs/mine 018-gaussian --steps 100
  python search/evaluate.py runs/mine --split confirm --samples 512 --format csv
  python search/evaluate.py runs/mine 018-gaussian --restored 10000

The column "real images" has the scores of as many held-out real images, the
best that can be reached. Rank by FMD. The report's FMD (32 images) and the
restorations are for comparison with the literature. The other columns show what
an FMD hides: missing classes, low variety, copies of training images.

Inception-FID needs torch-fidelity, and its weights in torch.hub's folder; it is
left out without them. On one core 2,048 samples take half a minute a trial, and
Inception-FID takes five minutes more.

The results are added to RUN/evaluation.parquet, whose columns are described in
analysis/run/evaluations.py.
exit status: 0 done; 2 a usage error; 3 no trial could be evaluated;
130 interrupted
"""


def _evaluate(given: EvaluateOptions) -> int:
    from search.winner.evaluating import evaluate  # torch takes two seconds, which --help and usage errors do not need

    return evaluate(given)


main = Command("search/evaluate.py", EvaluateOptions, EVALUATE, EXAMPLES, _evaluate)

if __name__ == "__main__":
    sys.exit(main())
