"""--features: what is refused before a search, what a run keeps of the file, and whose file is loaded."""

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.run.run import Run, RunError
from analysis.run.user_files import copy_user_files, read_features, write_features
from search import run as command
from search.command_line import parse
from search.declaration import SettingsError
from search.machine import Machine
from search.settings import Settings
from search.trust import features_of, kept_features, remember
from tests.helpers.commands import refusal
from tests.helpers.feature_files import write_features as write_file
from trainables.metric.feature_file import FeatureFile

MACHINE = Machine(cpus=2, gpus=0)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> FeatureFile:
    return FeatureFile.read(write_file(tmp_path_factory.mktemp("files") / "mine.pt2"))


@pytest.fixture
def given(file: FeatureFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file, in a folder where nothing is trusted yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.pt2"
    path.write_bytes(file.content.tobytes())
    return path


@pytest.fixture
def run(file: FeatureFile, given: Path, tmp_path: Path) -> Run:
    """A run that ranks by the file, which is gone."""
    run = Run.create(tmp_path / "runs", "mine")
    run.update_settings(settings=Settings.resolve({"features": "mine.pt2"}, "widths", "0" * 64, MACHINE).saved())
    write_features(run, file)
    given.unlink()
    return run


def test_a_plan_names_the_file(given: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--space", "widths", "--features", "mine.pt2", "--dry-run"]) == 0
    assert "ranks by   features of mine.pt2, not of the classifier\n" in capsys.readouterr().out


def test_what_is_no_network_of_these_images_is_refused(given: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--space", "widths", "--dry-run", "--quiet", "--features"]
    assert "nowhere.pt2: cannot be read (No such file" in refusal(command.main, [*words, "nowhere.pt2"], capsys)
    Path("text.pt2").write_text("no program")
    assert "is no program of torch.export.save; docs/metric.md" in refusal(command.main, [*words, "text.pt2"], capsys)
    write_file(Path("large.pt2"), side=32)
    assert "--features large: Guard failed: " in refusal(command.main, [*words, "large.pt2"], capsys)


def test_a_run_keeps_the_network_as_it_was(run: Run, file: FeatureFile, tmp_path: Path) -> None:
    copy = Run.create(tmp_path / "runs", "copy")
    copy_user_files(run, copy)
    for one in (run, copy):
        kept = read_features(one)
        assert (kept.name, kept.sha256, kept.content.tobytes()) == ("mine", file.sha256, file.content.tobytes())
    assert read_features(Run.create(tmp_path / "runs", "other")) is None
    run.features.write_bytes(b"cut short")
    with pytest.raises(RunError, match=r"features/network.pt2 is lost or damaged: bring it back from a copy"):
        read_features(run)


def test_a_run_on_object_storage_keeps_it_for_those_who_need_it(
    bucket: str, file: FeatureFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_features(Run.create(f"{bucket}/runs", "mine"), file)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "of another machine"))
    there = Run.open(f"{bucket}/runs/mine")
    assert not there.features.exists()
    kept = read_features(there)
    assert kept.sha256 == file.sha256


def test_the_network_of_somebody_else_is_not_loaded(run: Run, file: FeatureFile) -> None:
    with pytest.raises(SettingsError, match=r"^this would load .*network.pt2, which can run code, .* give --trust if"):
        features_of(run, trusts=False)
    trusted = features_of(run, trusts=True)
    assert trusted.sha256 == file.sha256
    assert features_of(run, trusts=False) is not None  # from then on


def test_ones_own_is_until_it_is_another(run: Run, file: FeatureFile) -> None:
    remember(file)
    assert features_of(run, trusts=False) is not None
    other = file.content.tobytes() + b"\0"
    run.features.write_bytes(other)
    run.update_settings(features={"name": "mine", "sha256": FeatureFile.of("mine", other).sha256})
    with pytest.raises(SettingsError, match="give --trust"):
        features_of(run, trusts=False)


def test_a_run_that_was_killed_before_it_kept_the_file_goes_on_with_the_file(
    run: Run, file: FeatureFile, given: Path
) -> None:
    run.write_settings({"settings": run.settings()["settings"]})
    given.write_bytes(file.content.tobytes())
    with pytest.raises(SettingsError, match=rf"would load {given}, "):
        features_of(run, trusts=False)
    assert features_of(run, trusts=True) is not None


@pytest.mark.parametrize("words", [[], ["--features", "other.pt2"]])
def test_a_search_that_repeats_a_run_takes_its_network_unless_another_is_given(
    words: list[str], run: Run, file: FeatureFile
) -> None:
    remember(file)
    given = parse(["--config", str(run.settings_file), *words])
    kept = kept_features(given)
    assert (kept is None) == bool(words)
    assert kept is None or kept.sha256 == file.sha256


def test_a_search_json_apart_from_its_run_is_asked_about_the_file_it_names(
    run: Run, file: FeatureFile, given: Path, tmp_path: Path
) -> None:
    given.write_bytes(file.content.tobytes())
    apart = tmp_path / "apart" / "search.json"
    apart.parent.mkdir()
    run.settings_file.rename(apart)
    options = parse(["--config", str(apart)])
    with pytest.raises(SettingsError, match=rf"would load {given}, "):
        kept_features(options)
    assert kept_features({**options, "trust": True}) is not None


def test_a_run_remembers_the_whole_path(run: Run, given: Path) -> None:
    saved: dict[str, Any] = json.loads(json.dumps(run.settings()["settings"]))
    assert saved["features"] == str(given)
    assert Settings.resume(saved, {}, MACHINE).features == str(given)
    assert Settings.resume({n: v for n, v in saved.items() if n != "features"}, {}, MACHINE).features is None
