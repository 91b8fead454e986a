"""`python search/export.py RUN [TRIAL] DIR`: write a trained model into a folder of its own; see --help."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Python put this folder first on the path, where its modules hide others of their name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from search.command_line import Command
from search.winner.options import ExportOptions

EXPORT = """\
Write the model that won a search, or that of another trial, into a folder that
holds all it takes to use it elsewhere: model.safetensors (averaged weights),
config.json, README.md (a model card: data, numbers, how they were measured),
samples.png, and sample.py, which generates images and needs this package only.

Of a trial that the confirmation trained again with fresh seeds it is the
training with the lowest FMD on the images that judge the confirmation.
"""
EXAMPLES = """\
examples:
  python search/export.py runs/mine model
  python model/sample.py --n 100 --label 3
  python search/export.py runs/mine 018-gaussian other --set sampler.steps=50

exit status: 0 done; 2 a usage error; 130 interrupted
"""


def _export(given: ExportOptions) -> int:
    from search.winner.exporting import export  # torch takes two seconds, which --help and usage errors do not need

    export(given)
    return 0


main = Command("search/export.py", ExportOptions, EXPORT, EXAMPLES, _export)

if __name__ == "__main__":
    sys.exit(main())
