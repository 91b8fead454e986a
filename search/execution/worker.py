"""A trial in a process of Ray Tune: what Tune is given, and how it maps to a `Trial` and its storage."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ray import tune

from analysis.run.storage import Folder, pretrained_by
from analysis.run.user_files import read_code
from search.execution.preemption import noticed
from search.execution.pulse import TrialSide
from search.execution.threads import take_threads, threads_of
from search.execution.watchdog import Watchdog
from trainables.checkpoint import CheckpointError
from trainables.config import Variant
from trainables.device import share_of
from trainables.parts import install
from trainables.trial import Plan, Trial, TrialData
from trainables.user_code import UserCode

if TYPE_CHECKING:  # the processes of trials import this module, and need no tables and no options
    from analysis.run.run import Run
    from search.settings import Settings


@dataclass(frozen=True)
class Work:
    """What every process of a run is given."""

    plan: Plan
    run_uri: str
    """The run's folder: an absolute path or a URI that pyarrow.fs understands."""
    trained: tuple[str, str] | None = None
    """The folder of a run and the trial of it whose weights all trials start from."""
    hang_limit: float = 600.0
    """Seconds without a step, in training or in sampling, after which a process is ended."""
    gpu_share: float = 1.0
    """Share of a GPU's memory, 0 to 1, that a trial may take."""
    threads: int = 1
    """Threads that a trial computes with."""
    code: UserCode | None = None
    """The user's own file, which may define parts of the variants."""


def plan_of(settings: Settings) -> Plan:
    """Return what all trials of a run with these settings share."""
    return Plan(
        settings.rungs,
        settings.seed,
        device="cuda" if settings.gpus_per_trial else "cpu",
        report_every=settings.report_every,
        # Several sets of samples judge a trial at the full budget, else one.
        draws=(*(1 for _ in settings.rungs[:-1]), settings.draws),
    )


def make_trainable(run: Run, settings: Settings, data: TrialData) -> Any:
    """Return what Ray Tune runs for each trial of a run, with its data and the resources that it takes."""
    work = Work(
        plan=plan_of(settings),
        run_uri=run.uri,
        trained=settings.trained,
        hang_limit=settings.hang_limit,
        gpu_share=settings.gpus_per_trial,
        threads=threads_of(settings.cpus_per_trial),
        code=read_code(run),
    )
    with_data = tune.with_parameters(run_trial, work=work, data=data)
    return tune.with_resources(with_data, {"cpu": settings.cpus_per_trial, "gpu": settings.gpus_per_trial})


def run_trial(config: dict[str, Any], work: Work, data: TrialData) -> None:
    """Run one trial; `config` has its name ("trial"), "seed", flat "variant", maybe "sampling_seed" and "chooses".

    Raises:
        CheckpointError: its checkpoint cannot be read; it is deleted, so the next try begins anew.
        NotShared: this machine does not see the run's folder.
        OutOfMemory: the trial takes more than its share of a GPU.
        Preempted: this machine is about to be taken back; the checkpoint is saved.
    """
    take_threads(work.threads)
    folder = Folder(work.run_uri)
    folder.require_here()
    if work.code is not None:
        install(work.code)
    name = config["trial"]
    told = TrialSide(name)
    watchdog = Watchdog(work.hang_limit, told.show)
    watchdog.start()
    try:
        with share_of(work.plan.resolve_device(), work.gpu_share):
            trial = _trial(config, work, data, folder, watchdog, told)
            for report in trial.reports():
                if trial.trainer.not_recorded:
                    told.note(f"steps of {name} are launched kernel by kernel, slowly: {trial.trainer.not_recorded}")
                watchdog.stop()  # a trial that Tune stops stays in `report` until its process has another
                tune.report(asdict(report))
                watchdog.start()
    except CheckpointError as error:
        folder.drop_checkpoint(name)
        raise CheckpointError(f"{error}; it begins anew") from None
    finally:
        watchdog.stop()


def _trial(
    config: dict[str, Any], work: Work, data: TrialData, folder: Folder, watchdog: Watchdog, told: TrialSide
) -> Trial:
    """Return the trial of a configuration, which gives signs of life and leaves when it is told."""
    trial = Trial(
        config["trial"],
        Variant.from_flat(config["variant"]),
        config["seed"],
        replace(work.plan, sampling_seed=config.get("sampling_seed", work.plan.sampling_seed)),
        data if config.get("chooses") else replace(data, chooses_by=None),
        folder,
        pretrained=pretrained_by(work.trained),
        alive=watchdog.alive,
        should_leave=lambda: told.is_to_leave or noticed(),
    )
    told.images_seen = lambda: trial.trainer.images_seen
    # Of the network that scores, its parts: 2,048 samples take Inception ten minutes of a core.
    for network in (trial.trainer.ema, trial.trainer.best, *trial.classifier.children()):
        if network is not None:
            watchdog.watch(network)
    return trial
