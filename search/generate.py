"""`python search/generate.py RUN [TRIAL]`: generate images with a trained model; see --help."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    # Python put this folder first on the path, where its modules hide others of their name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from analysis.text.process import carry_out
from search.command_line import parsed
from search.options import GenerateOptions

if TYPE_CHECKING:
    from torch import Tensor

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
# Images of a picture: ten of each of ten classes.
IN_PICTURE, OTHERWISE = 100, 1_000


def main(arguments: Sequence[str] | None = None, command: str = "search/generate.py") -> int:
    """Run the command line; return the exit status: 0, 2 for a usage error, 3 without a result, 130 if interrupted."""
    return carry_out(command, lambda: _generate(parsed(GenerateOptions, command, GENERATE, EXAMPLES, arguments)))


# Imports inside functions: torch takes two seconds, and --help and usage errors do not need it.
def _generate(given: GenerateOptions) -> int:
    from analysis.run.run import Run
    from analysis.statistics.winner import training_of
    from search.trust import install_parts
    from search.winner.image_files import require_place, write_images
    from search.winner.models import load_model
    from trainables.diffusion.process import Diverged

    out = Path(given.out)
    require_place(out)
    run = Run.open(given.run)
    install_parts(run, given.trust)
    training = training_of(run, given.trial)
    model = load_model(training, given.sampler, given.data_dir)
    is_picture = out.suffix == ".png"
    n = given.n or (IN_PICTURE if is_picture else OTHERWISE)
    among = [model.label(name) for name in given.label]
    labels = model.even_labels(n, among) if among or is_picture else model.draw_labels(n, given.seed)
    name, sampling = training.start.trial, model.sampling
    try:
        chunks = _with_progress(model.sample_in_chunks(n, labels, given.seed), n)
        write_images(out, chunks, n, labels, model.classes)
    except Diverged as error:
        print(f"{name}: {error}; try other fields of the sampler with --set", file=sys.stderr)
        return 3
    trained = f"trained on {training.report.images_seen:,} images"
    print(f"{out}: {n:,} images of {name} ({trained}; {sampling.kind}, {sampling.steps} steps; seed {given.seed})")
    return 0


def _with_progress(chunks: Iterator[Tensor], n: int) -> Iterator[Tensor]:
    """Yield the chunks; where standard error is a terminal, show there how far they are of n images."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("generating", total=n)
        for chunk in chunks:
            yield chunk
            progress.advance(task, len(chunk))


if __name__ == "__main__":
    sys.exit(main())
