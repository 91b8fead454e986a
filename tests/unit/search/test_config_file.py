"""--config: options from a YAML file or a run's search.json, read as the command line is; the command line wins."""

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.run.search_json import FORMAT
from search.command_line import parse
from search.declaration import SettingsError
from search.machine import Machine
from search.settings import Settings

MACHINE = Machine(cpus=2, gpus=0)
BY_HAND = """\
# comments are allowed
space: widths
max-images: 9000
time_budget: 1e3
seed: 3
set: {network.kind: cnn, training.lr: 1e-3}
quiet: true
address:
"""
WRONG = {
    "unknown": ("tirals: 3", "unknown option tirals; did you mean trials?"),
    "nothing like it": ("colour: red", "unknown option colour; see --help for those there are"),
    "a file in a file": ("config: other.yaml", "unknown option config"),
    "derived": ("slots: 4", "unknown option slots"),
    "kind": ("trials: many", "trials many: give a whole number from 1 to "),
    "name": ("scheduler: best", "scheduler best: give one of asha, "),
    "flag": ("quiet: perhaps", "quiet perhaps: give true or false"),
    "assignment": ("set: [training.lr]", "set training.lr: give NAME=VALUE"),
    "list": ("trials: [3]", "trials 3: give a whole number"),
    "mapping": ("space: {a: b}", "space {'a': 'b'}: give a text"),
    "list of values": ("set: {network.kind: [cnn, unet]}", "set {'network.kind': ['cnn', 'unet']}: give NAME=VALUE"),
    "list of lists": ("confirm_by: [[a]]", "confirm_by ['a']: give names of fields"),
    "mapping for a pair": ("from: {a: b}", "from {'a': 'b'}: give RUN/TRIAL"),
    "mapping for names": ("only: {C1: x}", "only {'C1': 'x'}: give names of the literature"),
    "trackers": ("log_to: [[x]]", "log_to ['x']: give mlflow"),
    "no YAML": ("trials: [3", "no YAML ("),
    "no mapping": ("trials", "no options in it; give lines such as `trials: 40`"),
}


def write(folder: Path, text: str) -> str:
    path = folder / "options.yaml"
    path.write_text(text)
    return str(path)


def saved(folder: Path, given: dict[str, Any]) -> str:
    """Return the path of a search.json."""
    settings = Settings.resolve({"name": "before", **given}, "degradations", "0" * 64, MACHINE)
    path = folder / "search.json"
    path.write_text(
        json.dumps({"format": FORMAT, "status": "done", "settings": settings.saved(), "slots": 2}, indent=2)
    )
    return str(path)


def test_any_option_is_read_and_the_command_line_wins(tmp_path: Path) -> None:
    config = ["--config", write(tmp_path, BY_HAND)]
    fixed = {"network.kind": "cnn", "training.lr": "1e-3"}
    read = {"space": "widths", "max_images": 9000, "time_budget": 1000.0, "seed": 3, "fixed": fixed, "quiet": True}
    assert parse(config) == {**read, "config": config[1]}
    given = parse([*config, "--seed", "4", "--set", "training.lr=2e-3"])
    assert given == {**read, "config": config[1], "seed": 4, "fixed": {**fixed, "training.lr": "2e-3"}}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_refused_in_one_line_that_names_the_file(case: str, tmp_path: Path) -> None:
    text, expected = WRONG[case]
    config = write(tmp_path, text)
    with pytest.raises(SettingsError) as refusal:
        parse(["--space", "widths", "--config", config])
    assert str(refusal.value).startswith(f"--config {config}: {expected}")
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"--config nowhere.yaml: cannot be read \(No such file or directory\)"):
        parse(["--config", "nowhere.yaml"])


def test_options_in_a_file_go_with_resume_as_those_of_the_command_line(tmp_path: Path) -> None:
    assert parse(["--resume", "a", "--config", write(tmp_path, "trials: 9")])["trials"] == 9
    with pytest.raises(SettingsError, match="--seed does not go with --resume"):
        parse(["--resume", "a", "--config", write(tmp_path, "seed: 9")])


def test_an_earlier_search_is_searched_again_under_another_name(tmp_path: Path) -> None:
    before = {"fixed": {"network.kind": "cnn"}, "max_images": 900, "grace_images": 100, "scheduler": "none"}
    before |= {"against": "nfe", "trials": 7, "storage_path": str(tmp_path), "sampler": "random", "time_budget": 5.5}
    first = json.loads(Path(saved(tmp_path, before)).read_text())["settings"]
    given = parse(["--config", str(tmp_path / "search.json")])
    again = Settings.resolve(given, given["space"], "0" * 64, MACHINE).saved()
    assert again.pop("name").startswith("degradations-")
    assert {"name": "before", **again} == json.loads(json.dumps(first))
    assert parse(["--config", str(tmp_path / "search.json"), "--name", "mine"])["name"] == "mine"


@pytest.mark.parametrize(
    "settings",
    [
        {"rungs": None, "max_images": None},
        {"rungs": 3, "max_images": None},
        {"trained": None},
        {"trained": 3, "fixed": 1},
    ],
    ids=str,
)
def test_a_damaged_search_json_is_one_line(settings: dict[str, Any], tmp_path: Path) -> None:
    path = Path(saved(tmp_path, {}))
    content = json.loads(path.read_text())
    changed = {**content["settings"], **settings}
    content["settings"] = {name: value for name, value in changed.items() if value is not None}
    path.write_text(json.dumps(content))
    with pytest.raises(SettingsError) as refusal:
        parse(["--config", str(path)])
    assert str(refusal.value).startswith(f"--config {path}: ")


def test_the_line_wins_where_two_options_say_the_same(tmp_path: Path) -> None:
    given = parse(["--config", saved(tmp_path, {}), "--trials-per-gpu", "4"])
    assert given["trials_per_gpu"] == 4
    assert "gpus_per_trial" not in given


def test_a_trained_model_brings_its_own_data_and_configuration(tmp_path: Path) -> None:
    """As the search.json of a run that sampled from one says them a second time."""
    fixed = {"network/kind": "cnn", "sampler.steps": "20"}
    before = {"trained": ("/runs/a", "003-b"), "fixed": fixed, "max_images": 900, "grace_images": 900}
    given = parse(["--config", saved(tmp_path, before)])
    assert given["trained"] == ("/runs/a", "003-b")
    assert given["fixed"] == {"sampler.steps": "20"}
    assert not {"dataset", "data_dir", "max_images", "grace_images"} & given.keys()
    given = parse(["--config", saved(tmp_path, {"max_images": 900}), "--from", "runs/c/001-d"])
    assert given["trained"] == ("runs/c", "001-d")
    assert "max_images" not in given


def test_the_scheduler_of_an_earlier_version_is_the_same_by_its_new_name(tmp_path: Path) -> None:
    before = json.loads(Path(saved(tmp_path, {})).read_text())
    del before["format"], before["settings"]["max_images"], before["settings"]["grace_images"]
    before["settings"]["scheduler"] = "promotion"
    (tmp_path / "search.json").write_text(json.dumps(before))
    given = parse(["--config", str(tmp_path / "search.json")])
    assert (given["scheduler"], given["max_images"], given["grace_images"]) == ("asha", 108_000, 12_000)
