"""The option --log-to: which values it takes, what a resume makes of it, and a package that is missing."""

import json

import pytest

from search import run as command
from search import send, settings
from search.command_line import parse
from search.declaration import SettingsError
from search.machine import Machine
from search.settings import Settings

LAPTOP = Machine(cpus=2, gpus=0)
SPACE = ["--space", "widths"]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "PACKAGES", dict.fromkeys(settings.PACKAGES, "numpy"))


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "PACKAGES", {name: f"{name}-is-not-there" for name in settings.PACKAGES})


def test_several_trackers_are_taken_each_once() -> None:
    words = [
        word for text in ("mlflow:http://host:5000", "wandb", "wandb:me/digits", "wandb") for word in ("--log-to", text)
    ]
    assert parse([*SPACE, *words])["log_to"] == ("mlflow:http://host:5000", "wandb", "wandb:me/digits")


@pytest.mark.parametrize("text", ["tensorboard", "mlflow:", "wandb:a b", "mlflow:http://me:secret@host/", ""])
def test_other_values_and_passwords_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^--log-to .*: give mlflow, .*, without a password"):
        parse([*SPACE, "--log-to", text])


def test_a_resume_keeps_the_trackers_unless_others_or_none_are_given(installed: None) -> None:
    begun = Settings.resolve({"log_to": ("mlflow", "wandb:x")}, "widths", "", LAPTOP)
    saved = json.loads(json.dumps(begun.saved()))
    assert saved["log_to"] == ["mlflow", "wandb:x"]
    assert Settings.resume(saved, {}, LAPTOP).log_to == ("mlflow", "wandb:x")
    for words, expected in ((["wandb"], ("wandb",)), (["none"], ())):
        given = parse(["--resume", "a", "--log-to", *words])
        assert Settings.resume(saved, given, LAPTOP).log_to == expected
    older = {name: value for name, value in saved.items() if name != "log_to"}
    assert Settings.resume(older, {}, LAPTOP).log_to == ()


@pytest.mark.parametrize("further", [[], ["--dry-run"]])
def test_a_missing_package_is_one_line_before_anything_starts(
    missing: None, further: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([*SPACE, *further, "--quiet", "--log-to", "wandb:digits"]) == 2
    printed = capsys.readouterr()
    line = "wandb:digits: the package wandb-is-not-there is missing; pip install wandb-is-not-there\n"
    assert (printed.out, printed.err) == ("", f"search/run.py: {line}")
    assert send.main(["runs/none", "wandb:digits"]) == 2
    assert capsys.readouterr().err == f"search/send.py: {line}"
