"""Write the literature's configurations beside the best that a search found, and cross-validations, as text."""

from collections.abc import Sequence

from analysis.run.run import Run
from analysis.statistics.folds import CrossValidation, cross_validations
from analysis.statistics.literature import compare_with_literature
from analysis.statistics.ranking import Row, shared_values
from analysis.text.configuration import CONDITIONING, describe_configuration, describe_trials
from analysis.text.formats import Block, Sheet
from analysis.text.words import column_form, fmd_text, listed, with_error

COLUMNS = ("row", "setting", "from", "FMD ± s.e.", "norm.", "SSIM", "held-out loss", "reported")
TEXTS = ("row", "setting", "from", "reported")
DROPS = ("from", "SSIM", "held-out loss", "norm.")


def literature_blocks(runs: Sequence[Run], only: Sequence[str] | None) -> list[Block]:
    """Return a heading and the comparison as a table, with what the literature's authors report.

    With `only` there are these rows of the literature, else all that the runs trained.
    """
    from spaces.baselines import BASELINES  # with torch, two seconds, which --help does not need

    compared = compare_with_literature(runs, only)
    lines = []
    form = column_form(row for row in (*compared.literature, *compared.found) if not row["diverged"])
    for row in compared.literature:
        entry = BASELINES[row["baseline"]]
        lines.append([entry.name, entry.source, entry.provenance, *_measured(row, form), entry.reported])
    for row in compared.found:
        trials = runs[row["run"]].trials()
        words = describe_trials(trials, shared_values(trials))[row["trial"]]
        lines.append(["found", f"{row['trial']} {words}", "", *_measured(row, form), ""])
    card = compared.card
    heading = f"{compared.images_seen:,} images seen, FMD {card['version']}"
    heading += f", floor {fmd_text(card['floor'])}, blank {fmd_text(card['blank'])}"
    if compared.stopped:
        heading += f"\nNo further, because {listed(compared.stopped)} went no further: later reports do not compare."
    if any(_knows_labels(runs[row["run"]], row["trial"]) for row in compared.found):
        heading += "\nMarked -class: told each image's label, which the literature's rows are not."
    return [heading, Sheet(COLUMNS, TEXTS, [("", lines)], wraps=("setting", "reported"), drops=DROPS)]


def _knows_labels(run: Run, trial: str) -> bool:
    return run.starts()[trial].variant.get(CONDITIONING) == "class"


def _measured(row: Row, form: str) -> list[str]:
    if row["diverged"]:
        return ["diverged", "-", "-", "-"]
    return [
        with_error(row["fmd"], row["fmd_se"], form),
        f"{row['fmd_normalised']:.3f}",
        f"{row['ssim']:.3f}",
        f"{row['validation_loss']:.4f}",
    ]


def fold_blocks(run: Run) -> list[Block]:
    """Return a heading and a table by t for each configuration that was trained on folds."""
    shared = shared_values(run.trials())
    return [block for one in cross_validations(run) for block in _cross_validation(one, shared)]


def _cross_validation(one: CrossValidation, shared: Row) -> list[Block]:
    own = {name: value for name, value in one.configuration.items() if name not in shared}
    heading = [
        f"folds {', '.join(map(str, one.folds))} held out",
        f"{one.images_seen:,} images seen",
        f"FMD {fmd_text(one.fmd.mean, one.fmd.sd)}",
        "mean ± standard deviation over folds",
    ]
    words = describe_configuration(own)
    rows = [
        [f"{k}/10", with_error(ssim.mean, ssim.sd, ".3f"), with_error(loss.mean, loss.sd, ".4f")]
        for k, (ssim, loss) in enumerate(zip(one.ssim, one.loss, strict=True), start=1)
    ]
    columns = ("t / T", "SSIM", "held-out loss")
    return [", ".join([words, *heading] if words else heading), Sheet(columns, ("t / T",), [("", rows)])]
