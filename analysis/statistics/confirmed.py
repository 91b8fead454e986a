"""What a confirmation says: which configuration is best, how sure that is, and what it does not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.run import evaluations
from analysis.run.run import Run
from analysis.statistics.confidence import chances_of_best, estimates, may_be_best

Card = dict[str, Any]


@dataclass(frozen=True)
class Standing:
    """One configuration in a confirmation; means are geometric, intervals 95 %, both over training seeds."""

    trial: str
    """The search's trial that was trained again."""
    baseline: str
    fmds: tuple[float, ...]
    """One a fresh seed."""
    fmd: float
    low: float
    high: float
    normalised: float
    normalised_low: float
    normalised_high: float
    p_best: float
    """Probability that its mean is the lowest of all."""
    tied: bool
    """Whether it may be the best, by 95 %."""
    dropped: bool
    """Whether it left the race before the best."""


@dataclass(frozen=True)
class Verdict:
    """A confirmation, on images that the search did not see, and on the test set once it is over."""

    metric: Card
    standings: tuple[Standing, ...]
    """The best first"""
    final_metric: Card
    final: tuple[Standing, ...]
    """On the test set: what may be the best, and the best of the literature; empty before the end"""
    sentences: tuple[str, ...]
    """What may be concluded, and what not"""


def verdict(run: Run) -> Verdict | None:
    """Return what the confirmation of a run says so far; None before a training of it has ended."""
    nested = run.confirmed()
    rows = [] if nested is None else [row for row in nested.trials().to_pylist() if row["fmd"] is not None]
    if nested is None or not rows:
        return None
    settings = nested.settings()
    # One seed that gives nothing makes a configuration no answer, and its FMD would be taken for everybody's spread.
    out = {row["repeats"] for row in nested.trials().to_pylist() if row["diverged"] or row["state"] == "FAIL"}
    baselines = {row["repeats"]: row["baseline"] for row in rows if row["repeats"] not in out}
    raced = _by_configuration({row["trial"]: row["fmd"] for row in rows if row["repeats"] not in out}, rows)
    ordered = standings(raced, baselines, settings["metric"]) if raced else ()
    final_metric = settings.get("final_metric", {})
    tested = _by_configuration(_tested(nested, final_metric), rows)
    final = standings({n: f for n, f in tested.items() if n in raced}, baselines, final_metric) if tested else ()
    sentences = [*_sentences(run, ordered, rows, settings["tested"])] if ordered else []
    sentences += [f"{name} diverged or failed with one of its fresh seeds, and is out." for name in sorted(out)]
    return Verdict(settings["metric"], ordered, final_metric, final, tuple(sentences))


def _tested(nested: Run, final_metric: Card) -> dict[str, float]:
    """Return the FMD of each training on the test images, from noise of its own seed.

    The table has also what a user has evaluated, by other noise.
    """
    seeds = {event["trial"]: event["seed"] for event in nested.events() if event["event"] == "start"}
    final = ("test", final_metric.get("version"))
    rows = evaluations.stored(nested).to_pylist()
    return {
        row["trial"]: row["fmd"]
        for row in rows
        if (row["split"], row["metric"]) == final and row["noise"] == seeds.get(row["trial"])
    }


def standings(fmds: Mapping[str, Sequence[float]], baselines: Mapping[str, str], card: Card) -> tuple[Standing, ...]:
    """Return the standing of each configuration, the best first.

    Args:
        fmds: of each configuration the FMDs, one a training seed.
        baselines: of each the name of the literature's configuration that it is, or "".
        card: of the metric, with its floor and its blank value.
    """
    estimated = estimates(fmds)
    chances, tied = chances_of_best(estimated), may_be_best(estimated)

    def standing(name: str) -> Standing:
        fmd, low, high = estimated[name].interval()
        normalised = [(value - card["floor"]) / (card["blank"] - card["floor"]) for value in (fmd, low, high)]
        return Standing(
            trial=name,
            baseline=baselines[name],
            fmds=tuple(fmds[name]),
            fmd=fmd,
            low=low,
            high=high,
            normalised=normalised[0],
            normalised_low=normalised[1],
            normalised_high=normalised[2],
            p_best=chances[name],
            tied=name in tied,
            dropped=len(fmds[name]) < len(fmds[tied[0]]),
        )

    return tuple(standing(name) for name in sorted(estimated, key=lambda name: estimated[name].mean))


def _by_configuration(fmds: Mapping[str, float], rows: Sequence[Card]) -> dict[str, list[float]]:
    """Return the FMD of each training by the trial that it repeats, of which `rows` tell."""
    groups: dict[str, list[float]] = {}
    for row in rows:
        if row["trial"] in fmds:
            groups.setdefault(row["repeats"], []).append(fmds[row["trial"]])
    return groups


def _sentences(run: Run, ordered: Sequence[Standing], rows: Sequence[Card], over: bool) -> tuple[str, ...]:
    best, images = ordered[0], max(row["images_seen"] for row in rows)
    told = [] if over else ["The confirmation is not over: what follows may change."]
    told.append(_which(ordered))
    told += [_beside(best, other) for other in ordered if other.baseline and other is not best][:1]
    asked, model = run.trials().num_rows, run.settings().get("settings", {}).get("trained")
    spread = "the noise that samples start from, of one training" if model else "training seeds"
    told.append(
        f"This holds after {images:,} images seen, over {spread}, for the {len(ordered)} of {asked} configurations "
        "that were taken again; it says nothing of longer training, of other data, or of configurations that were "
        "stopped early or never tried."
    )
    return tuple(told)


def _which(ordered: Sequence[Standing]) -> str:
    best, tied = ordered[0], [standing for standing in ordered[1:] if standing.tied]
    seeds = f"{len(best.fmds)} fresh seed{'s' if len(best.fmds) > 1 else ''}"
    if len(ordered) == 1:
        return f"{best.trial} was taken again with {seeds}; nothing was there to compare it with."
    if not tied:
        return (
            f"{best.trial} is the best of those that were taken again: with {seeds}, none of the others has a chance "
            f"of 5 % or more of being better; its own of being the best is {100 * best.p_best:.0f} %."
        )
    names = " and ".join(filter(None, [", ".join(s.trial for s in tied[:-1]), tied[-1].trial]))
    furthest = max(standing.fmd for standing in tied) / best.fmd - 1
    return (
        f"{best.trial} is ahead, but cannot be told from {names}: with {seeds}, their means differ by up to "
        f"{100 * furthest:.1f} %, which chance may do. Choose among them by cost, or give more --seeds."
    )


def _beside(best: Standing, baseline: Standing) -> str:
    if baseline.tied:
        return f"The literature's {baseline.baseline} is not beaten: it cannot be told from {best.trial}."
    return (
        f"{baseline.baseline}, which the search ranked best of the literature's, comes after as many images to an FMD "
        f"of {baseline.fmd:.4g} (normalised {baseline.normalised:.3f}), {baseline.fmd / best.fmd:.1f} times that of "
        f"{best.trial}, {best.fmd:.4g} ({best.normalised:.3f})."
    )
