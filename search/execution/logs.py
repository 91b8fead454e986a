"""The logs of a Ray on this machine."""

from pathlib import Path

# Those in which a process that cannot begin says why.
COMPLAINTS = ("worker-*.err", "worker-*.out", "raylet.err", "gcs_server.err")


def last_complaint(folder: Path) -> str:
    """Return the last line that a process of the Ray in `folder` wrote before it ended; empty where none did."""
    logs = [log for pattern in COMPLAINTS for log in folder.glob(f"session_2*/logs/{pattern}")]
    for log in sorted(logs, key=lambda path: path.stat().st_mtime, reverse=True):
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        if lines:
            return lines[-1].strip()
    return ""
