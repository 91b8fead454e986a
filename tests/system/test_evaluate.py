"""search/evaluate.py on a tiny real run: what it prints, what it keeps, and what it refuses."""

import csv
import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console

from analysis.run.evaluations import REAL, SCHEMA, store, stored, to_table
from analysis.run.events import End, from_json
from analysis.run.run import Run
from analysis.run.storage import Folder
from analysis.text import formats
from analysis.text.evaluations import terminal_tables
from search.declaration import SettingsError
from search.earlier.earlier_runs import with_trained
from search.evaluate import main
from tests.helpers import fake_runs
from trainables.config import Flat, Variant
from trainables.data.images import Images
from trainables.evaluation import Evaluation
from trainables.metric.fmd import Reference
from trainables.training.trainer import Trainer
from trainables.trial import Plan, Trial, TrialData

TINY: Flat = {
    "network/kind": "unet",
    "network/unet/widths": "4",
    "schedule/kind": "cosine",
    "schedule/cosine/T": 20,
    "sampler/steps": 3,
    "training/batch": 16,
}
COLD: Flat = {**TINY, "degradation/kind": "morph", "sampler/kind": "cold1"}
NOISY: Flat = {**TINY, "sampler/kind": "ddim", "sampler/eta": 0.5}
VARIANTS = {"000-gaussian": NOISY, "001-morph": COLD, "002-bad": TINY, "003-pruned": TINY}
ARGUMENTS = ("--split", "search", "--samples", "64")


def diverge(trainer: Trainer) -> None:
    with torch.no_grad():
        for parameter in trainer.diffusion.network.parameters():
            parameter.fill_(torch.nan)


@pytest.fixture(scope="module")
def run(mnist: Images, small_reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Four trials that ended: two as they should, one that diverged, one without its checkpoint; one that has begun."""
    run = Run.create(tmp_path_factory.mktemp("runs"), "tiny")
    said = fake_runs.settings("tiny")
    said["settings"] |= {"rungs": [48], "seed": 0}
    run.write_settings(said | {"data": mnist.checksums, "metric": small_reference.card()})
    plan, folder = Plan((48,), 0, device="cpu"), Folder(run.uri)
    for number, (name, flat) in enumerate(VARIANTS.items()):
        variant = Variant.from_flat(flat)
        start = {"trial": name, "number": number, "seed": number, "baseline": "", "variant": variant.flat()}
        run.append(from_json({"event": "start", **start}))
        trial = Trial(name, variant, number, plan, TrialData(mnist, small_reference), folder)
        if name == "002-bad":
            diverge(trial.trainer)
        for report in trial.reports():
            run.append(report)
    (run.checkpoints / "003-pruned.pt").rename(run.checkpoints / "004-begun.pt")  # as saved on the way to a first rung
    run.append(from_json({"event": "start", **start, "trial": "004-begun", "number": 4}))
    yield run
    run.close()


@pytest.fixture(scope="module")
def bench(mnist: Images, small_reference: Reference) -> Evaluation:
    return Evaluation(replace(mnist, train=mnist.train[:4096]), "search", 64)


def answer(run: Run, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main([str(run.path), *ARGUMENTS, *arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_every_kept_trial_is_evaluated_next_to_real_images(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = answer(run, capsys, "--format", "json")
    assert status == 0, err
    rows: dict[str, dict[str, Any]] = {row["trial"]: row for row in json.loads(out)}
    assert list(rows) == [REAL, "000-gaussian", "001-morph"]
    assert "no Inception-FID: " in err
    assert "[1/3] 000-gaussian: FMD" in err
    assert "[3/3] 002-bad: diverged, or ended meanwhile: there is nothing to evaluate" in err
    real = rows.pop(REAL)
    for name, row in rows.items():
        assert (row["split"], row["samples"], row["images_seen"], row["nfe"]) == ("search", 64, 48, 3)
        assert row["sampler"] == VARIANTS[name].get("sampler/kind", "ancestral")
        assert row["fmd"] > 5 * real["fmd"]
        assert row["kid"] - real["kid"] > 3 * real["kid_se"]
        assert row["coverage"] < real["coverage"]
        assert sum(row["labels"]) == 64
        assert [len(row[f"{name}_by_t"]) for name in ("loss", "ssim", "psnr", "rmse", "sampled_ssim")] == [20] * 4 + [4]
        assert row["restored"] == 64
        assert row["sampled_ssim_by_t"][-1] == row["ssim"]
        assert np.isfinite([value for value in row.values() if isinstance(value, float)]).all()
    assert "loss" not in real
    assert stored(run).column("trial").to_pylist() == [*rows, REAL]


@pytest.mark.slow
def test_it_is_said_again_for_a_person_and_as_csv(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    _, table, _ = answer(run, capsys, "000-gaussian")
    assert table.splitlines()[0].startswith("tiny: 64 samples against the search images, FMD flat-1024-n64-")
    assert max(map(len, table.splitlines())) <= 120
    _, text, _ = answer(run, capsys, "000-gaussian", "--format", "csv")
    _, row = csv.DictReader(io.StringIO(text))
    assert list(row) == SCHEMA.names
    assert f"{float(row['fmd']):.1f} ± " in table
    assert len(row["ssim_by_t"].split()) == 20
    assert len(row["labels"].split()) == 10


@pytest.mark.slow
def test_an_evaluation_repeats_to_the_last_digit_and_replaces_itself(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    first, again = (answer(run, capsys, "001-morph", "--format", "json")[1] for _ in range(2))
    assert first == again
    names = stored(run).column("trial").to_pylist()
    assert len(names) == len(set(names))
    answer(run, capsys, "001-morph", "--sampler", "cold2", "--steps", "5")
    answer(run, capsys, "001-morph", "--no-clip", "--restored", "300")
    assert answer(run, capsys, "000-gaussian", "--sampler", "heun")[0] == 0  # which has no eta
    rows = [row for row in stored(run).to_pylist() if row["trial"] == "001-morph"]
    sampled = sorted((row["sampler"], row["nfe"], row["clip"]) for row in rows)
    assert sampled == [("cold1", 3, False), ("cold1", 3, True), ("cold2", 5, True)]
    assert len({row["fmd"] for row in rows}) == 3
    assert sorted((row["restored"], row["clip"]) for row in rows) == [(64, True), (64, True), (300, False)]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["003-pruned"], "keeps no checkpoint of a trial '003-pruned' that has reported; those of which "),
        (["004-begun"], "it does: 000-gaussian, 001-morph, 002-bad\n"),
        (["nobody"], "keeps no checkpoint of a trial 'nobody'"),
        (["--samples", "31"], "--samples: give 32 to 5000 samples, as many as the 'search' split can judge, not 31"),
        (["--samples", "5001"], "not 5001"),
        (["--steps", "0"], "--steps 0: give a whole number from 1 to "),
        (["001-morph", "--sampler", "ancestral"], "sampler/kind=ancestral: degradation morph"),
        (["--sampler", "nothing"], "sampler/kind='nothing': expected one of"),
        (["--data-dir", "nowhere"], "is missing"),
    ],
    ids=str,
)
def test_a_usage_error_is_one_line_and_status_2(
    arguments: list[str], complaint: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = answer(run, capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("search/evaluate.py: ")
    assert complaint in err
    assert err.count("\n") == 1


def test_what_is_no_run_or_keeps_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "is not a run" in capsys.readouterr().err
    assert main([str(Run.create(tmp_path, "empty").path)]) == 2
    assert "keeps no model: it keeps those" in capsys.readouterr().err
    assert main([]) == 2
    assert capsys.readouterr().err.endswith("the following arguments are required: RUN; see --help\n")


def test_a_model_is_sampled_from_once_it_is_trained(run: Run) -> None:
    with pytest.raises(
        SettingsError, match="000-gaussian: it is still in training; wait for its end, or --resume tiny"
    ):
        with_trained({"trained": (str(run.path), "000-gaussian"), "fixed": {}})


def test_models_that_the_confirmation_alone_keeps_are_evaluated_and_sampled_from(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Run.open(shutil.copytree(run.path, tmp_path / "copy"))
    nested, (again, trial) = copy.begin_confirmation(), ("001-morph.0", "001-morph")
    nested.write_settings(copy.settings())
    nested.append(replace(copy.starts()[trial], trial=again, repeats=trial, number=0))
    nested.append(replace(copy.reports()[trial][-1], trial=again))
    nested.append(End(again, "COMPLETE"))
    (copy.checkpoints / f"{trial}.pt").rename(nested.checkpoints / f"{again}.pt")
    assert answer(copy, capsys, again)[0] == 0
    assert answer(copy, capsys, trial)[2].endswith(f"those of which it does: 000-gaussian, 002-bad, {again}\n")
    assert with_trained({"trained": (str(copy.path), again), "fixed": {}})["trained"] == (nested.uri, again)
    with pytest.raises(SettingsError, match=f"kept are those of 000-gaussian, .*{again}"):
        with_trained({"trained": (str(copy.path), trial), "fixed": {}})
    for kept in copy.checkpoints.iterdir():
        kept.unlink()
    status, out, err = answer(copy, capsys, "--format", "json")
    assert status == 0, err
    assert [row["trial"] for row in json.loads(out)] == [REAL, again]
    assert err.startswith("the search keeps none of these models: those of its confirmation")


def test_without_a_trial_that_can_be_evaluated_the_status_is_3(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(run, capsys, "002-bad")[0] == 3


def test_its_help_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    assert "exit status: 0 done" in capsys.readouterr().out


def test_each_check_finds_what_it_is_for(bench: Evaluation) -> None:
    real = bench.real()
    assert abs(real["fmd_normalised"]) < 0.02
    assert real["memorised_share"] < 0.1
    copies = bench.samples(torch.from_numpy(bench.images.train[:64].copy()))
    assert copies["memorised_share"] == 1
    assert copies["fmd"] == pytest.approx(real["fmd"], rel=0.3)  # which FMD does not see
    ones = torch.from_numpy(bench.images.confirm[bench.images.confirm_labels == 1][:64])
    collapsed = bench.samples(ones)
    assert collapsed["label_distance"] > 0.8
    assert collapsed["coverage"] < 0.4 < real["coverage"]


def test_rows_survive_the_file_with_what_they_lack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run.create(tmp_path, "a")
    assert len(stored(run)) == 0
    row = {"trial": REAL, "split": "test", "samples": 64, "fmd": 1.5, "labels": (1, 2), "loss": float("nan")}
    store(run, row)
    store(run, {**row, "fmd": 2.5})
    store(run, {**row, "samples": 128})
    table = stored(run)
    assert table.schema == SCHEMA
    assert table.column("fmd").to_pylist() == [2.5, 1.5]
    assert table.column("ssim").null_count == 2
    formats.write_json(formats.rows_without_nulls(table))
    assert json.loads(capsys.readouterr().out)[0]["loss"] is None


def test_a_row_of_an_older_version_was_sampled_with_the_clip(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "a")
    old = [{"trial": "000-x", "sampler": "ddim", "fmd": 1.0}, {"trial": REAL, "sampler": None, "fmd": 0.5}]
    pq.write_table(pa.Table.from_pylist(old), run.evaluation)
    assert stored(run).column("clip").to_pylist() == [True, None]
    store(run, {**old[0], "clip": True, "fmd": 2.0})
    assert sorted(stored(run).column("fmd").to_pylist()) == [0.5, 2.0]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_trials_are_shown_in_tables_that_fit_the_terminal_each_with_the_real_images(width: int) -> None:
    names = [f"{number:03}-mask+gaussian" for number in range(9)]
    rows = [{"trial": name, "fmd": 1.0, "fmd_se": 0.1} for name in (REAL, *names)]
    tables = terminal_tables(to_table(rows), width)
    assert [column.header for table in tables for column in table.columns[2:]] == names
    assert all(table.columns[1].header == REAL for table in tables)
    drawn = io.StringIO()
    Console(width=width, file=drawn).print(*tables)
    lines = drawn.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    assert all(any(name in line for line in lines) for name in names)
    assert len(tables) < len(names) or width == 60
    assert pa.types.is_list(SCHEMA.field("labels").type)
