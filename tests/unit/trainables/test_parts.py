"""Parts of a user's own: known like the project's while their code is installed, and refused in one line."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from trainables.config import Variant, all_domains, domain_of
from trainables.diffusion.degradations import DEGRADATIONS
from trainables.domain import UsageError
from trainables.networks import NETWORKS
from trainables.parts import FAMILIES, install, parts, uninstall
from trainables.user_code import UserCode

HEAD = """
from dataclasses import dataclass
from typing import Annotated

import torch
from trainables.diffusion.degradations import DEGRADATIONS, Degradation, Gaussian
from trainables.diffusion.samplers import SAMPLERS, Sampler
from trainables.diffusion.schedules import SCHEDULES, Schedule
from trainables.diffusion.targets import TARGETS, Target
from trainables.domain import Choice, Int, Uniform
from trainables.networks import NETWORKS, Network
"""
NETWORK = '''
@dataclass(frozen=True)
class Mine(Network):
    """One convolution."""

    width: Annotated[int, Int(1, 9)] = 3

    def build(self, channels, size, classes=0):
        return torch.nn.Conv2d(channels, channels, self.width, padding=self.width // 2)


NETWORKS["mine"] = Mine
'''
ALL = f"""{HEAD}{NETWORK}
@dataclass(frozen=True)
class Dim(Degradation):
    depth: Annotated[float, Uniform(0.1, 1)] = 0.5

    def draw(self, x0, source):
        return source.uniform(torch.Size((len(x0), 0)))

    def __call__(self, x0, step, z):
        return (1 - self.depth * step.over(x0).sigma) * x0


@dataclass(frozen=True)
class Straight(Schedule):
    def shares(self):
        return 1 - self._times()[1:]


def jump(diffusion, x_T, z, times, source):
    yield diffusion.restore(x_T, torch.full((len(x_T),), times[0]))


class Same(Target):
    last = Degradation

    def answer(self, y, z, step):
        return 2 * y

    def solve(self, x_t, answer, step):
        return answer / 2

    def gain(self, step):
        return torch.full_like(step.sigma, 0.25)


DEGRADATIONS["dim"], SCHEDULES["straight"] = Dim, Straight
SAMPLERS["jump"], TARGETS["same"] = Sampler(jump, last=Degradation), Same()
"""
MINE = {
    "network/kind": "mine",
    "network/mine/width": 5,
    "degradation/kind": "dim",
    "degradation/dim/depth": 0.25,
    "schedule/kind": "straight",
    "sampler/kind": "jump",
    "training/target": "same",
}


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    yield
    uninstall()


def code(folder: Path, text: str, **beside: str) -> UserCode:
    for name, other in beside.items():
        (folder / f"{name}.py").write_text(other)
    (folder / "my_space.py").write_text(text)
    return UserCode.read(folder / "my_space.py")


def test_a_variant_of_ones_own_parts_is_a_variant(tmp_path: Path) -> None:
    before = {family: dict(members) for family, members in FAMILIES.items()}
    install(code(tmp_path, ALL))
    assert parts() == [
        *(("schedule", "straight"), ("degradation", "dim"), ("network", "mine")),
        *(("sampler", "jump"), ("target", "same")),
    ]
    variant = Variant.from_flat(MINE)
    assert variant.flat().items() >= MINE.items()
    assert Variant.from_flat(variant.flat()) == variant
    assert domain_of("network/mine/width").parse("network/mine/width", "4") == 4
    assert "jump" in all_domains()["sampler/kind"].options  # type: ignore[attr-defined]
    assert variant.schedule.alpha_bar()[0] == 1
    assert variant.network.build(1, 28)(torch.zeros(2, 1, 28, 28)).shape == (2, 1, 28, 28)
    uninstall()
    assert before == FAMILIES
    assert "network/mine/width" not in all_domains()


def test_the_same_code_is_executed_once_and_another_takes_its_place(tmp_path: Path) -> None:
    first = install(code(tmp_path, HEAD + NETWORK))
    assert install(code(tmp_path, HEAD + NETWORK)) is first
    install(code(tmp_path, HEAD + NETWORK.replace('"mine"', '"other"')))
    assert [name for _, name in parts()] == ["other"]


def test_what_is_installed_are_the_texts_whatever_becomes_of_the_files(tmp_path: Path) -> None:
    packed = code(tmp_path, f"import blocks\n{HEAD}{NETWORK}\nWIDTH = blocks.WIDTH", blocks="import deeper\nWIDTH = 7")
    assert list(packed.texts) == ["my_space.py", "blocks.py"]
    (tmp_path / "deeper.py").write_text("")
    packed = UserCode.read(tmp_path / "my_space.py")
    assert list(packed.texts) == ["my_space.py", "blocks.py", "deeper.py"]
    for file in tmp_path.iterdir():
        file.unlink()
    assert install(packed).WIDTH == 7
    assert sys.modules[NETWORKS["mine"].__module__] is install(packed)
    uninstall()
    assert not {"blocks", "deeper"} & sys.modules.keys()


def test_a_package_beside_the_file_comes_with_it(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/__init__.py").write_text("")
    (tmp_path / "mine/blocks.py").write_text("from mine import other\nWIDTH = other.WIDTH")
    (tmp_path / "mine/other.py").write_text("WIDTH = 5")
    packed = code(tmp_path, "from mine.blocks import WIDTH")
    assert sorted(packed.texts) == ["mine/__init__.py", "mine/blocks.py", "mine/other.py", "my_space.py"]
    assert install(packed).WIDTH == 5


@pytest.mark.parametrize("name", ["random", "spaces", "torch"])
def test_a_module_that_everyone_has_is_not_looked_for_beside_the_file(name: str, tmp_path: Path) -> None:
    install(code(tmp_path, f"import {name}", **{name: "raise ValueError"}))


def test_the_digest_is_that_of_all_names_and_texts(tmp_path: Path) -> None:
    digests = [
        code(tmp_path, "import blocks", blocks="1").digest,
        code(tmp_path, "import blocks", blocks="2").digest,
        code(tmp_path, "import blocks ", blocks="2").digest,
    ]
    assert len(set(digests)) == 3
    assert code(tmp_path, "import blocks", blocks="1").digest == digests[0]


def test_argparse_in_the_file_sees_no_arguments_of_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["search/run.py", "--space", "my_space.py"])
    text = "import argparse\np = argparse.ArgumentParser()\np.add_argument('--n', default=3)\nN = p.parse_args().n"
    assert install(code(tmp_path, text)).N == 3
    assert sys.argv[0] == "search/run.py"


WRONG = {
    "syntax": ("def space(trial:\n    pass", r"my_space.py: the file raised SyntaxError: .*line 1"),
    "an error": (
        "x = 1\ny = x / 0",
        r"the file raised ZeroDivisionError: division by zero \(my_space.py, line 2\)",
    ),
    "an error below": ("import torch\n\ntorch.zeros(2) + torch.zeros(3)", r"RuntimeError: .* \(my_space.py, line 3\)"),
    "several lines": ("raise ValueError('one\\ntwo')", r"ValueError: one two \(my_space.py, line 1\)"),
    "exit": ("import sys\nsys.exit(1)", r"called exit \(my_space.py, line 2\): it is imported, not run; put what"),
    "no module": ("import nowhere", r"ModuleNotFoundError: No module named 'nowhere' \(my_space.py, line 1\)"),
    "the project's": (f"{HEAD}{NETWORK.replace('mine', 'cnn')}", "network cnn: the project has one of this name"),
    "a name": (f"{HEAD}{NETWORK.replace('mine', 'My net')}", "network 'My net': give it a name of small letters"),
    "no dataclass": (
        HEAD + NETWORK.replace("@dataclass(frozen=True)\n", ""),
        r"network mine: class Mine is no dataclass; write @dataclass\(frozen=True\) above it",
    ),
    "not frozen": (HEAD + NETWORK.replace("(frozen=True)", ""), "TypeError: cannot inherit non-frozen"),
    "no domain": (
        HEAD + NETWORK.replace("Annotated[int, Int(1, 9)]", "int"),
        r"network mine: field width has no domain; write it as in `width: Annotated\[int, Int\(1, 64\)\] = 16`",
    ),
    "no default": (HEAD + NETWORK.replace(" = 3", ""), "network mine: field width has no default"),
    "outside": (HEAD + NETWORK.replace("= 3", "= 30"), "network/mine/width=30 is outside its domain: 1 to 9"),
    "a list as one choice": (
        HEAD + NETWORK.replace("Int(1, 9)", "Choice([3, 5])"),
        "network mine: field width has no domain",
    ),
    "no method": (HEAD + NETWORK.replace("def build", "def make"), "network mine: class Mine has no method build"),
    "no network": (f"{HEAD}NETWORKS['mine'] = Gaussian", "give a class that inherits from Network"),
    "an object": (f"{HEAD}{NETWORK}\nNETWORKS['mine'] = Mine()", "give a class that inherits from Network"),
    "a function": (f"{HEAD}SAMPLERS['mine'] = print", r"sampler mine: .* give Sampler\(function, last=Gaussian\)"),
    "a class": (f"{HEAD}TARGETS['mine'] = Target", r"target mine: .* give an object of a subclass of Target"),
    "no text": ("\N{LATIN SMALL LETTER E WITH ACUTE}", "is no text in UTF-8"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "my_space.py"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError) as raised:
        install(UserCode.read(file))
    assert re.search(message, str(raised.value)), str(raised.value)
    assert "\n" not in str(raised.value)
    assert parts() == []
    assert "mine" not in DEGRADATIONS | NETWORKS
