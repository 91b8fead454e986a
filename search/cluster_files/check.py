"""`python -m search.cluster_files.check [FILE ...]`: check cluster files, offline."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.process import Parser, carry_out
from analysis.text.words import counted
from search.cluster_files.file import ClusterFile, NotACluster, Problem
from trainables.domain import UsageError

ROOT = Path(__file__).resolve().parents[2]
FILES = ("cluster.yaml", "cluster-onprem.yaml")
DESCRIPTION = """\
Check cluster files of Ray offline, in seconds: Ray's schema, EC2's parameters,
the versions of Ray, uv and Python, that nobody else gets in, that `ray down`
ends what costs, and which values are still to be set."""
EPILOG = """\
exit status: 0 each file is valid and complete; 1 a file has problems, one a
line; 2 a usage error; 3 each file is valid, but values marked CHANGE-ME are
still to be set"""
COMPLETE, WRONG, UNSET = 0, 1, 3  # exit statuses


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return carry_out("search/cluster_files/check.py", lambda: _check(arguments))


def _check(arguments: Sequence[str] | None) -> int:
    parser = Parser(
        prog="python -m search.cluster_files.check", description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False
    )
    shipped = " and ".join(FILES)
    parser.add_argument("files", metavar="FILE", nargs="*", help=f"Cluster files. (default: {shipped} of this project)")
    given = [Path(name) for name in parser.parse_args(arguments).files] or [ROOT / name for name in FILES]
    statuses = {report(path) for path in given}
    return next(status for status in (WRONG, UNSET, COMPLETE) if status in statuses)


def check(path: Path, pins: dict[str, str], python: str) -> tuple[list[Problem], list[Problem]]:
    """Return the problems of a cluster file, and the values in it that are still to be set, each by line."""
    from search.cluster_files.rules import problems  # it imports Ray, which takes a second; --help has no need of it

    try:
        file = ClusterFile.read(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"{path}: cannot be read ({reason}); give a cluster file such as cluster.yaml") from None
    except NotACluster as error:
        return [Problem(*error.args)], []
    if file.get("provider", "type") == "aws" and not importlib.util.find_spec("botocore"):
        raise UsageError(f"{path}: for AWS, and botocore is missing: pip install -c constraints.txt '.[cluster]'")
    return problems(file, pins, python), list(file.unset)


def locked(path: Path) -> dict[str, str]:
    """Return the versions that constraints.txt pins, by package."""
    if not path.is_file():
        raise UsageError(f"{path} is missing: run this in a copy of the project's repository, which has it")
    lines = [line for line in path.read_text().splitlines() if "==" in line and not line.startswith("#")]
    return {name.strip(): version.strip() for name, _, version in (line.partition("==") for line in lines)}


def report(path: Path) -> int:
    """Print the problems and the unset values of one file; return its status."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    wrong, unset = check(path, locked(ROOT / "constraints.txt"), python)
    name = path.name if path.parent == ROOT else str(path)
    for problem in (*wrong, *unset):
        print(f"{name}:{problem.line}: {problem.text}")
    left = f", {counted(len(unset), 'value')} still to be set" if unset else ""
    if wrong:
        print(f"{name}: {counted(len(wrong), 'problem')}{left}")
        return WRONG
    if unset:
        print(f"{name}: valid{left}")
        return UNSET
    print(f"{name}: valid and complete")
    return COMPLETE


if __name__ == "__main__":
    sys.exit(main())
