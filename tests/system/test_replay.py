"""search/replay.py on a tiny real run: the same to the last bit, and a verdict where it is not."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.run.events import from_json
from analysis.run.run import Run
from search.replay import main
from search.winner.replaying import judge
from tests.helpers import fake_runs
from tests.helpers.memory import Memory
from trainables.config import Flat, Variant
from trainables.data.images import Images
from trainables.metric.fmd import Reference
from trainables.report import Report
from trainables.trial import Plan, Trial, TrialData

TINY: Flat = {
    "network/kind": "cnn",
    "network/cnn/widths": "4-4",
    "schedule/cosine/T": 20,
    "sampler/steps": 3,
    "training/lr_decay": "cosine",
}
RUNGS = [64, 200, 600]


@pytest.fixture(scope="module")
def run(mnist: Images, small_reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Two trials, the second stopped at its second rung and sampled as in a confirmation, and one without a report."""
    run = Run.create(tmp_path_factory.mktemp("runs"), "tiny")
    said = fake_runs.settings("tiny")
    said["settings"] |= {"rungs": RUNGS}
    run.write_settings(said | {"data": mnist.checksums, "metric": small_reference.card()})
    for number, (name, reported) in enumerate({"000-a": 3, "001-b": 2, "002-c": 0}.items()):
        variant = Variant.from_flat(TINY)
        start = {"trial": name, "number": number, "seed": 10 + number, "baseline": "", "variant": variant.flat()}
        noise = {"sampling_seed": 99} if name == "001-b" else {}
        run.append(from_json({"event": "start", **start, **noise}))
        plan = Plan(tuple(RUNGS), noise.get("sampling_seed", 4), device="cpu")
        reports = Trial(name, variant, 10 + number, plan, TrialData(mnist, small_reference), Memory()).reports()
        for _, report in zip(range(reported), reports, strict=False):
            run.append(report)
    yield run
    run.close()


@pytest.mark.parametrize(("name", "rungs"), [("000-a", 3), ("001-b", 2)])
def test_a_trial_comes_out_the_same_to_the_last_bit_and_leaves_the_run_alone(
    name: str, rungs: int, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in run.path.rglob("*"))
    assert main([str(run.path), name]) == 0
    out = capsys.readouterr().out
    assert out.count("the same to the last bit") == rungs
    assert f"{RUNGS[rungs - 1]} images to train on" in out
    assert out.endswith("the numbers agree\n")
    assert sorted((path, path.stat().st_mtime_ns) for path in run.path.rglob("*")) == before


def test_numbers_that_do_not_agree_are_found_out(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a copy whose log says otherwise."""
    copy = Run.create(tmp_path, "copy")
    copy.write_settings(run.settings())
    for event in run.events():
        copy.append(replace(event, fmd=event.fmd * 1.5) if isinstance(event, Report) else event)
    assert main([str(copy.path), "001-b"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"a difference of -\S+, \S+ standard errors", out)
    assert out.endswith("the numbers do not agree\n")


@pytest.mark.parametrize(
    ("fmd", "agrees", "text"),
    [(50.0, True, "to the last bit"), (51.0, True, r"\+1, 0.2 st"), (65.0, False, r"\+15, 3 st")],
)
def test_the_verdict_is_by_two_standard_errors_of_the_difference(fmd: float, agrees: bool, text: str) -> None:
    same, words = judge(Report.from_dict({"trial": "000-a", "images_seen": 64, "fmd": 50.0, "fmd_se": 3.0}), fmd, 4.0)
    assert same is agrees
    assert re.search(text, words)


@pytest.mark.parametrize("name", ["002-c", "nothing"])
def test_a_trial_without_reports_is_refused_in_one_line(
    name: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run.path), name]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    there = "it has those of 000-a, 001-b"
    assert printed.err == f"search/replay.py: {run.path} has no reports of a trial {name!r}; {there}\n"
