"""Settings: sized for the machine, checked before anything is written, refused in a line that says what is right."""

import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from search import options as declared
from search.declaration import SettingsError, options
from search.earlier.warm_start import WarmStart
from search.machine import Cluster, Machine
from search.options import RunOptions, SearchOptions
from search.pace import MNIST, Pace, guessed, measured
from search.plan import STOPS, plan
from search.schedulers import SCHEDULERS
from search.settings import Settings
from search.space.load import load
from search.study.journal import OBJECTIVES
from search.winner.options import EvaluateOptions
from trainables.data.images import Images
from trainables.parts import uninstall

LAPTOP, SERVER = Machine(cpus=2, gpus=0), Machine(cpus=16, gpus=2)


def resolve(machine: Machine | Cluster = LAPTOP, **given: Any) -> Settings:
    return Settings.resolve(given, "degradations", "0" * 64, machine)


@pytest.mark.parametrize("eta", [2, 3, 5])
@pytest.mark.parametrize(
    ("grace", "full"), [(1, 1), (7, 7), (10, 1000), (20_000, 180_000), (3, 100), (None, 1000), (None, 2)]
)
def test_rungs_ascend_by_the_reduction_factor_to_exactly_the_full_budget(
    grace: int | None, full: int, eta: int
) -> None:
    given = {} if grace is None else {"grace_images": grace}
    budgets = resolve(max_images=full, reduction_factor=eta, **given).rungs
    assert budgets[-1] == full
    assert budgets[0] == (math.ceil(full / eta**2) if grace is None else grace)
    assert all(later == eta * earlier for earlier, later in pairwise(budgets[:-1]))
    assert list(budgets) == sorted(set(budgets))
    assert len(budgets) < 2 or budgets[-1] <= eta * budgets[-2]


def test_two_cores_get_two_trials_and_the_documented_rungs() -> None:
    settings = resolve()
    assert (settings.slots, settings.gpus_per_trial, settings.trials) == (2, 0, 256)
    assert settings.rungs == (12_000, 36_000, 108_000)


def test_rows_alone_are_trained_in_full_each_once_unless_more_is_asked_for() -> None:
    alone = resolve(only=("C1", "C2"))
    assert (alone.trials, alone.scheduler, alone.confirm) == (2, "none", 0)
    asked = resolve(only=("C1",), trials=9, scheduler="asha", confirm=2)
    assert (asked.trials, asked.scheduler, asked.confirm) == (9, "asha", 2)
    saved = json.loads(json.dumps(alone.saved()))
    assert Settings.resume(saved, {}, LAPTOP).only == ("C1", "C2")
    assert not Settings.resume({n: v for n, v in saved.items() if n not in ("only", "exact")}, {}, LAPTOP).exact


def test_a_plan_says_that_trials_are_measured_to_share_a_gpu() -> None:
    settings, space = resolve(SERVER, trials_per_gpu="auto"), load("degradations", {})
    pace = guessed(settings, MNIST)
    assert "2 at a time, each with" in plan(settings, space, pace)
    assert "2 at a time or more, as many on a GPU as will be measured" in plan(settings, space, pace, measures_gpu=True)


def test_a_plan_expects_larger_images_to_take_longer() -> None:
    settings, space = resolve(), load("degradations", {})
    assert "at 1,100 images a second and trial (a guess)" in plan(settings, space, guessed(settings, MNIST))
    assert "at 275 images a second and trial (a guess)" in plan(settings, space, guessed(settings, (3, 56, 56)))


@pytest.mark.parametrize("starts", [True, False])
def test_a_plan_says_that_the_pace_is_measured(starts: bool, mnist: Images) -> None:
    settings, space = resolve(), load("degradations", {})
    space = space if starts else replace(space, starts=(), baselines=())
    pace = measured(settings, space, WarmStart.of((), space, settings.rungs[-1]), mnist)
    assert pace.images_per_second > 0
    assert f"at {pace.images_per_second:,.0f} images a second and trial (measured)" in plan(settings, space, pace)


def test_a_plan_says_so_where_no_trial_reaches_the_first_rung_or_the_last() -> None:
    settings, space = resolve(max_images=9_000, grace_images=1_000, time_budget=600, confirm=0), load("widths", {})
    assert "9:54 for about " in plan(settings, space, Pace(20.0, "measured"))
    assert "no trial reaches the last rung: it takes 15:00" in plan(settings, space, Pace(10.0, "measured"))
    slow = plan(settings, space, Pace(1.0, "measured"))
    assert "estimate   no trial reaches the first rung: it takes 16:40, at 1 images a second" in slow
    assert "--max-images" in slow


def test_a_plan_says_why_the_pace_is_a_guess(tmp_path: Path, mnist: Images) -> None:
    (tmp_path / "broken.py").write_text(
        "from dataclasses import dataclass\n\nfrom trainables.networks.base import Network\n"
        "from trainables.networks import NETWORKS\n\n\n"
        "@dataclass(frozen=True)\nclass Broken(Network):\n    def build(self, channels, size, classes=0):\n"
        '        raise KeyError("no layers")\n\n\nNETWORKS["broken"] = Broken\n\n\n'
        'def space(trial):\n    trial.suggest_float("training/lr", 1e-3, 1e-2)\n    return {"network/kind": "broken"}\n'
    )
    settings, space = resolve(), load(str(tmp_path / "broken.py"), {})
    pace = measured(settings, space, WarmStart.of((), space, settings.rungs[-1]), mnist)
    uninstall()
    assert pace.images_per_second == guessed(settings, MNIST).images_per_second
    assert "a guess: the first trial fails with" in pace.source
    assert "no layers" in pace.source


def test_a_plan_names_the_first_trial_only_where_it_is_known_to_be_good() -> None:
    settings, space = resolve(trials=12), load("degradations", {})
    known = plan(settings, space, guessed(settings, MNIST))
    kept = "the best 3, the first trial among them, and the best baseline unless it is beaten by far, with 2 to 4 fresh"
    assert f"confirms   {kept} seeds" in known
    assert "\n    and 1 that tpe draws" in plan(resolve(trials=len(space.queue()) + 1), space, guessed(settings, MNIST))
    unknown = plan(settings, replace(space, starts=(), baselines=()), guessed(settings, MNIST))
    assert "confirms   the best 3 with 2 to 4 fresh seeds" in unknown
    assert "\n    12 that tpe draws, with seed 0" in unknown


def test_a_plan_says_how_many_networks_of_the_metric_are_trained_first() -> None:
    settings, space = resolve(), load("degradations", {})
    told = [plan(settings, space, guessed(settings, MNIST), untrained=count) for count in (0, 1, 3)]
    assert "learn" not in told[0]
    assert "metric     its network learns these images first" in told[1]
    assert "metric     its 3 networks learn these images first" in told[2]


def test_a_plan_of_a_trained_model_trains_nothing() -> None:
    space = load("samplers", {})
    settings = resolve(trained=("runs/a", "000-x"), max_images=9000, grace_images=9000)
    text = plan(settings, space, guessed(settings, MNIST))
    assert "estimate   nothing is trained, only sampled and scored" in text
    assert "baseline" not in text
    with pytest.raises(SettingsError, match="--against seconds with --from: nothing is trained"):
        resolve(trained=("runs/a", "000-x"), against="seconds")


def test_gpus_are_used_where_there_are_any_and_shared_as_asked() -> None:
    assert resolve(SERVER).gpus_per_trial == 0.25
    assert resolve(SERVER, gpus_per_trial=0.5).slots == 4
    assert resolve(SERVER, gpus_per_trial=0.4).slots == 4  # two fit on each card, a third does not
    assert resolve(SERVER, gpus_per_trial=2).slots == 1
    assert resolve(SERVER, gpus_per_trial=0, cpus_per_trial=4).slots == 4
    assert resolve(SERVER, gpus_per_trial=0.25, cpus_per_trial=4).slots == 4


def test_settings_survive_search_json(tmp_path: Path) -> None:
    settings = resolve(storage_path=str(tmp_path), fixed={"network/kind": "cnn"}, seed=3)
    resumed = Settings.resume(settings.saved(), {"storage_path": str(tmp_path)}, LAPTOP)
    assert resumed == settings
    longer = Settings.resume(settings.saved(), {"storage_path": str(tmp_path), "trials": 99}, SERVER)
    assert longer == replace(settings, trials=99, slots=16)
    older = {name: value for name, value in settings.saved().items() if name not in ("max_images", "grace_images")}
    assert Settings.resume(older, {"storage_path": str(tmp_path)}, LAPTOP) == settings


def test_a_run_is_named_after_its_space() -> None:
    assert Settings.resolve({}, "/somewhere/my space.py", "", LAPTOP).name.startswith("my-space-")
    assert resolve(name="mine").name == "mine"


def test_searches_that_begin_in_one_second_have_names_of_their_own() -> None:
    assert len({resolve().name for _ in range(10)}) > 5  # the last four characters are random


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"trials": 0}, "--trials 0: give a whole number from 1 to 100,000"),
        ({"time_budget": 0.0}, "--time-budget 0: give a number from 1 to 31,536,000"),
        ({"seed": -1}, "--seed -1: give a whole number from 0 to 4,294,967,295"),
        ({"max_images": 0}, "--max-images 0: give a whole number from 1 to 1,000,000,000,000"),
        ({"reduction_factor": 1}, "--reduction-factor 1: give a whole number from 2 to 100"),
        ({"grace_images": 0}, "--grace-images 0: give a whole number from 1 to 1,000,000,000,000"),
        ({"grace_images": 500, "max_images": 100}, "--grace-images 500: give a number from 1 to --max-images, 100"),
        ({"cpus_per_trial": 0.0}, "--cpus-per-trial 0: give a number from 0.1 to 1,024"),
        ({"cpus_per_trial": 3.0}, "--cpus-per-trial 3: there are 2 cores; give at most that many"),
        ({"gpus_per_trial": 1.0}, "--gpus-per-trial 1: there are 0 GPUs; give 0 to train on the CPU"),
        ({"gpus_per_trial": -1.0}, "--gpus-per-trial -1: give 0, or a number from 0.01 to 64"),
        ({"gpus_per_trial": 1.5}, "--gpus-per-trial 1.5: give a fraction of one GPU or a whole number of them"),
        ({"seeds": 1}, "--seeds 1: give a whole number from 2 to 100, one seed tells nothing of the spread"),
        ({"confirm": -1}, "--confirm -1: give a whole number from 0 to 100"),
        ({"kept_checkpoints": 0}, "--kept-checkpoints 0: give a whole number from 1 to 100,000"),
        (
            {"data_dir": "s3://bucket/a"},
            "--data-dir s3://bucket/a: give a folder; its data are sent to where trials run",
        ),
        (
            {"scheduler": "hyperband", "grace_images": 1, "reduction_factor": 2},
            "--scheduler hyperband with 19 rungs: its brackets would take more trials than there can be; "
            "give a larger --grace-images",
        ),
        (
            {"warm_start": ("runs/a",), "sampler": "gp"},
            "--warm-start with --sampler gp: it does not learn from the trials of other runs; give --sampler tpe",
        ),
        (
            {"warm_start": ("runs/a",), "against": "seconds"},
            "--warm-start with --against seconds: seconds depend on what else a machine did; "
            "give --against nfe, or parameters",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_be_right(given: dict[str, Any], expected: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        resolve(**{"max_images": 180_000, **given})
    assert str(refusal.value) == expected


@pytest.mark.parametrize("declared", [SearchOptions, RunOptions, EvaluateOptions])
def test_every_number_is_finite_and_has_bounds(declared: type) -> None:
    numbers = [one for one in options(declared).values() if one.kind.metavar in ("N", "X", "N|auto")]
    assert numbers
    for one in numbers:
        for text in ("inf", "-inf", "nan", "-1", "1e30", "1" + 30 * "0", "", " "):
            with pytest.raises(SettingsError, match=rf"^{one.flag} .*: give "):
                one.read(text, one.flag)


@pytest.mark.parametrize("path", ["~nobody-of-this-name/runs", "a\0b"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(SettingsError, match=r"is no folder .*: give its whole path"):
        resolve(storage_path=path)


def test_too_many_gpus_are_refused_with_how_many_there_are() -> None:
    with pytest.raises(SettingsError, match="--gpus-per-trial 3: there are 2 GPUs; give at most 2"):
        resolve(SERVER, gpus_per_trial=3.0)


def test_two_objectives_stop_nothing_early() -> None:
    assert resolve(against="nfe").scheduler == "none"
    assert resolve(against="nfe").objectives == ("fmd", "nfe")
    with pytest.raises(SettingsError, match=r"--against nfe with --scheduler asha: .* give --scheduler none"):
        resolve(against="nfe", scheduler="asha")


@pytest.mark.parametrize(
    ("given", "meant"),
    [("s3://bucket/runs/", "s3://bucket/runs"), ("/there/./runs", "/there/runs"), ("file:///there", "/there")],
)
def test_runs_go_to_a_folder_or_to_object_storage(given: str, meant: str) -> None:
    assert resolve(storage_path=given).storage_path == meant


@pytest.mark.parametrize("trials", [1, 3, 7, 49])
def test_trials_per_gpu_is_the_inverse_of_gpus_per_trial(trials: int) -> None:
    machine = Machine(cpus=100, gpus=2)
    assert resolve(machine, trials_per_gpu=trials).slots == 2 * trials
    assert resolve(machine, trials_per_gpu=trials).gpus_per_trial == 1 / trials
    with pytest.raises(SettingsError, match="say the same"):
        resolve(machine, trials_per_gpu=trials, gpus_per_trial=0.5)


def test_a_trial_runs_on_one_machine_of_a_cluster() -> None:
    cluster = Cluster((Machine(cpus=3, gpus=1), Machine(cpus=5, gpus=0)))
    assert resolve(cluster, cpus_per_trial=2, gpus_per_trial=0).slots == 3  # not four: 8 cores, but in two places
    assert resolve(cluster, cpus_per_trial=1, gpus_per_trial=0.5).slots == 2
    with pytest.raises(SettingsError, match="--cpus-per-trial 5 --gpus-per-trial 1: no machine has both"):
        resolve(cluster, cpus_per_trial=5, gpus_per_trial=1)
    with pytest.raises(SettingsError, match="--cpus-per-trial 6: there are 5 cores"):
        resolve(cluster, cpus_per_trial=6)


def test_the_command_line_offers_the_schedulers_and_costs_there_are() -> None:
    assert SCHEDULERS.keys() == STOPS.keys()
    assert all(name in options(Settings)["scheduler"].help for name in SCHEDULERS)
    assert {"fmd", *declared.COSTS} == OBJECTIVES.keys()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"trials": "many"}, "search.json: --trials many: give a whole number from 1 to "),
        ({"trials": 2.5}, "search.json: --trials 2.5: give a whole number from 1 to "),
        ({"trials": [3]}, "search.json: --trials 3: give a whole number from 1 to "),
        ({"time_budget": "long"}, "search.json: --time-budget long: give a number from "),
        ({"scheduler": "luck"}, "search.json: --scheduler luck: give one of asha, "),
        ({"sampler": []}, "search.json: --sampler : give one of tpe, "),
        ({"fixed": {"training/lr": 1}}, "give NAME=VALUE, such as network.kind=cnn"),
        ({"hang_limit": True}, "search.json: --hang-limit True: give "),
    ],
)
def test_a_saved_value_of_a_wrong_type_or_an_unknown_word_is_one_line(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(SettingsError) as error:
        Settings.resume({**resolve().saved(), **changes}, {}, LAPTOP)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_options_of_another_version_are_left_out_and_said_and_null_is_the_default(
    caplog: pytest.LogCaptureFixture,
) -> None:
    saved = {**resolve().saved(), "luck": 7, "hang_limit": None}
    assert Settings.resume(saved, {}, LAPTOP) == resolve(name=saved["name"])
    assert [record.getMessage() for record in caplog.records] == ["search.json has options of another version: 'luck'"]
