"""The command line's options; what is not given stays out of the result, because its default depends on the machine."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from search.settings import (
    CONFIRM,
    COSTS,
    HANG_LIMIT,
    KEPT_CHECKPOINTS,
    SAMPLERS,
    SCHEDULERS,
    SEEDS,
    SIZES,
    SettingsError,
)

DESCRIPTION = """\
Search over diffusion models: trains many small ones, stops those that fall behind, and ranks all
by Frechet MNIST distance (FMD, lower is better). One point known to be good and the literature's
configurations of the space go first, so what the search finds stands beside them."""

EPILOG = """\
examples:
  python search/run.py --space degradations             everything else has a default for this machine
  python search/run.py --space degradations --dry-run   what would run, and how long
  python search/run.py --space widths --set schedule.kind=cosine --trials 40 --time-budget 1800
  python search/run.py --space my_space.py --name mine  a space of your own; spaces/ shows how
  python search/run.py --space samplers --from runs/mine/018-gaussian   other samplers for a trained model
  python search/run.py --resume mine                    go on after an interruption, nothing reported is lost
  python analysis/rank.py runs/mine                     the ranking, at any time
  tensorboard --logdir runs/mine                        trials side by side

exit status: 0 done; 2 a usage error; 3 no trial gave a result; 130 interrupted, with the line that resumes"""


def _sized(field: str) -> str:
    cpu, gpu = (f"{getattr(SIZES[kind], field):,g}" for kind in ("cpu", "gpu"))
    return f"(default: {cpu} without a GPU, {gpu} with)"


def _number_or_auto(text: str) -> int | str:
    if text != "auto" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: give a number, or auto")
    return text if text == "auto" else int(text)


OPTIONS: dict[str, dict[str, dict[str, Any]]] = {
    "what to search": {
        "--space": {"metavar": "NAME|FILE.py", "help": "a space of this project, or your own file; required"},
        "--set": {
            "metavar": "NAME=VALUE",
            "action": "append",
            "help": "fix a field, which takes it out of the search; dots for slashes; may be repeated",
        },
        "--from": {
            "metavar": "RUN/TRIAL",
            "help": "train nothing: sample from this trained trial in other ways; for --space samplers",
        },
        "--dataset": {"metavar": "NAME", "help": "mnist, fashion-mnist, fruits360 (default: the space's, often mnist)"},
        "--data-dir": {
            "metavar": "DIR",
            "help": "folder of the data set: four idx files, or for fruits360 the folders Training and Test",
        },
    },
    "how much": {
        "--trials": {"metavar": "N", "type": int, "help": f"variants to try {_sized('trials')}"},
        "--time-budget": {
            "metavar": "SECONDS",
            "type": float,
            "help": "after which no new trial starts; those begun go on to what rungs they reach in a quarter more; a "
            "confirmation comes on top " + _sized("time_budget"),
        },
        "--max-images": {
            "metavar": "N",
            "type": int,
            "help": f"images that a trial trains on unless it is stopped {_sized('max_images')}",
        },
        "--grace-images": {
            "metavar": "N",
            "type": int,
            "help": "images before a trial can be stopped (default: max-images / reduction-factor^3)",
        },
    },
    "how": {
        "--scheduler": {
            "choices": SCHEDULERS,
            "help": "promotion has all trials wait at a rung and the best 1/reduction-factor go on; asha stops those "
            "that are not among the best; hyperband is asha that compares some trials later; iepoch has all wait at "
            "the first rung and the best 3 go on to the end; none stops nothing (default: promotion)",
        },
        "--reduction-factor": {
            "metavar": "N",
            "type": int,
            "help": "each rung is N times the images of the one before, and keeps 1/N of the trials (default: 3)",
        },
        "--sampler": {
            "choices": SAMPLERS,
            "help": "what suggests variants; gp and nsga2 learn from trials of the full budget alone, so they take "
            "--scheduler none (default: tpe)",
        },
        "--against": {
            "choices": COSTS,
            "help": "minimise this cost beside FMD, for the trade-off between them; takes --scheduler none",
        },
        "--confirm": {
            "metavar": "K",
            "type": int,
            "help": "after the search, train the best K trials that differ, by a choice or by a tenth of a number, and "
            "the best of the literature again, with fresh seeds and judged by other real images; 0 leaves it out "
            f"(default: {CONFIRM})",
        },
        "--seeds": {
            "metavar": "S",
            "type": int,
            "help": f"fresh seeds of each, at most: what cannot be the best gets fewer (default: {SEEDS})",
        },
        "--seed": {"metavar": "N", "type": int, "help": "of the sampler and of every trial (default: 0)"},
        "--cpus-per-trial": {"metavar": "X", "type": float, "help": "cores of a trial (default: 1)"},
        "--gpus-per-trial": {
            "metavar": "X",
            "type": float,
            "help": f"GPUs of a trial, or its share of one {_sized('gpus_per_trial')}",
        },
        "--hang-limit": {
            "metavar": "SECONDS",
            "type": float,
            "help": "without a single step in training or in sampling, after which a trial is ended and tried again "
            f"(default: {HANG_LIMIT:g})",
        },
        "--trials-per-gpu": {
            "metavar": "N|auto",
            "type": _number_or_auto,
            "help": "the same as --gpus-per-trial 1/N; auto measures before the search, in minutes, how many together "
            "train most, and uses NVIDIA's MPS where it is installed",
        },
        "--address": {
            "metavar": "auto|HOST:PORT",
            "help": "a running Ray cluster, all of which sees --storage-path (default: this machine alone)",
        },
    },
    "where": {
        "--name": {"metavar": "NAME", "help": "of the run (default: the space and the time)"},
        "--storage-path": {
            "metavar": "DIR|s3://...|gs://...",
            "help": "folder of the runs, or a place on object storage (default: ./runs)",
        },
        "--kept-checkpoints": {
            "metavar": "N",
            "type": int,
            "help": "trials, the best of those trained in full, whose weights stay, for search/evaluate.py and --from "
            f"(default: {KEPT_CHECKPOINTS})",
        },
        "--resume": {
            "metavar": "NAME",
            "help": "go on with an interrupted run, or with a finished one and a larger --trials, --confirm or --seeds",
        },
        "--dry-run": {"action": "store_true", "help": "print the plan and an estimate; run nothing"},
        "--quiet": {"action": "store_true", "help": "print only the result"},
    },
}

# What may be given beside --resume: where, on what and how long, but nothing that would change what a trial is.
BESIDE_RESUME = {"resume", "storage_path", "data_dir", "address", "kept_checkpoints", "quiet", "trials", "time_budget"}
BESIDE_RESUME |= {"cpus_per_trial", "gpus_per_trial", "trials_per_gpu", "confirm", "seeds", "hang_limit"}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{message}; see --help")


def parse(arguments: Sequence[str] | None) -> dict[str, Any]:
    """Return the options given on the command line, by name.

    Raises:
        SettingsError: an option is unknown, lacks its value, or does not go with another.
    """
    given = vars(_parser().parse_args(arguments))
    if "resume" in given:
        if extra := sorted(set(given) - BESIDE_RESUME):
            option = "--" + extra[0].replace("_", "-")
            raise SettingsError(
                f"{option} does not go with --resume: {given['resume']} goes on as it began; leave it out"
            )
    elif "space" not in given:
        raise SettingsError("--space is missing: give a space's name or file, such as --space degradations; see --help")
    given["fixed"] = dict(_assignment(text) for text in given.pop("set", []))
    return given


def _assignment(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name or not value:
        raise SettingsError(f"--set {text}: give NAME=VALUE, such as --set network.kind=cnn")
    return name.strip(), value.strip()


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="search/run.py",
        usage="%(prog)s --space NAME|FILE.py [options]\n       %(prog)s --resume NAME [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    for title, options in OPTIONS.items():
        group = parser.add_argument_group(title)
        for name, option in options.items():
            group.add_argument(name, **option)
    return parser
