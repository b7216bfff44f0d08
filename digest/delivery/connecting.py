"""Making a connection to a mail server: TLS, login, and what to tell somebody for whom it fails.

aiosmtplib connects, secures and logs in; the order and what counts as a failure are spelled out here.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import re
import socket
import ssl
from pathlib import Path
from typing import cast

import aiosmtplib
from aiosmtplib import SMTPResponse

from digest.config import SmtpConfig
from digest.delivery.channel import Channel
from digest.delivery.conversation import Plain
from digest.delivery.pipeline import Pipelined
from digest.delivery.replies import clean_reply
from digest.delivery.session import Offer, Talk
from digest.errors import RelayUnusable

# Not CRAM-MD5 first: over TLS it protects nothing more, and a server that announces it often cannot do it.
AUTH_METHODS = ("plain", "login", "cram-md5")


class TooManyConnections(Exception):
    """The server takes no further connection at the moment."""

    def __init__(self, fault: RelayUnusable) -> None:
        self.fault = fault


class Connector:
    """Knows the way to one server."""

    def __init__(self, config: SmtpConfig, password: str | None, hostname: str | None, home: Path) -> None:
        self._config = config
        self._password = password
        self._hostname = hostname
        self._home = home
        self._tls: ssl.SSLContext | None = None

    async def prepare(self) -> None:
        """Look at our side. Raises `RelayUnusable`."""
        if self._config.user and self._config.tls == "none":
            raise self._unusable(
                "a login without TLS would send the password in the clear",
                'Set `tls = "starttls"` or `tls = "implicit"` under [delivery.smtp], or remove `user`',
            )
        self._hostname = _presentable(self._hostname or str(await asyncio.to_thread(socket.getfqdn)))
        if self._config.tls != "none":
            self._tls = await asyncio.to_thread(self._trust)

    async def connect(self, pipelining: bool = True) -> Talk:
        """Connect and log in; pipelined if wished and offered. Raises `RelayUnusable`, `TooManyConnections`."""
        config = self._config
        client = aiosmtplib.SMTP(
            hostname=config.host,
            port=config.port,
            local_hostname=self._hostname,
            timeout=config.timeout_seconds,
            use_tls=config.tls == "implicit",
            start_tls=False,  # done below, where its absence is an error
            tls_context=self._tls,
        )
        try:
            await client.connect()
            await client.ehlo()
            if config.tls == "starttls":
                await self._start_tls(client)
            if config.user:
                await self._login(client)
            return self._handed_over(client, pipelining)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            _abort(client)
            raise self._connect_fault(error) from None
        except BaseException:
            _abort(client)
            raise

    def _handed_over(self, client: aiosmtplib.SMTP, pipelining: bool) -> Talk:
        """From here the connection is ours: aiosmtplib hears nothing of it any more."""
        protocol = client.protocol
        unread = bytes(protocol._buffer) if protocol else b""
        channel = Channel(cast(asyncio.Transport, client.transport), unread)
        if not channel.is_sound:
            channel.abort()
            raise self._unusable(
                "the server speaks before it is asked", "Check `host` and `port` under [delivery.smtp]"
            )
        offer = Offer(
            where=f"{self._config.host}:{self._config.port}",
            patience=self._config.timeout_seconds,
            size_limit=_size_limit(client),
            takes_size=client.supports_extension("size"),
            takes_8bit=client.supports_extension("8bitmime"),
            limit=self._config.messages_per_connection,
        )
        return (Pipelined if pipelining and client.supports_extension("pipelining") else Plain)(channel, offer)

    def _trust(self) -> ssl.SSLContext:
        if not self._config.ca_file:
            return ssl.create_default_context()
        path = self._home / Path(self._config.ca_file).expanduser()
        try:
            return ssl.create_default_context(cafile=str(path))
        except (OSError, ValueError) as error:
            detail = (
                error.strerror if isinstance(error, FileNotFoundError | PermissionError) else "no certificate in it"
            )
            raise RelayUnusable(
                where=path,
                detail=f"the file of trusted authorities cannot be used: {detail}",
                remedy="Name a readable file with certificates in PEM format as `delivery.smtp.ca_file`",
            ) from None

    async def _start_tls(self, client: aiosmtplib.SMTP) -> None:
        # Whoever sits on the line can strike STARTTLS from the offer, to make us go on in plain text.
        if not client.supports_extension("starttls"):
            raise self._unusable(
                "the server does not offer encryption (STARTTLS), and without it nothing is sent",
                'Check `host` and `port` under [delivery.smtp]; on port 465 set `tls = "implicit"`; only for a '
                'server on this machine or a trusted network set `tls = "none"`',
            )
        guard = _Guard(client)
        try:
            await client.starttls(server_hostname=self._config.host)
        except aiosmtplib.SMTPServerDisconnected:
            if guard.injected:
                raise self._unusable(
                    "something on the way put words into the conversation before it was encrypted",
                    "Find out what stands between this machine and the server; nothing was sent",
                ) from None
            raise
        except aiosmtplib.SMTPResponseException as refused:
            raise self._unusable(
                f"the server offers encryption but refuses to start it: {_words(refused)}",
                "Try again later, or ask who runs the server",
            ) from None
        await client.ehlo()  # what was offered before the encryption counts for nothing

    async def _login(self, client: aiosmtplib.SMTP) -> None:
        if client.get_transport_info("sslcontext") is None:
            raise self._unusable(
                "a login without TLS would send the password in the clear",
                'Set `tls = "starttls"` or `tls = "implicit"` under [delivery.smtp]',
            )
        offered = [method for method in AUTH_METHODS if method in client.server_auth_methods]
        if not offered:
            raise self._unusable(
                "the server offers no login with a user name and a password",
                "Remove `user` under [delivery.smtp] if it needs none; otherwise check `host` and `port`: programs "
                "log in on port 587 or 465, servers talk to each other on port 25",
            )
        # Bytes as they stood in the environment, whatever their encoding.
        password = (self._password or "").encode("utf-8", "surrogateescape")
        refusal: aiosmtplib.SMTPAuthenticationError | None = None
        for method in offered:
            try:
                await getattr(client, f"auth_{method.replace('-', '')}")(self._config.user, password)
                return
            except aiosmtplib.SMTPAuthenticationError as error:
                refusal = error
                # "Wrong password" is final; asking thrice gets an account locked. "Not this way" is not.
                if error.code not in (500, 501, 502, 504, 534) or not client.is_connected:
                    break
        assert refusal is not None
        words = clean_reply(f"{refusal.code} {_without(refusal.message, self._config.user, password)}")
        if 400 <= refusal.code < 500:
            raise self._unusable(
                f"the server cannot check the login at the moment: “{words}”", "Try again in a few minutes"
            )
        raise self._unusable(
            f"the server refused the user name or password of {self._config.user!r}: “{words}”",
            "Check `user` and the password under [delivery.smtp]; many providers want an app password, made for "
            "one program in the account's security settings",
        )

    def _unusable(self, detail: str, remedy: str) -> RelayUnusable:
        return RelayUnusable(where=f"{self._config.host}:{self._config.port}", detail=detail, remedy=remedy)

    def _connect_fault(self, error: Exception) -> RelayUnusable | TooManyConnections:
        """What to tell somebody who sees this for the first time."""
        config = self._config
        cause = error.__cause__ or error
        if isinstance(error, aiosmtplib.SMTPResponseException):
            words = _words(error)
            if error.code == 421:
                return TooManyConnections(
                    self._unusable(
                        f"the server is too busy to talk to us: “{words}”",
                        "Try again in a few minutes; if it keeps on, lower `delivery.smtp.connections`",
                    )
                )
            if error.code == -1:
                return self._unusable(
                    f"what answers there does not speak SMTP: “{words}”",
                    "Check `host` and `port` under [delivery.smtp]",
                )
            if isinstance(error, aiosmtplib.SMTPHeloError):
                return self._unusable(
                    f"the server does not accept our greeting as {self._hostname!r}: “{words}”",
                    "Check that this machine may use the server, and that its own host name is a full one "
                    "(`hostname --fqdn`)",
                )
            return self._unusable(
                f"the server turned us away: “{words}”",
                "Check that this machine may use the server; many accept only their own customers, "
                "on port 587 or 465",
            )
        if isinstance(cause, ssl.SSLCertVerificationError):
            return self._unusable(
                f"the server's certificate is not valid for {config.host!r}: {clean_reply(cause.verify_message)}",
                "Set `host` under [delivery.smtp] to the name in the certificate; for a private authority name its "
                "certificate in `ca_file`",
            )
        if isinstance(cause, ssl.SSLError):
            return self._unusable(
                f"no encrypted connection came about: {clean_reply(cause.reason or str(cause))}",
                'Check `port` and `tls` under [delivery.smtp]: port 465 goes with `tls = "implicit"`, '
                'port 587 with `tls = "starttls"`',
            )
        if isinstance(cause, socket.gaierror | UnicodeError):
            return self._unusable(
                f"there is no machine called {config.host!r}",
                "Check `host` under [delivery.smtp] for a slip, and that this machine is online",
            )
        # asyncio says "aborted" where a TLS handshake takes too long.
        if isinstance(error, TimeoutError) or isinstance(cause, TimeoutError | ConnectionAbortedError):
            return self._unusable(
                f"no answer within {config.timeout_seconds:g} seconds",
                "Check `host`, `port` and the firewall (many networks block port 25); on port 465 set "
                '`tls = "implicit"`',
            )
        # Where a name has several addresses, asyncio gives their errors as one text.
        if isinstance(cause, ConnectionRefusedError) or f"[Errno {errno.ECONNREFUSED}]" in str(cause):
            return self._unusable(
                "nothing listens there (connection refused)",
                "Check `host` and `port` under [delivery.smtp], and that the mail server runs",
            )
        if isinstance(cause, aiosmtplib.SMTPServerDisconnected | ConnectionResetError | BrokenPipeError):
            return self._unusable(
                "the server hung up before we could send",
                'Check `port` and `tls` under [delivery.smtp]: port 465 goes with `tls = "implicit"`, '
                'port 587 with `tls = "starttls"`; then check that this machine may use the server',
            )
        return self._unusable(
            f"no connection came about: {clean_reply(str(cause))}",
            "Check `host` and `port` under [delivery.smtp], and that this machine is online",
        )


class _Guard(asyncio.Protocol):
    """Listens in while STARTTLS is asked for: what follows the answer in plain text was put there (RFC 3207, 6).

    aiosmtplib would drop it; but then somebody is on the line who can do more than that.
    """

    def __init__(self, client: aiosmtplib.SMTP) -> None:
        assert client.protocol is not None
        self._behind = client.protocol
        self._transport = cast(asyncio.Transport, client.transport)
        self._heard = b""
        self.injected = False
        self._transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        self._heard = (self._heard + data)[: 1 << 16]
        end = _ANSWER.match(self._heard)
        if end and end.end() < len(self._heard):
            self.injected = True
            self._transport.abort()
        else:
            self._behind.data_received(data)

    def eof_received(self) -> bool:
        return self._behind.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._behind.connection_lost(exc)

    def pause_writing(self) -> None:
        self._behind.pause_writing()

    def resume_writing(self) -> None:
        self._behind.resume_writing()


_ANSWER = re.compile(rb"(?:\d{3}-[^\n]*\n)*\d{3}(?:[ \r][^\n]*)?\n")


# ---- small helpers


def _words(reply: SMTPResponse | aiosmtplib.SMTPResponseException) -> str:
    return clean_reply(f"{reply.code} {reply.message}" if reply.code > 0 else reply.message)


def _without(words: str, user: str, password: bytes) -> str:
    """A reply without the password in it: a server may answer with what it was sent."""
    if password:
        together = b"\0" + user.encode() + b"\0" + password
        for secret in (base64.b64encode(together), base64.b64encode(password), password):
            words = words.replace(secret.decode("utf-8", "surrogateescape"), "***")
    return words


def _size_limit(client: aiosmtplib.SMTP) -> int:
    """The server's limit in bytes; 0 is none (RFC 1870)."""
    announced = client.esmtp_extensions.get("size", "").strip()
    return int(announced) if re.fullmatch(r"[0-9]{1,15}", announced) else 0


def _presentable(name: str) -> str:
    """A name for EHLO. One that is no host name would be refused; an address literal is always in order."""
    name = name.strip().rstrip(".")
    good = re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]", name)
    return name if good else "[127.0.0.1]"


def _abort(client: aiosmtplib.SMTP) -> None:
    transport = client.transport
    client.close()
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
