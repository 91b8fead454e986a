"""The text of --dry-run: what a search would do."""

import math
from collections.abc import Mapping
from pathlib import PurePath

from analysis.run.storage import join
from analysis.text.words import counted
from search.earlier.warm_start import WarmStart
from search.pace import Pace
from search.progress.budget import as_clock
from search.reserve import END_SECONDS, SEEDS, Cost, reserve
from search.schedulers import Hyperband, IEpoch
from search.settings import Settings
from search.space.space import Space
from trainables.config import Flat
from trainables.parts import parts

# What each scheduler does at the rungs.
STOPS = {
    "asha": "pauses trials at each and resumes the best 1/{eta}",
    "asha-stopping": "keeps 1/{eta} at each",
    "hyperband": "keeps 1/{eta} at each, but does not begin at the first with every trial",
    "iepoch": f"takes the best {IEpoch.FINISHED} of the first to the end",
    "none": "stops nothing",
}


def plan(
    settings: Settings,
    space: Space,
    pace: Pace,
    warm_start: WarmStart | None = None,
    measures_gpu: bool = False,
    untrained: int = 0,
) -> str:
    """Return the trials in their order, the rungs, the budget in images, and an estimate of the time.

    `pace` is that of a trial. With `measures_gpu` it is still to be measured how many trials share a GPU, and the
    settings have one on each. `untrained` is the number of networks of the metric that are to be trained first.
    """
    begins = warm_start or WarmStart.of((), space, settings.rungs[-1])
    own = ", ".join(f"{family} {name}" for family, name in parts())
    before = {
        "searches": ", ".join(space.names),
        "fixed": _flat(space.fixed),
        "ranks by": f"features of {PurePath(settings.features).name}, not of the classifier"
        if settings.features
        else "",
        "own parts": f"{own}; python -m trainables.check says whether they obey the laws" if own else "",
        "rungs": _rungs(settings, begins.unstopped),
        "warm start": begins.summary(settings.sampler) if begins.earlier else "",
        "trials": _trials(settings, measures_gpu),
    }
    after = {
        "confirms": _confirmation(settings, space) if settings.confirm else "",
        "time": f"{as_clock(settings.time_budget)} from the start of the command to its end",
        "metric": _metric(untrained) if untrained else "",
        "estimate": _estimate(settings, pace),
        "result in": f"{join(settings.storage_path, settings.name)}; nothing was run, nothing was written",
    }
    title = f"{settings.name}: {space.title}"
    return "\n".join([title, *_lines(before), *_queue(settings, space, begins), *_lines(after)])


def expected_images(settings: Settings) -> float:
    """Return the images that a trial trains on, on average, if the scheduler keeps the share that it aims at."""
    full, first = settings.rungs[-1], settings.rungs[0]
    if settings.scheduler == "none":
        return full
    if settings.scheduler == "iepoch":
        return first + (full - first) * min(1, IEpoch.FINISHED / settings.trials)
    if settings.scheduler == "hyperband":
        hyperband = Hyperband(settings.rungs, settings.reduction_factor)
        shares = [_halved(settings, hyperband.bracket(trial)) for trial in range(settings.trials)]
        return sum(shares) / len(shares)
    return _halved(settings, 0)


def _halved(settings: Settings, begin: int) -> float:
    """Return the mean images of a trial if 1/eta of the trials pass each rung from the index `begin` on."""
    images, seen = 0.0, 0
    for index, rung in enumerate(settings.rungs):
        images += (rung - seen) * settings.reduction_factor ** -max(0, index - begin)
        seen = rung
    return images


def _lines(texts: Mapping[str, str]) -> list[str]:
    """Return a line for each text that is not empty, after its title."""
    return [f"  {title:<10} {text}" for title, text in texts.items() if text]


def _rungs(settings: Settings, unstopped: int) -> str:
    images = ", ".join(f"{rung:,}" for rung in settings.rungs)
    text = f"{images} images; {settings.scheduler} {STOPS[settings.scheduler].format(eta=settings.reduction_factor)}"
    if not unstopped or settings.scheduler == "none":
        return text
    first = "the first, known to be good, goes" if unstopped == 1 else f"the first {unstopped}, known to be good, go"
    return f"{text}; {first} to the end"


def _trials(settings: Settings, measures_gpu: bool) -> str:
    more = " or more, as many on a GPU as will be measured to be best" if measures_gpu else ""
    cores = f"{settings.cpus_per_trial:g} CPU core{'s' if settings.cpus_per_trial > 1 else ''}"
    gpus = f" and {settings.gpus_per_trial:g} GPU" if settings.gpus_per_trial else ""
    return f"{settings.trials} at the most, {settings.slots} at a time{more}, each with {cores}{gpus}:"


def _queue(settings: Settings, space: Space, warm_start: WarmStart) -> list[str]:
    """Return a line for each of the first trials, and one for those that the sampler draws."""
    told = {entry.name: f"baseline {entry.name}: {entry.source}; {entry.reported}" for entry in space.baselines}
    first = [told[name] if name else _flat(values) for name, values in warm_start.queue]
    lines = [f"    {number:03d}  {text}" for number, text in enumerate(first[: settings.trials])]
    drawn = settings.trials - len(lines)
    if drawn:
        lines.append(f"    {'and ' if lines else ''}{drawn} that {settings.sampler} draws, with seed {settings.seed}")
    return lines


def _confirmation(settings: Settings, space: Space) -> str:
    is_known = bool(space.starts or settings.warm_start)
    first = ", the first trial among them" if is_known and settings.confirm > 1 else ""
    baseline = ", and the best baseline unless it is beaten by far" if space.baselines else ""
    seeds = f"with {SEEDS} to {settings.seeds} fresh seeds, as time allows"
    chosen = "; guidance is chosen after training" if settings.tune_guidance else ""
    return f"the best {settings.confirm}{first}{baseline}{',' if first or baseline else ''} {seeds}{chosen}"


def _metric(untrained: int) -> str:
    those = "its network learns" if untrained == 1 else f"its {untrained} networks learn"
    return f"{those} these images first, in half a minute to three minutes; only this once, and not in the estimate"


def _estimate(settings: Settings, pace: Pace) -> str:
    """Return how the time is shared, and how many trials the search has time for, or that no trial has any."""
    limit = settings.time_budget
    if settings.trained:
        return "nothing is trained, only sampled and scored"
    of_trial = pace.images_per_second
    kept = reserve([Cost(settings.rungs[-1] / of_trial, 0.0)], settings.confirm, settings.slots, limit)
    seconds = max(0.0, limit - kept - END_SECONDS)
    at = f"at {of_trial:,.0f} images a second and trial ({pace.source})"
    for name, rung in (("first", settings.rungs[0]), ("last", settings.rungs[-1])):
        if (longer := rung / of_trial) > seconds:
            return (
                f"no trial reaches the {name} rung: it takes {as_clock(longer)}, {at}, and the search has "
                f"{as_clock(seconds)}; give a larger --time-budget, or smaller --max-images and --grace-images"
            )
    trials = min(settings.trials, math.ceil(seconds * settings.slots * of_trial / expected_images(settings)))
    confirmation = f"{as_clock(kept)} for" if kept else "no time for"
    after = f", {confirmation} the confirmation and the test images" if settings.confirm else ""
    return f"{as_clock(seconds)} for about {counted(trials, 'trial')}{after}, {at}"


def _flat(values: Flat) -> str:
    texts = {name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in values.items()}
    return ", ".join(f"{name} = {text}" for name, text in texts.items())
