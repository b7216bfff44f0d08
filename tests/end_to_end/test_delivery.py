"""Letters over a real SMTP conversation, and couriers that die on the way."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as Server
from aiosmtpd.smtp import Envelope, Session
from command import PAPERS, Digest

DAY = "2025-03-14"


class Inbox:
    """A server that keeps what it accepts. `refuse` maps a recipient to a reply; `drop` cuts the connection."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, EmailMessage]] = []
        self.refuse: dict[str, str] = {}
        self.drop: set[str] = set()

    async def handle_RCPT(
        self, server: Server, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Server, session: Session, envelope: Envelope) -> str:
        (recipient,) = envelope.rcpt_tos
        if recipient in self.drop:
            assert server.transport is not None
            server.transport.abort()
            return "421 gone"
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append((recipient, mail))  # type: ignore[arg-type]
        return "250 accepted"

    @property
    def recipients(self) -> list[str]:
        return sorted(recipient for recipient, _ in self.mails)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listen(inbox: Inbox, port: int) -> Controller:
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    return controller


@pytest.fixture
def server(inbox: Inbox) -> Iterator[Controller]:
    controller = listen(inbox, free_port())
    yield controller
    if not controller.loop.is_closed():
        controller.stop()


@pytest.fixture
def letters(digest: Digest) -> Digest:
    """Three readers, and papers for them."""
    digest("ingest", digest.page("one", PAPERS), "--day", DAY)
    for name in ("alice", "bela", "chen"):
        digest.profile(name, f'name = "{name.title()} Müller"')
    digest("profiles", "apply")
    return digest


def over_smtp(digest: Digest, port: int, extra: str = "") -> None:
    digest.write(
        "config.toml",
        f"""
[letter]
from_address = "letters@example.org"
contact = "people@example.org"
[delivery]
kind = "smtp"
[delivery.smtp]
host = "127.0.0.1"
port = {port}
tls = "none"
timeout_seconds = 5.0
{extra}
""",
    )


def test_letters_arrive_whole_and_once(letters: Digest, server: Controller, inbox: Inbox) -> None:
    over_smtp(letters, server.port)
    assert letters("run", "--day", DAY, "--json").json["delivered"] == {"sent": 3}
    assert letters("run", "--day", DAY, "--json").json["delivered"] == {}
    assert inbox.recipients == ["alice@example.org", "bela@example.org", "chen@example.org"]
    for recipient, mail in inbox.mails:
        assert mail["From"] == "Trending papers <letters@example.org>"
        assert recipient in mail["To"]
        assert "Müller" in mail["To"]
        assert mail["Reply-To"] == "people@example.org"
        assert mail["Message-ID"].endswith("@example.org>")
        assert "List-Unsubscribe" in mail
        assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
        for kind in ("plain", "html"):
            part = mail.get_body((kind,))
            assert part is not None
            assert PAPERS[0][0] in part.get_content()
        assert not mail.defects
    why = letters("why", "alice").out
    assert "sent" in why
    assert "250 accepted" in why


def test_one_refused_recipient_stops_nobody(letters: Digest, server: Controller, inbox: Inbox) -> None:
    over_smtp(letters, server.port)
    inbox.refuse = {
        "alice@example.org": "550 5.1.1 no such mailbox here",
        "bela@example.org": "451 4.7.1 greylisted, try again in 5 minutes",
    }
    answer = letters("run", "--day", DAY, code=1)
    assert inbox.recipients == ["chen@example.org"]
    assert "no such mailbox here" in answer.out + answer.err
    states = {name: letters("why", name, "--json").json[0] for name in ("alice", "bela", "chen")}
    assert {name: one["state"] for name, one in states.items()} == {
        "alice": "failed",
        "bela": "deferred",
        "chen": "sent",
    }
    assert "no such mailbox here" in states["alice"]["note"]
    assert states["bela"]["next_try_at"]
    assert "deferred" in letters("outbox").out
    letters("run", "--day", DAY)  # bela's next try is not due yet, and nobody gets a second letter
    assert inbox.recipients == ["chen@example.org"]


def test_a_connection_cut_after_the_letter_leaves_it_in_doubt(
    letters: Digest, server: Controller, inbox: Inbox
) -> None:
    over_smtp(letters, server.port, "connections = 1")
    inbox.drop = {"bela@example.org"}
    answer = letters("run", "--day", DAY, code=1)
    assert inbox.recipients == ["alice@example.org", "chen@example.org"]
    assert "digest outbox" in answer.err
    (doubt,) = letters("outbox", "--json").json
    assert (doubt["subscriber"], doubt["state"]) == ("bela", "uncertain")
    inbox.drop = set()
    letters("run", "--day", DAY)
    assert inbox.recipients == ["alice@example.org", "chen@example.org"]  # held, not sent again unasked
    letters("outbox", "resend", str(doubt["id"]))
    letters("run", "--day", DAY)
    assert inbox.recipients == ["alice@example.org", "bela@example.org", "chen@example.org"]
    assert next(mail for to, mail in inbox.mails if to.startswith("bela"))["Message-ID"] == doubt["message_id"]
    assert letters("outbox", "resend", "999", code=1)


def test_taken_as_sent(letters: Digest, server: Controller, inbox: Inbox) -> None:
    over_smtp(letters, server.port)
    inbox.drop = {"bela@example.org"}
    letters("run", "--day", DAY, code=1)
    letters("outbox", "settle", "all")
    assert letters("status", "--json").json["letters"]["sent"] == 3
    assert len(inbox.mails) == 2


def test_a_server_that_is_down_marks_nobody(letters: Digest, server: Controller, inbox: Inbox) -> None:
    port = server.port
    over_smtp(letters, port)
    server.stop()
    answer = letters("run", "--day", DAY, code=5)
    assert f"127.0.0.1:{port}" in answer.err
    assert "Nobody is marked for it" in answer.err
    assert letters("status", "--json").json["letters"]["ready"] == 3
    assert "stopped" in letters("status").out
    again = listen(inbox, port)
    try:
        assert letters("run", "--day", DAY, "--json").json["delivered"] == {"sent": 3}
    finally:
        again.stop()
    assert len(inbox.mails) == 3


def test_test_mail_explains_itself(letters: Digest, server: Controller, inbox: Inbox) -> None:
    over_smtp(letters, server.port)
    assert "Sent" in letters("test-mail", "me@example.org").out
    assert inbox.recipients == ["me@example.org"]
    assert inbox.mails[0][1]["Subject"] == "Test letter from Trending papers"
    inbox.refuse = {"me@example.org": "550 5.7.1 relaying denied"}
    answer = letters("test-mail", "me@example.org", code=5)
    assert "550 5.7.1 relaying denied" in answer.out
    assert letters("status", "--json").json["letters"]["sent"] == 0  # a test is no letter


def test_a_paused_reader_gets_no_letter_that_was_waiting(letters: Digest, server: Controller, inbox: Inbox) -> None:
    port = server.port
    over_smtp(letters, 1)
    letters("run", "--day", DAY, code=5)
    (letters.home / "profiles/bela.toml").unlink()
    letters("profiles", "apply")
    over_smtp(letters, port)
    letters("run", "--day", DAY)
    assert inbox.recipients == ["alice@example.org", "chen@example.org"]
    (letter,) = letters("why", "bela", "--json").json
    assert letter["state"] == "suppressed"
    assert "paused" in letter["note"]


# ---- couriers that die


def command(home: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from digest.cli import main; main()", "--home", str(home), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def test_a_killed_run_loses_nothing_and_repeats_nothing(letters: Digest, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGKILL while letters are being filed; then, at once, another run."""
    for number in range(60):
        letters.profile(f"reader{number}")
    letters("profiles", "apply")
    running = command(letters.home, "run", "--day", DAY)
    deadline = time.monotonic() + 60
    while not list((letters.home / "mail").glob("*/new/*")):
        assert time.monotonic() < deadline
        assert running.poll() is None or running.returncode == 0
        time.sleep(0.002)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    filed = {path.name for path in (letters.home / "mail").glob("*/new/*")}
    letters("run", "--day", DAY)
    files = [path.name for path in (letters.home / "mail").glob("*/new/*")]
    assert len(files) == len(set(files)) == 63
    assert filed <= set(files)
    letters_now = letters("status", "--json").json["letters"]
    assert letters_now["sent"] == 63
    assert sum(letters_now.values()) == 63


def test_two_runs_at_once_send_each_letter_once(digest: Digest, store_url: str) -> None:
    """On SQLite and on PostgreSQL: both runs end well, and nobody gets two letters or a paper twice."""
    digest.write("config.toml", f'[letter]\nfrom_address = "letters@example.org"\n[store]\nurl = "{store_url}"\n')
    digest("ingest", digest.page("one", PAPERS), "--day", DAY)
    for number in range(40):
        digest.profile(f"reader{number}")
    digest("profiles", "apply")
    both = [command(digest.home, "run", "--day", DAY) for _ in range(2)]
    for one in both:
        out, err = one.communicate()
        assert one.returncode == 0, out + err
    assert len(digest.mails()) == 40
    letters = digest("status", "--json").json["letters"]
    assert letters["sent"] == sum(letters.values()) == 40
