"""A real Postfix between us and a thousand readers: TLS and a login, refusals of all kinds, what comes back."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from email.utils import parseaddr
from pathlib import Path
from typing import Any

import dkim
import pytest
from command import PAPERS, Digest
from real_postfix import Postfix, Unavailable, Wishes
from test_delivery import command
from test_signing import CONFIGURED, lookup

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("postfix")]

DAY = "2025-03-14"
CONNECTIONS = 4
MOST_BYTES = 16_000  # a letter of two papers is smaller even when it comes back, one of ten is larger
TEN_PAPERS = [(start + title, abstract) for start in ("", "More on ") for title, abstract in PAPERS]
PASSWORD = "correct horse"

# Readers by number. Dead addresses are so few and far apart that the run is not stopped for them.
READERS = range(1000)
UNKNOWN = range(91, 1000, 180)  # Postfix knows no such mailbox
GREYLISTED = range(32, 1000, 240)
FULL = (453, 653)  # refused at RCPT for now
TOO_LARGE = (124, 524, 924)
GONE = range(65, 1000, 120)  # taken, and refused by the next server
BLOCKED = (76, 776)  # the same, for our standing
NO_ROOM = (47, 447, 847)  # taken, and sent back for want of room
ODD_ONES = (*UNKNOWN, *GREYLISTED, *FULL, *TOO_LARGE, *GONE, *BLOCKED, *NO_ROOM)
REFUSED = {*UNKNOWN, *GREYLISTED, *FULL, *TOO_LARGE}
RETURNED = {*GONE, *BLOCKED, *NO_ROOM}
assert len(REFUSED) + len(RETURNED) == len(ODD_ONES) == len(set(ODD_ONES))

GREY = "450 4.7.1 Greylisted, please try again in 7 minutes"
QUOTA = "452 4.2.2 The mailbox is over its quota"
NOBODY = "550 5.1.1 There is nobody of this name here"
SPAM = "554 5.7.1 Blocked: your server is on a block list"

FEWER = range(300)  # readers where something breaks in the middle


def address(number: int) -> str:
    return f"r{number}@{'far' if number in (*GONE, *BLOCKED) else 'readers'}.example.org"


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    here = [one for one in READERS if one not in (*UNKNOWN, *GONE, *BLOCKED)]
    wishes = Wishes(
        user="letters",
        password=PASSWORD,
        domains=("readers.example.org", "home.example.org"),
        mailboxes={
            **{address(one): f"r{one}/" for one in here},
            **{f"k{one}@readers.example.org": "killed/" for one in FEWER},
            **{f"h{one}@readers.example.org": "halted/" for one in FEWER},
            "bounces@home.example.org": "bounces/",
        },
        full=[address(one) for one in NO_ROOM],
        refused={**{address(one): GREY for one in GREYLISTED}, **{address(one): QUOTA for one in FULL}},
        far="far.example.org",
        far_refused={**{address(one): NOBODY for one in GONE}, **{address(one): SPAM for one in BLOCKED}},
        most_bytes=MOST_BYTES,
    )
    try:
        running = Postfix(wishes)
    except Unavailable as why:
        (pytest.fail if os.environ.get("DIGEST_CI") == "1" else pytest.skip)(str(why))
    yield running
    running.stop()
    assert not running.folder.exists()


def settle_in(digest: Digest, postfix: Postfix, readers: dict[str, str]) -> str:
    """Papers, readers (handle → profile), a configuration that sends through Postfix; the DNS record of DKIM."""
    config = f"""
[letter]
from_address = "letters@example.org"
[bounces]
address = "bounces@home.example.org"
[delivery]
kind = "smtp"
group_by = "domain"
[delivery.smtp]
host = "127.0.0.1"
port = {postfix.port}
user = "letters"
password_file = "smtp-password"
ca_file = "{postfix.ca_file}"
connections = {CONNECTIONS}
timeout_seconds = 20.0
"""
    digest.write("config.toml", config)
    digest.write("smtp-password", PASSWORD + "\n").chmod(0o600)
    digest("secret", "new")
    record = digest("dkim", "new").out
    digest.write("config.toml", config + "".join(CONFIGURED.findall(record)))
    for handle, profile in readers.items():
        digest.write(f"profiles/{handle}.toml", profile)
    digest("profiles", "apply")
    digest("ingest", digest.page("one", TEN_PAPERS), "--day", DAY)
    return record


@dataclass(frozen=True)
class Edition:
    """A run for everybody, and how things stood right after it."""

    digest: Digest
    ran: dict[str, Any]
    status: dict[str, Any]
    record: str  # of DKIM, as the DNS would have it

    def why(self, number: int) -> dict[str, Any]:
        (letter,) = self.digest("why", f"r{number}", "--json").json
        assert isinstance(letter, dict)
        return letter


@pytest.fixture(scope="module")
def edition(postfix: Postfix, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edition]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        digest = Digest(home, patch)
        papers = {one: 10 if one in TOO_LARGE else 2 for one in READERS}
        record = settle_in(
            digest, postfix, {f"r{one}": f'address = "{address(one)}"\npapers = {papers[one]}\n' for one in READERS}
        )
        ran = digest("run", "--day", DAY, "--json", code=1).json
        status = digest("status", "--json").json
        postfix.wait_until_empty()
        yield Edition(digest, ran, status, record)


def parsed(data: bytes) -> Message:
    mail = message_from_bytes(data)  # the strict policy takes ten times as long
    assert not mail.defects
    assert not any(part.defects for part in mail.walk())
    return mail


def test_every_letter_that_was_taken_is_there_once(postfix: Postfix, edition: Edition) -> None:
    letters = {one["subscriber"]: one for one in edition.ran["letters"]}
    assert len(letters) == len(READERS)
    senders = set()
    for number in READERS:
        letter, mails = letters[f"r{number}"], postfix.delivered(f"r{number}")
        if number in REFUSED | RETURNED:
            assert mails == []
            continue
        (mail,) = map(parsed, mails)
        assert mail["Message-ID"] == letter["message_id"]
        assert mail["X-Original-To"] == parseaddr(mail["To"])[1] == address(number)
        senders.add(mail["Return-Path"])
        assert [part.get_content_type() for part in mail.walk()] == [
            "multipart/alternative",
            "text/plain",
            "text/html",
        ]
        # The one server's receipt, with the queue id that `digest why` tells; S and A are for TLS and the login.
        (receipt,) = mail.get_all("Received")
        queued = re.search(r"with ESMTPSA id (\w+)", receipt)
        assert queued, receipt
        assert (letter["state"], letter["note"]) == ("sent", f"250 2.0.0 Ok: queued as {queued[1]}")
    assert len(senders) == len(READERS) - len(REFUSED | RETURNED)
    assert all(re.fullmatch(r"<bounces\+[0-9a-f]+-[0-9a-f]{32}@home\.example\.org>", one) for one in senders)


def test_letters_arrive_as_they_were_signed(postfix: Postfix, edition: Edition) -> None:
    for number in range(0, 1000, 50):
        (data,) = postfix.delivered(f"r{number}")
        assert dkim.verify(data, dnsfunc=lookup(edition.record))
        mail = message_from_bytes(data, _class=EmailMessage, policy=policy.default)
        assert not mail.defects
        for kind in ("plain", "html"):
            part = mail.get_body((kind,))
            assert part
            assert sum(title in " ".join(part.get_content().split()) for title, _ in PAPERS) == 2


def test_the_sums_are_exact(edition: Edition) -> None:
    letters = {state: number for state, number in edition.status["letters"].items() if number}
    waiting, failed = len(GREYLISTED) + len(FULL), len(UNKNOWN) + len(TOO_LARGE)
    assert letters == {"sent": len(READERS) - waiting - failed, "deferred": waiting, "failed": failed}
    assert edition.ran["delivered"] == letters
    assert edition.ran["stopped"] is None
    assert edition.status["subscribers"] == {"active": len(READERS) - len(UNKNOWN), "bounced": len(UNKNOWN)}


def test_who_is_not_there_is_suppressed_at_once(edition: Edition) -> None:
    listed = {
        one["address"]: one for one in edition.digest("suppressions", "--json").json if one["source"] == "smtp"
    }
    assert set(listed) == {address(one) for one in UNKNOWN}
    for number in UNKNOWN:
        letter = edition.why(number)
        said = f"550 5.1.1 <{address(number)}>: Recipient address rejected: User unknown in virtual mailbox table"
        assert (letter["state"], letter["note"]) == ("failed", said)
        assert (listed[address(number)]["reason"], listed[address(number)]["detail"]) == ("no-mailbox", said)


def test_a_letter_that_is_too_large_is_no_fault_of_the_address(edition: Edition) -> None:
    for number in TOO_LARGE:
        letter = edition.why(number)
        assert letter["state"] == "failed"
        assert re.fullmatch(
            rf"the letter is too large: \d+ bytes, and the server takes {MOST_BYTES}", letter["note"]
        )
    states = {one["handle"]: one["state"] for one in everybody(edition.digest)}
    assert {states[f"r{one}"] for one in TOO_LARGE} == {"active"}


def everybody(digest: Digest) -> list[dict[str, str]]:
    found: list[dict[str, str]] = digest("status", "--subscribers", "--json").json["subscriber_list"]
    return found


def test_what_is_refused_for_now_waits_with_the_words_of_the_server(edition: Edition) -> None:
    for numbers, reply in ((GREYLISTED, GREY), (FULL, QUOTA)):
        status, _, words = reply.partition(" ")[2].partition(" ")
        for number in numbers:
            letter = edition.why(number)
            said = f"{reply[:3]} {status} <{address(number)}>: Recipient address rejected: {words}"
            assert (letter["state"], letter["note"], letter["attempts"]) == ("deferred", said, 1)
            (step,) = letter["timeline"]
            wait = datetime.fromisoformat(letter["next_try_at"]) - datetime.fromisoformat(step["at"])
            assert wait >= timedelta(minutes=7 if numbers is GREYLISTED else 1)


@pytest.fixture(scope="module")
def came_back(postfix: Postfix, edition: Edition) -> dict[str, Any]:
    """What `digest bounces` makes of Postfix's own reports."""
    mails = postfix.delivered("bounces")
    assert len(mails) == len(RETURNED)
    answer = edition.digest("bounces", postfix.mail / "bounces", "--json").json
    assert isinstance(answer, dict)
    return answer


def test_what_comes_back_later_is_told_by_kind(edition: Edition, came_back: dict[str, Any]) -> None:
    counts = {kind: number for kind, number in came_back["counts"].items() if number}
    assert counts == {"hard": len(GONE), "ignored": len(BLOCKED), "soft": len(NO_ROOM)}
    assert (came_back["suppressed"], came_back["repeated"], came_back["problems"]) == (len(GONE), 0, [])
    told = {one["address"]: one for one in came_back["mails"]}
    assert set(told) == {address(one) for one in RETURNED}
    listed = {one["address"]: one for one in edition.digest("suppressions", "--json").json}
    states = {one["address"]: one["state"] for one in everybody(edition.digest)}
    for number in GONE:
        at = address(number)
        said = f"550 5.1.1 <{at}>: Recipient address rejected: There is nobody of this name here"
        assert told[at]["detail"] == listed[at]["detail"] == said
        assert (listed[at]["reason"], listed[at]["source"]) == ("hard", "bounce")
        assert states[at] == "bounced"
    for number in (*BLOCKED, *NO_ROOM):
        assert address(number) not in listed
        assert states[address(number)] == "active"
    assert all("on a block list" in told[address(one)]["detail"] for one in BLOCKED)
    assert all("The mailbox is full" in told[address(one)]["detail"] for one in NO_ROOM)
    status = edition.digest("status", "--json").json
    bounced = len(UNKNOWN) + len(GONE)
    assert status["subscribers"] == {"active": len(READERS) - bounced, "bounced": bounced}
    assert status["letters"] == edition.status["letters"], "they had been sent, all the same"


def test_what_came_back_counts_once(postfix: Postfix, edition: Edition, came_back: dict[str, Any]) -> None:
    assert "there is no mail to read" in edition.digest("bounces", postfix.mail / "bounces").out
    again = edition.digest("bounces", *sorted((postfix.mail / "bounces/cur").iterdir()), "--json").json
    assert (again["repeated"], again["suppressed"]) == (len(GONE) + len(NO_ROOM), 0)


def test_another_run_sends_nothing_again(postfix: Postfix, edition: Edition, came_back: dict[str, Any]) -> None:
    ran = edition.digest("run", "--day", DAY, "--json").json
    assert ran["delivered"].get("sent", 0) == 0
    postfix.wait_until_empty()
    taken = len(READERS) - len(REFUSED | RETURNED)
    assert sum(len(postfix.delivered(f"r{one}")) for one in READERS) == taken
    assert postfix.delivered("bounces") == []


def test_a_wrong_password_marks_nobody(digest: Digest, postfix: Postfix) -> None:
    settle_in(digest, postfix, {"k0": 'address = "k0@readers.example.org"\n'})
    digest.write("smtp-password", "guess\n")
    before = len(postfix.delivered("killed"))
    assert "535 5.7.8 Error: authentication failed" in digest("run", "--day", DAY, code=5).err
    assert digest("status", "--json").json["letters"]["ready"] == 1
    assert len(postfix.delivered("killed")) == before


def fewer(digest: Digest, postfix: Postfix, letter: str) -> list[str]:
    handles = [f"{letter}{one}" for one in FEWER]
    settle_in(digest, postfix, {one: f'address = "{one}@readers.example.org"\npapers = 2\n' for one in handles})
    return handles


@contextmanager
def run_until(digest: Digest, box: Path, moment: int) -> Iterator[subprocess.Popen[str]]:
    """A run that has come so far that so many letters are in the Maildir."""
    running = command(digest.home, "run", "--day", DAY)
    try:
        deadline = time.monotonic() + 60
        while not (box / "new").exists() or len(os.listdir(box / "new")) < moment:
            assert time.monotonic() < deadline
            assert running.poll() is None, running.communicate()
            time.sleep(0.001)
        yield running
    finally:
        running.kill()
        running.communicate()


def check_that_everyone_has_one(digest: Digest, postfix: Postfix, box: str, handles: list[str]) -> None:
    """Once an operator has looked into the server's log what became of letters in doubt, and the rest is sent."""
    postfix.wait_until_empty()
    arrived = {parsed(one)["Message-ID"] for one in postfix.delivered(box)}
    for one in digest("outbox", "--state", "uncertain", "--json").json:
        digest("outbox", "settle" if one["message_id"] in arrived else "resend", str(one["id"]))
    digest("run", "--day", DAY)
    postfix.wait_until_empty()
    readers = Counter(parsed(one)["X-Original-To"] for one in postfix.delivered(box))
    assert readers == {f"{one}@readers.example.org": 1 for one in handles}
    letters = digest("status", "--json").json["letters"]
    assert letters["sent"] == sum(letters.values()) == len(handles)


def doubts(digest: Digest) -> int:
    return len(digest("outbox", "--state", "uncertain", "--json").json)


def test_runs_that_are_killed_lose_no_letter_and_repeat_none(digest: Digest, postfix: Postfix) -> None:
    handles = fewer(digest, postfix, "k")
    with run_until(digest, postfix.mail / "killed", 50) as running:
        running.send_signal(signal.SIGKILL)
    assert running.returncode == -signal.SIGKILL
    with run_until(digest, postfix.mail / "killed", 150) as running:
        running.send_signal(signal.SIGKILL)
    assert doubts(digest) <= CONNECTIONS, "those that were under way when the first was killed"
    postfix.wait_until_empty()
    assert len(postfix.delivered("killed")) < len(FEWER), "it was killed in the middle"

    out, err = command(digest.home, "run", "--day", DAY).communicate()
    assert "Traceback" not in out + err
    assert doubts(digest) <= 2 * CONNECTIONS
    letters = digest("status", "--json").json["letters"]
    assert letters["sent"] + letters["uncertain"] == len(FEWER)
    check_that_everyone_has_one(digest, postfix, "killed", handles)


def test_a_server_that_stops_in_the_middle_loses_no_letter_and_gets_none_twice(
    digest: Digest, postfix: Postfix
) -> None:
    handles = fewer(digest, postfix, "h")
    with run_until(digest, postfix.mail / "halted", 50) as running:
        postfix.halt()
        try:
            out, err = running.communicate(timeout=30)
        finally:
            postfix.start()
    assert running.returncode == 5, out + err
    assert "the rest waits for the next run" in out
    assert doubts(digest) <= CONNECTIONS
    letters = digest("status", "--json").json["letters"]
    assert letters["ready"] > 0
    assert letters["ready"] + letters["sent"] + letters["uncertain"] == len(FEWER)
    check_that_everyone_has_one(digest, postfix, "halted", handles)
