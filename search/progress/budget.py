"""The time budget of a command, from its first second to its last, over all sessions of its run."""

import time
from dataclasses import dataclass, field

# Share of the budget for which the confirmation may run on after the end of the budget; then it is cut off.
OVERTIME = 0.2


@dataclass
class Budget:
    """The seconds that a command may take, and those that it took."""

    limit: float
    earlier: float = 0.0
    """Seconds that earlier sessions took"""
    began: float = field(default_factory=time.monotonic)
    """When this session began, by the monotonic clock"""

    def elapsed(self) -> float:
        """Return the seconds of all sessions up to now."""
        return self.earlier + time.monotonic() - self.began

    def left(self) -> float:
        """Return the seconds that are left; less than 0 in overtime."""
        return self.limit - self.elapsed()

    def used(self) -> dict[str, float]:
        """Return what search.json keeps of the time, for a later session."""
        return {"used_seconds": round(self.elapsed(), 3)}


def as_clock(seconds: float) -> str:
    """Return minutes and seconds, as 12:05, with hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def say_at(began: float, text: str) -> None:
    """Print a line with the time since `began`, by the monotonic clock: before a session, which has `Notes`, begins."""
    print(f"{as_clock(time.monotonic() - began):>7}  {text}", flush=True)
