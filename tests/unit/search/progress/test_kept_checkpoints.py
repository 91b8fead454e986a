"""Law of the disk: what is kept is what a trial that runs, or may still go on, or is among the best, needs."""

from pathlib import Path

import pytest

from tests.helpers.tools import load_driver

TRIALS, SLOTS, ETA = 100, 8, 3
KEPT = 2  # not the default


@pytest.mark.parametrize("kind", ["asha", "asha-stopping", "iepoch"])  # those that differ in what may still go on
def test_at_every_moment_the_checkpoints_are_of_trials_that_need_one(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = {"space": "degradations", "trials": TRIALS, "scheduler": kind, "sampler": "random"}
    given |= {"kept_checkpoints": KEPT, "storage_path": str(tmp_path)}
    driver = load_driver(monkeypatch).Driver(tmp_path, given, SLOTS)
    most = 0

    def check() -> None:
        nonlocal most
        events = driver.run.events()
        fmd = {event["trial"]: event["fmd"] for event in events if event["event"] == "report"}
        ended = {event["trial"]: event["state"] for event in events if event["event"] == "end"}
        complete = sorted((name for name, state in ended.items() if state == "COMPLETE"), key=fmd.__getitem__)
        # What has reported and not ended runs, or waits and may still go on.
        assert set(driver.run.kept_checkpoints()) == {*fmd.keys() - ended.keys(), *complete[:KEPT]}
        waiting = list(driver.scheduler.waiting.values())
        most = max(most, waiting.count(0))
        assert set(driver.scheduler.hopeless(TRIALS)) <= set(driver.scheduler.hopeless(0))

    driver.fit(check)
    assert len(driver.run.kept_checkpoints()) == KEPT
    waits = {"asha": TRIALS // ETA + SLOTS, "iepoch": 3 + SLOTS}
    assert most <= waits.get(kind, 0)
