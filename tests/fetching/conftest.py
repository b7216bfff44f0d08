"""A real server, and a client to whom every name is this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from fetch_world import New, Time, speaking_tls
from misbehaving_http import HttpServer

from digest.fetch import Client
from digest.turns import Turns


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def server(time: Time) -> Iterator[HttpServer]:
    with HttpServer(clock=time.monotonic) as running:
        yield running


@pytest.fixture
def new(time: Time) -> New:
    """A client to whom every name is this machine, and time is ours."""

    def made(**settings: Any) -> Client:
        ours = {
            "private_addresses": True,
            "now": time.now,
            "sleep": time.sleep,
            "jitter": lambda: 0.5,
            "turns": Turns(time.monotonic),
            "resolve": lambda host, seconds: ["127.0.0.1"],
        }
        return Client("ann@example.org", **{**ours, **settings})

    return made


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> trustme.CA:
    """One that this machine trusts."""
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return made


@pytest.fixture
def secure(authority: trustme.CA, time: Time) -> Iterator[HttpServer]:
    with HttpServer(speaking_tls(authority, "a.example.org", "b.example.org"), clock=time.monotonic) as running:
        yield running
