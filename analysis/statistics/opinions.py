"""Second opinions on a confirmation: the order of its configurations by the features of other networks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from analysis.statistics.ranking import Row
from analysis.statistics.two_way import Behind, estimates
from trainables.report import OTHERS


@dataclass(frozen=True)
class Opinion:
    """What the features of another network say.

    Attributes:
        name: of the distance, one of `trainables.report.OTHERS`.
        means: of each configuration the geometric mean of the distance over its trainings, the lowest first; of one
            with fewer seeds than others it is corrected as its FMD is.
        behind: how far FMD's best is behind the first one; None where it is the first.
    """

    name: str
    means: Mapping[str, float]
    behind: Behind | None

    @property
    def first(self) -> str:
        """The configuration with the lowest distance."""
        return next(iter(self.means))


def opinions(rows: Iterable[Row], best: str) -> tuple[Opinion, ...]:
    """Return what each other network says of the trainings `rows`; `best` is the configuration that FMD puts first.

    A network that measured not all of the configurations says nothing.
    """
    trainings, found = list(rows), []
    names = {row["repeats"] for row in trainings}
    for name in OTHERS:
        measured: dict[str, dict[int, float]] = {}
        for row in trainings:
            if row[name] is not None and row[name] > 0:
                measured.setdefault(row["repeats"], {})[row["seed"]] = row[name]
        if measured.keys() == names:
            estimated = estimates(measured)
            means, first = {one: estimated.mean(one)[0] for one in estimated.ordered}, estimated.ordered[0]
            found.append(Opinion(name, means, None if first == best else estimated.behind(best, first)))
    return tuple(found)
