"""What EC2 tells a spot machine about itself: python -m tests.cluster.metadata ADDRESS PORT FOLDER.

A machine is told that it will be taken back once FOLDER has a file of its address. moto has nothing of this.
"""

from __future__ import annotations

import json
import secrets
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def make_server(address: str, port: int, folder: Path) -> ThreadingHTTPServer:
    """Return a server of EC2's instance metadata, version 2: without a token of its own it says nothing."""
    token = secrets.token_hex(16)

    class Answer(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            asked = self.path == "/latest/api/token" and "X-aws-ec2-metadata-token-ttl-seconds" in self.headers
            self._say(200 if asked else 400, token if asked else "")

        def do_GET(self) -> None:
            if self.headers.get("X-aws-ec2-metadata-token") != token:
                self._say(401, "")
            elif self.path == "/latest/meta-data/spot/instance-action" and (folder / self.client_address[0]).exists():
                self._say(200, json.dumps({"action": "terminate", "time": "2026-11-22T12:02:00Z"}))
            else:
                self._say(404, "")

        def _say(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    return ThreadingHTTPServer((address, port), Answer)


if __name__ == "__main__":
    make_server(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])).serve_forever()
