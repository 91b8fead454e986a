"""The log of a run replayed: which trials started, what they reported, which of them ended or are paused."""

from collections.abc import Iterable

from analysis.run.events import Event, Start, State
from analysis.run.run import RunError
from search.schedulers import Decision, Scheduler
from trainables.report import Report


class History:
    """The events of a run by trial; a scheduler that replays them holds its rungs as they were after the last."""

    def __init__(self, events: Iterable[Event], scheduler: Scheduler) -> None:
        """Replay the events in the order of the log through `scheduler`, which is new.

        Raises:
            RunError: a trial reported at a number of images that is no rung.
        """
        self.full = scheduler.rungs[-1]
        self.starts: dict[str, Start] = {}
        """First start of each trial"""
        self.reports: dict[str, list[Report]] = {}
        self.ended: dict[str, State] = {}
        """State of each trial that has ended for good"""
        self._decisions: dict[str, Decision] = {}
        self._logged_paused: set[str] = set()
        for event in events:
            self._replay(event, scheduler)

    def _replay(self, event: Event, scheduler: Scheduler) -> None:
        if isinstance(event, Start):
            self.starts.setdefault(event.trial, event)
            self._logged_paused.discard(event.trial)
        elif isinstance(event, Report):
            if event.images_seen not in scheduler.rungs:
                rungs = ", ".join(f"{rung:,}" for rung in scheduler.rungs)
                raise RunError(
                    f"{event.trial} reported at {event.images_seen:,} images, which is no rung of this run ({rungs}): "
                    "its log or its settings are not what they were, bring them back from a copy"
                )
            self.reports.setdefault(event.trial, []).append(event)
            self._decisions[event.trial] = scheduler.on_report(self.starts[event.trial].number, event)
        elif event.trial not in self.starts:
            pass  # in a log of an earlier version: it failed on its way to a process
        elif event.state == "PAUSED":
            self._logged_paused.add(event.trial)
        else:
            is_whole = event.state != "COMPLETE" or event.trial in self.reports  # else its reports are lost
            self.ended[event.trial] = event.state if is_whole else "FAILED"
            scheduler.remove(self.starts[event.trial].number)

    def numbered_reports(self) -> list[tuple[int, Report]]:
        """Return every report, with the number of its trial, in the order of each trial's."""
        return [(self.starts[name].number, report) for name, reports in self.reports.items() for report in reports]

    def is_paused(self, trial: str) -> bool:
        """Return whether a trial waits at its rung."""
        return trial not in self.ended and self._decisions.get(trial) is Decision.PAUSE

    def unlogged_pauses(self) -> list[str]:
        """Return the paused trials that the log has as RUNNING: the search was killed before it logged the pause."""
        return [name for name in self.starts if self.is_paused(name) and name not in self._logged_paused]

    def outcome(self, trial: str) -> State | None:
        """Return how a trial ended, None for one that is to go on or paused."""
        if trial in self.ended:
            return self.ended[trial]
        if self._decisions.get(trial) is not Decision.STOP:
            return None
        return end_state(self.last_report(trial), self.full)

    def last_report(self, trial: str) -> Report | None:
        """Return the last report of a trial, None where it has none."""
        reports = self.reports.get(trial)
        return reports[-1] if reports else None


def end_state(last: Report | None, full: int) -> State:
    """Return how a trial ended whose last report is `last`: COMPLETE only at the full budget, FAILED without one."""
    if last is None:
        return "FAILED"
    return "COMPLETE" if last.images_seen >= full and not last.diverged else "PRUNED"
