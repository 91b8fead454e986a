"""Fail where code outside analysis/run names a file of a run: `python .ci/run_files.py`, in the root of the project.

A name counts where a string is that name or a path that begins with it. Docstrings and messages may name files.
"""

import ast
import sys
from pathlib import Path

PACKAGES = ("search", "analysis", "spaces", "trainables")
ROOM = Path("analysis/run")
TABLES = ("trials.parquet", "curves.parquet", "training.parquet", "evaluation.parquet", "ranking.csv")
NAMES = {"search.json", "log.jsonl", "study.journal", "report.html", "warm_start.jsonl", *TABLES}
FOLDERS = ("artifacts/", "checkpoints/", "code/", "confirm/", "features/", "samples/", "tensorboard/")


def offences(path: Path) -> list[str]:
    """Return a line for each string of a file that names a file of a run."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and (text in NAMES or text.startswith(FOLDERS)):
            found.append(f"{path}:{node.lineno}: {text!r} is a file of a run: ask analysis.run.run.Run for its path")
    return found


def main() -> int:
    """Print the offences of all packages; the status is 1 where there are any."""
    paths = [path for package in PACKAGES for path in sorted(Path(package).rglob("*.py"))]
    paths = [path for path in paths if ROOM not in path.parents]
    found = [line for path in paths for line in offences(path)]
    print("\n".join(found) or f"Run files: {len(paths)} files name none")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
