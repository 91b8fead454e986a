"""A plan: steps that are shown before they are carried out."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from search.cluster_files.aws.errors import of_aws
from trainables.domain import UsageError

IS_THERE = "is there"


@dataclass(frozen=True)
class Step:
    """Something that is to be made, changed or removed, or that is as it has to be."""

    what: str
    """Such as "bucket runs"."""
    does: str
    """What is done about it, or the state that it is in."""
    do: Callable[[], object] | None = None
    """None where nothing is to be done."""


def show(steps: Sequence[Step]) -> None:
    """Print what each step does; `*` stands before those that change something."""
    width = max(len(step.what) for step in steps)
    for step in steps:
        print(f"  {' ' if step.do is None else '*'} {step.what:<{width}}  {step.does}")


def changes(steps: Sequence[Step]) -> bool:
    """Return whether there is anything to do."""
    return any(step.do is not None for step in steps)


def agreed(question: str, yes: bool) -> bool:
    """Return whether to go on: the command line said yes, or the user does.

    Raises:
        UsageError: there is nobody to ask.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("nothing was changed, because this is no terminal to ask on; give --yes to go on")
    return ask(f"{question} [y/N]", "").lower() in ("y", "yes")


def ask(question: str, default: str) -> str:
    """Return what the user answers, without spaces around it; the default for nothing.

    Raises:
        UsageError: the input ends, or the user interrupts.
    """
    try:
        return input(f"{question} ").strip() or default
    except (EOFError, KeyboardInterrupt):
        raise UsageError("nothing was changed, because there was no answer") from None


def carry_out(steps: Sequence[Step]) -> None:
    """Do the steps that have something to do, and print each that is done; where one fails, the others stay done.

    Raises:
        UsageError: one failed; what the steps before it did stays.
    """
    for step in steps:
        if step.do is not None:
            with of_aws():
                step.do()
            print(f"  done: {step.what}", flush=True)
