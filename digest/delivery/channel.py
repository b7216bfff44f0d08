"""The two ends of a line to a mail server: what we write, and the replies that come in, counted and bounded.

An `asyncio.Protocol` that takes over a connection which somebody else has made. It knows how many replies we are
waiting for, so that one that nobody asked for is told from an answer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Literal, NamedTuple

from digest.delivery.replies import clean_reply

LINE_LIMIT = 4096  # bytes; RFC 5321 allows 512, and some servers explain themselves at length
LINES_LIMIT = 100  # in one reply
SAME = 16  # lines of a server that are kept with what they mean
SLACK = 1024  # bytes at most that encryption adds to the commands behind a message


class Reply(NamedTuple):
    code: int
    text: str  # the lines' texts, joined by line feeds

    def __str__(self) -> str:
        return clean_reply(f"{self.code} {self.text}")


class Broken(Exception):
    """No further answer can come, or none that makes sense."""

    def __init__(self, words: str, why: Literal["silent", "gone", "nonsense", "closing", "out of place"]) -> None:
        super().__init__(words)
        self.why = why

    @property
    def kind(self) -> str:
        """The policy's name for a letter that this kept from being sent."""
        return "closing" if self.why == "closing" else "lost"


class Replies:
    """Bytes as they come in, to replies. Whatever the pieces are, the replies are the same."""

    def __init__(self) -> None:
        self.fault = ""  # set where what came is no reply; nothing is read after that
        self._rest = b""  # of a line that has not ended yet
        self._lines: list[bytes] = []  # of a reply that has not ended yet
        self._code = b""
        self._known: dict[bytes, Reply] = {}  # a server says the same few lines again and again

    def feed(self, data: bytes) -> list[Reply]:
        if self.fault:
            return []
        found: list[Reply] = []
        lines = (self._rest + data if self._rest else data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if not self._lines and (known := self._known.get(line)):
                found.append(known)
                continue
            code, mark = line[:3], line[3:4]
            if len(line) > LINE_LIMIT:
                self.fault = "a line without an end"
            elif not code.isdigit() or len(code) < 3 or mark not in _MARKS or (self._lines and code != self._code):
                self.fault = clean_reply(line.decode("utf-8", "replace")) or "an empty line"
            elif mark == b"-":
                self._code = code
                self._lines.append(line[4:])
                if len(self._lines) > LINES_LIMIT:
                    self.fault = "a reply without an end"
            else:
                text, alone = line[4:], not self._lines
                if not alone:
                    text = b"\n".join((*self._lines, text))
                    self._lines.clear()
                reply = Reply(int(code), text.decode("utf-8", "surrogateescape").rstrip())
                found.append(reply)
                if alone and len(self._known) < SAME:
                    self._known[line] = reply
            if self.fault:
                return found
        if len(self._rest) > LINE_LIMIT:
            self.fault = "a line without an end"
        return found


_MARKS = (b" ", b"-", b"\r", b"")


class Channel(asyncio.Protocol):
    """A connection in our hands. One task at a time waits for replies."""

    def __init__(self, transport: asyncio.Transport, unread: bytes = b"") -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._reader = Replies()
        self._due = 0  # replies that we asked for and that have not come
        self._replies: deque[Reply] = deque()
        self.strays: list[Reply] = []  # came without being asked for; the channel is then broken
        self._broken: Broken | None = None
        self._ended = False  # nothing more can come
        self._waiter: asyncio.Future[bool] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._tail = 0
        self._slack = SLACK if transport.get_extra_info("sslcontext") else 0
        self.held = False  # what was written last is not wholly in the system's hands, but for its tail
        transport.set_write_buffer_limits(high=0)
        transport.set_protocol(self)
        if unread:
            self.data_received(unread)

    @property
    def is_sound(self) -> bool:
        """Whether something can be said on it: it is open, and no answer is outstanding."""
        return not (self._broken or self._due or self._replies or self._transport.is_closing())

    @property
    def waiting(self) -> int:
        """How many replies have come and have not been read."""
        return len(self._replies)

    def send(self, data: bytes, replies: int, tail: int = 0) -> bool:
        """Write, and expect so many replies. False where the connection is gone and not a byte was taken.

        From then on `held` tells whether all but the last `tail` bytes have been handed to the system.
        """
        transport = self._transport
        if self._broken or transport.is_closing():
            return False
        self._due += replies
        self.held, self._tail = False, tail + self._slack
        transport.write(data)
        if transport.get_write_buffer_size():
            # With these limits `resume_writing` comes at the moment when only the tail is left. (TLS compares the
            # upper one in another way, hence the second line.)
            transport.set_write_buffer_limits(high=self._tail, low=self._tail)
            self.held = transport.get_write_buffer_size() > self._tail
        return not transport.is_closing()

    async def reply(self, patience: float, step: str) -> Reply:
        """The next reply, within so many seconds. Raises `Broken`."""
        deadline = self._loop.time() + patience
        while not self._replies:
            if self._broken:
                raise self._broken
            if not await self._something(deadline):
                raise Broken(f"no answer to {step} within {patience:g} seconds", "silent")
        return self._replies.popleft()

    def reply_now(self) -> Reply | None:
        """The next reply, if it has come."""
        return self._replies.popleft() if self._replies else None

    async def handed_over(self, patience: float) -> None:
        """Wait until what was written is with the system. Raises `Broken`; returns early where a reply comes."""
        deadline = self._loop.time() + patience
        while self.held and not self._replies:
            if self._broken:
                raise self._broken
            if not await self._something(deadline):
                raise Broken("the connection broke off in the middle of the message", "silent")

    async def last_words(self, patience: float) -> list[Reply]:
        """Everything that still comes until the other side hangs up, or time is up."""
        deadline = self._loop.time() + patience
        while not self._ended:
            if not await self._something(deadline):
                break
        words, self._replies = [*self._replies, *self.strays], deque()
        return words

    def abort(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._broken = self._broken or Broken("the connection is closed", "gone")
        self._transport.abort()

    async def _something(self, deadline: float) -> bool:
        """Wait until there is news; False where it comes too late. One lasting timer: most waits are short."""
        self._waiter = self._loop.create_future()
        self._deadline = deadline
        if self._timer and self._timer.when() > deadline:
            self._timer.cancel()
            self._timer = None
        if not self._timer:
            self._timer = self._loop.call_at(deadline, self._ring)
        try:
            return await self._waiter
        finally:
            self._waiter = None

    def _ring(self) -> None:
        self._timer = None
        if self._waiter and not self._waiter.done():
            if self._loop.time() < self._deadline:
                self._timer = self._loop.call_at(self._deadline, self._ring)
            else:
                self._waiter.set_result(False)

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(True)

    # ---- what asyncio tells us

    def data_received(self, data: bytes) -> None:
        for reply in self._reader.feed(data):
            if self._due:
                self._due -= 1
                self._replies.append(reply)
            elif len(self.strays) < LINES_LIMIT:
                self.strays.append(reply)
                self._broken = self._broken or Broken(
                    str(reply) if reply.code == 421 else f"the server spoke without being asked: {reply}",
                    "closing" if reply.code == 421 else "nonsense",
                )
        if self._reader.fault and not self._broken:
            self._broken = Broken(f"the server does not speak SMTP any more: {self._reader.fault}", "nonsense")
        self._ended = self._ended or bool(self._reader.fault)
        self._wake()

    def eof_received(self) -> None:
        self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._broken = self._broken or Broken("the server hung up", "gone")
        self._ended = True
        self._wake()

    def resume_writing(self) -> None:
        self.held = False
        self._wake()
