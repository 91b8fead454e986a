"""`diffusion-search COMMAND ...`: every command of the project under one name."""

import difflib
import importlib
import sys
from collections.abc import Sequence
from importlib.metadata import version

NAME = "diffusion-search"
# By command: the module whose `main` carries it out, and what the command does.
COMMANDS = {
    "search": ("search.run", "search a space, and confirm the best; --resume goes on"),
    "data": ("trainables.data.__main__", "say what a data set holds; trains nothing"),
    "check": ("trainables.check", "check whether parts of your own obey the laws of their families"),
    "rank": ("analysis.rank", "print the ranking of a run"),
    "report": ("analysis.report", "write the report page of a run"),
    "compare": ("analysis.compare", "compare runs"),
    "insight": ("analysis.insight", "show which fields mattered, and what a lower FMD costs"),
    "literature": ("analysis.literature", "compare runs with the literature"),
    "show": ("search.show", "show runs in TensorBoard, trial by trial"),
    "evaluate": ("search.evaluate", "evaluate trained trials in more ways than a search does"),
    "replay": ("search.replay", "train a trial again and compare the numbers"),
    "generate": ("search.generate", "generate images with the winner, or another trial"),
    "train": ("search.train", "train the winner, or another trial, on more images"),
    "export": ("search.export", "write the winner, or another trial, into a folder of its own"),
    "send": ("search.send", "send a run to MLflow or Weights & Biases"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command, with the words that follow its name; return its exit status, 2 for an unknown one."""
    name, *rest = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help"):
        print(_help())
        return 0
    if name == "--version":
        print(f"{NAME} {version(NAME)}")
        return 0
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"give one of {', '.join(COMMANDS)}"
        print(f"{NAME}: there is no command {name}; {hint}", file=sys.stderr)
        return 2
    module, _ = COMMANDS[name]
    return int(importlib.import_module(module).main(rest, command=f"{NAME} {name}"))


def _help() -> str:
    usage = f"usage: {NAME} COMMAND [options]\n       {NAME} COMMAND --help"
    lines = [f"  {name:<12} {meaning}" for name, (_, meaning) in COMMANDS.items()]
    return "\n".join([usage, "", "Search over diffusion models, and use what is found.", "", *lines])


if __name__ == "__main__":
    sys.exit(main())
