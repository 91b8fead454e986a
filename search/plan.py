"""What a search would do: the text of --dry-run."""

from __future__ import annotations

from search.progress.budget import OVERTIME, as_clock
from search.schedulers import Hyperband, IEpoch
from search.settings import SIZES, Settings
from search.space.space import Space
from trainables.config import Flat

# What each scheduler does at the rungs.
STOPS = {
    "promotion": "lets the best 1/{eta} go on from each, the others wait",
    "asha": "keeps 1/{eta} at each",
    "hyperband": "keeps 1/{eta} at each, but does not begin at the first with every trial",
    "iepoch": f"takes the best {IEpoch.FINISHED} of the first to the end",
    "none": "stops nothing",
}


def plan(settings: Settings, space: Space, measures_gpu: bool = False) -> str:
    """Return the trials in their order, the rungs, the budget in images, and an estimate of the time.

    With `measures_gpu` how many trials share a GPU is still to be measured, and the settings have one on each.
    """
    images = settings.trials * expected_images(settings)
    rate = SIZES["gpu" if settings.gpus_per_trial else "cpu"].images_per_second
    seconds = images / (rate * settings.slots)
    lines = [
        f"{settings.name}: {space.title}",
        f"  searches   {', '.join(space.names)}",
        *([f"  fixed      {_flat(space.fixed)}"] if space.fixed else []),
        f"  rungs      {', '.join(f'{rung:,}' for rung in settings.rungs)} images; {settings.scheduler} "
        f"{STOPS[settings.scheduler].format(eta=settings.reduction_factor)}{_leads(settings, space)}",
        f"  trials     {settings.trials}, {settings.slots} at a time{_or_more(measures_gpu)}, "
        f"each with {_resources(settings)}:",
        *(f"    {number:03d}  {text}" for number, text in enumerate(_queue(space)[: settings.trials])),
    ]
    if (drawn := settings.trials - len(space.queue())) > 0:
        lines.append(f"    and {drawn} that {settings.sampler} draws, with seed {settings.seed}")
    if settings.confirm:
        trainings = settings.seeds * (settings.confirm + bool(space.baselines))
        longest = as_clock(trainings * settings.rungs[-1] / (rate * settings.slots))
        lines.append(
            f"  confirms   the best {settings.confirm}{', and the best baseline,' * bool(space.baselines)} with "
            f"{settings.seeds} seeds at most"
            + ("" if settings.trained else f": up to {longest} more, at the same pace")
        )
    estimate = f"{images / 1e6:.3g} million images, {as_clock(seconds)} at {rate:,.0f} images a second and trial"
    lines += [
        f"  estimate   {'nothing is trained, only sampled and scored' if settings.trained else estimate}",
        f"  at most    no new trial starts after {as_clock(settings.time_budget)}, none goes on to a rung that it "
        f"would reach after {as_clock(OVERTIME * settings.time_budget)}",
        f"  result in  {settings.storage_path}/{settings.name}; nothing was run, nothing was written",
    ]
    return "\n".join(lines)


def _or_more(measures_gpu: bool) -> str:
    return " or more, as many on a GPU as will be measured to be best" * measures_gpu


def _leads(settings: Settings, space: Space) -> str:
    return "; the first, known to be good, goes to the end" * bool(space.leading and settings.scheduler != "none")


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
    """Return the images of a trial, on average, if from the rung of index `begin` on 1/eta go on at each."""
    steps = zip((0, *settings.rungs), settings.rungs, strict=False)
    shares = (settings.reduction_factor ** -max(0, rung - begin) for rung in range(len(settings.rungs)))
    return sum((end - start) * share for (start, end), share in zip(steps, shares, strict=True))


def _queue(space: Space) -> list[str]:
    told = {entry.name: f"baseline {entry.name}: {entry.source}; {entry.reported}" for entry in space.baselines}
    return [told[name] if name else _flat(values) for name, values in space.queue()]


def _flat(values: Flat) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items())


def _resources(settings: Settings) -> str:
    gpus = f" and {settings.gpus_per_trial:g} GPU" if settings.gpus_per_trial else ""
    return f"{settings.cpus_per_trial:g} CPU core{'s' if settings.cpus_per_trial > 1 else ''}{gpus}"
