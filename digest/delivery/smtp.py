"""Letters over SMTP: a small pool of connections to one server, and a clear answer for each letter.

aiosmtplib makes the connection and speaks TLS; the login and the conversation about a letter are spelled out here,
because what a failure means depends on the step at which it happened. Until the line with the final dot has left,
nothing has been delivered and a letter may be tried again; from then until the reply, nobody can know.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import re
import socket
import ssl
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import cast

import aiosmtplib
from aiosmtplib import SMTPResponse
from aiosmtplib.protocol import SMTPProtocol

from digest.config import SmtpConfig
from digest.delivery.replies import Judgement, clean_reply, judge
from digest.delivery.transport import Parcel
from digest.errors import RelayUnusable
from digest.model import LetterState, Outcome

# Once the final dot is out, every reply that we do not wait for is a letter of unknown fate (RFC 1047), and servers
# scan for spam before they answer. So the last wait is longer, up to the ten minutes that RFC 5321 asks for.
FINAL_PATIENCE = 4
FINAL_PATIENCE_LIMIT = 600.0  # seconds

QUIT_PATIENCE = 2.0  # seconds; a goodbye is not worth more

# Not CRAM-MD5 first: over TLS it protects nothing more, and a server that announces it often cannot do it.
AUTH_METHODS = ("plain", "login", "cram-md5")


class _Lost(Exception):
    """The conversation broke off, or stopped making sense, before the final dot: nothing was delivered."""


class _Uncertain(Exception):
    """The conversation broke off after the final dot."""


class _TooManyConnections(Exception):
    """The server takes no further connection at the moment."""

    def __init__(self, fault: RelayUnusable) -> None:
        self.fault = fault


class Smtp:
    """Sends each parcel over one of `config.connections` connections, which are made when needed and kept."""

    def __init__(
        self, config: SmtpConfig, password: str | None, hostname: str | None, home: Path | None = None
    ) -> None:
        """`hostname` is how we introduce ourselves, by default this machine's name; `home` is where a relative
        `ca_file` starts."""
        self._config = config
        self._password = password
        self._hostname = hostname
        self._home = home or Path()
        self._tls: ssl.SSLContext | None = None
        self._slots = asyncio.Semaphore(config.connections)
        self._idle: list[_Connection] = []
        self._live: set[_Connection] = set()

    @property
    def name(self) -> str:
        return f"smtp:{self._config.host}:{self._config.port}"

    @property
    def in_flight(self) -> int:
        return self._config.connections

    @property
    def patience(self) -> timedelta:
        # Twice, as a kept connection may have died: connecting, greeting, EHLO, STARTTLS, EHLO, login in two steps,
        # MAIL, RCPT, DATA, body. Then the wait for the last word.
        wait = self._config.timeout_seconds
        return timedelta(seconds=60 + 2 * 11 * wait + min(FINAL_PATIENCE * wait, FINAL_PATIENCE_LIMIT))

    async def open(self) -> None:
        """Connect and log in once, so that whatever is wrong shows before the first letter is touched."""
        if self._config.user and self._config.tls == "none":
            raise self._unusable(
                "a login without TLS would send the password in the clear",
                'Set `tls = "starttls"` or `tls = "implicit"` under [delivery.smtp], or remove `user`',
            )
        self._hostname = _presentable(self._hostname or str(await asyncio.to_thread(socket.getfqdn)))
        if self._config.tls != "none":
            self._tls = await asyncio.to_thread(self._trust)
        try:
            self._idle.append(await self._connect())
        except _TooManyConnections as busy:
            raise busy.fault from None

    async def deliver(self, parcel: Parcel) -> Outcome:
        for whose, address in (("recipient", parcel.recipient), ("sender", parcel.sender)):
            if fault := address_fault(address):
                return Outcome(LetterState.FAILED, f"the {whose}'s address {fault}")
        lines = wire_lines(parcel.message)
        if isinstance(lines, str):
            return Outcome(LetterState.FAILED, lines)

        trouble = ""
        for attempt in (1, 2):
            # A kept connection may have died unnoticed, and so may its neighbours: the second try gets a new one.
            connection = await self._take(fresh=attempt == 2)
            try:
                return await connection.send(parcel, lines)
            except _Lost as lost:
                trouble = str(lost)
            except _Uncertain as unknown:
                return Outcome(LetterState.UNCERTAIN, str(unknown))
            finally:
                self._give_back(connection)
        return Outcome(LetterState.DEFERRED, trouble)

    async def settle(self, message_id: str) -> Outcome | None:
        """SMTP has no way to ask what became of a message."""
        return None

    async def close(self) -> None:
        connections, self._idle = list(self._live), []
        self._live.clear()
        await asyncio.gather(*(connection.leave() for connection in connections), return_exceptions=True)

    # ---- the pool

    async def _take(self, fresh: bool) -> _Connection:
        while True:
            await self._slots.acquire()
            try:
                while self._idle:
                    connection = self._idle.pop()
                    if connection.is_usable and not fresh:
                        return connection
                    # Too old for a second try, or dead. One goes for the one to be made, within the limit.
                    self._live.discard(connection)
                    if connection.is_usable:
                        await connection.leave()
                        break
                    connection.abort()
                return await self._connect()
            except _TooManyConnections as busy:
                # The server allows fewer than configured. While another connection lives, do with those: this slot
                # is not released, so the pool stays one smaller, and the letter waits for its turn.
                if not self._live:
                    self._slots.release()
                    raise busy.fault from None
            except BaseException:
                self._slots.release()
                raise

    def _give_back(self, connection: _Connection) -> None:
        if connection.is_usable:
            self._idle.append(connection)
        else:
            connection.abort()
            self._live.discard(connection)
        self._slots.release()

    # ---- making a connection

    async def _connect(self) -> _Connection:
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
            connection = _Connection(client, config)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            _abort(client)
            raise self._connect_fault(error) from None
        except BaseException:
            _abort(client)
            raise
        self._live.add(connection)
        return connection

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
        try:
            await client.starttls(server_hostname=self._config.host)
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

    def _connect_fault(self, error: Exception) -> RelayUnusable | _TooManyConnections:
        """What to tell somebody who sees this for the first time."""
        config = self._config
        cause = error.__cause__ or error
        if isinstance(error, aiosmtplib.SMTPResponseException):
            words = _words(error)
            if error.code == 421:
                return _TooManyConnections(
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


class _Connection:
    """One connection, logged in, and the conversation about one parcel at a time."""

    def __init__(self, client: aiosmtplib.SMTP, config: SmtpConfig) -> None:
        assert client.protocol is not None
        assert client.transport is not None
        self._client = client
        self._protocol: SMTPProtocol = client.protocol
        self._transport = cast(asyncio.WriteTransport, client.transport)
        self._config = config
        self._where = f"{config.host}:{config.port}"
        self._settled = True  # no conversation under way whose end we have not seen
        self._size_limit = _size_limit(client)
        self._takes_size = client.supports_extension("size")
        self._takes_8bit = client.supports_extension("8bitmime")
        # With no room in the buffer, `drain` returns once everything is with the system: see `_hand_over`.
        self._transport.set_write_buffer_limits(high=0)
        self._writer = asyncio.StreamWriter(self._transport, self._protocol, None, asyncio.get_running_loop())

    @property
    def is_usable(self) -> bool:
        return self._settled and self._client.is_connected

    async def send(self, parcel: Parcel, lines: bytes) -> Outcome:
        """One mail transaction. Raises `_Lost`, `_Uncertain` or `RelayUnusable`."""
        if self._size_limit and len(lines) > self._size_limit:
            return Outcome(
                LetterState.FAILED,
                f"the letter is too large: {len(lines)} bytes, and the server takes {self._size_limit}",
            )
        eight_bit = not lines.isascii()
        if eight_bit and not self._takes_8bit:
            return Outcome(LetterState.FAILED, "the letter is not plain ASCII and the server takes nothing else")
        options = [b"SIZE=%d" % len(lines)] if self._takes_size else []
        options += [b"BODY=8BITMIME"] if eight_bit else []

        # From here to the end of the conversation; an exception on the way leaves the connection unfit for reuse.
        self._settled = False
        outcome = await self._converse(parcel, lines, options)
        if outcome.state is LetterState.SENT:
            self._settled = True
        else:
            # A refused step may leave a half-written envelope behind. Without a clean slate, no reuse.
            with suppress(aiosmtplib.SMTPException, OSError):
                self._settled = (await self._client.execute_command(b"RSET")).code == 250
        return outcome

    async def _converse(self, parcel: Parcel, lines: bytes, options: list[bytes]) -> Outcome:
        # Not aiosmtplib's mail() and rcpt(): these read the address anew, and what they read may be another one.
        reply = await self._say(b"MAIL", b"FROM:<%b>" % parcel.sender.encode("ascii"), *options)
        if not 200 <= reply.code < 300:
            return self._refused(reply, sender=parcel.sender)
        reply = await self._say(b"RCPT", b"TO:<%b>" % parcel.recipient.encode("ascii"))
        if not 200 <= reply.code < 300:
            return self._refused(reply)
        reply = await self._say(b"DATA")
        if reply.code != 354:
            if reply.code < 400:
                raise _Lost(f"the server gave an answer out of place: {_words(reply)}")
            return self._refused(reply)
        reply = await self._hand_over(lines)
        if 200 <= reply.code < 300:
            return Outcome(LetterState.SENT, judge(reply.code, reply.message).reply)
        return self._refused(reply)

    async def _say(self, *words: bytes) -> SMTPResponse:
        try:
            reply = await self._client.execute_command(*words)
        except TimeoutError:
            raise _Lost(
                f"no answer to {words[0].decode()} within {self._config.timeout_seconds:g} seconds"
            ) from None
        except aiosmtplib.SMTPResponseException as error:
            raise _Lost(f"the server does not speak SMTP any more: {_words(error)}") from None
        except (aiosmtplib.SMTPException, OSError):
            raise _Lost(f"the server hung up at {words[0].decode()}") from None
        return self._plausible(reply, words[0].decode())

    def _plausible(self, reply: SMTPResponse, step: str) -> SMTPResponse:
        if reply.code == 421:
            raise _Lost(_words(reply))
        if not 200 <= reply.code < 600:
            raise _Lost(f"the server gave an answer to {step} that is none: {_words(reply)}")
        return reply

    async def _hand_over(self, lines: bytes) -> SMTPResponse:
        """Send the message, then the final dot, and wait for the verdict.

        The dot is written on its own, after the message has left our buffers. Until then a fault is harmless, and
        the transport tells at once if the connection was gone. What remains is the true window of uncertainty: the
        dot went into the system's hands and no reply came.
        """
        seconds = self._config.timeout_seconds
        # Listening from the start: a server may refuse in the middle ("too large") and hang up.
        listening = asyncio.ensure_future(self._protocol.read_response())
        broken = _Lost("the connection broke off in the middle of the message")
        try:
            stuck = False
            self._writer.write(stuffed(lines))
            if self._transport.get_write_buffer_size():
                try:
                    await asyncio.wait_for(self._writer.drain(), seconds)
                except (TimeoutError, OSError):
                    stuck = True
            await asyncio.sleep(0)  # let an answer that is there already be heard
            if listening.done():
                return self._early(listening, broken)
            if stuck or self._transport.is_closing():
                raise broken
            self._writer.write(b".\r\n")
            if self._transport.is_closing():  # the system did not take it
                raise broken

            patience = max(seconds, min(FINAL_PATIENCE * seconds, FINAL_PATIENCE_LIMIT))
            try:
                reply = await asyncio.wait_for(listening, patience)
            except TimeoutError:
                raise _Uncertain(f"the message is out, and no answer came within {patience:g} seconds") from None
            except aiosmtplib.SMTPResponseException as error:
                raise _Uncertain(f"the message is out, and the answer makes no sense: {_words(error)}") from None
            except (aiosmtplib.SMTPException, OSError):
                raise _Uncertain("the message is out, and the connection broke off before the answer") from None
            if reply.code == 421:
                # Said as an answer to the dot, it refuses the message (RFC 5321, 4.2.3: like any 4yz).
                raise _Lost(_words(reply))
            if not (200 <= reply.code < 300 or 400 <= reply.code < 600):
                raise _Uncertain(f"the message is out, and the answer makes no sense: {_words(reply)}")
            return reply
        finally:
            if not listening.cancel() and not listening.cancelled():
                listening.exception()  # looked at, so that asyncio does not complain

    def _early(self, listening: asyncio.Future[SMTPResponse], broken: _Lost) -> SMTPResponse:
        """An answer before the final dot. A refusal counts; nothing else can mean that the message was taken."""
        try:
            reply = listening.result()
        except (aiosmtplib.SMTPException, OSError):
            raise broken from None
        # The server may or may not be reading the rest as commands: this connection is done with.
        self.abort()
        if 400 <= reply.code < 600 and reply.code != 421:
            return reply
        raise _Lost(_words(reply))

    def _refused(self, reply: SMTPResponse, sender: str | None = None) -> Outcome:
        judgement: Judgement = judge(reply.code, reply.message)
        if judgement.state is not None:
            ours = sender is not None and judgement.state is LetterState.FAILED and judgement.kind != "too-large"
            if not ours:
                return Outcome(judgement.state, judgement.reply)
            raise RelayUnusable(
                where=self._where,
                detail=f"the server does not accept our sender address {sender!r}: “{judgement.reply}”",
                remedy="Set `from_address` under [letter] to an address that this server may send for",
            )
        raise RelayUnusable(
            where=self._where,
            detail=f"{judgement.explanation}: “{judgement.reply}”",
            remedy=judgement.remedy,
        )

    async def leave(self) -> None:
        """Say goodbye if that is in order. Never raises, and does not wait for long."""
        if self.is_usable:
            self._settled = False
            patience = min(QUIT_PATIENCE, self._config.timeout_seconds)
            with suppress(aiosmtplib.SMTPException, OSError):
                await self._client.quit(timeout=patience)
        self.abort()
        await asyncio.sleep(0)  # the transport lets go of its socket in the next turn of the loop

    def abort(self) -> None:
        self._settled = False
        self._transport.abort()
        self._client.close()


# ---- what may go onto the wire


def address_fault(address: str) -> str:
    """Why an address must not be put into an SMTP command, or "".

    A line break in it would be a command of its own, a bracket or a space would end the path and begin parameters.
    """
    if not address or "@" not in address:
        return "is not an address"
    if not address.isascii():
        return "has characters that plain mail servers do not take (not ASCII)"
    if re.search(r"[\x00-\x20\x7f<>]", address):
        return "holds a space, a line break, a bracket or a control character"
    # RFC 5321, 4.5.3.1. Servers differ in what they answer to longer ones, so do not ask.
    if len(address) > 254 or len(address.rpartition("@")[0]) > 64:
        return "is longer than addresses may be"
    return ""


def wire_lines(message: bytes) -> bytes | str:
    """The message with CRLF line ends throughout, or the reason for not sending it.

    A message in LF throughout is only written in another convention. A lone CR or LF among CRLFs is not a line end,
    but some servers take it for one, and then `LF . LF` ends the message and what follows are commands (SMTP
    smuggling). Mending it would make the smuggled line real, so such a message is refused.
    """
    if b"\0" in message:
        return "the letter holds a NUL byte"
    pairs, lf, cr = message.count(b"\r\n"), message.count(b"\n"), message.count(b"\r")
    if cr != pairs or (pairs and lf != pairs):
        return "the letter mixes kinds of line ends, which could be taken for commands to the mail server"
    if lf and not pairs:
        message = message.replace(b"\n", b"\r\n")
    return message if message.endswith(b"\r\n") else message + b"\r\n"


def stuffed(lines: bytes) -> bytes:
    """Lines as they travel: one more dot before each that begins with one (RFC 5321, 4.5.2)."""
    doubled = lines.replace(b"\r\n.", b"\r\n..")
    return b"." + doubled if lines.startswith(b".") else doubled


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
