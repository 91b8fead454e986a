"""Say what to do next, each step with the command to copy."""

import math
import shlex

from analysis.run.run import Run, RunError
from analysis.statistics.comparable_trials import value_text
from analysis.statistics.confirmed import ConfirmationResult, confirmation_result, lost_contenders
from analysis.statistics.next_steps import LONGER, MOST_SEEDS, Longer, Undecided, edges, longer, same, undecided
from analysis.statistics.winner import training_of
from analysis.text.commands import Commands
from analysis.text.words import counted, duration

TRAINED_ON = 10  # times the images that the winner has seen
FEWER = 9  # times fewer images, by default those of the first rung, where no trial came as far
CONFIRMED, MOST_CONFIRMED = 3, 100  # trials that --confirm asks for by default, and at the most

Step = tuple[str, str]  # a sentence, and a command or nothing


def steps(run: Run, commands: Commands) -> list[Step]:
    """Return what to do next with a run that has ended, the most useful first."""
    settings = run.settings().get("settings", {})
    if not settings:
        return []
    if "origin" in run.settings():
        return uses(run, commands)
    result = confirmation_result(run)
    budget = settings["time_budget"]
    said: list[Step] = []
    if not (result and result.standings) and not settings.get("trained") and run.reports():
        said.append(_confirm(run, commands))
    if result and (close := undecided(run, result.standings)):
        said.append(_undecided(run, result, close, commands))
    if not settings.get("trained") and (falling := longer(run)):
        said.append(_longer(falling, budget, commands))
    for edge in edges(run):
        name = edge.field.replace("/", ".")
        said.append(
            (
                f"The best has {name} = {value_text(edge.value)}, near the end of what was searched, "
                f"{value_text(edge.end)}: try beyond it.",
                commands.again(fixing(f"{name}={value_text(edge.beyond)}")),
            )
        )
    if shared := same(run):
        fixed = [f"{one.field.replace('/', '.')}={one.value}" for one in shared]
        said.append(
            (
                f"All of the best {shared[0].trials} have {', '.join(fixed)}: with that fixed, a next search has "
                "its trials for the other fields.",
                commands.again(*map(fixing, fixed)),
            )
        )
    return [*said, _search_on(run, commands), *uses(run, commands)]


def fixing(assignment: str) -> str:
    """Return the option that fixes a field, quoted for a shell."""
    return f"--set {shlex.quote(assignment)}"


def _confirm(run: Run, commands: Commands) -> Step:
    """Return how a search without a confirmed trial comes to one."""
    settings, nested = run.settings()["settings"], run.confirmed()
    budget, confirm = settings["time_budget"], settings.get("confirm", 0)
    lost = set() if nested is None else lost_contenders(nested.trials().to_pylist())
    more = f"--time-budget {in_minutes(max(2 * budget, run.used_seconds() + budget))}"
    if nested is not None and lost and lost >= set(nested.settings().get("contenders", ())):
        asked = min(MOST_CONFIRMED, 2 * max(CONFIRMED, confirm))
        return "Every contender diverged or failed: confirm more.", commands.resume(f"--confirm {asked}", more)
    if lost:
        said = "Each contender that was trained again diverged or failed: train the others."
    else:
        said = "Nothing was trained again: with fresh seeds and other real images, the result says how certain it is."
    return said, commands.resume(*([] if confirm else [f"--confirm {CONFIRMED}"]), more)


def uses(run: Run, commands: Commands) -> list[Step]:
    """Return what to do with the model of the winner; nothing where none is kept."""
    try:
        training = training_of(run)
    except RunError:
        return []
    name, images = training.start.trial, TRAINED_ON * training.report.images_seen
    return [
        (f"Generate with {name}:", commands.script("search/generate.py", commands.run, "--out samples.png")),
        (
            "Train it on, to ten times the images:",
            commands.script("search/train.py", commands.run, f"--images {images}"),
        ),
        ("Write it into a folder, to use it elsewhere:", commands.script("search/export.py", commands.run, "model")),
    ]


def _search_on(run: Run, commands: Commands) -> Step:
    """Return how a search that has ended goes on: with more of what ended it, time or trials.

    One without any report begins again, because a trial that was cut off does not go on.
    """
    settings = run.settings()["settings"]
    if run.starts() and not run.reports() and run.used_seconds() > settings["time_budget"] / 2:
        first, last = settings["rungs"][0], settings["rungs"][-1]
        said = f"No trial reached its first rung, {first:,} images, in the time: give them fewer, or more time."
        fewer = f"--max-images {math.ceil(last / FEWER)} --grace-images {math.ceil(first / FEWER)}"
        return said, commands.anew(fewer)
    unstarted = settings["trials"] - len(run.starts())
    more = [] if unstarted > 0 else [f"--trials {2 * settings['trials']}"]
    if unstarted > 0 or run.used_seconds() > settings["time_budget"] / 2:
        more.append(f"--time-budget {2 * settings['time_budget']:g}")
    if unstarted > 0:
        said = f"{counted(unstarted, 'trial')} of at most {settings['trials']:,} did not start in the time: search on."
    else:
        said = "All trials have ended: search on with more."
    return said, commands.resume(*more)


def _undecided(run: Run, result: ConfirmationResult, close: Undecided, commands: Commands) -> Step:
    best, settings = result.standings[0].trial, run.settings()["settings"]
    if close.seeds is None:
        return f"{best} and {close.other} would need more than {MOST_SEEDS} seeds each: choose by cost.", ""
    seconds = close.seconds * math.ceil(close.trainings / settings.get("slots", 1))
    needed = run.used_seconds() + 1.3 * seconds + 60
    budget = in_minutes(max(needed, settings["time_budget"]))
    if close.shared == 1:
        more = f"train both with two, about {duration(seconds)} more."
        return f"One seed does not tell {best} from {close.other}: {more}", commands.resume(f"--time-budget {budget}")
    return (
        f"{close.seeds} seeds each would tell {best} from {close.other}, with a probability of 80 % if they "
        f"differ as they seem to: about {duration(seconds)} more.",
        commands.resume(f"--seeds {max(close.seeds, settings['seeds'])}", f"--time-budget {budget}"),
    )


def in_minutes(seconds: float) -> int:
    """Return whole minutes, in seconds, that are no less: a budget as a person writes it."""
    return 60 * math.ceil(seconds / 60)


def _longer(falling: Longer, budget: float, commands: Commands) -> Step:
    (first, last), (before, now) = falling.rungs, falling.normalised
    return (
        f"From {first:,} to {last:,} images the normalised FMD of the best fell from {before:.3f} to {now:.3f}. At "
        f"that pace {falling.images:,} images would give about {falling.expected:.3f}: train longer.",
        commands.again(f"--max-images {falling.images}", f"--time-budget {LONGER * budget:g}"),
    )
