"""The command line: everything bad is refused in one line that says what would be right, with nothing half-written."""

import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from analysis.run.events import Start
from analysis.run.run import Run
from search import command_line, evaluate, export, generate, replay, send, train
from search import run as command
from search.command_line import parse
from search.declaration import Resume, SettingsError, option, options, whole
from search.machine import Machine, this_machine
from search.options import GROUPS, RunOptions, SearchOptions, SendOptions
from search.settings import Settings
from search.space.load import load
from search.space.space import SpaceError
from search.winner.options import EvaluateOptions, ExportOptions, GenerateOptions, ReplayOptions, TrainOptions
from spaces.baselines import BASELINES
from tests.helpers import fake_runs
from trainables.config import Training
from trainables.data.mnist import BUNDLED


def space_file(folder: Path, text: str) -> str:
    path = folder / "my_space.py"
    path.write_text(text)
    return str(path)


GOOD = "def space(trial):\n    trial.suggest_float('training/lr', 1e-4, 1e-2, log=True)\n    return {}\n"
USAGE_ERRORS = {
    "no space": ([], "--space is missing"),
    "unknown option": (
        ["--space", "widths", "--tirals", "3"],
        "unrecognized arguments: --tirals 3; did you mean --trials? see",
    ),
    "no number": (["--space", "widths", "--trials", "many"], "--trials many: give a whole number from 1 to "),
    "unknown space": (["--space", "degradation"], "unknown space 'degradation'; did you mean degradations? known are"),
    "unknown file": (["--space", "nowhere.py"], "--space nowhere.py: there is no such file"),
    "unknown field": (["--space", "widths", "--set", "training.lrr=1"], "unknown field training/lrr: did you mean"),
    "no value": (["--space", "widths", "--set", "training.lr"], "--set training.lr: give NAME=VALUE"),
    "outside": (["--space", "widths", "--set", "training.lr=7"], "training/lr=7.0 is outside its domain: 1e-05 to 0.1"),
    "no such option": (["--space", "widths", "--set", "training.loss=l3"], "training/loss='l3': expected one of"),
    "never applies": (
        ["--space", "widths", "--set", "network.unet.widths=8-8"],
        "--set network.unet.widths=8-8: space widths never selects the kind it belongs to",
    ),
    "contradiction": (
        ["--space", "degradations", "--set", "sampler.kind=ddim"],
        "space degradations with --set sampler.kind=ddim can draw what cannot be: sampler/kind=ddim",
    ),
    "nobody's folder": (
        ["--space", "widths", "--storage-path", "~nobody-of-this-name"],
        "'~nobody-of-this-name' is no",
    ),
    "nobody's space": (["--space", "~nobody/a.py"], "--space ~nobody/a.py: there is no such"),
    "no folder": (["--space", "widths", "--storage-path", ""], "--storage-path '': give a text that is not empty"),
    "cores": (["--space", "widths", "--cpus-per-trial", "1000"], "--cpus-per-trial 1000: there are "),
    "spaces": (["--space", "widths", "--name", "my", "run"], "unrecognized arguments: run; quote a value that"),
    "data set": (
        ["--space", "widths", "--dataset", "mnits"],
        "'mnits' is no data set and no file or folder; known are mnist",
    ),
    "untrained": (["--space", "samplers"], "--space samplers samples from a trained model: give --from RUN/TRIAL"),
    "from nowhere": (["--space", "samplers", "--from", "nowhere/a"], "no run at "),
    "from no trial": (
        ["--space", "samplers", "--from", "runs/taken/000-a"],
        "has no checkpoint of a trial '000-a'; it keeps none",
    ),
    "from and data": (
        ["--space", "samplers", "--from", "runs/taken/000-a", "--dataset", "mnist"],
        "--dataset does not go with --from: runs/taken/000-a is trained already; leave it out",
    ),
    "warm start nowhere": (["--space", "widths", "--warm-start", "runs/nowhere"], "no run at "),
    "warm start on resume": (["--resume", "taken", "--warm-start", "a", "b"], "--warm-start does not go with --resume"),
    "no data": (["--space", "widths", "--data-dir", "."], "is missing; this folder should hold"),
    "name": (["--space", "widths", "--name", "a/b"], "run name 'a/b': give one of at most 100 letters"),
    "long name": (["--space", "widths", "--name", 300 * "a"], "aaa': give one of at most 100 letters"),
    "taken": (["--space", "widths", "--name", "taken"], "taken exists already: continue it with --resume taken"),
    "unwritable": (["--space", "widths", "--storage-path", "/proc/runs"], "cannot write to /proc/runs"),
    "no run there": (["--resume", "else/where"], "--resume where: there is no such run in /"),
    "resume in two places": (["--resume", "runs/taken", "--storage-path", "else"], "leave one out"),
    "no run": (["--resume", "takne"], "/runs, there are taken; is it in another --storage-path?"),
    "combination": (["--resume", "taken", "--seed", "3"], "--seed does not go with --resume"),
    "set on resume": (["--resume", "taken", "--set", "training.lr=1"], "--set does not go with --resume"),
    "settings are lost": (["--resume", "taken"], "/taken has lost its search.json: bring it back from a copy"),
    "never begun": (
        ["--resume", "unbegun"],
        "/unbegun ended before it began: begin it again, by --space and --name unbegun",
    ),
}
SPACE_ERRORS = {
    "no function": ("x = 1\n", "has no function space(trial)"),
    "raises": ("raise OSError('no disk')\n", "the file raised OSError: no disk (my_space.py, line 1)"),
    "syntax": ("def space(\n", "the file raised SyntaxError: '(' was never closed (my_space.py, line 1)"),
    "space raises": (
        "def space(trial):\n    return 1 / 0\n",
        "space() raised ZeroDivisionError: division by zero (my_space.py, line 2)",
    ),
    "exit": ("exit()", "my_space.py called exit (my_space.py, line 1): it is imported, not run"),
    "space exits": ("def space(trial):\n    exit()\n", "space() raised SystemExit: None (my_space.py, line 2)"),
    "a part of the project": (
        "from trainables.networks import NETWORKS, CNN\n\nNETWORKS['cnn'] = type('Mine', (CNN,), {})\n",
        "network cnn: the project has one of this name; give yours another name",
    ),
    "choices that change": (
        "def space(trial):\n    kind = trial.suggest_categorical('schedule/kind', ['cosine', 'linear'])\n"
        "    trial.suggest_categorical('training/target', ['x0'] if kind == 'cosine' else ['x0', 'v'])\n",
        "Optuna takes one list of choices a name: suggest it from the same list in every draw, or return its value",
    ),
    "scale that changes": (
        "def space(trial):\n    kind = trial.suggest_categorical('schedule/kind', ['cosine', 'linear'])\n"
        "    trial.suggest_float('training/lr', 1e-4, 1e-2, log=kind == 'cosine')\n",
        "training/lr is suggested as float",
    ),
    "choices that are a text": (
        "def space(trial):\n    trial.suggest_categorical('training/target', ('x0'))\n",
        "training/target: the choices are the text 'x0'; give a list, such as ['x0']",
    ),
    "choices in a set": (
        "def space(trial):\n    trial.suggest_categorical('training/target', {'x0', 'v'})\n",
        "training/target: the choices are a set, whose order changes between sessions; give a list",
    ),
    "choices in a list": (
        "from spaces.suggest import suggest\nfrom trainables.domain import Choice\n\n"
        "def space(trial):\n    suggest(trial, 'training/batch', Choice([32, 64]))\n",
        "training/batch: [32, 64] is no choice; give texts, numbers, or True and False",
    ),
    "the trial's number": (
        "def space(trial):\n    trial.suggest_int('training/batch', 1, 2 + trial.number)\n",
        "trial.number: a space has trial.suggest_float, suggest_int, suggest_categorical and params, and depends",
    ),
    "an attribute": (
        "def space(trial):\n    trial.set_user_attr('by', 'me')\n",
        "trial.set_user_attr: a space has trial.suggest_float",
    ),
    "every draw rejected": (
        "import optuna\n\ndef space(trial):\n    raise optuna.TrialPruned\n",
        "space() raised TrialPruned in each of 256 draws",
    ),
    "a baseline as text": (GOOD + "BASELINES = ('A0')\n", "BASELINES is the text 'A0'; write BASELINES = ('A0',)"),
    "a number of baselines": (GOOD + "BASELINES = 3\n", "BASELINES is 3; give the names of baselines, such as"),
    "one start": (GOOD + "STARTS = ({'training/lr': 0.001})\n", "STARTS is one dict; put it into a tuple with a comma"),
    "starts as text": (GOOD + "STARTS = 'none'\n", "STARTS is 'none'; give a tuple of dicts, such as"),
    "a start as text": (GOOD + "STARTS = ('training/lr',)\n", "STARTS has 'training/lr'; give a tuple of dicts"),
    "no dict": ("def space(trial):\n    return 7\n", "space() returned 7"),
    "unknown name": (
        "def space(trial):\n    return {'training/rate': 1}\n",
        "can draw what cannot be: unknown field training/rate",
    ),
    "sometimes outside": (
        "def space(trial):\n    trial.suggest_float('training/lr', 0.09, 0.11)\n",
        "is outside its domain: 1e-05 to 0.1",
    ),
    "nothing": ("def space(trial):\n    return {}\n", "there is nothing to search"),
    "unknown baseline": (GOOD + "BASELINES = ('Z9',)\n", "unknown baseline 'Z9' in BASELINES; known are A0"),
    "start outside": (GOOD + "STARTS = ({'training/lr': 0.5},)\n", "training/lr=0.5 is outside 0.0001 to 0.01"),
    "start unknown": (
        GOOD + "STARTS = ({'training/batch': 32},)\n",
        "STARTS has training/batch, which the space does not ask",
    ),
}


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with two runs in it, of which one has not begun."""
    monkeypatch.chdir(tmp_path)
    Run.create("runs", "unbegun")
    Run.create("runs", "taken").append(Start("000-a", 0, 0, "", {}))
    return tmp_path


def refuse(arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Run the command line, which has to fail without leaving anything, and return its one line."""
    before = sorted(folder.rglob("*"))
    assert command.main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out.count("\n") <= 1  # that it starts
    assert printed.err.startswith("search/run.py: ")
    assert printed.err.count("\n") == 1
    assert sorted(folder.rglob("*")) == before
    return printed.err


@pytest.mark.parametrize("case", USAGE_ERRORS)
def test_bad_input_is_one_line_and_status_2(case: str, workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, expected = USAGE_ERRORS[case]
    assert expected in refuse(arguments, workplace, capsys)
    if "--resume" not in arguments:
        assert expected in refuse([*arguments, "--dry-run"], workplace, capsys)


@pytest.mark.parametrize("case", SPACE_ERRORS)
def test_a_bad_space_file_is_one_line_and_status_2(
    case: str, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, expected = SPACE_ERRORS[case]
    assert expected in refuse(["--space", space_file(workplace, text)], workplace, capsys)


def test_a_damaged_data_file_is_one_line_and_status_2(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = shutil.copytree(BUNDLED / "mnist", workplace / "data") / "train-images-idx3-ubyte.gz"
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    assert f"{damaged} " in refuse(["--space", "widths", "--data-dir", str(workplace / "data")], workplace, capsys)


def test_a_run_does_not_go_on_with_another_space_or_other_defaults(
    workplace: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    space = load(space_file(workplace, GOOD), {})
    settings = Settings.resolve({"name": "taken"}, space.given, space.digest, this_machine())
    Run.open("runs/taken").write_settings({"settings": settings.saved(), "metric": fake_runs.CARD})
    resume = ["--resume", "runs/taken", "--trust"]
    with monkeypatch.context() as patched:
        others = tuple(0.002 if default == Training.lr else default for default in Training.__init__.__defaults__ or ())
        patched.setattr(Training.__init__, "__defaults__", others)
        assert "the defaults around it, is not what it was" in refuse(resume, workplace, capsys)
    space_file(workplace, GOOD + "STARTS = ({'training/lr': 2e-3},)\n")
    assert "is not what it was" in refuse(resume, workplace, capsys)


def test_a_dry_run_tells_the_plan_and_leaves_nothing(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(workplace.rglob("*"))
    assert command.main(["--space", "degradations", "--dry-run", "--trials", "40", "--max-images", "9000"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    for expected in (
        "1,000, 3,000, 9,000 images",
        "baseline A0",
        "baseline B3",
        "degradation/kind = morph",
        "tpe draws",
    ):
        assert expected in printed.out
    assert "learn these images" not in printed.out
    assert sorted(workplace.rglob("*")) == before


def test_a_space_file_without_its_ending_is_named(
    workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workplace)
    (workplace / "my_space.py").write_text("")
    assert command.main(["--space", "my_space", "--dry-run"]) == 2
    assert "unknown space 'my_space'; did you mean my_space.py? known are" in capsys.readouterr().err


def test_rows_of_the_literature_alone_are_all_that_runs(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--only", "C2, C1", "--exact", "--dry-run", "--max-images", "900"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "baseline C2" in printed.split("baseline C1")[0]
    for expected in ("2 trials", "100, 300, 900 images", "stops nothing"):
        assert expected in printed
    for absent in ("baseline A0", "tpe draws", "confirms"):
        assert absent not in printed
    assert "unknown baseline 'Z9' in --only; known are A0" in refuse(["--only", "C1,Z9"], workplace, capsys)


def test_rows_of_the_literature_are_sampled_exactly_if_asked() -> None:
    for exact in (False, True):
        space = load("literature", {}, ("C1", "F"), exact)
        assert space.starts == ()
        expected = [(name, BASELINES[name].exact if exact else BASELINES[name].variant) for name in ("C1", "F")]
        assert space.queue() == expected
        assert space.dataset == "mnist"
    assert load("literature", {}, ("F",), exact=True).dataset == "fruits360"
    assert load("widths", {}, exact=True).baselines[0].variant == BASELINES["A0"].exact
    with pytest.raises(SpaceError, match="--exact: space samplers has none"):
        load("samplers", {}, exact=True)


def test_only_what_is_given_is_returned_and_fields_are_collected() -> None:
    given = parse(["--space", "widths", "--set", "network.kind=cnn", "--set", "training.lr=0.001"])
    assert given == {"space": "widths", "fixed": {"network.kind": "cnn", "training.lr": "0.001"}}
    assert parse(["--resume", "a", "--trials", "9"]) == {"resume": "a", "trials": 9, "fixed": {}}
    assert parse(["--space", "widths", "--scheduler", "promotion"])["scheduler"] == "asha"  # its old name


def shown(read: Callable[[list[str]], object], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the help of a command on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    out = io.StringIO()
    with pytest.raises(SystemExit) as end, redirect_stdout(out):
        read(["--help"])
    assert end.value.code == 0
    return out.getvalue()


@pytest.mark.parametrize("read", [module.main for module in (command, evaluate, replay, generate, train, export, send)])
def test_help_fits_a_terminal_and_its_numbers_are_for_people(
    read: Callable[[list[str]], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = shown(read, monkeypatch)
    assert max(map(len, text.splitlines())) <= 80
    assert not re.search(r"\d[eE][+-]\d", text)


@pytest.mark.parametrize(
    "declared",
    [
        SearchOptions,
        RunOptions,
        EvaluateOptions,
        ReplayOptions,
        GenerateOptions,
        TrainOptions,
        ExportOptions,
        SendOptions,
    ],
)
def test_every_option_is_explained_by_sentences(declared: type) -> None:
    for one in options(declared).values():
        assert re.fullmatch(r"[A-Z].*\.", one.help, re.DOTALL), one.flag
        assert re.fullmatch(r".*(\.|\))", one.explanation(), re.DOTALL), one.flag


def test_help_groups_options_and_says_what_goes_with_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(parse, monkeypatch)
    titles = [f"\n{title}:\n" for title in GROUPS[1:]]
    assert sorted(titles, key=text.index) == titles
    for flag in ("--trials", "--address", "--quiet"):
        assert flag in text.split("may be given beside --resume:")[1].split("--resume NAME|RUN")[0]
    assert "5,400,000 with one" in " ".join(text.split())
    assert "python search/run.py --space degradations" in text


OF_SEARCH = [f"search.{name}" for name in ("run", "evaluate", "replay", "generate", "train", "export", "send", "main")]
OF_ANALYSIS = [f"analysis.{name}" for name in ("rank", "report", "compare", "insight", "literature")]


@pytest.mark.parametrize(
    ("module", "arguments", "slow"),
    [
        *((module, ["--help"], ("torch", "ray", "optuna", "pyarrow", "numpy")) for module in OF_SEARCH),
        *((module, ["--help"], ("torch", "ray", "optuna")) for module in OF_ANALYSIS),
        ("search.run", ["--space", "widths", "--dry-run"], ("ray", "optuna")),
    ],
    ids=str,
)
def test_nothing_slow_is_imported_that_is_not_needed(module: str, arguments: list[str], slow: tuple[str, ...]) -> None:
    code = f"import sys; from {module} import main\ntry: main({arguments})\nexcept SystemExit: pass\n"
    code += f"print(sys.modules.keys() & set({slow}), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "set()\n"


@dataclass(frozen=True, kw_only=True)
class OneMore(Settings):
    patience: int = option(whole(1, 9), "Number of mornings.", 7, Resume.CHANGEABLE, group="budget")


def test_a_field_is_all_that_an_option_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line, "SearchOptions", OneMore)
    assert "--patience N" in shown(parse, monkeypatch)
    assert "Number of mornings. (default: 7)" in shown(parse, monkeypatch)
    (tmp_path / "mine.yaml").write_text("space: widths\npatience: 8\n")
    given = parse(["--config", str(tmp_path / "mine.yaml")])
    assert given["patience"] == 8
    machine = Machine(cpus=2, gpus=0)
    assert OneMore.resolve({}, "widths", "", machine).patience == 7
    saved = json.loads(json.dumps(OneMore.resolve(given, "widths", "", machine).saved()))
    assert saved["patience"] == 8
    assert OneMore.resume(saved, parse(["--resume", "a"]), machine).patience == 8
    assert OneMore.resume(saved, parse(["--resume", "a", "--patience", "9"]), machine).patience == 9
    del saved["patience"]  # as a run that was written before there was the option
    assert OneMore.resume(saved, {}, machine).patience == 7
    with pytest.raises(SettingsError, match="--patience 0: give a whole number from 1 to 9"):
        OneMore.resolve({"patience": 0}, "widths", "", machine)
    assert command.main(["--space", "widths", "--patience", "0"]) == 2
    assert "--patience 0: give a whole number from 1 to 9" in capsys.readouterr().err
