"""`python search/export.py RUN [TRIAL] DIR`: write a trained model into a folder of its own; see --help."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    # Python put this folder first on the path, where its modules hide others of their name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from analysis.text.process import carry_out
from search.command_line import parsed
from search.options import ExportOptions

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


def main(arguments: Sequence[str] | None = None, command: str = "search/export.py") -> int:
    """Run the command line; return the exit status: 0, 2 for a usage error, 130 if interrupted."""
    return carry_out(command, lambda: _export(parsed(ExportOptions, command, EXPORT, EXAMPLES, arguments)))


# Imports inside functions: torch takes two seconds, and --help and usage errors do not need it.
def _export(given: ExportOptions) -> int:
    from importlib.metadata import version

    from analysis.run.code import read_code
    from analysis.run.run import Run
    from analysis.statistics.winner import training_of
    from search.trust import install_parts
    from search.winner import exported_sample
    from search.winner.image_files import require_new, write_images
    from search.winner.model_card import model_card
    from search.winner.models import load_model
    from trainables.data.options import ReadOptions

    folder = Path(given.folder)
    require_new(folder, str(folder))
    run = Run.open(given.run)
    install_parts(run, given.trust)
    training = training_of(run, given.trial)
    model = load_model(training, given.sampler, given.data_dir)
    folder.mkdir(parents=True, exist_ok=True)
    start, images_seen = training.start, training.report.images_seen
    about = {
        "trial": start.trial,
        "seed": start.seed,
        "images_seen": images_seen,
        "version": version("diffusion-search"),
    }
    code = read_code(run) if run.settings().get("code", {}).get("parts") else None
    model.save(folder, ReadOptions.of(training.run.settings()["settings"]), code, **about)
    labels = model.even_labels(100)
    write_images(folder / "samples.png", model.sample_in_chunks(100, labels), 100, labels, model.classes)
    (folder / "README.md").write_text(model_card(run, training, model))
    (folder / "sample.py").write_bytes(Path(exported_sample.__file__).read_bytes())
    print(f"{folder}: the model of {start.trial}; to generate with it: python {folder / 'sample.py'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
