"""What the doctor says of mail servers: real ones, with and without TLS, and one that misbehaves."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as Server
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from local_dns import NameServer
from scripted_smtp import DROP, HANG, Scripted

from digest import clock, config
from digest.config import SmtpConfig
from digest.doctor import relay
from digest.doctor.relay import Line
from digest.doctor.result import Patient, Result, Verdict

ALL = ("PIPELINING", "SIZE 1000000", "8BITMIME", "ENHANCEDSTATUSCODES")
NOW = clock.now()


def look(home: Path, port: int, smtp: str = "", now: Any = clock.now) -> dict[str, Result]:
    text = f'[delivery]\nkind = "smtp"\n[delivery.smtp]\nport = {port}\n{smtp}'
    if "host" not in smtp:
        text += 'host = "127.0.0.1"\n'
    with NameServer({}) as names:
        patient = Patient(config.parse(text.encode(), home), names.resolver(), now, lambda: "")
        return {one.check: one for one in asyncio.run(relay.relay(patient))}


def scripted(home: Path, server: Scripted, smtp: str = 'tls = "none"\n') -> dict[str, Result]:
    async def main() -> dict[str, Result]:
        async with server:
            return await asyncio.to_thread(look, home, server.port, smtp)

    return asyncio.run(main())


def verdicts(found: dict[str, Result]) -> dict[str, str]:
    return {name.partition(".")[2]: one.verdict.value for name, one in found.items()}


# ---- without TLS


def test_a_server_on_this_machine(tmp_path: Path) -> None:
    server = Scripted(extensions=ALL)
    found = scripted(tmp_path, server)
    assert verdicts(found) == {"open": "ok", "tls": "ok", "certificate": "unknown", "features": "ok"}
    assert found["relay.features"].seen == "8BITMIME, ENHANCEDSTATUSCODES, PIPELINING, SIZE 1000000, no AUTH"
    assert server.said.count("QUIT") == server.connections == 2
    assert not [line for line in server.said if line.startswith(("MAIL", "RCPT", "DATA"))]


@pytest.mark.parametrize("lacking", ["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"])
def test_a_server_that_can_less(tmp_path: Path, lacking: str) -> None:
    found = scripted(tmp_path, Scripted(extensions=tuple(one for one in ALL if one != lacking)))["relay.features"]
    assert (found.verdict, lacking in found.remedy, lacking in found.seen) == (Verdict.WARN, True, False)


def test_a_server_that_takes_only_small_letters(tmp_path: Path) -> None:
    found = scripted(tmp_path, Scripted(extensions=("SIZE 50000", *ALL[:1], *ALL[2:])))["relay.features"]
    assert (found.verdict, "50000 bytes at most" in found.remedy) == (Verdict.WARN, True)


@pytest.mark.parametrize(
    ("step", "answer", "part"),
    [
        ("banner", "554 not for you", "554 not for you"),
        ("banner", DROP, "127.0.0.1:"),
        ("banner", "SSH-2.0-x", "does not speak SMTP"),
        ("EHLO", "550 who are you", "550 who are you"),
    ],
)
def test_a_server_that_turns_us_away(tmp_path: Path, step: str, answer: str, part: str) -> None:
    server = Scripted(extensions=ALL).on(step, answer, times=9)
    found = scripted(tmp_path, server)
    assert found["relay.open"].verdict is Verdict.FAIL
    assert part in found["relay.open"].seen
    assert found["relay.open"].remedy
    assert [*found] == ["relay.open"], "nothing more can be told"


def test_a_server_that_falls_silent_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "PATIENCE", 0.3)
    found = scripted(tmp_path, Scripted().on("banner", HANG, times=9))
    assert (found["relay.open"].verdict, "within 0.3 s" in found["relay.open"].seen) == (Verdict.FAIL, True)


def test_no_server_and_no_such_machine(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = look(tmp_path, taken.getsockname()[1], 'tls = "none"\n')
    assert verdicts(found) == {"open": "fail"}
    assert "Connection refused" in found["relay.open"].seen or "nothing listens" in found["relay.open"].seen
    found = look(tmp_path, 25, 'host = "no..name"\n')
    assert [*found] == ["relay.open"]
    assert "no machine called 'no..name'" in found["relay.open"].seen


@pytest.mark.parametrize("number", relay.NO_NETWORK)
def test_no_way_out_is_not_the_servers_fault(number: int) -> None:
    """The errors as they come: wrapped, or one for each address."""
    bare = OSError(number, "unreachable")
    wrapped = ConnectionError("failed")
    wrapped.__cause__ = ExceptionGroup("all", [OSError(111, "refused"), bare])
    assert relay.no_network(bare)
    assert relay.no_network(wrapped)
    assert relay.no_network(OSError(f"Multiple exceptions: [Errno {number}] x, [Errno {number}] y"))
    assert relay.root_of(wrapped) == str(bare)
    assert not relay.no_network(ConnectionRefusedError(111, "refused"))


def test_plain_text_to_another_machine() -> None:
    smtp = SmtpConfig(host="mail.example.org", tls="none")
    for offers, part in (({}, "none: everybody"), ({"starttls": ""}, "although it offers STARTTLS")):
        found = relay.judge(Line(offers, (), None, b""), smtp, False, NOW)[0]
        assert (found.verdict, part in found.seen) == (Verdict.WARN, True)


def test_starttls_struck_from_the_offer_is_no_reason_to_go_on(tmp_path: Path) -> None:
    server = Scripted(extensions=ALL)
    found = scripted(tmp_path, server, 'tls = "starttls"\n')
    assert found["relay.open"].verdict is Verdict.FAIL
    assert "STARTTLS" in found["relay.open"].seen
    assert [line for line in server.said if line[:4] not in ("EHLO", "QUIT")] == []


# ---- with TLS


def authenticate(
    server: Server, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"joe", b"right")
    return AuthResult(success=good, handled=False)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@contextmanager
def secured(by: trustme.CA, name: str = "127.0.0.1", **keys: Any) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    by.issue_cert(name, **keys).configure_cert(context)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(
        object(),
        hostname="127.0.0.1",
        port=port,
        tls_context=context,
        auth_require_tls=True,
        authenticator=authenticate,
    )
    controller.start()
    yield port
    controller.stop()


@pytest.fixture
def trusting(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return 'ca_file = "ca.pem"\n'


@pytest.mark.parametrize(("password", "verdict"), [("right", "ok"), ("wrong", "fail")])
def test_the_login(tmp_path: Path, authority: trustme.CA, trusting: str, password: str, verdict: str) -> None:
    (tmp_path / "password").write_text(password + "\n")
    with secured(authority) as port:
        found = look(tmp_path, port, trusting + 'user = "joe"\npassword_file = "password"\n')
    assert found["relay.open"].verdict == verdict
    assert ("logged in as joe" if verdict == "ok" else "refused the user name or password") in found[
        "relay.open"
    ].seen
    assert found["relay.tls"].verdict is Verdict.OK
    assert found["relay.tls"].seen.startswith("TLSv1.")
    assert "AUTH LOGIN PLAIN" in found["relay.features"].seen


def test_a_password_that_is_not_there(tmp_path: Path, authority: trustme.CA, trusting: str) -> None:
    with secured(authority) as port:
        found = look(tmp_path, port, trusting + 'user = "joe"\npassword_file = "password"\n')
    assert (found["relay.open"].verdict, "no such file" in found["relay.open"].seen) == (Verdict.UNKNOWN, True)


@pytest.mark.parametrize(
    ("days", "verdict", "part"),
    [
        (365, "ok", "days left"),
        (14.5, "ok", "14 days left"),
        (13.5, "warn", "13 days left"),
        (-1, "fail", "run out"),
    ],
)
def test_how_long_the_certificate_is_good(
    tmp_path: Path, authority: trustme.CA, trusting: str, days: float, verdict: str, part: str
) -> None:
    until = clock.now() + timedelta(days=days)
    with secured(authority, not_after=until) as port:
        found = look(tmp_path, port, trusting)
    assert (found["relay.certificate"].verdict, part in found["relay.certificate"].seen) == (verdict, True)
    assert f"{until:%Y-%m-%d %H:%M} UTC" in found["relay.certificate"].seen
    assert found["relay.open"].verdict == ("ok" if days > 0 else "fail")


def test_a_certificate_of_tomorrow(tmp_path: Path, authority: trustme.CA, trusting: str) -> None:
    with secured(authority) as port:
        found = look(tmp_path, port, trusting, lambda: NOW - timedelta(days=20_000))
    assert (found["relay.certificate"].verdict, "only from" in found["relay.certificate"].seen) == ("fail", True)


def test_a_certificate_for_another_name(tmp_path: Path, authority: trustme.CA, trusting: str) -> None:
    with secured(authority, "mail.example.org") as port:
        found = look(tmp_path, port, trusting)
    assert found["relay.open"].verdict is Verdict.FAIL
    assert "for mail.example.org" in found["relay.certificate"].seen
    assert "not for 127.0.0.1" in found["relay.certificate"].seen


def test_an_authority_that_nobody_trusts(tmp_path: Path) -> None:
    with secured(trustme.CA()) as port:
        found = look(tmp_path, port)
    assert verdicts(found)["open"] == "fail"
    assert "not valid" in found["relay.open"].seen
    assert verdicts(found)["certificate"] == "ok", "its dates and its name are in order"


def test_an_old_tls() -> None:
    smtp = SmtpConfig(host="mail.example.org")
    found = relay.judge(Line({}, (), ("TLSv1.1", "AES128-SHA"), b""), smtp, False, NOW)[0]
    assert found.verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("host", "name", "answer"),
    [
        ("mail.example.org", "MAIL.example.org", True),
        ("mail.example.org", "*.example.org", True),
        ("a.mail.example.org", "*.example.org", False),
        ("example.org", "*.example.org", False),
        ("mail.example.org", "mail.example.net", False),
    ],
)
def test_names_in_certificates(host: str, name: str, answer: bool) -> None:
    assert relay.matches(host, name) is answer
