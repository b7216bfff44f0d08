"""An HTTP server of our own, on real sockets, that answers as the test has it, however wrong that is.

    with HttpServer() as server:                        # HttpServer(tls=context) speaks TLS
        server.serve("/x", Reply(status=503), Reply(b"well", headers={"ETag": '"1"'}))
        ...  # ask server.url("/x")
        assert [one.path for one in server.requests] == ["/x", "/x"]

The replies to a path come in order, the last again and again; a path includes the query, and one that was not
served is 404. `Reply` is what is right, or nearly; `Raw` is any bytes at any pace, and what becomes of the line.
"""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal


@dataclass(frozen=True)
class Reply:
    """Content-Length is told unless `headers` have one; None there leaves one out. `delay`: seconds before it."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str | None] = field(default_factory=dict)
    delay: float = 0.0

    def wire(self) -> bytes:
        phrase = HTTPStatus(self.status).phrase if self.status in list(HTTPStatus) else "What"
        given = {name.lower() for name in self.headers}
        lines = [f"HTTP/1.1 {self.status} {phrase}"]
        if self.status not in (204, 304) and "content-length" not in given:
            lines.append(f"Content-Length: {len(self.body)}")
        lines += [f"{name}: {value}" for name, value in self.headers.items() if value is not None]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


@dataclass(frozen=True)
class Raw:
    """Bytes as they are, piece by piece, `pause` seconds before each but the first. Then the server hangs up,
    resets the connection, or keeps it open and says no more."""

    pieces: Iterable[bytes]
    pause: float = 0.0
    then: Literal["close", "reset", "silence"] = "close"


@dataclass(frozen=True)
class Endless:
    """Pieces for `Raw`: `first`, and then `more` for ever."""

    first: bytes
    more: bytes

    def __iter__(self) -> Iterator[bytes]:
        yield self.first
        while True:
            yield self.more


@dataclass(frozen=True)
class Asked:
    """A request, and when it had come, by the server's `clock`."""

    method: str
    path: str
    headers: Mapping[str, str]  # small names
    connection: int  # the how manieth this was
    at: float


def packed(body: bytes, **headers: str) -> Reply:
    """`body` with gzip."""
    return Reply(gzip.compress(body, mtime=0), headers={"Content-Encoding": "gzip", **headers})


def leading_to(url: str, status: int = 302) -> Reply:
    return Reply(status=status, headers={"Location": url})


class HttpServer:
    def __init__(self, tls: ssl.SSLContext | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._tls, self._clock = tls, clock
        self._replies: dict[str, list[Reply | Raw]] = {}
        self._guard = threading.Lock()
        self._closing = threading.Event()
        self._open: set[socket.socket] = set()
        self.requests: list[Asked] = []
        self.connections = 0
        self.at_once = 0  # the most requests that were under way together
        self._under_way = 0

    def serve(self, path: str, *replies: Reply | Raw) -> str:
        """The URL of `path`, which from now on is answered so."""
        with self._guard:
            self._replies[path] = list(replies)
        return self.url(path)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    def __enter__(self) -> HttpServer:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        with self._guard:
            lines: Sequence[socket.socket] = [self._listener, *self._open]
        for line in lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            with self._guard:
                self.connections += 1
                self._open.add(line)
                number = self.connections
            threading.Thread(target=self._serve, args=(line, number), daemon=True).start()

    def _serve(self, line: socket.socket, number: int) -> None:
        raw = line
        try:
            with suppress(OSError, ValueError):
                if self._tls:
                    line = self._tls.wrap_socket(line, server_side=True)
                self._converse(line, number)
        finally:
            with self._guard:
                self._open.discard(raw)
            line.close()

    def _converse(self, line: socket.socket, number: int) -> None:
        reader = line.makefile("rb")
        while first := reader.readline():
            method, path, _ = first.decode("latin-1").split(" ")
            headers = {}
            while (text := reader.readline().decode("latin-1").rstrip("\r\n")) != "":
                name, _, value = text.partition(":")
                headers[name.lower()] = value.strip()
            with self._guard:
                self.requests.append(Asked(method, path, headers, number, self._clock()))
                self._under_way += 1
                self.at_once = max(self.at_once, self._under_way)
                replies = self._replies.get(path, [Reply(status=404)])
                reply = replies.pop(0) if len(replies) > 1 else replies[0]
            if isinstance(reply, Reply):
                self._closing.wait(reply.delay)
                self._done()  # before it is sent: with the last byte the other side may ask again
                line.sendall(reply.wire())
            else:
                try:
                    self._send(line, reply)
                finally:
                    self._done()
            if isinstance(reply, Raw) or headers.get("connection") == "close":
                return

    def _done(self) -> None:
        with self._guard:
            self._under_way -= 1

    def _send(self, line: socket.socket, reply: Raw) -> None:
        for place, piece in enumerate(reply.pieces):
            if place and reply.pause and self._closing.wait(reply.pause):
                return
            line.sendall(piece)
        if reply.then == "silence":
            # Until the other side hangs up.
            while not self._closing.is_set() and line.recv(4096):
                pass
        elif reply.then == "reset":
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
