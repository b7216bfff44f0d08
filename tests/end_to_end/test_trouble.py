"""What must hold when something is out of the ordinary: an old day by hand, a moved Maildir, a foreign zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from command import PAPERS, Digest

from digest.store import couriers
from digest.store.couriers import Courier
from digest.store.opening import open_store
from digest.store.tables import letter, subscriber

DAY = "2025-03-14"


@pytest.fixture
def two(digest: Digest) -> Digest:
    digest("ingest", digest.page("one", PAPERS), "--day", DAY)
    digest.profile("alice", "hour = 0")
    digest.profile("bela", "hour = 0")
    digest("profiles", "apply")
    return digest


def change(digest: Digest, table: sa.Table, where: Any = None, **values: Any) -> None:
    store = open_store(f"sqlite:///{digest.home}/digest.db")
    with store.write() as connection:
        statement = sa.update(table).values(**values)
        connection.execute(statement if where is None else statement.where(where))
    store.close()


def abandon(digest: Digest) -> None:
    """Leave the letters as a courier of another machine does that dies between filing and recording."""
    past = datetime.now(UTC) - timedelta(hours=1)
    place = f"maildir:{(digest.home / 'mail').resolve()}"
    store = open_store(f"sqlite:///{digest.home}/digest.db")
    with store.write() as connection:
        couriers.sign_on(connection, Courier("0123", place, past, past))
        connection.execute(sa.update(letter).values(state="sending", lease="0123"))
    store.close()


def test_a_letter_of_an_old_day_does_not_settle_what_is_owed_today(two: Digest) -> None:
    owed = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    change(two, subscriber, next_due_at=owed)
    two("run", "--day", DAY)
    assert datetime.fromisoformat(two("status", "--json").json["next_due_at"]) == owed
    two("run")
    assert datetime.fromisoformat(two("status", "--json").json["next_due_at"]) > owed


def test_a_template_that_fails_while_it_runs_costs_no_letter(two: Digest) -> None:
    two.write("config.toml", '[letter]\nfrom_address = "letters@example.org"\ntemplates = "mine"\n')
    # Only one of the day's papers leads to it, so no look beforehand finds it.
    fault = '{{ card.title }}\n{% if "Help" in card.title %}{{ card.url + 1 }}{% endif %}\n'
    template = two.write("mine/letter/card.txt", fault)
    assert "card.txt:2: this cannot be computed" in two("run", "--day", DAY, code=3).err
    assert two("status", "--json").json["letters"]["ready"] == 2
    template.write_bytes("Gr\xfc\xdfe\n".encode("latin-1"))
    assert "card.txt:1: not text in UTF-8" in two("run", "--day", DAY, code=3).err
    assert two("status", "--json").json["letters"]["ready"] == 2
    template.write_text("{{ card.title }}\n", "utf-8")
    assert two("run", "--day", DAY, "--json").json["delivered"] == {"sent": 2}


def test_another_maildir_after_a_crash_sends_nothing_twice(two: Digest) -> None:
    two("run", "--day", DAY)
    abandon(two)
    two.write("config.toml", '[letter]\nfrom_address = "letters@example.org"\n[delivery]\nmaildir = "elsewhere"\n')
    two("run", "--day", DAY, code=1)
    assert two.mails("elsewhere") == []
    assert two("status", "--json").json["letters"]["uncertain"] == 2


def test_the_same_maildir_after_a_crash_knows_what_it_has(two: Digest) -> None:
    two("run", "--day", DAY)
    abandon(two)
    (lost, kept) = sorted((two.home / "mail").glob("*/new/*"))
    lost.unlink()  # as if it had been killed before this one was filed
    two("run", "--day", DAY)
    assert kept.exists()
    assert len(two.mails()) == 2
    assert two("status", "--json").json["letters"]["sent"] == 2


def test_a_zone_that_this_machine_does_not_know_stops_nobody_else(two: Digest) -> None:
    change(two, subscriber, subscriber.c.handle == "alice", time_zone="Mars/Olympus_Mons")
    two("run", "--day", DAY, "--only", "bela")
    two("run", code=0)
    assert [one["state"] for one in two("why", "bela", "--json").json] == ["empty", "sent"]


def test_an_empty_letter_counts_each_paper_once_and_rightly(two: Digest) -> None:
    two.profile("alice", 'interests = ["zymurgy"]\nfloor = 0')
    two("profiles", "apply")
    two("run", "--day", DAY)
    (one,) = two("why", "alice", "--json").json
    assert one["note"] == "nothing new among 5 candidates: 5 papers with nothing that the profile asks for"


def test_a_file_that_cannot_be_named_or_shown(two: Digest) -> None:
    assert "name too long" in two("ingest", "x" * 300, code=3).err.lower()
    evil = two.home / "evil\x1b[31m.txt"
    evil.write_bytes(b"\xff\xfe")
    answer = two("ingest", Path(evil), code=3)
    assert "\x1b[31m" not in answer.err + answer.out
