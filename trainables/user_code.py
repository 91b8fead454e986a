"""A user's file and the modules beside it that it imports: kept as texts, and executed from these texts.

So a run, its workers and a later session execute the same code, even if the files change.
"""

import ast
import hashlib
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.abc import ExecutionLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Self

from trainables.domain import UsageError

# Modules that mean the same to a user's file wherever it lies.
NOT_BESIDE = sys.stdlib_module_names | {"analysis", "search", "spaces", "trainables"}


class CodeError(UsageError):
    """A user's file that cannot be read or executed."""


@dataclass(frozen=True)
class UserCode:
    """A file of Python and the modules beside it that it imports."""

    folder: str
    """Where they lay when they were read"""
    texts: Mapping[str, str]
    """By path below the folder, such as "my_space.py" and "blocks/mixer.py"; the file itself comes first"""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the code of a file.

        Raises:
            CodeError: a file cannot be read, or is no Python.
        """
        texts: dict[str, str] = {}
        waiting = [path]
        while waiting:
            file = waiting.pop(0)
            name = file.relative_to(path.parent).as_posix()
            if name not in texts:
                texts[name] = _text(file)
                waiting += _imported(file, texts[name], path.parent)
        return cls(str(path.parent), texts)

    @property
    def main(self) -> str:
        """The name of the file itself."""
        return next(iter(self.texts))

    @property
    def digest(self) -> str:
        """SHA-256 of all names and texts."""
        return hashlib.sha256(repr(sorted(self.texts.items())).encode()).hexdigest()

    @property
    def data(self) -> bytes:
        """The content of all files, one after the other."""
        return "".join(self.texts.values()).encode()

    def execute(self) -> ModuleType:
        """Return the module of the file, executed; its imports find the texts, and not the files.

        Raises:
            CodeError: it raised an error or called exit; the line names the innermost place in these files.
        """
        modules = _Modules(self)
        name = modules.main
        arguments, sys.argv = sys.argv, [str(Path(self.folder, self.main))]
        sys.meta_path.insert(0, modules)
        try:
            spec = modules.find_spec(name, None)
            assert spec is not None  # it is one of the texts
            # Dataclasses and pickle look for a class's module there.
            sys.modules[name] = module = module_from_spec(spec)
            modules.exec_module(module)
            return module
        except SystemExit as error:
            here = self.place(error)
            right = 'put what is to run only as a command below `if __name__ == "__main__":`'
            raise CodeError(f"{self.main} called exit{here}: it is imported, not run; {right}") from None
        except Exception as error:  # the user's own code may raise anything
            raise CodeError(f"{self.main}: the file raised {self.told(error)}") from None
        finally:
            sys.argv = arguments

    def told(self, error: BaseException) -> str:
        """Return an error's kind, message and the innermost place in these files that it comes from, in one line."""
        if isinstance(error, SyntaxError):
            return f"SyntaxError: {error}"
        message = " ".join(str(error).split())
        return f"{type(error).__name__}: {message}{self.place(error)}"

    def place(self, error: BaseException) -> str:
        """Return " (my_space.py, line 3)", where these files raised an error; nothing where they did not."""
        files = {str(Path(self.folder, name)): name for name in self.texts}
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if frame.filename in files]
        return f" ({files[own[-1].filename]}, line {own[-1].lineno})" if own else ""


def forget() -> None:
    """Undo what executing a code left in the interpreter, so that another can have modules of the same names."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Modules)]
    for name, module in list(sys.modules.items()):
        if isinstance(getattr(module, "__loader__", None), _Modules):
            del sys.modules[name]


class _Modules(MetaPathFinder, ExecutionLoader):
    """Finds and loads the modules of a user's code."""

    def __init__(self, code: UserCode) -> None:
        self._code = code
        self.main = f"users_{Path(code.main).stem}"
        self.files = {self.main: code.main} | {_module(name): name for name in list(code.texts)[1:]}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module of the code; None for others."""
        return spec_from_loader(fullname, self) if fullname in self.files else None

    def is_package(self, fullname: str) -> bool:
        """Return whether a module is a folder's."""
        return self.files[fullname].endswith("__init__.py")

    def get_filename(self, fullname: str) -> str:
        """Return where its file lay, which tracebacks name."""
        return str(Path(self._code.folder, self.files[fullname]))

    def get_source(self, fullname: str) -> str:
        """Return its text."""
        return self._code.texts[self.files[fullname]]


def _module(name: str) -> str:
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode()
    except OSError as error:
        raise CodeError(f"{file}: cannot be read ({error.strerror}); give a Python file") from None
    except UnicodeDecodeError:
        raise CodeError(f"{file}: is no text in UTF-8; give a Python file") from None


def _imported(file: Path, text: str, folder: Path) -> Iterator[Path]:
    """Yield the files below `folder` of the modules that a file imports; of a package, all of them."""
    try:
        tree = ast.parse(text, str(file))
    except (SyntaxError, ValueError) as error:
        raise CodeError(f"{file.name}: the file raised {type(error).__name__}: {error}") from None
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [str(node.module)]
        for name in (full.partition(".")[0] for full in names):
            if name in NOT_BESIDE:
                continue
            if (folder / f"{name}.py").is_file():
                yield folder / f"{name}.py"
            elif (folder / name / "__init__.py").is_file():
                yield from sorted((folder / name).rglob("*.py"))
