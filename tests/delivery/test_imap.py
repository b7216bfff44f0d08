"""A mailbox over IMAP: read by UID, marked once stored, nothing deleted; what is wrong is said in plain words."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from threading import Event, Thread, Timer

import pytest
import trustme
from scripted_imap import DROP, ScriptedImap

from digest.bounces import in_mailbox
from digest.config import ImapConfig, parse
from digest.delivery import imap
from digest.delivery.bounces import MOST_BYTES
from digest.delivery.imap import Mailbox
from digest.errors import MailboxUnusable

WAIT = b"* OK one moment\r\n"
MAILS = [b"Subject: one\r\n\r\n\xff1\r\n", b"Subject: two\r\n\r\n)\r\n* BYE\r\n", b""]


def box(server: ScriptedImap, password: str = "sesame", **more: object) -> Mailbox:
    settings = {"host": "127.0.0.1", "port": server.port, "tls": "none", "user": "ada", "password_env": "X", **more}
    return Mailbox(ImapConfig(**settings), password, Path("/nowhere"))  # type: ignore[arg-type]


def read(mailbox: Mailbox, *, mark: bool = True) -> list[bytes]:
    found = []
    for _, data, mail in mailbox.unread():
        found.append(data)
        if mark:
            mail.seen()
    return found


def test_unread_mails_are_read_and_marked_and_none_is_deleted() -> None:
    with ScriptedImap(MAILS, seen={102}) as server:
        assert read(box(server), mark=False) == MAILS[:2]
        assert server.seen == {102}, "what nobody stored is not marked"
        assert read(box(server)) == MAILS[:2]
        assert server.seen == {100, 101, 102}
        assert read(box(server)) == []
    verbs = {one.split(" ")[0] for one in server.commands}
    assert verbs == {"CAPABILITY", "LOGIN", "SELECT", "SEARCH", "FETCH", "STORE", "LOGOUT"}
    assert all(r"+FLAGS.SILENT (\Seen)" in one for one in server.commands if one.startswith("STORE"))


@pytest.mark.parametrize("verb", ["GREETING", "CAPABILITY", "LOGIN", "SELECT", "SEARCH", "FETCH", "STORE"])
def test_a_server_that_hangs_keeps_nobody_who_is_to_stop(verb: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("sesame")
    stop = Event()
    with ScriptedImap(MAILS, answers={verb: b"" if verb == "GREETING" else WAIT}) as server:
        login = f'host = "127.0.0.1"\nport = {server.port}\ntls = "none"\nuser = "ada"\npassword_file = "password"'
        settings = parse(f"[bounces.imap]\n{login}".encode(), tmp_path)
        Timer(0.5, stop.set).start()
        found = []
        for mail in in_mailbox(settings, stop):
            found.append(mail.data)
            mail.seen()
            if stop.is_set():
                break
    assert found == (MAILS[:1] if verb == "STORE" else [])


def test_a_server_that_hangs_at_the_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap, "TIMEOUT_SECONDS", 3600)
    with ScriptedImap(MAILS, answers={"LOGOUT": WAIT}) as server:
        reading = Thread(target=read, args=(box(server),), daemon=True)
        reading.start()
        reading.join(60)
        assert not reading.is_alive()
    assert server.seen == {100, 101, 102}


def test_a_huge_mail_is_fetched_in_part() -> None:
    with ScriptedImap([b"x" * (MOST_BYTES + 1000)]) as server:
        assert [len(one) for one in read(box(server))] == [MOST_BYTES]


def test_a_mail_that_is_gone_meanwhile_stops_no_other() -> None:
    with ScriptedImap(MAILS[:1], answers={"SEARCH": b"* SEARCH 99 100\r\nTAG OK done\r\n"}) as server:
        assert read(box(server)) == MAILS[:1]


def test_a_folder_may_have_any_name() -> None:
    with ScriptedImap([]) as server:
        read(box(server, folder='Back "to" us\\x'))
        read(box(server, folder="Zurück & fort"))
    assert 'SELECT "Back \\"to\\" us\\\\x"' in server.commands
    assert 'SELECT "Zur&APw-ck &- fort"' in server.commands


def test_a_password_may_have_any_letters_and_is_never_shown() -> None:
    with ScriptedImap(MAILS, password="sésame ☂") as server:
        assert read(box(server, "sésame ☂")) == MAILS
        for guess in ("sésamé", "sesame\r\n"):
            with pytest.raises(MailboxUnusable) as wrong:
                read(box(server, guess))
            assert guess.strip() not in str(wrong.value)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return context, str(path)


@pytest.mark.parametrize("how", ["implicit", "starttls"])
def test_the_login_is_encrypted_and_the_certificate_is_checked(
    how: str, authority: tuple[ssl.SSLContext, str]
) -> None:
    context, ca_file = authority
    with ScriptedImap(MAILS, tls=context, implicit=how == "implicit") as server:
        assert read(box(server, tls=how, ca_file=ca_file)) == MAILS
        before = len(server.commands)
        with pytest.raises(MailboxUnusable, match=r"certificate.*`tls` under \[bounces.imap\]"):
            read(box(server, tls=how))
        assert not [one for one in server.commands[before:] if one.startswith("LOGIN")]


def test_a_server_without_starttls_is_told_no_password() -> None:
    with ScriptedImap(MAILS) as server, pytest.raises(MailboxUnusable, match="no encrypted connection"):
        read(box(server, tls="starttls"))
    assert not [one for one in server.commands if one.startswith("LOGIN")]


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({"GREETING": b"* BYE too busy\r\n"}, "cannot be reached: "),
        ({"GREETING": b"garbage\r\n"}, "cannot be reached: "),
        ({"LOGIN": b"TAG NO [AUTHENTICATIONFAILED] no\r\n"}, "the login was refused: .*no.*app password"),
        ({"LOGIN": DROP}, "the login was refused"),
        ({"SELECT": b"TAG NO no such mailbox\r\n"}, "no folder 'INBOX': no such mailbox.*`folder`"),
        ({"SELECT": DROP}, "its folder could not be opened"),
        ({"SEARCH": b"TAG NO busy\r\n"}, "it could not be searched: busy"),
        ({"SEARCH": b"TAG BAD what\r\n"}, "it could not be searched"),
        ({"FETCH": DROP}, "a mail could not be fetched"),
        ({"FETCH": b"* 1 FETCH (BODY[] {99999}\r\nx"}, None),
        ({"STORE": b"TAG NO read-only\r\n"}, "could not be marked as seen: read-only"),
        ({"STORE": DROP}, "could not be marked as seen"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said(
    answers: dict[str, bytes], says: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.delivery.imap.TIMEOUT_SECONDS", 0.5)
    with ScriptedImap(MAILS, answers=answers) as server:
        with pytest.raises(MailboxUnusable, match=says) as wrong:
            read(box(server))
        assert f"imap 127.0.0.1:{server.port}: " in str(wrong.value)
        assert "stays unread" in str(wrong.value)
        assert not server.seen


def test_a_wrong_password_and_a_server_that_is_not_there() -> None:
    with ScriptedImap(MAILS) as server, pytest.raises(MailboxUnusable, match="wrong password"):
        read(box(server, "guess"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server.port = port
    with pytest.raises(MailboxUnusable, match="refused"):
        read(box(server))


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with (
        ScriptedImap(MAILS) as server,
        pytest.raises(MailboxUnusable, match=r"certificates in .*no\.pem.*`ca_file`"),
    ):
        read(box(server, tls="implicit", ca_file=str(tmp_path / "no.pem")))
