"""What comes back, as an operator reads it: from a Maildir, an mbox, mails, a mail server's pipe, a mailbox."""

from __future__ import annotations

import csv
import mailbox
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from command import PAPERS, Digest
from returned_mails import Original, complaint, crlf, exim, postfix, vacation
from scripted_imap import ScriptedImap

from digest import config
from digest.bounces import Desk, Taken, returns_of
from digest.letters.verp import Returns
from digest.service import Service
from digest.store import letters, subscribers
from digest.store.opening import open_store

UNKNOWN = ("5.1.1", "550 5.1.1 unknown")


@pytest.fixture
def digest(digest: Digest) -> Digest:
    """Alice and Bela have had a letter, and what comes back has its address."""
    digest.write(
        "config.toml", '[letter]\nfrom_address = "l@example.org"\n[bounces]\naddress = "back@example.org"\n'
    )
    digest("secret", "new")
    for handle in ("alice", "bela"):
        digest.profile(handle)
    digest("profiles", "apply")
    digest("ingest", digest.page("one", PAPERS), "--day", "2026-03-14")
    digest("run", "--day", "2026-03-14")
    return digest


def returns(digest: Digest) -> Returns:
    made = returns_of(config.load(digest.home))
    assert made
    return made


def original(digest: Digest, handle: str = "alice") -> Original:
    store = open_store(config.load(digest.home).store_url)
    with store.read() as connection:
        reader = subscribers.find(connection, handle)
        assert reader
        letter = letters.of_subscriber(connection, reader.id)[0]
    store.close()
    return Original(returns(digest).sender(letter), reader.address, letter.message_id)


def eml(digest: Digest, name: str, data: bytes) -> Path:
    path = digest.home / name
    path.write_bytes(data)
    return path


def states(digest: Digest) -> dict[str, str]:
    return {
        one["handle"]: one["state"] for one in digest("status", "--subscribers", "--json").json["subscriber_list"]
    }


def test_a_folder_of_all_kinds_is_told_by_kind_and_counts_once(digest: Digest) -> None:
    box = mailbox.Maildir(digest.home / "back")
    alice = original(digest)
    for data in (
        postfix(*UNKNOWN, letter=alice),
        exim("550 User unknown", Original(to="bela@example.org")),
        vacation(alice),
        complaint(letter=original(digest, "bela")),
        crlf("From: x@y.example\nSubject: hello\n\n\n"),
    ):
        box.add(data)
    tried = digest("bounces", "back", "--dry-run")
    assert "nothing was changed" in tried.err
    assert len(list((digest.home / "back/new").iterdir())) == 5
    assert states(digest) == {"alice": "active", "bela": "active"}

    said = digest("bounces", "back")
    rows = {line.split()[0]: int(line.split()[1]) for line in said.out.splitlines()[1:6]}
    assert rows == {"hard": 1, "complaint": 1, "ignored": 1, "forged": 1, "unknown": 1}
    assert "alice@example.org: suppressed (hard: 550 5.1.1 unknown)" in said.out
    assert "bela@example.org: suppressed (complaint: reported as abuse (by BigLoop/1.0))" in said.out
    assert "forged: back/new/" in said.err
    assert "from x@y.example: “hello”" in said.err
    assert states(digest) == {"alice": "bounced", "bela": "unsubscribed"}
    names = [one.name for one in (digest.home / "back/cur").iterdir()]
    assert len(names) == 5
    assert all(name.endswith(":2,S") for name in names)
    assert "there is no mail to read" in digest("bounces", "back").out

    again = digest("bounces", *sorted((digest.home / "back/cur").iterdir()), "--json").json
    assert (again["repeated"], again["suppressed"]) == (2, 0)
    assert again["counts"]["hard"] == 1
    assert "550 5.1.1 unknown" in digest("why", "alice").out


def test_a_refusal_of_our_standing_is_told_to_the_operator_and_held_against_nobody(digest: Digest) -> None:
    mail = eml(digest, "x.eml", postfix("5.7.1", "550 5.7.1 blocked for spam", letter=original(digest)))
    assert "alice@example.org: 550 5.7.1 blocked for spam" in digest("bounces", mail).err
    assert states(digest)["alice"] == "active"


def test_an_mbox_and_a_mail_and_what_is_neither(digest: Digest) -> None:
    box = mailbox.mbox(digest.home / "mbox")
    box.add(postfix(*UNKNOWN, letter=original(digest)))
    box.add(vacation())
    box.close()
    mail = eml(digest, "one.eml", complaint(letter=original(digest, "bela")))
    (digest.home / "folder").mkdir()
    said = digest("bounces", "folder", "missing", "mbox", mail, code=1)
    assert "error: folder: a folder that is no Maildir" in said.err
    assert "error: missing: no such file or folder — name a Maildir" in said.err
    assert states(digest) == {"alice": "bounced", "bela": "unsubscribed"}
    assert stat.S_ISREG(mail.stat().st_mode), "a mail that is named stays where it is"


def piped(digest: Digest, data: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    program = "from digest.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, "--home", str(digest.home), "bounces", *arguments, "-"],
        input=data,
        capture_output=True,
        check=False,
        env={key: value for key, value in os.environ.items() if key != "DIGEST_HOME"},
    )


def test_a_mail_server_hands_mails_over(digest: Digest) -> None:
    sender = original(digest).sender
    data = postfix(*UNKNOWN, letter=Original("other@example.org", "alice@example.org", "<1@x>"))
    assert b"forged" in piped(digest, data).stdout
    ended = piped(digest, data, "--recipient", sender)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert states(digest) == {"alice": "bounced", "bela": "active"}
    for strange in (b"", b"\0\xff" * 10_000, b"x" * 10_000_000):
        assert piped(digest, strange).returncode == 0, "it is not the mail server's affair"


def test_what_could_not_be_stored_stays_with_the_mail_server(digest: Digest) -> None:
    data = postfix(*UNKNOWN, letter=original(digest))
    for name in ("secret", "digest.db", "config.toml"):
        path = digest.home / name
        path.rename(digest.home / "away")
        path.mkdir()  # neither is there, nor can it be made
        ended = piped(digest, data)
        assert ended.returncode == 75, ended.stderr
        assert ended.stderr.startswith(b"error: ")
        assert b"Traceback" not in ended.stderr
        path.rmdir()
        (digest.home / "away").rename(path)
    assert piped(digest, data).returncode == 0
    assert states(digest)["alice"] == "bounced"


def test_a_mailbox_over_imap(digest: Digest, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "bounces.imap.host: no mailbox is named" in digest("bounces", "--imap", code=3).err
    mails = [postfix(*UNKNOWN, letter=original(digest)), vacation(), b"\0\xff"]
    monkeypatch.setenv("BOUNCES_PASSWORD", "sesame")
    with ScriptedImap(mails) as server:
        text = (digest.home / "config.toml").read_text("utf-8")
        login = 'tls = "none"\nuser = "back"\npassword_env = "BOUNCES_PASSWORD"\n'
        digest.write("config.toml", f'{text}[bounces.imap]\nhost = "127.0.0.1"\nport = {server.port}\n{login}')
        assert digest("bounces", "--imap", "--dry-run", "--json").json["counts"]["hard"] == 1
        assert server.seen == set()
        said = digest("bounces", "--imap")
        assert "alice@example.org: suppressed" in said.out
        assert "unknown: imap INBOX, mail 102" in said.err
        assert server.seen == {100, 101, 102}
        assert "there is no mail to read" in digest("bounces", "--imap").out
        monkeypatch.setenv("BOUNCES_PASSWORD", "guess")
        assert "the login was refused" in digest("bounces", "--imap", code=5).err


def test_the_service_reads_the_mailbox(
    digest: Digest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One mail that cannot be taken stops no other; a mailbox that is down is asked again."""
    caplog.set_level("INFO")
    mails = [vacation(), postfix(*UNKNOWN, letter=original(digest)), b"\0\xff"]
    monkeypatch.setenv("BOUNCES_PASSWORD", "sesame")
    take = Desk.take

    def defect(self: Desk, data: bytes) -> Taken:
        if data == vacation():
            raise RuntimeError("a defect")
        return take(self, data)

    monkeypatch.setattr(Desk, "take", defect)
    with ScriptedImap(mails) as server:
        server.answers["SEARCH"] = b"* BYE\r\n"
        text = (digest.home / "config.toml").read_text("utf-8")
        login = 'tls = "none"\nuser = "back"\npassword_env = "BOUNCES_PASSWORD"\n'
        digest.write("config.toml", f'{text}[bounces.imap]\nhost = "127.0.0.1"\nport = {server.port}\n{login}')
        store = open_store(f"sqlite:///{digest.home}/digest.db")
        service = Service(store, config.load(digest.home), threading.Event())
        service.look_into_mailbox()
        assert "it could not be searched" in caplog.text
        assert states(digest)["alice"] == "active"
        server.answers.clear()
        service.look_into_mailbox()
        assert (states(digest)["alice"], server.seen) == ("bounced", {101, 102})
        assert "alice@example.org: suppressed (hard: " in caplog.text
        assert "imap INBOX, mail 100 could not be taken" in caplog.text
        assert "unknown: imap INBOX, mail 102" in caplog.text
        assert "2 mails came back: 1 hard, 1 unknown" in caplog.text
        service.stopping.set()
        service.look_into_mailbox()
        store.close()


def test_what_is_missing_is_said(digest: Digest) -> None:
    assert "name a Maildir" in digest("bounces", code=2).err
    digest.write("config.toml", '[letter]\nfrom_address = "l@example.org"\n')
    mail = eml(digest, "x.eml", vacation())
    assert "`[bounces] address` is empty" in digest("bounces", mail).err
    (digest.home / "secret").unlink()
    assert "`digest secret new` makes one" in digest("bounces", mail, code=3).err


def test_a_wish_without_a_signature_is_shown_to_the_operator(digest: Digest) -> None:
    wish = eml(
        digest, "wish.eml", crlf("From: a@x.example\nTo: l@example.org\nSubject: unsubscribe alice@example.org\n\n")
    )
    said = digest("bounces", wish)
    assert "`digest suppressions add alice@example.org --reason unsubscribe`" in said.err
    assert states(digest)["alice"] == "active"
    digest("suppressions", "add", "alice@example.org", "--reason", "unsubscribe")
    assert states(digest)["alice"] == "unsubscribed"


# ---- the list


def test_the_list_is_shown_and_changed(digest: Digest) -> None:
    assert "no address is suppressed" in digest("suppressions").out
    assert (
        "gets no more letters"
        in digest("suppressions", "add", "Alice@Example.org", "--reason", "asked by phone").out
    )
    assert "is on the list already" in digest("suppressions", "add", "alice@example.org").out
    assert "not a mail address" in digest("suppressions", "add", "alice", code=2).err
    (row,) = digest("suppressions", "--json").json
    assert (row["address"], row["reason"], row["detail"], row["source"]) == (
        "Alice@example.org",
        "manual",
        "asked by phone",
        "cli",
    )
    assert "asked by phone" in digest("suppressions").out
    assert states(digest)["alice"] == "bounced"
    assert digest("run", "--day", "2026-03-15", "--json").json
    assert "on the suppression list: asked by phone" in digest("why", "alice").out

    missed = digest("suppressions", "remove", "alise@example.org", code=1)
    assert "not on the suppression list. Did you mean Alice@example.org?" in missed.err
    said = digest("suppressions", "remove", "alice@example.org")
    assert "alice gets letters again" in said.out
    assert states(digest)["alice"] == "active"


def test_a_profile_with_a_suppressed_address_waits_until_it_is_let_in(digest: Digest) -> None:
    digest("suppressions", "add", "chen@example.org")
    digest.profile("chen")
    for command, code in (("diff", 3), ("apply", 1)):
        said = digest("profiles", command, code=code)
        assert "profiles/chen.toml: address: chen@example.org is on the suppression list" in said.err
        assert "`digest suppressions remove chen@example.org` lets it back" in said.err
    assert "chen" not in states(digest)
    digest("suppressions", "remove", "chen@example.org")
    digest("profiles", "apply")
    assert states(digest)["chen"] == "active"


def test_a_list_goes_out_and_comes_in(digest: Digest) -> None:
    digest("suppressions", "add", "alice@example.org", "--reason", '=HYPERLINK("http://evil.example")')
    digest("suppressions", "add", "+plus@example.org", "--reason", "complaint")
    assert "wrote 2 addresses to list.csv" in digest("suppressions", "export", "list.csv").out
    text = (digest.home / "list.csv").read_text("utf-8")
    assert digest("suppressions", "export").out == text
    cells = [cell for row in csv.reader(text.splitlines()) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    before = digest("suppressions", "--json").json
    for address in ("alice@example.org", "+plus@example.org"):
        digest("suppressions", "remove", address)
    assert "2 addresses added" in digest("suppressions", "import", "list.csv").out
    after = digest("suppressions", "--json").json
    assert [{**one, "source": ""} for one in after] == [{**one, "source": ""} for one in before]
    assert "0 addresses added, 2 there before" in digest("suppressions", "import", "list.csv").out


@pytest.mark.parametrize("head", ["", "address\n", "name;Email\n"])
def test_a_list_of_another_program_is_taken_and_its_slips_are_named(digest: Digest, head: str) -> None:
    start = "x;" if ";" in head else ""
    lines = ["alice@example.org", "", "not an address", "ALICE@example.org", "# a remark", "zoe@example.org"]
    digest.write(
        "old.csv", "\ufeff" + head + "".join(f"{start if one and one[0] != '#' else ''}{one}\n" for one in lines)
    )
    said = digest("suppressions", "import", "old.csv", code=1)
    assert said.out == "2 addresses added, 1 line refused\n"
    assert f"error: old.csv:{3 + head.count(chr(10))}: 'not an address' is not a mail address" in said.err
    assert states(digest)["alice"] == "bounced"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"a@example.org\n\xff\n", "old.csv:2: not UTF-8 text"),
        (b"address,at\na@example.org,yesterday\n", "old.csv:2: 'yesterday' is no time"),
        (b"address_hash\n123\n", "old.csv:2: '123' is no hash"),
        (b"address,address_hash\na@example.org," + b"0" * 64, "old.csv:2: the hash is not that of a@example.org"),
        (b"address,reason\n,hard\n", "old.csv:2: there is no address"),
        (b'"' + b"x" * 200_000, "old.csv:1: not CSV"),
        (b"a\0b@example.org\n", "old.csv:1: "),
    ],
)
def test_what_is_wrong_with_a_list_is_named(digest: Digest, data: bytes, says: str) -> None:
    eml(digest, "old.csv", data)
    assert says in digest("suppressions", "import", "old.csv", code=1).err


def test_a_list_that_is_not_there(digest: Digest) -> None:
    assert "cannot be read" in digest("suppressions", "import", "no.csv", code=3).err
    assert "cannot be written" in digest("suppressions", "export", "no/where.csv", code=3).err


def test_many_complaints_pause_delivery_until_somebody_resumes(digest: Digest) -> None:
    """Three of the day's letters are reported, of thirty: no more leave, and the next look counts anew."""
    for number in range(28):
        digest.profile(f"reader{number}")
    digest("profiles", "apply")
    digest("run", "--day", "2026-03-14")
    box = mailbox.Maildir(digest.home / "back")
    for number in range(2):
        box.add(complaint(letter=original(digest, f"reader{number}")))
    assert "paused" not in digest("bounces", digest.home / "back").err
    box.add(complaint(letter=original(digest, "reader2")))
    said = digest("bounces", digest.home / "back").err
    assert "by breaker: readers reported 3 of 30 letters as unwanted" in said
    digest.profile("late")
    digest("profiles", "apply")
    assert "is paused by breaker" in digest("run", "--day", "2026-03-14", code=5).err
    digest("resume")
    digest("bounces", digest.home / "back")
    digest("run", "--day", "2026-03-14")
    assert digest("status", "--json").json["letters"]["sent"] == 31
