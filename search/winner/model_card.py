"""The model card of an exported model: what it is, how good it is, and how that was measured."""

import shlex
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

from analysis.run.evaluations import stored
from analysis.run.run import Run
from analysis.statistics.confirmed import Standing, confirmation_result
from analysis.statistics.ranking import MetricCard, metric_card
from analysis.statistics.winner import Training
from analysis.text.configuration import describe_configuration
from analysis.text.words import counted, fmd_form, fmd_text, interval_text, listed
from trainables.data.options import NAMED
from trainables.model import Model

LICENCES = {
    "mnist": "CC BY-SA 3.0 (Yann LeCun, Corinna Cortes, Christopher J. C. Burges)",
    "fashion-mnist": "MIT (Zalando SE)",
    "fruits360": "CC BY-SA 4.0 (Mihai Oltean)",
}
SPLITS = {
    "search": "the images that the search ranked by",
    "confirm": "the images that the confirmation judged by",
    "test": "the test images",
}

HEAD = ("| what | compared with | FMD | norm. | version of FMD |", "| --- | --- | ---: | ---: | --- |")


def model_card(run: Run, training: Training, model: Model) -> str:
    """Return the card as Markdown; `run` is the one that was asked for its model, and has the confirmation."""
    start, report, own = training.start, training.report, version("diffusion-search")
    channels, height, width = model.shape
    label = f" --label {shlex.quote(model.classes[model.labels[0]])}" if model.labels else ""
    data = model.dataset if model.dataset in NAMED else "images of the user's own"
    sampling = model.sampling
    parts = [
        f"# {start.trial}",
        f"A diffusion model of {data}: images of {height} x {width} pixels, "
        f"{'grey' if channels == 1 else 'in colour'}; {_labels(model)}. "
        f"diffusion-search {own} found it in the run {run.name} and trained it.",
        "![samples](samples.png)",
        "## Use",
        f"Install diffusion-search {own} (`pip install .` in its folder), then:",
        f"    python sample.py --n 100 --out samples.png{label}",
        "`sample.py` shows how to use it from Python. `model.safetensors` holds the averaged weights and `config.json` "
        "the configuration.",
        "## How good it is",
        "FMD is the Frechet distance between generated and real images on the features of a network; lower is "
        "better. *norm.* is 0 for real images and 1 for black ones. Numbers of another version of FMD, or of another "
        "number of images, do not compare.",
        "\n".join((*HEAD, *_rows(run, training))),
        _note(training),
        "## Training",
        _list(
            {
                "data": data if model.dataset in NAMED else f"{data}: {_found(run)}",
                "licence of the data": LICENCES.get(model.dataset, "not known to diffusion-search; that of the images"),
                "images seen": f"{report.images_seen:,}",
                "seed": str(start.seed),
                "parameters": f"{report.parameters:,}",
                "sampler": f"{sampling.kind}, {sampling.steps} steps; the samples that were measured took {report.nfe} "
                "calls of the network each",
                "baseline": start.baseline,
            }
        ),
        "## Configuration",
        describe_configuration(model.variant.flat()),
    ]
    return "\n\n".join(parts) + "\n"


def _labels(model: Model) -> str:
    """Return what the network is told of an image, in words."""
    match model.variant.conditioning:
        case "class":
            return f"it knows the classes {listed(model.classes, 12)}"
        case "cluster":
            counts = model.diffusion.label_counts
            assert counts is not None
            return f"it knows no classes, and was told of {len(counts)} clusters of the training images"
    return "it knows no classes"


def _found(run: Run) -> str:
    """Return what the search found where the images lay, in words; runs of an older version do not say."""
    card = run.settings().get("data_card")
    if card is None:
        return "not described"
    return f"{card['images'].partition(', ')[0]}; {card['found']}; {card['splits']}"


def _rows(run: Run, training: Training) -> Iterator[str]:
    """Yield the rows of the table of measurements: of this model, then of all trainings of its configuration."""
    trial, card = training.start.trial, metric_card(training.run)
    for report in training.run.reports()[trial]:
        yield _row(f"this model after {report.images_seen:,} images", card, vars(report))
    for row in stored(training.run).to_pylist():
        if row["trial"] == trial:
            measured: MetricCard = {"split": row["split"], "version": row["metric"]}
            yield _row(f"this model, {row['sampler']} in {row['steps']} steps", measured, row)
    result = confirmation_result(run)
    if result is None:
        return
    for card, standings in ((result.metric, result.standings), (result.test_metric, result.test_standings)):
        for standing in standings:
            if standing.trial == training.start.repeats:
                yield _standing(standing, card)


def _row(what: str, card: MetricCard, row: Mapping[str, Any]) -> str:
    fmd = fmd_text(row["fmd"], row["fmd_se"])
    return f"| {what} | {SPLITS[card['split']]} | {fmd} | {row['fmd_normalised']:.3f} | {card['version']} |"


def _standing(standing: Standing, card: MetricCard) -> str:
    trainings = counted(len(standing.fmds), "training")
    what = f"its configuration: mean of {trainings} with fresh seeds, 95 % interval"
    fmd = f"{fmd_text(standing.fmd)} ({interval_text(standing.low, standing.high, fmd_form(standing.fmd))})"
    return f"| {what} | {SPLITS[card['split']]} | {fmd} | {standing.normalised:.3f} | {card['version']} |"


def _note(training: Training) -> str:
    """Return what is to be known of the numbers of the model itself."""
    origin = training.run.settings().get("origin")
    if origin is not None:
        how = "It was trained anew with the configuration and the seed of" if origin["anew"] else "It continues"
        return f"{how} {origin['trial']}, which a search had trained."
    if training.start.repeats:
        return (
            "Of the trainings of its configuration with fresh seeds it is the one with the lowest FMD on the images "
            "that the confirmation judged by; its FMD on them is a little too low for that reason. Nothing was chosen "
            "by the test images."
        )
    return (
        "It is one training of the search, which ranks by the number that it reports: the FMD of the best of many is "
        "too low for that reason."
    )


def _list(facts: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {fact}" for name, fact in facts.items() if fact)
