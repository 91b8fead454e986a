"""What search/generate.py does: it generates images with a trained model and writes them."""

import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from analysis.statistics.winner import training_of
from search.trust import open_trusted
from search.winner.image_files import require_place, write_images
from search.winner.models import load_model
from search.winner.options import GenerateOptions
from trainables.diffusion.process import Diverged

# The number of images, unless it is given: in a picture, ten of each of ten classes.
IN_PICTURE, OTHERWISE = 100, 1_000


def generate(given: GenerateOptions) -> int:
    """Generate images and write them; return the exit status, 3 where the samples are not finite.

    Raises:
        UsageError: there is no such model, or the images cannot be written.
    """
    out = Path(given.out)
    require_place(out)
    run = open_trusted(given.run, trusts=given.trust)
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
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("generating", total=n)
        for chunk in chunks:
            yield chunk
            progress.advance(task, len(chunk))
