"""What a search would do: the text of --dry-run."""

from __future__ import annotations

from search.ledger import OVERTIME, as_clock
from search.settings import SIZES, Settings
from search.space import Space
from trainables.config import Flat


def plan(settings: Settings, space: Space) -> str:
    """Return the trials in their order, the rungs, the budget in images, and an estimate of the time."""
    images = settings.trials * expected_images(settings)
    rate = SIZES["gpu" if settings.gpus_per_trial else "cpu"].images_per_second
    seconds = images / (rate * settings.slots)
    stops = f"keeps 1/{settings.reduction_factor} at each" if settings.scheduler == "asha" else "stops nothing"
    lines = [
        f"{settings.name}: {space.title}",
        f"  searches   {', '.join(space.names)}",
        *([f"  fixed      {_flat(space.fixed)}"] if space.fixed else []),
        f"  rungs      {', '.join(f'{rung:,}' for rung in settings.rungs)} images; {settings.scheduler} {stops}",
        f"  trials     {settings.trials}, {settings.slots} at a time, each with {_resources(settings)}:",
        *(f"    {number:03d}  {text}" for number, text in enumerate(_queue(space)[: settings.trials])),
    ]
    if (drawn := settings.trials - len(space.queue())) > 0:
        lines.append(f"    and {drawn} that {settings.sampler} draws, with seed {settings.seed}")
    lines += [
        f"  estimate   {images / 1e6:.3g} million images, {as_clock(seconds)} at {rate:,.0f} images a second and trial",
        f"  at most    no trial starts after {as_clock(settings.time_budget)}, none goes on to a rung that it would "
        f"reach after {as_clock(OVERTIME * settings.time_budget)}",
        f"  result in  {settings.storage_path}/{settings.name}; nothing was run, nothing was written",
    ]
    return "\n".join(lines)


def expected_images(settings: Settings) -> float:
    """Return the images that a trial trains on, on average, if the scheduler keeps the share that it aims at."""
    if settings.scheduler == "none":
        return settings.rungs[-1]
    steps = zip((0, *settings.rungs), settings.rungs, strict=False)
    return sum((end - begin) / settings.reduction_factor**rung for rung, (begin, end) in enumerate(steps))


def _queue(space: Space) -> list[str]:
    told = {entry.name: f"baseline {entry.name}: {entry.source}; {entry.reported}" for entry in space.baselines}
    return [told[name] if name else _flat(values) for name, values in space.queue()]


def _flat(values: Flat) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items())


def _resources(settings: Settings) -> str:
    gpus = f" and {settings.gpus_per_trial:g} GPU" if settings.gpus_per_trial else ""
    return f"{settings.cpus_per_trial:g} CPU core{'s' if settings.cpus_per_trial > 1 else ''}{gpus}"
