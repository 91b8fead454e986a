"""What is installed is what is locked, complete, and tied to no machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module, metadata
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from setuptools import find_packages

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = find_packages(str(ROOT), include=PROJECT["tool"]["setuptools"]["packages"]["find"]["include"])
FOLDERS = sorted({name.partition(".")[0] for name in PACKAGES})
PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.!+]*")
# Brackets keep the patterns from finding themselves.
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:wor[k]|roo[t]|tm[p])/\w")
REGISTRY = re.compile(r"python[h]osted|pypi[.](?:org|python)|registry[.]npmjs|download[.]pytorch|[-]index-url")
# Its packages do not go together with the versions of the others.
NOT_LOCKED = {"mlflow"}
DATA = {
    "trainables/data/datasets/README.md",
    "trainables/data/datasets/fashion_mnist/t10k-images-idx3-ubyte.gz",
    "trainables/data/datasets/mnist/t10k-images-idx3-ubyte.gz",
    "trainables/data/datasets/mnist/t10k-labels-idx1-ubyte.gz",
    "trainables/data/datasets/mnist/train-images-idx3-ubyte.gz",
    "trainables/data/datasets/mnist/train-labels-idx1-ubyte.gz",
}


def locked() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}


def direct() -> list[Requirement]:
    """What the project names, but for the extras that are not locked; one of its extras may name another of them."""
    extras = PROJECT["project"]["optional-dependencies"]
    locked_extras = [extras[name] for name in extras if name not in NOT_LOCKED]
    lines = (line for group in (PROJECT["project"]["dependencies"], *locked_extras) for line in group)
    return [need for need in map(Requirement, lines) if need.name != PROJECT["project"]["name"]]


def required(root: Requirement) -> set[str]:
    """What `root` needs in this environment, directly or not, without itself."""
    seen: set[tuple[str, str]] = set()
    queue = [root]
    while queue:
        package = queue.pop()
        for extra in {"", *package.extras}:
            if (step := (canonicalize_name(package.name), extra)) in seen:
                continue
            seen.add(step)
            needs = map(Requirement, metadata.requires(package.name) or [])
            queue += [need for need in needs if need.marker is None or need.marker.evaluate({"extra": extra})]
    return {name for name, _ in seen} - {canonicalize_name(root.name)}


def committed() -> list[Path]:
    """Every file that git holds or would take; without git, as in a source archive, the files of the packages."""
    listing = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        names = subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split("\0")
    except (FileNotFoundError, subprocess.CalledProcessError):
        names = [str(path.relative_to(ROOT)) for folder in (*FOLDERS, "tests") for path in (ROOT / folder).rglob("*")]
    return [ROOT / name for name in names if name and (ROOT / name).is_file() and "__pycache__" not in name]


def test_every_line_of_the_lock_is_an_exact_pin() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not PIN.fullmatch(line)] == []
    assert len(lines) == len(locked())


@pytest.mark.parametrize("requirement", direct(), ids=lambda requirement: requirement.name)
def test_direct_dependencies_are_locked_within_their_bounds(requirement: Requirement) -> None:
    pins = locked()
    name = canonicalize_name(requirement.name)
    assert name in pins
    assert requirement.specifier.contains(pins[name])


def test_make_lock_takes_in_every_extra_that_can_be_locked() -> None:
    (listed,) = re.findall(r"^LOCKED := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(listed.split()) == PROJECT["project"]["optional-dependencies"].keys() - NOT_LOCKED


@pytest.mark.skipif(not Path(sys.prefix, ".installed").exists(), reason="not an environment of `make env`")
def test_installed_versions_are_the_locked_ones() -> None:
    pins = locked()
    installed = {name: metadata.version(name) for name in required(Requirement("diffusion-search[test]"))}
    assert installed == {name: pins.get(name) for name in installed}


def test_no_file_names_a_machine_path_or_a_registry() -> None:
    found = []
    for path in committed():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}: {hit[0]}" for hit in (MACHINE_PATH.search(text), REGISTRY.search(text)) if hit
        ]
    assert found == []


def test_patterns_find_what_they_are_for() -> None:
    assert all(MACHINE_PATH.search(f"open('/{folder}/x')") for folder in ("work", "tmp", "root"))
    assert not MACHINE_PATH.search("runs/work/x and https://example.org/tmp/x")
    assert all(REGISTRY.search(text) for text in ("https://pypi" + ".org/simple", "--extra-index" + "-url x"))


def test_packages_are_importable_from_anywhere() -> None:
    subprocess.run([sys.executable, "-c", f"import {', '.join(PACKAGES)}"], cwd=ROOT.parent, check=True)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_described(package: str) -> None:
    assert import_module(package).__doc__


def test_a_wheel_holds_every_module_and_all_data(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for path in committed():
        copy = tree / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=tree, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(ZipFile(wheel).namelist())
    modules = {str(path.relative_to(tree)) for folder in FOLDERS for path in (tree / folder).rglob("*.py")}
    weights = {str(path.relative_to(tree)) for path in (tree / "trainables" / "metric" / "weights").glob("*")}
    assert modules | weights | DATA <= names
    assert {name.split("/")[0] for name in names} == {*FOLDERS, f"{wheel.name.split('-py3')[0]}.dist-info"}


def test_version_and_licence_are_stated() -> None:
    stated = metadata.metadata("diffusion-search")
    assert stated["Version"] == PROJECT["project"]["version"]
    assert stated["License-Expression"] == "MIT"
    assert "MIT License" in (ROOT / "LICENSE").read_text()
