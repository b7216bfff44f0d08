"""What tests of fetching share: a time and an Internet of their own."""

from __future__ import annotations

import gzip
import socket
import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import trustme

from digest.errors import FetchFailed
from digest.fetch import Client

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
PUBLIC = "93.184.216.34"  # only looked at, never connected to
OK = b"HTTP/1.1 200 OK\r\n"
zipped = partial(gzip.compress, mtime=0)
New = Callable[..., Client]


class Time:
    """Passes when somebody sleeps."""

    def __init__(self) -> None:
        self.at, self.slept = 1000.0, list[float]()

    def monotonic(self) -> float:
        return self.at

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.at - 1000)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


def speaking_tls(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


class Net:
    """An Internet: `names` have addresses, and every address leads to this machine, to the same port."""

    def __init__(self, names: dict[str, Sequence[str]]) -> None:
        self.names, self.connected = names, list[tuple[str, int]]()

    def resolve(self, host: str, seconds: float) -> Sequence[str]:
        return self.names.get(host, ())

    def connect(self, address: tuple[str, int], seconds: float) -> socket.socket:
        self.connected.append(address)
        return socket.create_connection(("127.0.0.1", address[1]), seconds)


def failure(client: Client, url: str, **how: Any) -> FetchFailed:
    with pytest.raises(FetchFailed) as caught:
        client.get(url, **how)
    return caught.value
