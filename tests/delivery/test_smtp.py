"""Sending over SMTP, against real servers on real sockets: one that behaves (aiosmtpd) and one that does not."""

from __future__ import annotations

import asyncio
import email
import email.policy
import logging
import socket
import ssl
import struct
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
import trustme
from aiosmtpd.smtp import SMTP as Server
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from scripted_smtp import DROP, HANG, RESET, Scripted
from supply import carried

from digest.config import SmtpConfig
from digest.delivery.smtp import Smtp
from digest.delivery.transport import Parcel, deliver_one
from digest.delivery.wire import address_fault, stuffed, wire_lines
from digest.errors import RelayUnusable
from digest.model import LetterState, Outcome

SENT, DEFERRED = LetterState.SENT, LetterState.DEFERRED
FAILED, UNCERTAIN = LetterState.FAILED, LetterState.UNCERTAIN


@pytest.fixture(autouse=True, params=["plain", "pipelined"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Everything holds for both ways to talk: a scripted server offers PIPELINING, or does not."""
    if request.param == "pipelined":
        monkeypatch.setattr(Scripted, "also", ("PIPELINING",))
    return str(request.param)


MESSAGE = b"From: d@example.org\r\nTo: a@example.org\r\nSubject: Hi\r\n\r\nbody\r\n"
PASSWORD = "s3cret pass-word"
TIMEOUT = 0.4


def parcel(recipient: str = "a@example.org", message: bytes = MESSAGE, sender: str = "d@example.org") -> Parcel:
    return Parcel(sender, recipient, f"<{recipient}>", message)


def config(port: int, **keys: Any) -> SmtpConfig:
    keys = {"tls": "none", "timeout_seconds": TIMEOUT, "connections": 1} | keys
    return SmtpConfig(host=keys.pop("host", "127.0.0.1"), port=port, **keys)


@asynccontextmanager
async def opened(port: int, password: str | None = None, **keys: Any) -> AsyncIterator[Smtp]:
    transport = Smtp(config(port, **keys), password, "client.example.org")
    try:
        await transport.open()
        yield transport
    finally:
        await transport.close()


def run(coroutine: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(coroutine(), 20)

    asyncio.run(bounded())


def send(script: Scripted, *parcels: Parcel, **keys: Any) -> list[Outcome | BaseException]:
    """Open, deliver the parcels, close."""
    results: list[Outcome | BaseException] = []

    async def main() -> None:
        async with script, opened(script.port, **keys) as transport:
            results.extend(await carried(transport, parcels))

    run(main)
    return results


def states(results: list[Outcome | BaseException]) -> list[object]:
    return [r.state if isinstance(r, Outcome) else type(r) for r in results]


def refusal(script: Scripted | int, **keys: Any) -> str:
    """The words of the refusal to open."""

    async def main() -> None:
        if isinstance(script, int):
            async with opened(script, **keys):
                pass
        else:
            async with script, opened(script.port, **keys):
                pass

    with pytest.raises(RelayUnusable) as caught:
        run(main)
    return str(caught.value)


# ---- a server that behaves


@dataclass
class Inbox:
    """An aiosmtpd handler that keeps what it gets and refuses some."""

    envelopes: list[Envelope] = field(default_factory=list)
    secure: list[bool] = field(default_factory=list)

    async def handle_RCPT(
        self, server: Server, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("nobody"):
            return "550 5.1.1 no such user"
        if address.startswith("later"):
            return "451 4.7.1 greylisted, try again in 5 minutes"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Server, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        self.secure.append(session.ssl is not None)
        return "250 2.0.0 queued as 4711"


def authenticator(
    server: Server, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"joe", PASSWORD.encode())
    return AuthResult(success=good, handled=False)


@asynccontextmanager
async def behaving(inbox: Inbox, implicit: ssl.SSLContext | None = None, **keys: Any) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Server(inbox, hostname="server.example.org", loop=loop, **keys), "127.0.0.1", 0, ssl=implicit
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def server_tls(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_letters_arrive_and_a_refused_one_does_not_hurt_the_others() -> None:
    inbox = Inbox()

    async def main() -> None:
        async with behaving(inbox) as port, opened(port, connections=3) as transport:
            names = [f"r{i}@example.org" for i in range(30)]
            names[7], names[11] = "nobody@example.org", "later@example.org"
            outcomes = await carried(transport, (parcel(name) for name in names))
        by_name = dict(zip(names, outcomes, strict=True))
        assert by_name.pop("nobody@example.org") == Outcome(FAILED, "550 5.1.1 no such user", kind="no-mailbox")
        assert by_name.pop("later@example.org") == Outcome(
            DEFERRED, "451 4.7.1 greylisted, try again in 5 minutes", "", "greylisted", timedelta(minutes=5)
        )
        assert set(by_name.values()) == {Outcome(SENT, "250 2.0.0 queued as 4711", kind="accepted")}
        assert sorted(e.rcpt_tos[0] for e in inbox.envelopes) == sorted(by_name)
        assert {e.mail_from for e in inbox.envelopes} == {"d@example.org"}

    run(main)


DOTS = (
    b"Subject: dots\r\n\r\n.\r\n..\r\n...three\r\n.start\r\nmiddle . dot\r\nend.\r\n\r\n.\r\n\r\nQUIT\r\n"
    + b"x" * 990
    + b"\r\n.."
    + b"y" * 100
    + b"\r\n.\r\n"
)


@pytest.mark.parametrize("message", [DOTS, b".first\r\n", b"\r\n", b".", b"Subject: no end", b"..\r\n.\r\n"])
def test_the_message_arrives_byte_for_byte(message: bytes) -> None:
    inbox, script = Inbox(), Scripted()

    async def main() -> None:
        async with behaving(inbox) as port, opened(port) as transport:
            assert (await deliver_one(transport, parcel(message=message))).state is SENT
            assert (await deliver_one(transport, parcel())).state is SENT

    run(main)
    expected = message if message.endswith(b"\r\n") else message + b"\r\n"
    assert [e.original_content for e in inbox.envelopes] == [expected, MESSAGE]
    assert states(send(script, parcel(message=message), parcel())) == [SENT, SENT]
    assert [m.message for m in script.mails] == [expected, MESSAGE]


def test_a_real_letter_is_the_same_when_parsed_at_the_other_end() -> None:
    letter = email.message.EmailMessage(policy=email.policy.SMTP)
    letter["Subject"] = "Fünf Arbeiten über Werkzeuge"
    letter["From"] = "d@example.org"
    letter.set_content("Grüße\n.punkt am Anfang\n..zwei\n\n" + "wort " * 5000)
    letter.add_alternative("<p>.größer</p>\n" * 2000, subtype="html")
    script = Scripted()
    assert states(send(script, parcel(message=letter.as_bytes()))) == [SENT]
    assert script.mails[0].message == letter.as_bytes()
    back = email.message_from_bytes(script.mails[0].message, policy=email.policy.default)
    for kind in ("plain", "html"):
        ours, theirs = letter.get_body((kind,)), back.get_body((kind,))
        assert ours is not None
        assert theirs is not None
        assert ours.get_content().splitlines() == theirs.get_content().splitlines()


def test_one_connection_carries_many_letters() -> None:
    script = Scripted()
    assert states(send(script, *(parcel(f"r{i}@x") for i in range(5)))) == [SENT] * 5
    assert script.connections == 1
    assert script.said.count("QUIT") == 1
    assert "EHLO client.example.org" in script.said
    assert f"MAIL FROM:<d@example.org> SIZE={len(MESSAGE)}" in script.said


def test_never_more_connections_than_configured() -> None:
    script = Scripted()

    async def main() -> None:
        async with script, opened(script.port, connections=3) as transport:
            assert transport.in_flight == 3
            assert script.connections == 1  # the others when they are needed
            outcomes = await carried(transport, (parcel(f"r{i}@x") for i in range(40)))
            assert {o.state for o in outcomes} == {SENT}

    run(main)
    assert script.most_open == script.connections == 3
    assert sorted(m.recipient for m in script.mails) == sorted(f"r{i}@x" for i in range(40))


def test_nobody_can_ask_a_server_what_became_of_a_message() -> None:
    assert asyncio.run(Smtp(config(1), None, None).settle(["<1@x>"])) == {}


# ---- TLS and login

Mode = Literal["starttls", "implicit"]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_an_encrypted_login_and_a_letter(mode: Mode, authority: trustme.CA, ca_file: str) -> None:
    inbox, tls = Inbox(), server_tls(authority)

    async def main() -> None:
        keys: dict[str, Any] = {"auth_required": True, "authenticator": authenticator}
        if mode == "starttls":
            keys |= {"tls_context": tls, "require_starttls": True}
        else:
            keys |= {"auth_require_tls": False}  # aiosmtpd does not know that the socket is encrypted
        async with behaving(inbox, implicit=tls if mode == "implicit" else None, **keys) as port:
            login = {"user": "joe", "password_env": "X", "ca_file": ca_file}
            async with opened(port, PASSWORD, tls=mode, timeout_seconds=5, **login) as transport:
                for message in (DOTS, MESSAGE * 20_000):
                    assert (await deliver_one(transport, parcel(message=message))).state is SENT

    run(main)
    assert [e.original_content for e in inbox.envelopes] == [DOTS, MESSAGE * 20_000]
    if mode == "starttls":
        assert inbox.secure == [True, True]


def test_many_letters_over_an_encrypted_connection(authority: trustme.CA, ca_file: str) -> None:
    script = Scripted()
    messages = [MESSAGE, DOTS, LARGE, MESSAGE, LARGE]

    async def main() -> None:
        async with (
            Tls(script, server_tls(authority)) as front,
            opened(front.port, tls="implicit", ca_file=ca_file, timeout_seconds=5) as transport,
        ):
            results = await carried(transport, (parcel(f"r{i}@x", one) for i, one in enumerate(messages)))
            assert states(results) == [SENT] * 5

    run(main)
    assert [one.message for one in script.mails] == messages
    assert script.connections == 1


def test_a_wrong_password_is_explained_and_not_shown(
    authority: trustme.CA, ca_file: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    inbox, words = Inbox(), []

    async def main() -> None:
        tls = server_tls(authority)
        async with behaving(inbox, tls_context=tls, auth_required=True, authenticator=authenticator) as port:
            with pytest.raises(RelayUnusable) as caught:
                async with opened(
                    port, "wrong-horse", tls="starttls", user="joe", password_env="X", ca_file=ca_file
                ):
                    pass
            words.append(str(caught.value))
            assert caught.value.__cause__ is None

    run(main)
    assert "the server refused the user name or password of 'joe'" in words[0]
    assert "app password" in words[0]
    sent = [r for r in caplog.records if not r.name.startswith("mail")]  # the server's own log knows what it got
    assert "wrong-horse" not in words[0] + " ".join(r.getMessage() for r in sent)


class Tls:
    """A scripted server behind implicit TLS: `Scripted` speaks plain text, and this puts a wrapper before it."""

    def __init__(self, script: Scripted, context: ssl.SSLContext) -> None:
        self.script, self.context, self.port = script, context, 0

    async def __aenter__(self) -> Tls:
        await self.script.__aenter__()
        self.server = await asyncio.start_server(self._pass, "127.0.0.1", 0, ssl=self.context)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        await self.script.__aexit__()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.script.port)

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            try:
                while data := await source.read(65536):
                    sink.write(data)
                    await sink.drain()
            except OSError:
                pass
            finally:
                sink.close()

        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))


@pytest.mark.parametrize(
    ("reply", "part"),
    [
        ("535 5.7.8 bad credentials", "the server refused the user name or password of 'joe'"),
        ("454 4.7.0 temporary authentication failure", "cannot check the login at the moment"),
        ("535 you sent AGpvZQBzM2NyZXQgcGFzcy13b3Jk and s3cret pass-word", "you sent *** and ***"),
        (b"535 no\r\n", "the server refused"),
        (DROP, "hung up"),
        (HANG, "no answer within"),
        (b"\xff\xfe\r\n", "does not speak SMTP"),
    ],
)
def test_each_way_to_refuse_a_login(reply: str | bytes, part: str, authority: trustme.CA, ca_file: str) -> None:
    script = Scripted(extensions=("AUTH LOGIN PLAIN CRAM-MD5",)).on("AUTH", reply, times=9)

    async def main() -> None:
        async with Tls(script, server_tls(authority)) as front:
            with pytest.raises(RelayUnusable) as caught:
                async with opened(
                    front.port, PASSWORD, tls="implicit", user="joe", password_env="X", ca_file=ca_file
                ):
                    pass
            assert part in str(caught.value)
            assert PASSWORD not in str(caught.value)
            assert "AGpvZQBzM2NyZXQgcGFzcy13b3Jk" not in str(caught.value)

    run(main)
    assert len([line for line in script.said if line.startswith("AUTH")]) == 1  # not three wrong attempts


def test_a_method_that_the_server_announces_and_cannot_do_is_passed_over(
    authority: trustme.CA, ca_file: str
) -> None:
    script = Scripted(extensions=("AUTH PLAIN CRAM-MD5",)).on("AUTH", "504 5.5.4 not that one")

    async def main() -> None:
        async with Tls(script, server_tls(authority)) as front:
            with pytest.raises(RelayUnusable):
                async with opened(
                    front.port, PASSWORD, tls="implicit", user="joe", password_env="X", ca_file=ca_file
                ):
                    pass

    run(main)
    assert [line.split(" ")[1] for line in script.said if line.startswith("AUTH")] == ["PLAIN", "CRAM-MD5"]


def test_a_server_without_login_where_one_is_configured(authority: trustme.CA, ca_file: str) -> None:
    async def main() -> None:
        async with Tls(Scripted(), server_tls(authority)) as front:
            with pytest.raises(RelayUnusable, match="offers no login"):
                async with opened(
                    front.port, PASSWORD, tls="implicit", user="joe", password_env="X", ca_file=ca_file
                ):
                    pass

    run(main)


def test_never_plain_text_where_encryption_is_required() -> None:
    script = Scripted()  # offers no STARTTLS
    words = refusal(script, tls="starttls")
    assert "does not offer encryption (STARTTLS)" in words
    assert [line for line in script.said if line.startswith(("MAIL", "AUTH"))] == []

    script = Scripted(extensions=("STARTTLS",)).on("STARTTLS", "454 4.7.0 TLS not available")
    assert "refuses to start it" in refusal(script, tls="starttls")
    assert [line for line in script.said if line.startswith(("MAIL", "AUTH"))] == []

    script = Scripted(extensions=("STARTTLS",)).on("STARTTLS", "220 go", then_drop=True)
    assert "hung up" in refusal(script, tls="starttls")

    script = Scripted(extensions=("STARTTLS",)).on("STARTTLS", "220 go")  # and then goes on in plain text
    words = refusal(script, tls="starttls")
    assert "no answer within" in words or "no encrypted connection" in words
    assert [line for line in script.said if line.startswith(("MAIL", "AUTH"))] == []


def test_no_login_without_encryption_even_if_the_configuration_says_so() -> None:
    script = Scripted(extensions=("AUTH PLAIN",))

    async def main() -> None:
        reckless = config(1).model_copy(update={"user": "joe", "password_env": "X"})
        async with script:
            transport = Smtp(reckless.model_copy(update={"port": script.port}), PASSWORD, None)
            with pytest.raises(RelayUnusable, match="in the clear"):
                await transport.open()
            with pytest.raises(RelayUnusable, match="in the clear"):
                await deliver_one(transport, parcel())
            await transport.close()

    run(main)
    assert [line for line in script.said if line.startswith("AUTH")] == []


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
@pytest.mark.parametrize("fault", ["unknown authority", "another name"])
def test_a_certificate_is_always_checked(mode: Mode, fault: str, authority: trustme.CA, ca_file: str) -> None:
    inbox = Inbox()

    async def main() -> None:
        tls = server_tls(authority if fault == "another name" else trustme.CA(), "mail.example.org")
        keys: dict[str, Any] = {"tls_context": tls} if mode == "starttls" else {"implicit": tls}
        async with behaving(inbox, **keys) as port:
            with pytest.raises(RelayUnusable) as caught:
                async with opened(port, tls=mode, ca_file=ca_file, timeout_seconds=5):
                    pass
            assert "the server's certificate is not valid for '127.0.0.1'" in str(caught.value)
            assert "`ca_file`" in str(caught.value)

    run(main)


def test_a_private_authority_is_unknown_to_the_system(authority: trustme.CA) -> None:
    async def main() -> None:
        async with behaving(Inbox(), tls_context=server_tls(authority)) as port:
            with pytest.raises(RelayUnusable, match="certificate is not valid"):
                async with opened(port, tls="starttls", timeout_seconds=5):
                    pass

    run(main)


def test_a_file_of_authorities_that_is_none(tmp_path: Path) -> None:
    assert "No such file" in refusal(1, tls="starttls", ca_file=str(tmp_path / "none.pem"))
    (tmp_path / "ca.pem").write_text("not a certificate")
    assert "no certificate in it" in refusal(1, tls="implicit", ca_file=str(tmp_path / "ca.pem"))


def test_a_relative_file_of_authorities_starts_at_home(authority: trustme.CA, ca_file: str) -> None:
    async def main() -> None:
        async with behaving(Inbox(), tls_context=server_tls(authority)) as port:
            keys = config(port, tls="starttls", ca_file="ca.pem", timeout_seconds=5)
            transport = Smtp(keys, None, None, home=Path(ca_file).parent)
            await transport.open()
            assert (await deliver_one(transport, parcel())).state is SENT
            await transport.close()

    run(main)


# ---- a server that cannot be reached


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("script", "keys", "part", "remedy"),
    [
        (Scripted().on("banner", DROP), {}, "hung up", "`port` and `tls`"),
        (Scripted().on("banner", RESET), {}, "hung up", "`port` and `tls`"),
        (Scripted().on("banner", HANG), {}, "no answer within 0.4 seconds", "firewall"),
        (Scripted().on("banner", "554 5.7.1 no service for you"), {}, "turned us away", "customers"),
        (Scripted().on("banner", "421 4.3.2 too busy"), {}, "too busy", "ry again in a few minutes"),
        (Scripted().on("banner", b"HTTP/1.1 400 Bad Request\r\n\r\n"), {}, "does not speak SMTP", "`port`"),
        (Scripted().on("banner", b"SSH-2.0-OpenSSH_9.6\r\n"), {}, "does not speak SMTP", "`port`"),
        (Scripted().on("EHLO", DROP), {}, "hung up", ""),
        (Scripted().on("EHLO", HANG), {}, "no answer within", ""),
        (Scripted().on("EHLO", "550 5.7.1 who are you"), {}, "our greeting as 'client.example.org'", "host name"),
        (Scripted().on("EHLO", "421 4.7.0 later"), {}, "too busy", ""),
        (Scripted().on("EHLO", b"garbage\r\n"), {}, "does not speak SMTP", ""),
        (Scripted(), {"tls": "implicit", "timeout_seconds": 2}, "no encrypted connection", "465"),
        (Scripted(), {"host": "no-such-host.invalid"}, "no machine called 'no-such-host.invalid'", "slip"),
        (Scripted(), {"host": "a" * 70 + ".example.org"}, "no machine called", "slip"),
    ],
)
def test_each_way_not_to_get_through(script: Scripted, keys: dict[str, Any], part: str, remedy: str) -> None:
    words = refusal(deepcopy(script), **keys)
    assert part in words
    assert remedy in words
    assert "\n" not in words


def test_nothing_listens() -> None:
    words = refusal(free_port())
    assert "connection refused" in words
    assert "that the mail server runs" in words
    assert "connection refused" in refusal(free_port(), host="localhost")  # two addresses, asyncio joins the errors


def test_a_network_that_swallows_packets() -> None:
    """A full backlog drops the handshake, as a firewall does."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            waiting.append(one)
        time.sleep(0.05)
        assert "no answer within" in refusal(port)
        for one in waiting:
            one.close()


# ---- failures before the final dot: nothing was delivered

EARLY_STEPS = ("MAIL", "RCPT", "DATA", "middle")
LARGE = b"Subject: large\r\n\r\n" + (b"x" * 70 + b"\r\n") * 12_000
HUGE = LARGE + LARGE * 15  # more than the system takes from us before the other side has read any


@pytest.mark.parametrize("step", EARLY_STEPS)
@pytest.mark.parametrize("fault", [DROP, RESET, HANG, b"garbage\r\n", b"999 ?\r\n", "421 4.3.2 closing"])
def test_a_connection_that_breaks_once_is_made_again(step: str, fault: str | bytes) -> None:
    script = Scripted(extensions=()).on(step, fault, connection=1, then_drop=True)
    results = send(script, parcel("a@x", HUGE if step == "middle" else MESSAGE), parcel("b@x"))
    assert states(results) == [SENT, SENT]
    assert [m.recipient for m in script.mails] == ["a@x", "b@x"]
    assert script.connections == 2


@pytest.mark.parametrize("step", EARLY_STEPS)
@pytest.mark.parametrize("fault", [DROP, RESET, HANG, b"garbage\r\n", "421 4.3.2 closing"])
def test_a_letter_that_breaks_it_twice_waits_and_the_next_one_goes(step: str, fault: str | bytes) -> None:
    script = Scripted(extensions=()).on(step, fault, times=2, then_drop=True)
    results = send(script, parcel("a@x", HUGE if step == "middle" else MESSAGE), parcel("b@x"))
    assert states(results) == [DEFERRED, SENT]
    assert [m.recipient for m in script.mails] == ["b@x"]
    assert isinstance(results[0], Outcome)
    if fault == "421 4.3.2 closing" and step != "middle":
        assert results[0].reply == "421 4.3.2 closing"


@pytest.mark.parametrize("step", EARLY_STEPS)
def test_a_server_that_is_gone_stops_the_run(step: str) -> None:
    script = Scripted(extensions=()).on(step, DROP)
    results: list[object] = []

    async def main() -> None:
        async with script, opened(script.port) as transport:
            await script.stop_listening()
            with pytest.raises(RelayUnusable, match="connection refused"):
                await deliver_one(transport, parcel("a@x", HUGE if step == "middle" else MESSAGE))
            results.append(script.mails)

    run(main)
    assert results == [[]]


def test_a_kept_connection_that_the_server_closed_meanwhile_is_no_fault() -> None:
    script = Scripted().on("after", "421 4.4.2 idle for too long", then_drop=True)
    script.on("after", DROP)

    async def main() -> None:
        async with script, opened(script.port) as transport:
            for i in range(4):
                assert (await deliver_one(transport, parcel(f"r{i}@x"))).state is SENT
                await asyncio.sleep(0.05)

    run(main)
    assert script.connections == 3
    assert len(script.mails) == 4


def test_all_kept_connections_died_at_the_same_time() -> None:
    """The second try must not take another dead one."""
    script = Scripted().on("MAIL", DROP, connection=1).on("MAIL", DROP, connection=2).on("MAIL", DROP, connection=3)

    async def main() -> None:
        async with script, opened(script.port, connections=3) as transport:
            outcomes = await carried(transport, (parcel(f"r{i}@x") for i in range(12)))
            assert {o.state for o in outcomes} == {SENT}

    run(main)
    assert len(script.mails) == 12


def test_a_second_try_does_not_take_another_kept_connection() -> None:
    """Connections that a firewall has forgotten look alive until they are used, all of them."""
    script = Scripted()

    async def main() -> None:
        async with script, opened(script.port, connections=2) as transport:
            await asyncio.gather(deliver_one(transport, parcel("a@x")), deliver_one(transport, parcel("b@x")))
            assert script.connections == 2
            script.on("MAIL", DROP, connection=1).on("MAIL", DROP, connection=2)
            assert (await deliver_one(transport, parcel("c@x"))).state is SENT

    run(main)
    assert script.most_open <= 3  # the goodbye to the old one may overlap with the new one


REFUSALS = [
    ("RCPT", "550 5.1.1 no such user", FAILED),
    ("RCPT", "550-5.1.1 no such user\r\n550 5.1.1 really", FAILED),
    ("RCPT", "451 4.7.1 greylisted", DEFERRED),
    ("RCPT", "450 mailbox busy", DEFERRED),
    ("RCPT", "452 4.2.2 full", DEFERRED),
    ("RCPT", "552 5.2.2 full", DEFERRED),
    ("RCPT", "550 5.7.1 spam", DEFERRED),
    ("RCPT", "554 5.7.1 Relay access denied", DEFERRED),
    ("MAIL", "451 4.3.0 busy", DEFERRED),
    ("MAIL", "452 4.3.1 no room", DEFERRED),
    ("MAIL", "552 5.3.4 too large", FAILED),
    ("DATA", "451 4.3.0 busy", DEFERRED),
    ("DATA", "554 5.5.1 no valid recipients", FAILED),
    ("dot", "451 4.3.0 busy", DEFERRED),
    ("dot", "552 5.2.2 mailbox full", DEFERRED),
    ("dot", "552 5.3.4 too large", FAILED),
    ("dot", "554 5.7.1 spam", DEFERRED),
    ("dot", "550-5.7.1 first\r\n550-5.7.1 second\r\n550 5.7.1 third", DEFERRED),
]


@pytest.mark.parametrize(("step", "reply", "state"), REFUSALS)
def test_a_refusal_is_judged_and_the_connection_goes_on(
    step: str, reply: str, state: LetterState, way: str
) -> None:
    script = Scripted().on(step, reply)
    results = send(script, parcel("a@x"), parcel("b@x"), parcel("c@x"))
    assert states(results) == [state, SENT, SENT]
    assert [m.recipient for m in script.mails] == ["b@x", "c@x"]
    assert script.connections == 1
    # Behind a dot the next envelope is under way already, and nothing is left of the one before.
    assert script.said.count("RSET") == (0 if way == "pipelined" and step == "dot" else 1)
    assert isinstance(results[0], Outcome)
    assert results[0].reply.startswith(reply[:3])


@pytest.mark.parametrize("fault", [DROP, HANG, "500 what", "421 bye", b"garbage\r\n"])
def test_a_connection_that_cannot_be_reset_is_not_used_again(fault: str | bytes) -> None:
    script = Scripted().on("RCPT", "550 5.1.1 no").on("RSET", fault)
    assert states(send(script, parcel("a@x"), parcel("b@x"))) == [FAILED, SENT]
    assert script.connections == 2


@pytest.mark.parametrize(
    ("step", "reply", "part"),
    [
        ("MAIL", "550 5.7.1 you may not send", "does not accept our sender address 'd@example.org'"),
        ("MAIL", "553 5.1.8 no such domain", "sender address"),
        ("MAIL", "530 5.7.0 Authentication required", "only after a login"),
        ("RCPT", "530 5.7.0 Must issue a STARTTLS command first", "encrypted connection only"),
        ("RCPT", "553 5.7.1 Sender address rejected: not owned by user joe", "sender address"),
        ("dot", "550 5.7.60 Client does not have permissions to send as this sender", "sender address"),
    ],
)
def test_a_fault_of_our_own_stops_the_run(step: str, reply: str, part: str) -> None:
    script = Scripted().on(step, reply)
    [result] = send(script, parcel())
    assert isinstance(result, RelayUnusable)
    assert part in str(result)
    assert reply in str(result)
    assert script.mails == []


def test_a_refusal_in_the_middle_of_the_message_counts() -> None:
    """Some servers do not wait for the end of what they will not take."""
    script = Scripted(extensions=()).on("middle", "552 5.3.4 too large for me")
    results = send(script, parcel("a@x", HUGE), parcel("b@x"))
    assert states(results) == [FAILED, SENT]
    assert [m.recipient for m in script.mails] == ["b@x"]
    assert isinstance(results[0], Outcome)
    assert results[0].reply == "552 5.3.4 too large for me"


# ---- failures after the final dot: nobody can know


@pytest.mark.parametrize(
    ("fault", "part"),
    [
        (DROP, "broke off before the answer"),
        (RESET, "broke off before the answer"),
        (HANG, "no answer came within 1.6 seconds"),
        (b"garbage\r\n", "makes no sense"),
        (b"999 what\r\n", "makes no sense"),
        (b"354 again\r\n", "makes no sense"),
        (b"25", "broke off"),
    ],
)
@pytest.mark.parametrize("message", [MESSAGE, LARGE], ids=["small", "large"])
def test_no_answer_after_the_dot_is_uncertain_and_never_sent_twice(
    fault: str | bytes, part: str, message: bytes
) -> None:
    script = Scripted(extensions=()).on("dot", fault, then_drop=True)
    results = send(script, parcel("a@x", message), parcel("b@x"))
    assert states(results) == [UNCERTAIN, SENT]
    assert isinstance(results[0], Outcome)
    assert part in results[0].reply
    assert [m.recipient for m in script.mails] == ["a@x", "b@x"]  # it did arrive, once
    assert script.mails[0].message == message


def test_a_421_for_the_message_is_tried_once_more() -> None:
    script = Scripted().on("dot", "421 4.3.2 closing", then_drop=True)
    assert states(send(script, parcel("a@x"))) == [SENT]
    assert [m.recipient for m in script.mails] == ["a@x"]
    script = Scripted().on("dot", "421 4.3.2 closing", times=2, then_drop=True)
    assert send(script, parcel("a@x")) == [Outcome(DEFERRED, "421 4.3.2 closing", kind="closing")]
    assert script.mails == []


def test_what_was_accepted_stays_sent_if_the_server_then_hangs_up() -> None:
    script = Scripted().on("after", DROP, times=3)
    assert states(send(script, *(parcel(f"r{i}@x") for i in range(3)))) == [SENT] * 3
    assert len(script.mails) == 3


def test_a_connection_that_was_gone_before_the_dot_left_is_not_uncertain() -> None:
    """The server takes the start of the message and resets; the system knows that before the dot is written."""

    async def main() -> None:
        got: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                writer.write(b"220 x\r\n")
                while line := await reader.readline():
                    writer.write(b"354 go\r\n" if line == b"DATA\r\n" else b"250 ok\r\n")
                    if line == b"DATA\r\n":
                        got.append(await reader.read(10))
                        raw = writer.get_extra_info("socket")
                        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        break
            finally:
                writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with opened(server.sockets[0].getsockname()[1]) as transport:
            outcome = await deliver_one(transport, parcel("a@x", HUGE))
        server.close()
        assert outcome.state is DEFERRED
        assert len(got) == 2

    run(main)


def test_a_dot_that_the_system_would_not_take_is_not_uncertain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reset arrives between the message and the dot, before asyncio has looked."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(2):
            connection, _address = listener.accept()
            connection.sendall(b"220 x\r\n")
            while line := connection.recv(65536):
                connection.sendall(b"354 go\r\n" if line == b"DATA\r\n" else b"250 ok\r\n")
                if line == b"DATA\r\n":
                    connection.recv(10)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    break
            connection.close()

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    real = asyncio.sleep

    async def asleep_for_a_moment(seconds: float) -> None:
        await real(seconds)
        time.sleep(0.05)

    async def main() -> None:
        async with opened(listener.getsockname()[1]) as transport:
            monkeypatch.setattr(asyncio, "sleep", asleep_for_a_moment)
            outcome = await deliver_one(transport, parcel())
            monkeypatch.undo()
        assert outcome.state is DEFERRED

    run(main)
    server.join(5)
    listener.close()


# ---- a server that allows fewer connections


def test_a_server_with_fewer_connections_than_configured_still_gets_everything() -> None:
    script = Scripted()
    for number in range(2, 50):
        script.on("banner", "421 4.7.0 too many connections", connection=number, then_drop=True)

    async def main() -> None:
        async with script, opened(script.port, connections=8) as transport:
            outcomes = await carried(transport, (parcel(f"r{i}@x") for i in range(40)))
            assert {o.state for o in outcomes} == {SENT}

    run(main)
    assert len(script.mails) == 40
    assert script.connections == 8  # each of the others was tried once


# ---- what never reaches the wire

BAD_ADDRESSES = [
    "",
    "nobody",
    "a@x\r\nRCPT TO:<b@x>",
    "a@x\n",
    "a@x\r",
    "a@x\0",
    "a b@x",
    "a@x> SIZE=0",
    "<a@x>",
    "a@x\t",
    "ä@x",
    "a@exämple.org",
    "a@x\u2028",
    "a@x\x7f",
    "\udcff@x",
    "x" * 65 + "@x",
    "x@" + "y" * 300,
]


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_a_bad_address_fails_without_a_word_to_the_server(address: str) -> None:
    script = Scripted()
    results = send(script, parcel(address), parcel(sender=address), parcel("good@x"))
    assert states(results) == [FAILED, FAILED, SENT]
    assert [line for line in script.said if line.startswith(("MAIL", "RCPT"))] == [
        f"MAIL FROM:<d@example.org> SIZE={len(MESSAGE)}",
        "RCPT TO:<good@x>",
    ]


@pytest.mark.parametrize("address", ["a(b)@x", "a,b@x", "a+tag@x", '"a"@x', "o'hara@x", "a=b@x", "a%b@x", "a..b@x"])
def test_an_odd_address_reaches_the_server_as_it_is(address: str) -> None:
    script = Scripted()
    assert address_fault(address) == ""
    assert states(send(script, parcel(address))) == [SENT]
    assert f"RCPT TO:<{address}>" in script.said


SMUGGLING = [
    b"a\r\n\n.\n\r\nMAIL FROM:<evil@x>\r\n",
    b"a\r\n\r.\r\r\nMAIL FROM:<evil@x>\r\n",
    b"a\r\n\n.\r\nMAIL FROM:<evil@x>\r\n",
    b"a\r\n.\nMAIL FROM:<evil@x>\r\n",
    b"a\r\n\r.\r\nMAIL FROM:<evil@x>\r\n",
    b"a\r\r\n.\r\n",
    b"a\r.\rb",
    b"a\r\n.\rb\r\n",
    b"a\rb\n",
    b"a\n\rb",
    b"a\0b\r\n",
]


@pytest.mark.parametrize("body", SMUGGLING)
def test_a_message_that_could_smuggle_another_is_refused(body: bytes) -> None:
    script = Scripted()
    results = send(script, parcel(message=b"Subject: x\r\n\r\n" + body), parcel("good@x"))
    assert states(results) == [FAILED, SENT]
    assert [m.recipient for m in script.mails] == ["good@x"]


def test_a_message_in_lf_is_written_in_crlf_and_stuffed_once() -> None:
    script = Scripted()
    assert states(send(script, parcel(message=b"Subject: x\n\n.\n..\nend\n.\nMAIL FROM:<evil@x>\n"))) == [SENT]
    assert script.mails[0].wire == b"Subject: x\r\n\r\n..\r\n...\r\nend\r\n..\r\nMAIL FROM:<evil@x>\r\n"
    assert len(script.mails) == 1


def test_no_message_ends_itself_on_the_wire() -> None:
    for message in (b"", b".", b".\r\n", b".\r\n.\r\n", b"\r\n.\r\n", b"\n.\n", b"a\r\n.\r\n.\r\n\r\n.\r\n"):
        lines = wire_lines(message)
        assert isinstance(lines, bytes)
        wire = stuffed(lines)
        assert wire.endswith(b"\r\n")
        assert b"\r\n.\r\n" not in b"\r\n" + wire
        assert wire.count(b"\n") == wire.count(b"\r\n") == wire.count(b"\r")


def test_a_message_larger_than_the_server_takes_fails_before_it_is_sent() -> None:
    script = Scripted(extensions=("SIZE 5000",))
    results = send(script, parcel("a@x", LARGE), parcel("b@x"))
    assert states(results) == [FAILED, SENT]
    words = f"the letter is too large: {len(LARGE)} bytes, and the server takes 5000"
    assert results[0] == Outcome(FAILED, words, kind="too-large")
    assert [line for line in script.said if "a@x" in line] == []


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0", "SIZE lots", "SIZE -1"])
def test_a_server_without_a_limit(size: str) -> None:
    assert states(send(Scripted(extensions=(size,)), parcel("a@x", LARGE))) == [SENT]


def test_eight_bit_text_goes_only_where_it_is_taken() -> None:
    message = "Subject: x\r\n\r\nGrüße\r\n".encode()
    script = Scripted()
    assert states(send(script, parcel(message=message))) == [SENT]
    assert script.said[1].endswith(" BODY=8BITMIME")
    script = Scripted(extensions=())
    assert states(send(script, parcel(message=message), parcel("b@x"))) == [FAILED, SENT]


# ---- the end


@pytest.mark.parametrize("fault", [DROP, RESET, HANG, b"garbage\r\n", "500 no"])
def test_closing_never_raises_and_never_hangs(fault: str | bytes) -> None:
    script = Scripted().on("QUIT", fault, times=9)
    start = time.perf_counter()
    assert states(send(script, parcel())) == [SENT]
    assert time.perf_counter() - start < 1.5


def test_closing_twice_and_closing_what_was_never_open() -> None:
    async def main() -> None:
        script = Scripted()
        async with script:
            transport = Smtp(config(script.port), None, None)
            await transport.close()
            await transport.open()
            await transport.close()
            await transport.close()

    run(main)


def test_a_delivery_that_is_cancelled_leaves_no_half_conversation_for_the_next() -> None:
    script = Scripted().on("RCPT", HANG)

    async def main() -> None:
        async with script, opened(script.port, timeout_seconds=5) as transport:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(deliver_one(transport, parcel("a@x")), 0.1)
            assert (await deliver_one(transport, parcel("b@x"))).state is SENT

    run(main)
    assert script.connections == 2
    assert [m.recipient for m in script.mails] == ["b@x"]


def test_nothing_is_left_open(recwarn: pytest.WarningsRecorder) -> None:
    import gc

    gc.collect()
    recwarn.clear()  # what earlier tests have left
    script = Scripted().on("RCPT", HANG, about="r3").on("dot", DROP, about="r4")
    send(script, *(parcel(f"r{i}@x") for i in range(8)), connections=3)
    gc.collect()
    # Our ends alone: in this process other tests' threads may still be letting go of servers that hang.
    told = [str(w.message) for w in recwarn if issubclass(w.category, ResourceWarning)]
    ours = f"raddr=('127.0.0.1', {script.port})"
    assert [one for one in told if ours in one or "unclosed transport" in one] == []
