"""`python -m trainables.check FILE`: whether the parts that a file defines obey the laws of their families."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from trainables.domain import UsageError
from trainables.laws import broken
from trainables.parts import BASES, FAMILIES, install, parts
from trainables.user_code import UserCode

DESCRIPTION = """\
Check the schedules, degradations, networks, samplers and targets that a file
defines, with their defaults. A line for each law says whether the part obeys,
or what was expected and what came.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 0, 1 where a law is broken, 2 for a usage error."""
    parser = argparse.ArgumentParser(
        prog="python -m trainables.check",
        description=DESCRIPTION,
        epilog="exit status: 0 all laws hold; 1 one is broken; 2 the file cannot be executed",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", help="A Python file, such as a space of your own.")
    try:
        return _check(Path(parser.parse_args(arguments).file).absolute())
    except UsageError as error:
        print(f"trainables.check: {error}", file=sys.stderr)
        return 2


def _check(path: Path) -> int:
    code = UserCode.read(path)
    install(code)
    if not parts():
        print(f"{code.main} defines no part")
    status = 0
    for family, name in parts():
        member = FAMILIES[family][name]
        for expected, came in broken(family, member() if family in BASES else member, code.told):
            if came is None:
                print(f"{family} {name}: passed: {expected}")
            else:
                print(f"{family} {name}: BROKEN: {expected}; there came {came}")
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
