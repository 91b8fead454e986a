"""Why a trial failed, in a line."""

from __future__ import annotations

# What Ray says, in a paragraph, of a process that is gone, and what that means; the first that is found counts.
_GONE = {
    "running low on memory": "its process was ended because the machine ran out of memory",
    "node has died": "its machine was lost",
    "worker process has died": "its process died, for want of memory or ended from outside",
}


def reason(error: str) -> str:
    """Return in a line what the `error` of a trial, a traceback or what Ray says in its place, tells a person."""
    gone = next((meaning for words, meaning in _GONE.items() if words in error), None)
    return gone or (error.strip().splitlines() or ["no reason is known"])[-1]
