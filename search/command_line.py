"""The command lines of search/: their descriptions, and parsers made from the options that are declared."""

import argparse
import difflib
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

from analysis.process import carry_out
from search.config_file import from_file
from search.declaration import Option, Resume, SettingsError, completed, options
from search.options import GROUPS, RunOptions, SearchOptions

T = TypeVar("T")

RUN = """\
Search over diffusion models. The search trains many small models, stops those
that fall behind, and ranks all of them by Frechet MNIST distance (FMD, lower is
better). One configuration that is known to be good and the literature's
configurations of the space are tried first, so that they can be compared with
what the search finds.
"""
RUN_EXAMPLES = """\
examples:
  python search/run.py --space degradations
      search, with the defaults for this machine
  python search/run.py --space degradations --dry-run
      print what would run, and how long it would take
  python search/run.py --space widths --set schedule.kind=cosine --trials 40
      search only variants with the cosine schedule
  python search/run.py --space my_space.py --name mine
      search a space of your own; the files in spaces/ are examples
  python search/run.py --space degradations --warm-start runs/mine
      search further, with what the run "mine" measured
  python search/run.py --only C1,C2 --exact
      train two of the literature's configurations, sampled as their authors did
  python search/run.py --space samplers --from runs/mine/018-gaussian
      search for the sampler that suits a trained model
  python search/run.py --config runs/mine/search.json --seed 1
      search again as the run "mine" did, with another seed
  python search/run.py --resume mine
      go on after an interruption; nothing that was reported is lost
  python analysis/rank.py runs/mine
      print the ranking, at any time
  python search/show.py runs/mine
      show the trials side by side in TensorBoard

exit status: 0 done; 1 Ray was lost, with the line that resumes; 2 a usage
error; 3 no trial gave a result; 130 interrupted, with the line that resumes
"""


@dataclass(frozen=True)
class Command(Generic[T]):
    """A command of search/; it is called with the arguments of its command line."""

    file: str
    """Such as "search/generate.py", by which the command is called in messages"""
    declared_by: type[T]
    """The class that declares its options"""
    description: str
    examples: str
    """What --help ends with: examples, and what the exit status says"""
    work: Callable[[T], int]
    """Does what the options ask for, and returns the exit status; what is slow to import, it imports itself"""

    def __call__(self, arguments: Sequence[str] | None = None, command: str = "") -> int:
        """Run the command line; return the exit status, 2 for a usage error, 130 if interrupted.

        `command` is the name by which it was called, if not by its file.
        """
        name = command or self.file
        return carry_out(name, lambda: self.work(self._read(arguments, name)))

    def _read(self, arguments: Sequence[str] | None, name: str) -> T:
        declared = options(self.declared_by)
        texts = _parser(name, self.description, self.examples, declared).parse_intermixed_args(arguments)
        return self.declared_by(**completed(self.declared_by, _read(declared, texts)))


class _Parser(argparse.ArgumentParser):
    flags: Sequence[str] = ()

    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{message}; {self._advice(message)}see --help")

    def _advice(self, message: str) -> str:
        """Return what would be right where an argument is none of these, and nothing of other errors."""
        unknown = re.match("unrecognized arguments: ([^ =]*)", message)
        if unknown is None:
            return ""
        if not unknown[1].startswith("-"):
            return "quote a value that has spaces; "
        near = difflib.get_close_matches(unknown[1], self.flags, n=1)
        return f"did you mean {near[0]}? " if near else ""


def search_options() -> dict[str, Option]:
    """Return the options of search/run.py, by the names of their fields."""
    return {**options(SearchOptions), **options(RunOptions)}


def parse(arguments: Sequence[str] | None = None, command: str = "search/run.py") -> dict[str, Any]:
    """Return the options of search/run.py that are given, by name, on the command line or in the file of --config."""
    declared = search_options()
    parser = _parser(command, RUN, RUN_EXAMPLES, declared)
    parser.usage = "%(prog)s --space NAME|FILE.py [options]\n       %(prog)s --resume NAME [options]"
    return complete(_read(declared, parser.parse_args(arguments)))


def complete(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options of search/run.py by name, with those in the file of --config, that are `given`.

    Raises:
        SettingsError: some are missing or do not go together.
    """
    declared = search_options()
    if "config" in given:
        given = from_file(given["config"], declared, given)
    if "resume" in given:
        for name, one in declared.items():
            if name in given and one.resume is Resume.FIXED:
                goes_on = f"{given['resume']} goes on as it began; leave it out"
                raise SettingsError(f"{one.flag} does not go with --resume: {goes_on}")
    elif "only" in given:
        given.setdefault("space", "literature")
    elif "space" not in given:
        raise SettingsError("--space is missing: give a space's name or file, such as --space degradations; see --help")
    given.setdefault("fixed", {})
    return given


def _parser(command: str, description: str, examples: str, declared: Mapping[str, Option]) -> _Parser:
    parser = _Parser(
        prog=command,
        description=_as_called(command, description),
        epilog=_as_called(command, examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    parser.flags = [one.flag for one in declared.values()]
    groups: dict[str, Any] = {"": parser}
    for title in GROUPS:
        if title in {one.group for one in declared.values()} - groups.keys():
            groups[title] = parser.add_argument_group(title, _beside_resume(declared) if title == "resume" else None)
    for name, one in declared.items():
        further = dict(one.kind.argparse)
        if one.flag.startswith("--"):
            further["dest"] = name
        if metavar := one.metavar or one.kind.metavar:
            further["metavar"] = metavar
        groups[one.group].add_argument(one.flag, help=one.explanation().replace("%", "%%"), **further)
    return parser


def _as_called(command: str, text: str) -> str:
    """Return a text in which other commands are named as this one was called, by a file or by the installed command."""
    name, _, subcommand = command.partition(" ")
    if not subcommand:
        return text
    called = re.sub(r"(?:python )?(?:search|analysis)/(\w+)\.py", rf"{name} \1", text)
    return called.replace(f"{name} run", f"{name} search")


def _beside_resume(declared: Mapping[str, Option]) -> str:
    flags = [one.flag for one in declared.values() if one.resume is not Resume.FIXED and one.flag != "--resume"]
    return textwrap.fill(f"These options may be given beside --resume: {', '.join(flags)}.", 78, break_on_hyphens=False)


def _read(declared: Mapping[str, Option], texts: argparse.Namespace) -> dict[str, Any]:
    return {name: declared[name].read(text, declared[name].flag) for name, text in vars(texts).items()}
