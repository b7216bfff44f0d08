from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from local_dns import NameServer

from digest import clock, config
from digest.doctor.result import Patient, Result

Look = Callable[..., dict[str, Result]]


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server that knows nothing yet."""
    with NameServer({}) as made:
        yield made


@pytest.fixture
def look(server: NameServer, tmp_path: Path) -> Look:
    """What a check says of a configuration that sends for news.example.org; by name."""

    def run(
        check: Any, toml: str = "", *, own: str = "", host: str = "127.0.0.1", bounces: str = ""
    ) -> dict[str, Result]:
        settings = config.parse(
            f'[letter]\nfrom_address = "a@news.example.org"\n{toml}\n[delivery]\nkind = "smtp"\n'
            f'[delivery.smtp]\nhost = "{host}"\n'.encode(),
            tmp_path,
        )
        if bounces:
            object.__setattr__(settings, "bounces", SimpleNamespace(address=bounces))
        patient = Patient(settings, server.resolver(), clock.now, lambda: own)
        found: Sequence[Result] = asyncio.run(check(patient))
        return {one.check: one for one in found}

    return run
