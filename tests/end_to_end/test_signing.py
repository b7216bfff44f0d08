"""Keys for DKIM: made, published, signed with; and what is said where something is wrong with one."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import dkim
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as Server
from aiosmtpd.smtp import Envelope, Session
from command import PAPERS, Digest
from rich.console import Console
from test_delivery import free_port

from digest.cli import common

DAY = "2025-03-14"
SENDER = '[letter]\nfrom_address = "letters@news.example.org"\n'
KEY = '[[dkim.keys]]\nselector = "digest"\nfile = "dkim-digest.pem"\n'
CONFIGURED = re.compile(r"^\[\[dkim\.keys\]\]\n(?:.+\n)+", re.MULTILINE)
NAME, VALUE = re.compile(r"^name: +(\S+)$", re.MULTILINE), re.compile(r"^value: +(.+)$", re.MULTILINE)


@pytest.fixture
def two(digest: Digest) -> Digest:
    """Two readers, and papers for a day."""
    digest.write("config.toml", SENDER)
    digest("ingest", digest.page("one", PAPERS), "--day", DAY)
    for name in ("alice", "bela"):
        digest.profile(name, f'name = "{name.title()} Müller"')
    digest("profiles", "apply")
    return digest


def lookup(*printed: str) -> Callable[..., bytes | None]:
    """A name server with the records that were printed."""
    records = {f"{NAME.findall(one)[0]}.".encode(): VALUE.findall(one)[0].encode() for one in printed}
    return lambda name, timeout=5: records.get(name)


def mails(digest: Digest) -> list[bytes]:
    return [file.read_bytes() for file in sorted((digest.home / "mail").glob("*/new/*"))]


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_following_what_is_printed_gives_letters_that_verify(two: Digest, kind: str) -> None:
    answer = two("dkim", "new", "--type", kind)
    two.write("config.toml", SENDER + "".join(CONFIGURED.findall(answer.out)))
    two("run", "--day", DAY)
    assert len(mails(two)) == 2
    for mail in mails(two):
        assert dkim.verify(mail, dnsfunc=lookup(answer.out))
        assert not dkim.verify(mail.replace(b"Subject:", b"Subject: x"), dnsfunc=lookup(answer.out))
        signed_at = int(re.findall(rb" t=(\d+);", mail)[0])
        date = re.findall(rb"^Date: (.*?)\r?$", mail, re.MULTILINE)[0].decode()
        assert parsedate_to_datetime(date).timestamp() == signed_at, "a resend has the same bytes"


def test_two_keys_sign_as_the_parent_domain(two: Digest) -> None:
    two.write("config.toml", SENDER + '[dkim]\ndomain = "example.org"\n')
    one, other = two("dkim", "new").out, two("dkim", "new", "--type", "ed25519").out
    assert NAME.findall(one + other) == [
        "digest._domainkey.example.org",
        "digest-ed25519._domainkey.example.org",
    ]
    keys = "".join(CONFIGURED.findall(one) + CONFIGURED.findall(other))
    two.write("config.toml", SENDER + '[dkim]\ndomain = "example.org"\n' + keys)
    two("run", "--day", DAY)
    for mail in mails(two):
        signed = dkim.DKIM(mail)
        assert signed.verify(0, dnsfunc=lookup(one, other))
        assert signed.verify(1, dnsfunc=lookup(one, other))
        assert mail.count(b"DKIM-Signature:") == 2


def test_without_a_key_nothing_is_signed(two: Digest) -> None:
    two("run", "--day", DAY)
    assert all(b"DKIM-Signature" not in mail for mail in mails(two))
    assert two("dkim", "show", "--json").json == []
    assert "`digest dkim new` makes one" in two("dkim", "show").err


class Raw:
    """Keeps the bytes that came in."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_DATA(self, server: Server, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.mails.append(envelope.content)
        return "250 accepted"


@pytest.fixture
def server() -> Iterator[Controller]:
    controller = Controller(Raw(), hostname="127.0.0.1", port=free_port())
    controller.start()
    yield controller
    controller.stop()


def test_what_a_server_receives_verifies(two: Digest, server: Controller) -> None:
    record = two("dkim", "new").out
    relay = f'[delivery]\nkind = "smtp"\n[delivery.smtp]\nhost = "127.0.0.1"\nport = {server.port}\ntls = "none"\n'
    two.write("config.toml", SENDER + KEY + relay)
    two("run", "--day", DAY)
    assert "signed by digest._domainkey.news.example.org" in two("test-mail", "me@example.org").err
    assert len(server.handler.mails) == 3
    assert all(dkim.verify(mail, dnsfunc=lookup(record)) for mail in server.handler.mails)


# ---- making a key


def test_the_private_key_is_the_users_alone(digest: Digest) -> None:
    out = digest("dkim", "new").out
    key = digest.home / "dkim-digest.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    assert "PRIVATE" not in out


def test_no_file_is_overwritten(digest: Digest) -> None:
    digest("dkim", "new")
    before = (digest.home / "dkim-digest.pem").read_bytes()
    err = digest("dkim", "new", code=3).err
    assert "dkim-digest.pem: cannot be written: there is a file already" in err
    assert "--selector" in err
    assert (digest.home / "dkim-digest.pem").read_bytes() == before
    digest("dkim", "new", "--selector", "Next-2026")
    assert (digest.home / "dkim-next-2026.pem").exists()
    assert "--out" in digest("dkim", "new", "--selector", "x", "--out", "no/such/folder.pem", code=3).err


def test_a_key_outside_the_home_folder(digest: Digest, tmp_path: Path) -> None:
    out = digest("dkim", "new", "--out", tmp_path / "key.pem", "--bits", "3072").out
    assert f'file = "{tmp_path}/key.pem"' in out
    digest.write("config.toml", SENDER + "".join(CONFIGURED.findall(out)))
    (shown,) = digest("dkim", "show", "--json").json
    assert (shown["bits"], shown["file"]) == (3072, f"{tmp_path}/key.pem")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--selector", "a b"], "not a selector"),
        (["--selector", "digest"], "give the new one another"),
        (["--bits", "1024"], "--bits"),
        (["--bits", "3000", "--type", "ed25519"], "--bits"),
        (["--type", "dsa"], "--type"),
    ],
)
def test_a_wrong_call_makes_no_file(digest: Digest, arguments: list[str], said: str) -> None:
    digest.write("config.toml", SENDER + KEY)
    assert said in digest("dkim", "new", *arguments, code=2).err
    assert not list(digest.home.glob("*.pem"))


@pytest.mark.parametrize(
    ("address", "domain"),
    [("", "localhost.localdomain"), ("a@example.org", "example.org"), ("a@news.example", "news.example")],
)
def test_an_address_whose_domain_is_nobodys_is_told_before_a_key_is_made(
    digest: Digest, address: str, domain: str
) -> None:
    digest.write("config.toml", f'[letter]\nfrom_address = "{address}"\n' if address else "")
    err = digest("dkim", "new", "--out", "no/such/folder.pem", code=3).err
    assert err.startswith(f"{domain} is no domain whose DNS can be yours: set `letter.from_address` in config.toml")
    assert "error: no/such/folder.pem" in err
    digest("dkim", "new")  # the key is as good for any domain
    digest.write("config.toml", '[letter]\nfrom_address = "a@letters.nowhere.org"\n')
    assert digest("dkim", "new", "--selector", "a").err == ""


# ---- its record


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_the_record_is_the_same_each_time_and_in_each_form(digest: Digest, kind: str) -> None:
    digest.write("config.toml", SENDER)
    made = digest("dkim", "new", "--type", kind, "--json").json
    key = f'[[dkim.keys]]\nselector = "{made["selector"]}"\nfile = "{made["file"]}"\n'
    digest.write("config.toml", SENDER + key)
    assert digest("dkim", "show", "--json").json == [made]
    out = digest("dkim", "show", "--selector", made["selector"]).out
    assert NAME.findall(out) == [made["name"]]
    assert VALUE.findall(out) == ["".join(made["strings"])] == [made["value"]]
    zone = out[out.index(f"{made['name']}. IN TXT (") :]
    assert "".join(re.findall(r'"([^"]*)"', zone)) == made["value"]
    assert all(len(one) <= 255 for one in made["strings"])


def test_it_fits_a_terminal(digest: Digest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "out", Console(width=80, highlight=False, markup=False, soft_wrap=True))
    out = digest("dkim", "new").out
    assert [line[:6] for line in out.splitlines() if len(line) > 80] == ["value:"]  # one piece, to be copied


def test_a_selector_that_is_not_there(digest: Digest) -> None:
    assert "there is no key" in digest("dkim", "show", "--selector", "other", code=2).err
    digest.write("config.toml", SENDER + KEY)
    assert "there: digest" in digest("dkim", "show", "--selector", "other", code=2).err


def test_a_key_that_cannot_be_used_hides_no_other_record(digest: Digest) -> None:
    digest("dkim", "new", "--selector", "good")
    digest.write("config.toml", SENDER + KEY + '[[dkim.keys]]\nselector = "good"\nfile = "dkim-good.pem"\n')
    answer = digest("dkim", "show", "--json", code=3)
    assert [one["selector"] for one in answer.json] == ["good"]
    assert "dkim.keys[1].file: no such file" in answer.err


# ---- keys that cannot be used


def _missing(key: Path) -> None:
    key.unlink()


def _open(key: Path) -> None:
    key.chmod(0o644)


def _garbage(key: Path) -> None:
    key.write_bytes(b"\xff\0 not a key")


def _folder(key: Path) -> None:
    key.unlink()
    key.mkdir()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_missing, r"no such file: .*dkim-digest\.pem — .*digest dkim new"),
        (_open, r"dkim-digest\.pem: everybody .* — `chmod 600 .*dkim-digest\.pem`"),
        (_garbage, r"dkim-digest\.pem: not a private key in PEM — .*digest dkim new"),
        (_folder, r"dkim-digest\.pem: it is not a file — name"),
    ],
)
def test_a_bad_key_stops_the_run_and_every_letter_waits(
    two: Digest, spoil: Callable[[Path], None], said: str
) -> None:
    record = two("dkim", "new").out
    relay = '[delivery]\nkind = "smtp"\n[delivery.smtp]\nhost = "127.0.0.1"\nport = 1\ntls = "none"\n'
    two.write("config.toml", SENDER + KEY + relay)
    two("run", "--day", DAY, code=5)  # written, and not sent
    two.write("config.toml", SENDER + KEY)
    key = two.home / "dkim-digest.pem"
    whole = key.read_bytes()
    spoil(key)
    before = two("status", "--json").json
    assert before["letters"]["ready"] == 2
    for command in (["run", "--day", DAY], ["run"], ["serve"], ["test-mail", "me@example.org"]):
        err = two(*command, code=3).err
        assert re.search(rf"config\.toml: dkim\.keys\[1\]\.file: .*{said}", err)
    assert two("status", "--json").json == before
    assert mails(two) == []
    if key.is_dir():
        key.rmdir()
    key.write_bytes(whole)
    key.chmod(0o600)
    two("run", "--day", DAY)
    assert len(mails(two)) == 2
    assert all(dkim.verify(mail, dnsfunc=lookup(record)) for mail in mails(two))


def test_every_bad_key_is_named_at_once(two: Digest) -> None:
    two.write("config.toml", SENDER + KEY + '[[dkim.keys]]\nselector = "b"\nfile = "b.pem"\n')
    err = two("run", "--day", DAY, code=3).err
    assert "dkim.keys[1].file: " in err
    assert "dkim.keys[2].file: " in err
