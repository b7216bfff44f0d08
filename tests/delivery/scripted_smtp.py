"""A mail server that misbehaves on cue.

It speaks just enough SMTP, and does at each step what the script says: answer something else, answer garbage, hang
up, or fall silent. What it took is in `mails`, and every line that it was told in `said`.
What was pipelined it reads in order, and its answers leave together when it has nothing more to read.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar

DROP = "drop"  # hang up without a word
RESET = "reset"  # the same with a TCP reset
HANG = "hang"  # say nothing, keep the connection
STEPS = ("banner", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "middle", "dot", "after", "RSET", "QUIT")


@dataclass
class Mail:
    sender: str
    recipient: str
    wire: bytes  # as it travelled, dots doubled, without the final dot

    @property
    def message(self) -> bytes:
        lines = self.wire.split(b"\r\n")
        return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)


@dataclass
class Cue:
    step: str
    answer: str | bytes  # a reply line, raw bytes, or DROP, RESET, HANG
    times: int  # how often it fires
    about: str  # only for a transaction whose recipient holds this
    connection: int | None
    then_drop: bool
    delay: float


@dataclass
class Scripted:
    """`async with Scripted() as server:`; `server.on(step, answer)` before or in between."""

    extensions: tuple[str, ...] = ("SIZE 1000000", "8BITMIME", "ENHANCEDSTATUSCODES")
    also: ClassVar[tuple[str, ...]] = ()  # offered by every server, as by a parametrised fixture
    lenient: bool = False  # asks for the message where there is no recipient, as some do
    piece: int = 0  # answers leave in pieces of so many bytes
    slow: float = 0.0  # seconds before each answer to a message
    port: int = 0
    mails: list[Mail] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    most_open: int = 0
    _cues: list[Cue] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def on(
        self,
        step: str,
        answer: str | bytes,
        *,
        times: int = 1,
        about: str = "",
        connection: int | None = None,
        then_drop: bool = False,
        delay: float = 0.0,
    ) -> Scripted:
        assert step in STEPS
        self._cues.append(Cue(step, answer, times, about, connection, then_drop, delay))
        return self

    async def __aenter__(self) -> Scripted:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def stop_listening(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def _cue(self, step: str, number: int, recipient: str) -> Cue | None:
        for cue in self._cues:
            if (
                cue.step == step
                and cue.times > 0
                and (not cue.about or cue.about in recipient)
                and cue.connection in (None, number)
            ):
                cue.times -= 1
                return cue
        return None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            await self._talk(reader, writer, self.connections)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the end of the test, or of the conversation
        finally:
            self.open_now -= 1
            self._tasks.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        sender = recipient = ""
        has_sender = has_recipient = False
        unread, unsaid = bytearray(), bytearray()

        async def flush() -> None:
            while unsaid:
                piece = bytes(unsaid[: self.piece or len(unsaid)])
                del unsaid[: len(piece)]
                writer.write(piece)
                await writer.drain()
                if self.piece:
                    await asyncio.sleep(0)

        async def until(end: bytes) -> bytes:
            seen = 0
            while (at := unread.find(end, max(0, seen - len(end)))) < 0:
                seen = len(unread)
                await flush()
                more = await reader.read(1 << 20)
                if not more:
                    raise ConnectionResetError
                unread.extend(more)
            taken = bytes(unread[: at + len(end)])
            del unread[: at + len(end)]
            return taken

        said = b""

        async def act(step: str, usual: str) -> bool:
            """Do what the script says, or the usual. True where the conversation goes on."""
            nonlocal said
            cue = self._cue(step, number, recipient)
            answer = cue.answer if cue else usual
            if cue and cue.delay:
                await flush()
                await asyncio.sleep(cue.delay)
            if answer in (HANG, DROP, RESET):
                await flush()
            if answer == HANG:
                await asyncio.sleep(3600)
            if answer == RESET:
                writer.transport.abort()
            if answer in (DROP, RESET):
                return False
            said = (answer if isinstance(answer, bytes) else answer.encode() + b"\r\n") if answer else b""
            unsaid.extend(said)
            if cue and cue.then_drop:
                await flush()
                return False
            return True

        if not await act("banner", "220 scripted ESMTP"):
            return
        while line := (await until(b"\n")).decode("latin-1").rstrip("\r\n"):
            self.said.append(line)
            verb = line.split(" ")[0].upper()
            if verb == "EHLO":
                offer = ["scripted", *self.extensions, *self.also]
                usual = "\r\n".join(f"250{'-' if i < len(offer) - 1 else ' '}{x}" for i, x in enumerate(offer))
            elif verb == "MAIL":
                sender, recipient, usual = line[line.index("<") + 1 : line.index(">")], "", "250 2.1.0 sender ok"
            elif verb == "RCPT":
                recipient, usual = line[line.index("<") + 1 : line.index(">")], "250 2.1.5 recipient ok"
            elif verb == "DATA":
                usual = "354 go ahead"
            elif verb == "QUIT":
                usual = "221 bye"
            else:
                usual = "250 ok"
            if verb == "RCPT" and not has_sender:
                usual = "503 5.5.1 need MAIL before RCPT"
            if verb == "DATA" and not has_recipient and not self.lenient:
                usual = "503 5.5.1 no valid recipients"
            if not await act(verb, usual) or verb == "QUIT":
                await flush()
                return
            if verb == "MAIL":
                has_sender, has_recipient = said.startswith(b"2"), False
            elif verb == "RCPT":
                has_recipient = has_recipient or (has_sender and said.startswith(b"2"))
            elif verb in ("RSET", "EHLO"):
                has_sender = has_recipient = False
            elif verb == "DATA" and said.startswith(b"354"):
                taken = has_recipient
                has_sender = has_recipient = False
                if any(c.step == "middle" and c.times and c.about in recipient for c in self._cues):
                    await flush()
                    line_read = await until(b"\n")
                    if not await act("middle", ""):
                        return
                    await flush()
                    unread[:0] = line_read
                unread[:0] = b"\r\n"  # so that a dot alone ends a message, too
                wire = (await until(b"\r\n.\r\n"))[2:]
                if self.slow:
                    await asyncio.sleep(self.slow)
                if not taken:
                    if not await act("dot", "554 5.5.1 no valid recipients"):
                        return
                    continue
                if not self._keep_after_dot(sender, recipient, wire[:-3], number):
                    if not await act("dot", ""):
                        return
                    continue
                if not await act("dot", "250 2.0.0 queued as 4711"):
                    return
                if not await act("after", ""):
                    return

    def _keep_after_dot(self, sender: str, recipient: str, wire: bytes, number: int) -> bool:
        """Whether the message is accepted; a refusal after the dot is not."""
        for cue in self._cues:
            if cue.step == "dot" and cue.times and cue.about in recipient and cue.connection in (None, number):
                refused = isinstance(cue.answer, str) and cue.answer[:1] in "45"
                if not refused:
                    self.mails.append(Mail(sender, recipient, wire))
                return not refused
        self.mails.append(Mail(sender, recipient, wire))
        return True
