"""What operators say of letters: pause, resume, cancel, and a word on those in doubt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from command import PAPERS, Digest

from digest import clock
from digest.store import couriers, pauses, tables
from digest.store.couriers import Courier
from digest.store.opening import Store, open_store
from digest.store.pauses import Pause

DAY = "2025-03-14"
NAMES = ("alice", "bela", "chen")


@pytest.fixture
def letters(digest: Digest) -> Digest:
    """Three readers, and papers for them."""
    digest("ingest", digest.page("one", PAPERS), "--day", DAY)
    for name in NAMES:
        digest.profile(name)
    digest("profiles", "apply")
    return digest


@contextmanager
def opened(digest: Digest) -> Iterator[Store]:
    store = open_store(f"sqlite:///{digest.home}/digest.db")
    yield store
    store.close()


@pytest.fixture
def doubtful(letters: Digest) -> Digest:
    """All three letters are in doubt."""
    letters("pause")
    letters("run", "--day", DAY, code=5)
    letters("resume")
    with opened(letters) as store, store.write() as connection:
        connection.execute(sa.update(tables.letter).values(state="uncertain", next_try_at=None, note="no answer"))
    return letters


def states(digest: Digest) -> dict[str, int]:
    return {state: n for state, n in digest("status", "--json").json["letters"].items() if n}


def test_while_paused_letters_are_written_and_wait(letters: Digest) -> None:
    assert letters("pause", "--reason", "the relay moves").out == "delivery paused\n"
    answer = letters("run", "--day", DAY, code=5)
    assert "paused by operator: the relay moves" in answer.err
    assert "digest resume" in answer.err
    assert "3 letters written" in answer.out
    assert "none sent" in answer.out
    assert states(letters) == {"ready": 3}
    assert letters.mails() == []
    assert letters("run", "--day", DAY, "--json", code=5).json["delivered"] == {}
    assert letters("resume").out == "1 pause ended; the next run sends what waits\n"
    assert letters("run", "--day", DAY, "--json").json["delivered"] == {"sent": 3}
    assert len(letters.mails()) == 3


def test_a_run_with_nothing_to_send_is_no_error_while_paused(letters: Digest) -> None:
    letters("run", "--day", DAY)
    letters("pause")
    assert letters("run", "--day", DAY, "--json").json["stopped"] is None


def test_status_outbox_and_why_say_what_is_paused(letters: Digest) -> None:
    assert letters("status", "--json").json["paused"] == []
    assert "paused" not in letters("status").out
    letters("pause", "--reason", "the relay moves")
    letters("run", "--day", DAY, code=5)
    for answer in (letters("status").out, letters("outbox").err, letters("why", "alice").err):
        assert "by operator: the relay moves" in " ".join(answer.split())
    (told,) = letters("status", "--json").json["paused"]
    assert (told["scope"], told["by"], told["reason"], told["until"]) == ("*", "operator", "the relay moves", None)
    assert datetime.fromisoformat(told["at"]) <= datetime.now(UTC)
    letters("resume")
    assert letters("status", "--json").json["paused"] == []
    assert letters("resume").out == "nothing was paused\n"


def test_a_pause_that_has_run_out_is_not_told(letters: Digest) -> None:
    past = clock.now() - timedelta(hours=1)
    with opened(letters) as store, store.write() as connection:
        pauses.pause(connection, Pause("*", "too many failures", "breaker", past, past + timedelta(minutes=15)))
    assert letters("status", "--json").json["paused"] == []
    assert letters("run", "--day", DAY, "--json").json["delivered"] == {"sent": 3}


def test_one_provider_alone_can_be_paused(letters: Digest) -> None:
    letters.profile("dora", address="dora@elsewhere.net")
    letters("profiles", "apply")
    assert letters("pause", "--provider", "Elsewhere.net").out == "letters to Elsewhere.net paused\n"
    assert letters("run", "--day", DAY, "--json").json["delivered"] == {"sent": 3}
    (held,) = letters("outbox", "--json").json
    assert (held["subscriber"], held["state"], held["attempts"]) == ("dora", "ready", 0)
    assert "elsewhere.net are paused" in held["note"]
    assert letters("resume", "--provider", "google.com").out == "nothing was paused\n"
    assert "sending to elsewhere.net is paused" in " ".join(letters("status").out.split())
    assert "1 pause ended" in letters("resume", "--provider", "elsewhere.net").out


def test_a_pause_and_a_cancel_tell_of_runs_at_work(letters: Digest) -> None:
    letters("pause")
    letters("run", "--day", DAY, code=5)
    now = clock.now()
    with opened(letters) as store, store.write() as connection:
        couriers.sign_on(connection, Courier("a", "smtp:x", now, now + timedelta(minutes=5)))
        couriers.sign_on(connection, Courier("b", "smtp:x", now, now + timedelta(minutes=5)))
    assert "2 runs at work will stop" in letters("pause").out
    assert "2 runs at work will stop" in letters("cancel", "--yes").out
    with opened(letters) as store, store.read() as connection:
        assert couriers.wanted(connection, "a") == couriers.wanted(connection, "b") == "cancel"


def test_what_waits_can_be_taken_back_for_good(letters: Digest) -> None:
    assert letters("cancel").out == "nothing waits\n"
    letters("pause")
    letters("run", "--day", DAY, code=5)
    assert "Take back 3 letters?" in letters("cancel", typed="n\n", code=1).out
    assert states(letters) == {"ready": 3}
    assert "3 letters taken back\n" in letters("cancel", typed="y\n").out
    assert states(letters) == {"suppressed": 3}
    letters("resume")
    assert letters("run", "--day", DAY, "--json").json["delivered"] == {}
    assert letters.mails() == []
    assert "cancelled by the operator" in letters("why", "alice").out
    # The papers never reached them, so they may come in a later letter.
    later = str(datetime.fromisoformat(DAY).date() + timedelta(days=1))
    assert letters("run", "--day", later, "--json").json["delivered"] == {"sent": 3}


def test_with_yes_cancel_asks_nobody(letters: Digest) -> None:
    letters("pause")
    letters("run", "--day", DAY, code=5)
    assert letters("cancel", "--yes").out == "3 letters taken back\n"
    assert letters("cancel", "--yes").out == "nothing waits\n"


def test_a_letter_in_doubt_can_be_given_up(doubtful: Digest) -> None:
    first = doubtful("outbox", "--json").json[0]
    assert "drop ID" in doubtful("outbox").err
    assert doubtful("outbox", "drop", str(first["id"])).out == "1 letter given up\n"
    assert states(doubtful) == {"failed": 1, "uncertain": 2}
    assert "may have arrived" in doubtful("why", first["subscriber"]).out
    later = str(datetime.fromisoformat(DAY).date() + timedelta(days=1))
    assert doubtful("run", "--day", later, "--json").json["delivered"] == {}, "its papers do not come again"
    err = doubtful("outbox", "drop", str(first["id"]), code=1).err
    assert "it is failed, not uncertain" in err
    assert doubtful("outbox", "drop", "all").out == "2 letters given up\n"
    assert doubtful("outbox", "drop", "all").out == "0 letters given up\n"
    for wrong, code in (("999", 1), ("99999999999999999999", 1), ("-1", 2), ("three", 2)):
        doubtful("outbox", "drop", wrong, code=code)


def test_a_long_outbox_is_shown_up_to_a_limit(doubtful: Digest) -> None:
    answer = doubtful("outbox", "--limit", "2")
    assert sum(name in answer.out for name in NAMES) == 2
    assert "and 1 more; --limit shows more of them" in answer.err
    assert len(doubtful("outbox", "--limit", "2", "--json").json) == 2
    assert "more" not in doubtful("outbox", "--limit", "3").err
    assert doubtful("outbox", "--state", "failed").out == "the outbox is empty\n"
    doubtful("outbox", "--limit", "0", code=2)
