"""Law of the disk: checkpoints are kept of trials that run or are paused, and of the best complete ones."""

from pathlib import Path

import pytest

from tests.helpers.tools import load_driver

TRIALS, SLOTS, ETA = 50, 8, 3
KEPT = 2  # not the default


@pytest.mark.parametrize("kind", ["asha", "asha-stopping", "iepoch"])  # those that differ in what they pause
def test_at_every_moment_the_checkpoints_are_of_trials_that_need_one(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = {"space": "degradations", "trials": TRIALS, "scheduler": kind, "sampler": "random"}
    given |= {"kept_checkpoints": KEPT, "storage_path": str(tmp_path)}
    driver = load_driver(monkeypatch).Driver(tmp_path, given, SLOTS)
    most = 0

    def check() -> None:
        nonlocal most
        fmd = {name: reports[-1].fmd for name, reports in driver.run.reports().items()}
        ended = {name: end.state for name, end in driver.run.ends().items() if end.state != "PAUSED"}
        complete = sorted((name for name, state in ended.items() if state == "COMPLETE"), key=fmd.__getitem__)
        # A trial that has reported and not ended runs, or is paused and may be promoted.
        assert set(driver.run.kept_checkpoints()) == {*fmd.keys() - ended.keys(), *complete[:KEPT]}
        most = max(most, list(driver.scheduler.paused.values()).count(0))
        assert set(driver.scheduler.unpromotable(TRIALS)) <= set(driver.scheduler.unpromotable(0))

    driver.fit(check)
    assert len(driver.run.kept_checkpoints()) == KEPT
    paused = {"asha": TRIALS // ETA + SLOTS, "iepoch": 3 + SLOTS}
    assert most <= paused.get(kind, 0)
