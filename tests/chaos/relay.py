"""A mail server in a process of its own that misbehaves as its seed says, and keeps the only truth of what arrived.

Its log is a file that it only appends to. What arrived is written down before the 250 is said, so whoever was told
250 finds the letter there. One line for each event, fields parted by tabs: kind, recipient, who (the courier's name
as it said EHLO), Message-ID, hash of the message, why.
"""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import socket
import ssl
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random

from .faults import CONNECTION_STEPS, FAULTS, OUT_OF_PLACE, STEPS, Act
from .processes import start

USER, PASSWORD = "digest", "correct horse"
ARRIVED = "arrived"  # the whole message is here; a 250 is about to be said
BEGUN = "begun"  # a recipient was accepted
REFUSED = "refused"  # for good, by an answer that the client could see
DOUBT = "doubt"  # after what may have been the final dot the relay said nothing that can be understood


@dataclass(frozen=True, slots=True)
class Plan:
    """How a relay behaves."""

    seed: str = ""
    pipelining: bool = False
    tls: bool = False  # with a login then
    on_connection: float = 0.0  # chance of a fault while a connection is made
    on_letter: float = 0.0  # chance of a fault in the conversation about one letter
    only: tuple[str, ...] = STEPS  # where a letter meets its fault
    pause: float = 0.0  # seconds before each answer to a dot
    lie: str = ""  # "forget" some letters that it took, or "repeat" them: to see whether we would notice


class _Gone(Exception):
    """The conversation is over."""


class Relay:
    def __init__(self, plan: Plan, log: Path, certificate: ssl.SSLContext | None) -> None:
        self.plan, self.certificate = plan, certificate
        self.good = False
        self.connections = self.open_now = 0
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(
        self, kind: str, recipient: str, who: str, *, mail_id: str = "", hashed: str = "", why: str = ""
    ) -> None:
        os.write(self._log, "\t".join((kind, recipient, who, mail_id, hashed, ascii(why))).encode() + b"\n")

    async def serve(self, listening: socket.socket) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, setattr, self, "good", True)
        server = await asyncio.start_server(self._meet, sock=listening, backlog=200)
        await server.serve_forever()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_now += 1
        try:
            await _Conversation(self, reader, writer, self.connections).hold()
        except (_Gone, OSError, asyncio.CancelledError):
            pass
        finally:
            self.open_now -= 1
            writer.close()


class _Conversation:
    def __init__(
        self, relay: Relay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        self.relay, self.reader, self.writer = relay, reader, writer
        self.rng = Random(f"{relay.plan.seed}/{number}")
        self.unread, self.unsaid = bytearray(), bytearray()
        self.who, self.recipient, self.before = "", "", ""
        self.encrypted = self.strayed = self.begun = False
        self.where, self.act = "", Act()
        plan = relay.plan
        if not relay.good and self.rng.random() < plan.on_connection:
            steps = CONNECTION_STEPS if plan.tls else CONNECTION_STEPS[:2]
            self._decide(self.rng.choice(steps))

    def _decide(self, step: str) -> None:
        self.where, self.act = step, self.rng.choice(FAULTS[step])

    async def hold(self) -> None:
        await self._answer("banner", "220 relay.test ESMTP")
        while True:
            line = (await self._until(b"\n")).decode("latin-1").strip()
            verb = line.split(" ")[0].upper()
            if verb == "XIDLE":
                while self.relay.open_now > 1:
                    await asyncio.sleep(0.005)
                await self._answer("", "250 idle")
            elif verb in ("EHLO", "HELO"):
                self.who = line[5:]
                await self._answer("EHLO", self._offer())
            elif verb == "STARTTLS" and self.relay.certificate:
                await self._answer("STARTTLS", "220 2.0.0 go ahead")
                await self._flush()
                self.unread.clear()  # what came in the clear counts for nothing
                await self.writer.start_tls(self.relay.certificate)
                self.encrypted = True
            elif verb == "AUTH":
                await self._login(line)
            elif verb == "MAIL":
                self.recipient = ""
                if not self.relay.good and self.rng.random() < self.relay.plan.on_letter:
                    self._decide(self.rng.choice(self.relay.plan.only))
                self.begun = (await self._answer("MAIL", "250 2.1.0 fine"))[:1] == "2"
            elif verb == "RCPT" and not self.begun:
                await self._answer("", "503 5.5.1 no sender")
            elif verb == "RCPT":
                self.recipient = line[line.index("<") + 1 : line.index(">")]
                if (await self._answer("RCPT", "250 2.1.5 fine"))[:1] == "2":
                    self.relay.note(BEGUN, self.recipient, self.who)
                else:
                    self.recipient = ""
            elif verb == "DATA" and not self.recipient:
                await self._answer("", "503 5.5.1 no recipient")
            elif verb == "DATA":
                if (await self._answer("DATA", "354 go ahead"))[:1] == "3":
                    await self._receive()
            elif verb == "QUIT":
                await self._answer("", "221 2.0.0 bye")
                await self._flush()
                return
            else:  # RSET, NOOP
                self.recipient, self.begun = "", False
                await self._answer("", "250 2.0.0 fine")

    def _offer(self) -> str:
        offers = ["relay.test", "SIZE 10000000", "8BITMIME", "ENHANCEDSTATUSCODES"]
        offers += ["PIPELINING"] if self.relay.plan.pipelining else []
        if self.relay.certificate:
            offers += ["AUTH PLAIN LOGIN"] if self.encrypted else ["STARTTLS"]
        return "\r\n".join(f"250{'-' if one is not offers[-1] else ' '}{one}" for one in offers)

    async def _login(self, line: str) -> None:
        given = line.split(" ")[2:]
        if not given:
            await self._answer("", "334 ")
            given = [(await self._until(b"\n")).decode().strip()]
        right = base64.b64decode(given[0]) == f"\0{USER}\0{PASSWORD}".encode()
        await self._answer("AUTH", "235 2.7.0 welcome" if right else "535 5.7.8 no")

    async def _receive(self) -> None:
        recipient, self.recipient, self.begun = self.recipient, "", False
        if self.where == "body":
            if not self.unread:
                await self._fill()
            # The client may have sent the dot by now.
            kind = REFUSED if (self.act.say or "")[:1] == "5" else DOUBT
            self.relay.note(kind, recipient, self.who, why=self.act.say or "")
            await self._answer("body", "")
        message = (await self._until(b"\r\n.\r\n"))[:-3].replace(b"\r\n..", b"\r\n.")
        if self.relay.plan.pause:
            await asyncio.sleep(self.relay.plan.pause)
        act = self.act if self.where == "dot" else Act()
        usual = "250 2.0.0 queued as 4711"
        told = usual if act.say is None else act.say
        # After an answer too many client and relay no longer mean the same by the next one, and a reset may
        # overtake the answer before it.
        if self.strayed or act.end == "rst" or (told[:3] != "250" and told[:1] not in ("4", "5")):
            self.relay.note(DOUBT, recipient, self.who, why=told)
        if act.keep:
            head = message.partition(b"\r\n\r\n")[0].decode("latin-1")
            ids = [one[11:].strip() for one in head.split("\r\n") if one.lower().startswith("message-id:")]
            hashed = sha256(message).hexdigest()[:16]
            lie = self.relay.plan.lie if self.rng.random() < 0.1 else ""
            for _ in range({"forget": 0, "repeat": 2}.get(lie, 1)):
                self.relay.note(ARRIVED, recipient, self.who, mail_id=ids[0] if ids else "", hashed=hashed)
        elif told[:1] == "5":
            self.relay.note(REFUSED, recipient, self.who, why=told)
        self.before = recipient
        await self._answer("dot", usual)

    async def _answer(self, step: str, usual: str) -> str:
        """Do what the seed says for this step, or the usual; the answer that was given."""
        act = Act()
        if step and step == self.where:
            self.where, act = "", self.act
            if step in ("RCPT", "DATA") and (act.say or "")[:1] == "5":
                self.relay.note(REFUSED, self.recipient, self.who, why=act.say or "")
            elif step == "DATA" and act.end:
                self.relay.note(DOUBT, self.recipient, self.who, why=act.more)
            self.strayed = self.strayed or bool(act.more)
            odd = (
                act.more or (act.say or "")[:3] in ("354", "999", "2\0 ", "hel") or (step, act.say) == OUT_OF_PLACE
            )
            if self.relay.plan.pipelining and self.before and odd:
                # It comes right behind the answer to the letter before, which may no longer be believed.
                self.relay.note(DOUBT, self.before, self.who, why=act.say or act.more)
        if act.wait:
            await self._flush()
            await asyncio.sleep(act.wait)
        said = usual if act.say is None else act.say
        for words in (said, act.more):
            self.unsaid += f"{words}\r\n".encode("latin-1") if words else b""
        if act.end or said[:3] == "421":
            await self._flush()
            if act.end == "rst":
                linger = struct.pack("ii", 1, 0)
                self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.writer.transport.abort()
            raise _Gone
        return said

    async def _until(self, end: bytes) -> bytes:
        start = 0
        while (at := self.unread.find(end, start)) < 0:
            start = max(0, len(self.unread) - len(end))
            await self._fill()
        taken = bytes(self.unread[: at + len(end)])
        del self.unread[: at + len(end)]
        return taken

    async def _fill(self) -> None:
        # What it has to say goes out together before it waits, as servers do for pipelined commands.
        await self._flush()
        more = await self.reader.read(1 << 16)
        if not more:
            raise _Gone
        self.unread += more

    async def _flush(self) -> None:
        if self.unsaid:
            self.writer.write(bytes(self.unsaid))
            self.unsaid.clear()
            await self.writer.drain()


@dataclass(frozen=True, slots=True)
class Line:
    kind: str
    recipient: str
    who: str
    message_id: str
    hashed: str
    why: str


class Running:
    """A relay in a process of its own, as its parent sees it."""

    def __init__(self, plan: Plan, folder: Path, certificate: Path | None = None) -> None:
        self.log = folder / "relay.log"
        self.log.touch()
        with socket.create_server(("127.0.0.1", 0), backlog=200) as listening:
            self.port: int = listening.getsockname()[1]
            self._process = start(folder / "relay.err", _serve, plan, self.log, certificate, listening)
        self._read, self._lines, self._rest = 0, list[Line](), b""

    def be_good(self) -> None:
        assert self._process.pid
        os.kill(self._process.pid, signal.SIGUSR1)

    def wait_until_idle(self) -> None:
        """Until every conversation is over, and so everything is written down."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as line, line.makefile("rb") as answers:
            line.sendall(b"XIDLE\r\n")
            for answer in answers:
                if answer.strip() == b"250 idle":
                    return
        self.wait_until_idle()  # this connection met a fault, too

    def grown(self) -> int:
        """How much has happened, in bytes of the log."""
        return self.log.stat().st_size

    def lines(self) -> list[Line]:
        with self.log.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        self._read += len(new)
        *whole, self._rest = (self._rest + new).split(b"\n")
        self._lines += [Line(*one.decode("utf-8").split("\t")) for one in whole]
        return self._lines

    def of(self, kind: str) -> Iterator[Line]:
        return (one for one in self.lines() if one.kind == kind)

    def fault(self) -> str:
        """What it printed: it has nothing to say unless something is wrong with it."""
        return (self.log.parent / "relay.err").read_text()

    def stop(self) -> None:
        self._process.kill()
        self._process.join()


def _serve(plan: Plan, log: Path, certificate: Path | None, listening: socket.socket) -> int:
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    asyncio.run(Relay(plan, log, context).serve(listening))
    return 1


def authority(folder: Path) -> tuple[Path, Path]:
    """Files in the folder: the certificate of an authority of our own, and one with key for 127.0.0.1."""
    import trustme

    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    return folder / "ca.pem", folder / "server.pem"
