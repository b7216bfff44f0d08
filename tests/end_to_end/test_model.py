"""Letters that are ranked with a model of sentences, which config.toml names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command import PAPERS, Digest
from tiny_model import write_model

DAY = "2025-03-14"


@pytest.fixture
def alice(digest: Digest) -> Digest:
    digest("ingest", digest.page("one", PAPERS), "--day", DAY)
    digest.profile("alice", 'interests = ["tool use", "rain in hours"]\nfloor = 0')
    digest("profiles", "apply")
    return digest


def with_model(digest: Digest, name: str) -> None:
    digest.write("config.toml", f'[letter]\nfrom_address = "l@example.org"\n[ranking]\nsemantic = "{name}"\n')


@pytest.mark.parametrize("command", [("run", "--day", DAY), ("preview", "alice"), ("evaluate",), ("serve",)])
def test_a_model_that_is_not_there_stops_a_command_before_it_writes(
    alice: Digest, command: tuple[str, ...]
) -> None:
    with_model(alice, "modle")
    before = {path: path.stat().st_mtime_ns for path in alice.home.rglob("*")}
    said = alice(*command, code=3).err
    assert "config.toml: ranking.semantic: no such folder: " in said
    assert "modle" in said
    assert {path: path.stat().st_mtime_ns for path in alice.home.rglob("*")} == before
    with_model(alice, "")
    assert not any(alice("status", "--json").json["letters"].values())


def test_letters_hang_on_the_model_and_not_on_what_is_cached(alice: Digest) -> None:
    def letter() -> list[tuple[str, float]]:
        found = alice("preview", "alice", "--day", DAY, "--json").json
        return [(one["title"], one["score"]) for one in found["candidates"]]

    plain = letter()
    for seed in (0, 1):
        write_model(alice.home / f"model-{seed}", seed)
    with_model(alice, "model-0")
    first = letter()
    assert letter() == first
    shutil.rmtree(alice.home / "cache")
    assert letter() == first
    with_model(alice, "model-1")
    assert letter() not in (first, plain)
    with_model(alice, "")
    assert letter() == plain


def test_a_run_with_a_model_sends_and_sends_nothing_twice(alice: Digest, tmp_path: Path) -> None:
    with_model(alice, str(write_model(tmp_path / "model")))
    alice("run", "--day", DAY)
    alice("run", "--day", DAY)
    assert len(alice.mails()) == 1
