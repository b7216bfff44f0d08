from __future__ import annotations

from pathlib import Path

import pytest
from command import Digest


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_store: Path) -> Digest:
    """A command line in an empty folder."""
    monkeypatch.delenv("DIGEST_HOME", raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    return Digest(home, monkeypatch, new_store)


@pytest.fixture
def digest(empty: Digest) -> Digest:
    """A command line in a new home: configured, no profile, no page."""
    empty.write("config.toml", '[letter]\nfrom_address = "letters@example.org"\n')
    (empty.home / "profiles").mkdir()
    return empty
