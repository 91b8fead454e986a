"""`python -m trainables.check FILE`: whether the parts that a file defines obey the laws of their families."""

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from trainables.domain import Choice, ConfigError, Int, Log, Primitive, Uniform, UsageError, domains
from trainables.laws import LAWS, broken
from trainables.parts import BASES, FAMILIES, install, parts
from trainables.user_code import UserCode

DESCRIPTION = """\
Check the schedules, degradations, networks, samplers and targets that a file
defines, with the defaults of their fields and with values drawn from the fields'
domains. A line for each law says whether the part obeys, or what was expected
and what came.
"""
DRAWS = 8
PLURALS = {"loss": "losses", "times": "times"}  # where it is no s


def main(arguments: Sequence[str] | None = None, command: str = "python -m trainables.check") -> int:
    """Run the command line; return the exit status: 0, 1 where a law is broken, 2 for a usage error."""
    parser = argparse.ArgumentParser(
        prog=command,
        description=DESCRIPTION,
        epilog="exit status: 0 all laws hold; 1 one is broken; 2 the file cannot be executed",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", help="A Python file, such as a space of your own.")
    try:
        return _check(Path(parser.parse_args(arguments).file).absolute())
    except UsageError as error:
        print(f"{command.removeprefix('python -m ')}: {error}", file=sys.stderr)
        return 2


def _check(path: Path) -> int:
    code = UserCode.read(path)
    install(code)
    if not parts():
        print(f'{code.main} defines no part: a line such as NETWORKS["mine"] = Mine makes a network of the class Mine')
    status = 0
    for family, name in parts():
        if family not in LAWS:
            print(f"{family} {name}: not checked: there are no laws of {PLURALS.get(family, f'{family}s')}")
        for expected, came in _judged(family, FAMILIES[family][name], code).items():
            if came is None:
                print(f"{family} {name}: passed: {expected}")
            else:
                print(f"{family} {name}: BROKEN: {expected}; {came}")
                status = 1
    return status


def _judged(family: str, member: Any, code: UserCode) -> dict[str, str | None]:
    """Return what each law expects of a part, and what came in its place: of the first values with which it is broken.

    It is None for a law that the part obeys with all values.
    """
    if family not in BASES:
        return {expected: came and f"there came {came}" for expected, came in broken(family, member, code.told)}
    judged: dict[str, str | None] = {}
    for values in values_of(member):
        given = f"with {', '.join(map(_told, values.items()))} " if values else ""
        try:
            part = member(**values)
        except ConfigError:
            continue  # values that do not go together, as the part says itself
        for expected, came in broken(family, part, code.told):
            if judged.get(expected) is None:
                judged[expected] = came and f"{given}there came {came}"
    return judged


def values_of(member: type) -> Iterator[dict[str, Primitive]]:
    """Yield no values, for the defaults, and then some of the fields of a part from their domains, spread over each."""
    yield {}
    searched = {name: domain for name, domain in domains(member).items() if isinstance(domain, Choice | Int | Uniform)}
    rng = random.Random(0)
    orders = {name: rng.sample(range(DRAWS), DRAWS) for name in searched}  # a Latin hypercube
    for number in range(DRAWS if searched else 0):
        yield {name: _value(domain, (orders[name][number] + rng.random()) / DRAWS) for name, domain in searched.items()}


def _value(domain: Choice | Int | Uniform, share: float) -> Primitive:
    """Return the value of a domain that a share 0..1 of its values, as they are searched, lies below."""
    if isinstance(domain, Choice):
        return domain.options[int(share * len(domain.options))]
    if isinstance(domain, Int):
        return domain.low + int(share * (domain.high - domain.low + 1))
    if isinstance(domain, Log):
        return domain.low * (domain.high / domain.low) ** share
    return domain.low + share * (domain.high - domain.low)


def _told(entry: tuple[str, Primitive]) -> str:
    name, value = entry
    return f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"


if __name__ == "__main__":
    sys.exit(main())
