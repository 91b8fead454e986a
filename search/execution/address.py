"""Which Ray cluster a search joins, if any: what the option says, or else the environment."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from search.machine import MachineError

AUTO, LOCAL = "auto", "local"  # instead of an address: the one of the environment, and no cluster
WAIT = 10.0  # seconds for a connection, and for an answer; Ray itself tries for a quarter of an hour, with warnings
# Ray speaks gRPC, over HTTP/2: a client begins with a fixed text and its settings, a server with its settings.
SETTINGS = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SETTINGS
ALONE = f"--address {LOCAL} searches on this machine alone"


@dataclass(frozen=True)
class Address:
    """A Ray that answers."""

    text: str
    """HOST:PORT"""
    source: str
    """What named it, with the address, such as "--address head:6379"."""


def address_of(given: str | None) -> Address | None:
    """Return the address of the cluster to join, None for this machine alone.

    It is `given`; else RAY_ADDRESS; else where a Ray of this user's listens that `ray start` started here.

    Raises:
        MachineError: nothing listens at the address that is given, or none is found for "auto".
    """
    named = os.environ.get("RAY_ADDRESS")
    for text, name in ((given, "--address"), (named, "RAY_ADDRESS")):
        if text == LOCAL:
            return None
        if text and text != AUTO:
            source = f"{name} {text}"
            if reason := _refusal(text):
                other = "" if given == text else f"; {ALONE}"
                raise MachineError(f"{source}: no Ray cluster can be reached there ({reason}){other}")
            return Address(text, source)
    started = _started()
    if started and not _refusal(started):
        return Address(started, f"`ray start` at {started}")
    if AUTO in (given, named):
        raise MachineError(f"--address {AUTO}: no Ray runs here that you started with `ray start`; give HOST:PORT")
    return None


def _refusal(address: str) -> str:
    """Return why no Ray can be heard at HOST:PORT, "" where one may listen."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        return "give HOST:PORT"
    try:
        with socket.create_connection((host.strip("[]"), int(port)), WAIT) as connection:
            if os.environ.get("RAY_USE_TLS", "0") != "0":  # Ray encrypts what it says
                return ""
            connection.sendall(GREETING)
            answer = connection.recv(len(SETTINGS))
    except (OSError, OverflowError) as error:
        return str(error)
    return "" if answer[3:4] == SETTINGS[3:4] else "what listens there is not Ray"


def _started() -> str | None:
    """Return the address that `ray start` of this user left here."""
    temporary = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    left = Path(temporary) / "ray" / "ray_current_cluster"
    try:
        return left.read_text().strip() if left.stat().st_uid == os.getuid() else None
    except OSError:
        return None
