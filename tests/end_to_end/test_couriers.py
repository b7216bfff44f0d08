"""Couriers as an operator meets them: a copy put back, a killed run, and what is left for later."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import Any

import pytest
from command import PAPERS, Digest

from digest import run

DAY = "2025-03-14"
READERS = 12

KILLED = """
import os, signal
from digest.cli import main
from digest.delivery.journal import Journal
leaving, number = Journal.leaving, 0
def leaves(*arguments):
    global number
    number += 1
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return leaving(*arguments)
Journal.leaving = leaves
main()
"""


@pytest.fixture
def letters(digest: Digest) -> Digest:
    """Readers, and papers for them."""
    digest("ingest", digest.page("one", PAPERS), "--day", DAY)
    for number in range(READERS):
        digest.profile(f"reader{number}")
    digest("profiles", "apply")
    return digest


def states(digest: Digest) -> dict[str, int]:
    return {state: n for state, n in digest("status", "--json").json["letters"].items() if n}


def copy_store(digest: Digest) -> None:
    store, copy = (sqlite3.connect(digest.home / name) for name in ("digest.db", "copy.db"))
    with closing(store), closing(copy):
        store.backup(copy)


def put_back(digest: Digest) -> None:
    for path in digest.home.glob("digest.db*"):
        path.unlink()
    shutil.copy(digest.home / "copy.db", digest.home / "digest.db")


@pytest.mark.parametrize("moment", ["before the run", "before it sends", "after it has sent"])
def test_an_older_copy_that_is_put_back_sends_nothing_twice(
    letters: Digest, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    deliver = run.deliver

    def copied(*arguments: Any, **named: Any) -> Any:
        if moment == "before it sends":
            copy_store(letters)
        done = deliver(*arguments, **named)
        if moment == "after it has sent":
            copy_store(letters)
        return done

    if moment == "before the run":
        copy_store(letters)
    monkeypatch.setattr(run, "deliver", copied)
    letters("run", "--day", DAY)
    monkeypatch.setattr(run, "deliver", deliver)
    assert len(letters.mails()) == READERS
    put_back(letters)
    if moment == "after it has sent":
        letters("run", "--day", DAY)  # nothing waits in it, so there is nothing to stop
    else:
        answer = letters("run", "--day", DAY, code=5)
        assert "an older copy was put back" in " ".join(answer.err.split())
        assert states(letters) == {"ready": READERS}
    (pause,) = letters("status", "--json").json["paused"]
    assert pause["by"] == "restore"
    assert len(letters.mails()) == READERS


def test_a_copy_made_after_the_last_run_is_as_good_as_the_store(letters: Digest) -> None:
    letters("run", "--day", DAY)
    copy_store(letters)
    put_back(letters)
    letters("run", "--day", DAY)
    assert letters("status", "--json").json["paused"] == []


def run_and_kill(digest: Digest) -> None:
    """It dies right before its fifth letter leaves."""
    line = [sys.executable, "-c", KILLED, "--home", str(digest.home), "run", "--day", DAY]
    assert subprocess.run(line, capture_output=True, check=False).returncode == -signal.SIGKILL


def test_an_older_copy_is_known_for_one_after_a_killed_run_too(letters: Digest) -> None:
    copy_store(letters)
    run_and_kill(letters)
    before = len(letters.mails())
    assert 0 < before < READERS
    put_back(letters)
    assert "an older copy was put back" in " ".join(letters("run", "--day", DAY, code=5).err.split())
    assert len(letters.mails()) == before


def test_a_killed_run_that_is_cancelled_sends_nothing_more(letters: Digest) -> None:
    run_and_kill(letters)
    before = len(letters.mails())
    assert 0 < before < READERS
    assert states(letters)["sending"] > 0
    assert "at work will stop" in letters("cancel", "--yes").out
    letters("run", "--day", DAY)
    assert len(letters.mails()) == before
    assert states(letters) == {"sent": before, "suppressed": READERS - before}
    assert list(letters.home.glob(".sending-*")) == []


def test_a_run_says_what_it_leaves_for_later(letters: Digest) -> None:
    path = letters.home / "config.toml"
    path.write_text(path.read_text("utf-8") + "[delivery.pace]\nper_window = 2\n", "utf-8")
    answer = letters("run", "--day", DAY)
    assert f"{READERS - 2} letters left for a later run; the next try is due" in " ".join(answer.err.split())
    again = letters("run", "--day", DAY, "--json").json
    assert (again["delivered"], again["waiting"]) == ({}, READERS - 2)
    assert again["next_try_at"] == min(one["next_try_at"] for one in letters("outbox", "--json").json)
    assert len(letters.mails()) == 2
