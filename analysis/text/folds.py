"""Write cross-validations as text."""

from analysis.run.run import Run
from analysis.statistics.folds import CrossValidation, cross_validations
from analysis.statistics.ranking import Row, shared_values
from analysis.text.configuration import describe_configuration
from analysis.text.formats import Block, Sheet
from analysis.text.words import fmd_text, with_error


def fold_blocks(run: Run) -> list[Block]:
    """Return a heading and a table by t for each configuration that was trained on folds."""
    shared = shared_values(run.trials())
    return [block for one in cross_validations(run) for block in _blocks(one, shared)]


def _blocks(one: CrossValidation, shared: Row) -> list[Block]:
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
