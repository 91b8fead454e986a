"""What the search and the confirmation of one session share."""

from dataclasses import dataclass

from analysis.run.run import Run
from search.progress.notes import Notes
from search.settings import Settings
from search.trackers.sending import Trackers
from trainables.trial import TrialData


@dataclass(frozen=True)
class Session:
    """A session of a run: its search, and the confirmation after it."""

    run: Run
    settings: Settings
    data: TrialData
    """That of the search"""
    notes: Notes
    trackers: Trackers
    """They are told of all trainings."""
