"""What search/export.py does: it writes a trained model into a folder of its own."""

from importlib.metadata import version
from pathlib import Path

from analysis.run.user_files import read_code
from analysis.statistics.winner import training_of
from search.trust import open_trusted
from search.winner import exported_sample
from search.winner.image_files import require_new, write_images
from search.winner.model_card import model_card
from search.winner.models import load_model
from search.winner.options import ExportOptions
from trainables.data.options import ReadOptions

SHOWN = 100  # images of samples.png


def export(given: ExportOptions) -> None:
    """Write the weights, the configuration, the model card, a picture and the script `sample.py` into a folder.

    Raises:
        UsageError: there is no such model, or the folder is not empty.
    """
    folder = Path(given.folder)
    require_new(folder, str(folder))
    run = open_trusted(given.run, trusts=given.trust)
    training = training_of(run, given.trial)
    model = load_model(training, given.sampler, given.data_dir)
    folder.mkdir(parents=True, exist_ok=True)
    start = training.start
    code = read_code(run) if run.settings().get("code", {}).get("parts") else None
    model.save(
        folder,
        ReadOptions.of(training.run.settings()["settings"]),
        code,
        trial=start.trial,
        seed=start.seed,
        images_seen=training.report.images_seen,
        version=version("diffusion-search"),
    )
    labels = model.even_labels(SHOWN)
    write_images(folder / "samples.png", model.sample_in_chunks(SHOWN, labels), SHOWN, labels, model.classes)
    (folder / "README.md").write_text(model_card(run, training, model))
    (folder / "sample.py").write_bytes(Path(exported_sample.__file__).read_bytes())
    print(f"{folder}: the model of {start.trial}; to generate with it: python {folder / 'sample.py'}")
