"""A way to a server that can be blocked: what is sent waits, or nobody answers."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit


class Gate:
    """A port of this machine that passes all bytes on to a server and back while it is open."""

    def __init__(self, server: str) -> None:
        """Listen; `server` is the http address of the server."""
        there = urlsplit(server)
        self._server = (there.hostname or "", there.port or 80)
        self._open = threading.Event()
        self._open.set()
        self._listener = self._listen(0)
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @contextlib.contextmanager
    def stalled(self) -> Iterator[None]:
        """Hold back all bytes, as a server does that is overloaded."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    @contextlib.contextmanager
    def gone(self) -> Iterator[None]:
        """Refuse new connections and hold back the bytes of old ones, as when the server is down."""
        port = self._listener.getsockname()[1]
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        try:
            with self.stalled():
                yield
        finally:
            self._listener = self._listen(port)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # it was closed
                return
            server = socket.create_connection(self._server)
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError), one, other:
            while data := one.recv(2**16):
                self._open.wait()
                other.sendall(data)
