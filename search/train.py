"""`python search/train.py RUN [TRIAL] --images N`: train a trial longer than its search did; see --help."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    # Python put this folder first on the path, where its modules hide others of their name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from search.command_line import Command
from search.execution.threads import ENVIRONMENT
from search.winner.options import TrainOptions

TRAIN = """\
Train the model that won a search, or another trial, on more images than the
search did. The training becomes a run of its own beside RUN, which the other
commands take: generate, evaluate, export, rank, report. A checkpoint is saved
at least every minute. After ctrl-C the same command goes on, also with a larger
--images. Given the new run as RUN, it goes on with that. It computes with as
many threads as a trial of the search.

Of a trial that the confirmation trained again with fresh seeds, the training
with the lowest FMD is trained on; FMD is measured as it was there, so that the
numbers compare with those of the trial.

The learning rate goes on by the trial's own rule, training.lr_decay. none: it
stays as it is, and training goes on as if the search had asked for more images.
plateau: it keeps the factor that it has come down to. cosine: it is that of a
cosine over all --images at the images seen, so it rises at once from the 0 that
it had ended at, and FMD can be worse for some time; --anew begins such a
training from fresh weights, without the jump. --set training.lr_decay=cosine
ends a training at the constant rate with a decay. There is no second warm-up.
The averaged weights average over the same share of all steps.
"""
EXAMPLES = """\
examples:
  python search/train.py runs/mine --images 2e6
      train the winner on, and score it ten times on the way
  python search/train.py runs/mine --images 2e6 --set training.lr_decay=cosine
  python search/train.py runs/mine 018-gaussian --images 5e5 --anew
  python search/generate.py runs/mine-018-gaussian-anew
      generate with the result, also while it is in training

exit status: 0 done; 2 a usage error; 3 the training diverged;
130 interrupted
"""


def _train(given: TrainOptions) -> int:
    os.environ |= ENVIRONMENT  # as that of a trial: the last bits of an FMD depend on the threads of numpy
    from search.winner.training import train  # torch takes two seconds, which --help and usage errors do not need

    return train(given)


main = Command("search/train.py", TrainOptions, TRAIN, EXAMPLES, _train)

if __name__ == "__main__":
    sys.exit(main())
