"""The options of search/run.py and search/send.py, declared once; `search.declaration` says how."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from search.declaration import (
    ASSIGNMENTS,
    FLAG,
    TEXT,
    Kind,
    Resume,
    Sized,
    are_texts,
    between,
    one_of,
    option,
    whole,
)
from search.schedulers import SCHEDULERS
from trainables.data.options import LEAST_SIDE, MOST_SIDE, is_colour

SAMPLERS = ("tpe", "gp", "random", "qmc", "nsga2")  # of search/study/samplers.py
LEARN_IN_FULL = ("gp", "nsga2")  # samplers that learn nothing from a trial that was stopped early
LEARN_FROM_EARLIER = ("tpe",)  # samplers that learn from the trials of earlier runs
TRACKER = re.compile(r"(mlflow|wandb)(:\S+)?")
TRACKERS = "give mlflow, mlflow:URI, wandb or wandb:PROJECT, without a password"
TRACKERS_SHOWN = "mlflow[:URI]|wandb[:PROJECT]"
COSTS = ("nfe", "parameters", "seconds")  # of search/study/journal.py: what FMD can be traded against

KEPT_CHECKPOINTS = 3
# Bounds far above what anyone needs, below what would overflow somewhere or never end.
MOST, IMAGES = 100_000, 10**12
WEEK, YEAR = 604_800, 31_536_000  # seconds
SEED = whole(0, 2**32 - 1)
TRUST = (
    "Execute what a run of somebody else keeps: its space file, its network of --features. Without it only one's own "
    "is executed."
)
CHANGEABLE, PER_SESSION = Resume.CHANGEABLE, Resume.PER_SESSION
# Of --help; the first, without a title, is for commands with few options.
GROUPS = ("", "space and data", "budget", "algorithm", "confirmation", "resources", "run", "resume")
_data, _budget, _algorithm, _confirmation, _resources, _run, _resume = (
    partial(option, group=group) for group in GROUPS[1:]
)


def _run_and_trial(given: str | list[str]) -> tuple[str, str]:
    """Return the run and the trial that RUN/TRIAL names; search.json has them as a list."""
    run, _, trial = "/".join(given).rpartition("/") if isinstance(given, list) else given.rpartition("/")
    return run, trial


def _names(given: str | list[str]) -> tuple[str, ...]:
    """Return the names that a text has between commas; search.json has a list."""
    names = given.split(",") if isinstance(given, str) else given
    found = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    if isinstance(given, str) and not found:
        raise ValueError(given)
    return found


def _trackers(given: str | list[str]) -> tuple[str, ...]:
    """Return the trackers that texts name, each once; `none` stands for no tracker."""
    named = tuple(dict.fromkeys(text.strip() for text in texts(given)))
    return () if named == ("none",) else named


def _are_trackers(values: tuple[str, ...]) -> bool:
    """Return whether each text names a tracker, and no password: search.json keeps it, and reports are sent around."""
    return all(TRACKER.fullmatch(text) and "@" not in text.partition("://")[2].partition("/")[0] for text in values)


def texts(given: str | list[str]) -> tuple[str, ...]:
    """Return one text or several as a tuple."""
    return (given,) if isinstance(given, str) else tuple(given)


# Defaults without a GPU are for two cores and ten minutes, which end a search before its number of trials does. With a
# reduction factor of 3 the rungs are 12,000, 36,000 and 108,000 images. There is none at 4,000: its order has a rank
# correlation of 0.4 with the end in the space `degradations` (12,000: 0.6; 36,000: 0.9), and with it ASHA misses the
# best trials (tests/benchmarks/schedulers.py). 108,000 images take the CNN on patches a minute of one core.
# Defaults with a GPU are for one card and about an hour; four trials share it, as one small network does not fill it.
@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """Options of search/run.py that are settings of the search, see `search.settings.Settings`."""

    space: str = _data(
        TEXT,
        "Space to search: one of the project or a file of your own. A new search needs it.",
        metavar="NAME|FILE.py",
    )
    fixed: Mapping[str, str] = _data(
        ASSIGNMENTS, "Fix a field of the configuration, which takes it out of the search. Repeatable.", flag="--set"
    )
    trained: tuple[str, str] | None = _data(
        Kind(_run_and_trial, all, "give RUN/TRIAL, such as runs/mine/018-gaussian", "RUN/TRIAL", nested=True),
        "Train nothing, and vary only how this trained trial is sampled. It goes with --space samplers.",
        flag="--from",
    )
    warm_start: tuple[str, ...] = _data(
        Kind(texts, all, "give folders of runs", "RUN", {"action": "extend", "nargs": "+"}, nested=True),
        "Begin with what earlier runs on the same data measured: tpe learns from their trials, and the best three run "
        "first. Repeatable.",
        (),
    )
    only: tuple[str, ...] = _data(
        Kind(
            _names, are_texts, "give names of the literature's configurations, such as C1,C2", "NAME,...", nested=True
        ),
        "Train these configurations of the literature, each to the full budget, and nothing else. The space is "
        "literature unless another is given; --trials beyond their number are drawn from it.",
        (),
    )
    exact: bool = _data(
        FLAG,
        "Sample the literature's configurations as their authors did, in all their steps, and not in 20.",
        False,
    )
    dataset: str = _data(
        TEXT,
        "Data set: mnist, fashion-mnist or fruits360; cifar10, kmnist, emnist-letters or svhn, for a download; or the "
        "path of images of your own: a folder of images, of class folders, of train and test, of idx or of parquet "
        "files, or an .npz file. python -m trainables.data PATH says what it holds.",
        "mnist",
        metavar="NAME|PATH",
        shown="the space's own, mostly mnist",
    )
    data_dir: str | None = _data(
        TEXT,
        "Folder of the data set: four idx files, or for fruits360 the folders Training and Test. For images of your "
        "own, the place where they lie now, if not where --dataset says.",
        resume=CHANGEABLE,
        metavar="DIR",
    )
    image_size: int | None = _data(
        whole(LEAST_SIDE, MOST_SIDE),
        "Side in pixels of images of your own; the largest square in the middle of each is resized to it.",
        shown="their own if all are alike and at most 64, else 32",
    )
    channels: int | None = _data(
        Kind(int, lambda number: number in (1, 3), "give 1 for grey, or 3 for colour", "1|3"),
        "Channels of images of your own: 1 for grey, 3 for colour.",
        shown="1 if all images are grey, else 3",
    )
    background: str = _data(
        Kind(str, is_colour, "give white, black or #rrggbb", "COLOUR"),
        "What transparent pixels of images of your own show: white, black or #rrggbb.",
        "white",
    )
    skip_damaged: bool = _data(
        FLAG, "Leave out images of your own that cannot be read; otherwise the first one ends the command.", False
    )

    groups: str | None = _data(
        TEXT,
        "Which images of your own belong together and stay in one split, such as photographs of one object. folder: "
        "those in one folder below that of their class. A regular expression with one group: those whose paths give "
        "the same match. Or the name of a column of parquet files.",
        metavar="RULE",
        shown="copies alone",
    )

    features: str | None = _data(
        TEXT,
        "Network by whose features trials are ranked, not the classifier's: a program of torch.export that makes "
        "features float32 (N, d) of float32 images (N, 3, H, W) in [0, 1], as large as the data's. docs/metric.md "
        "writes one of Inception and one of DINOv2. The file is code: give only one that you trust.",
        metavar="FILE.pt2",
        shown="the classifier's",
    )

    trials: int = _budget(whole(1, MOST), "Number of variants to try at the most.", Sized(256, 512), CHANGEABLE)
    time_budget: float = _budget(
        between(1, YEAR),
        "Time of the whole command, summed over all sessions of a run: start, search, confirmation, test images and "
        "end. The search ends early enough for the rest. A training starts only if it is expected to end in time. If "
        "one of the confirmation takes longer than expected, the command may exceed the budget by up to a fifth.",
        Sized(600, 3_600),
        CHANGEABLE,
        metavar="SECONDS",
    )
    max_images: int = _budget(
        whole(1, IMAGES), "Number of images that a trial trains on if it is never stopped.", Sized(108_000, 5_400_000)
    )
    grace_images: int = _budget(
        whole(1, IMAGES),
        "Images seen at the first rung; no trial is paused or stopped before it.",
        shown="max-images / reduction-factor^2",
    )

    report_every: int = _budget(
        whole(0, IMAGES),
        "Also score a trial every so many images between rungs. These scores decide nothing and change no other "
        "number, but take the time of sampling. 0: at rungs only.",
        0,
        CHANGEABLE,
        metavar="IMAGES",
    )

    scheduler: str = _algorithm(
        one_of(SCHEDULERS, old={"promotion": "asha"}),
        "Rule that stops trials early. asha pauses every trial at a rung and resumes the best 1/N of them (ASHA as "
        "published). asha-stopping stops a trial that is not among the best 1/N so far (Ray Tune's variant). hyperband "
        "is asha-stopping with some trials first compared at a later rung. iepoch pauses every trial at the first rung "
        "and trains the best 3 to the end. none stops no trial.",
        "asha",
    )
    reduction_factor: int = _algorithm(
        whole(2, 100), "Each rung has N times the images of the one before, and 1/N of the trials go on from it.", 3
    )
    sampler: str = _algorithm(
        one_of(SAMPLERS),
        "Sampler that suggests variants: tpe, gp, random, qmc or nsga2. gp and nsga2 learn only from trials of the "
        "full budget, so --scheduler is none with them.",
        "tpe",
    )
    against: str | None = _algorithm(
        one_of(COSTS), "Cost to minimise beside FMD: nfe, parameters or seconds. It sets --scheduler none."
    )
    seed: int = _algorithm(SEED, "Seed of the sampler and of every trial.", 0)

    confirm: int = _confirmation(
        whole(0, 100),
        "Number of trials to train again after the search, with fresh seeds and judged by other real images: the best "
        "of each leading kind, the next best, and the first starting point. The best of the literature joins them "
        "unless it is beaten by far. Fewer are trained where time is short. 0 leaves the confirmation out.",
        3,
        CHANGEABLE,
    )
    confirm_by: tuple[str, ...] = _confirmation(
        Kind(_names, are_texts, "give names of fields, such as network.cnn.activation", "NAME,...", nested=True),
        "Field or fields whose values define the kinds that the confirmation compares: the best trial of each leading "
        "kind is trained again. none: the ranking alone decides.",
        (),
        CHANGEABLE,
        shown="the space's own, mostly the degradation",
    )
    seeds: int = _confirmation(
        whole(2, 100, ", one seed tells nothing of the spread"),
        "Number of fresh seeds of each, at most. A trial that cannot be the best gets fewer, and so do all where time "
        "is short.",
        4,
        CHANGEABLE,
    )

    tune_guidance: bool = _confirmation(
        FLAG,
        "Choose the guidance of each contender that is told classes or clusters after its first training in the "
        "confirmation, by images of the search: its own, 0.4, 0.7, 1 or 1.4.",
        False,
    )

    cpus_per_trial: float = _resources(between(0.1, 1_024), "Cores of a trial.", 1, CHANGEABLE)
    gpus_per_trial: float = _resources(
        between(0.01, 64, or_0=True), "GPUs of a trial, or its share of one.", Sized(0, 0.25), CHANGEABLE
    )
    # One step of the slowest network takes seconds; the imports before the first, on a busy machine, take a minute.
    hang_limit: float = _resources(
        between(1, WEEK),
        "Time without a step of training or sampling after which a trial is ended and tried again.",
        600,
        CHANGEABLE,
        metavar="SECONDS",
    )
    address: str | None = _resources(
        TEXT,
        "A running Ray cluster, all machines of which see --storage-path; local is this machine alone.",
        resume=PER_SESSION,
        metavar="auto|local|HOST:PORT",
        shown="RAY_ADDRESS, or a Ray that `ray start` started here, or local",
    )

    name: str = _run(TEXT, "Name of the run.", shown="the space and the time")
    storage_path: str = _run(
        TEXT,
        "Folder of the runs, or a place on object storage.",
        "runs",
        PER_SESSION,
        metavar="DIR|s3://...|gs://...",
        shown="SEARCH_STORAGE, or runs",
    )
    kept_checkpoints: int = _run(
        whole(1, MOST),
        "Number of trials, the best of those trained in full, whose weights stay for search/evaluate.py and --from.",
        KEPT_CHECKPOINTS,
        CHANGEABLE,
    )
    log_to: tuple[str, ...] = _run(
        Kind(_trackers, _are_trackers, f"{TRACKERS}; or none", TRACKERS_SHOWN, {"action": "append"}, nested=True),
        "Send each trial to an experiment tracker as well: MLflow, by default where MLFLOW_TRACKING_URI says, or "
        "Weights & Biases, on disk with WANDB_MODE=offline. Repeatable.",
        (),
        CHANGEABLE,
        shown="none",
    )


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options of search/run.py that are no settings."""

    trials_per_gpu: int | str | None = _resources(
        Kind(
            lambda text: text if text == "auto" else int(text),
            lambda number: number == "auto" or 1 <= number <= 100,
            "give a whole number from 1 to 100, or auto",
            "N|auto",
        ),
        "Number of trials that share a GPU, the same as --gpus-per-trial 1/N. auto tries several numbers before "
        "the search, which takes minutes, and takes the one with the most images per second in all. It uses NVIDIA's "
        "MPS where that is installed.",
        resume=CHANGEABLE,
    )
    config: str | None = _run(
        TEXT,
        "Read options from a YAML file, or the settings from an earlier run's search.json. An option on the command "
        "line wins.",
        resume=PER_SESSION,
        metavar="FILE",
    )
    dry_run: bool = _run(FLAG, "Print the plan and an estimate of the time; run nothing.", False)
    trust: bool = _run(FLAG, TRUST, False, PER_SESSION)
    quiet: bool = _run(FLAG, "Print only the result.", False, PER_SESSION)
    resume: str | None = _resume(
        TEXT,
        "Go on with an interrupted run, or with a finished one and a larger --trials, --time-budget, --confirm or "
        "--seeds. It is a name in --storage-path, or the path of the run's folder.",
        resume=PER_SESSION,
        metavar="NAME|RUN",
    )
    auto_resume: bool = _resume(
        FLAG,
        "Go on with the run of --name if there is one, and begin it otherwise: for a job that is started again.",
        False,
        PER_SESSION,
    )


run_folder = partial(
    option, TEXT, "Folder of the run, such as runs/degradations, or its URI.", metavar="RUN", flag="run"
)


@dataclass(frozen=True, kw_only=True)
class SendOptions:
    """Options of search/send.py."""

    run: str = run_folder()
    trackers: tuple[str, ...] = option(
        Kind(_trackers, lambda given: given and _are_trackers(given), TRACKERS, argparse={"nargs": "+"}, nested=True),
        "Tracker to send to: mlflow or mlflow:URI, wandb or wandb:PROJECT.",
        metavar="TRACKER",
        flag="trackers",
    )
