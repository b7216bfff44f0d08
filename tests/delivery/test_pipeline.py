"""The pipelined conversation under every order of replies: on sockets with a script, and in memory with a model."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_smtp import DROP, HANG, Scripted
from supply import Listed

from digest.config import SmtpConfig
from digest.delivery import session, smtp
from digest.delivery.channel import LINE_LIMIT, LINES_LIMIT, Channel, Replies
from digest.delivery.pipeline import Pipelined
from digest.delivery.session import Offer
from digest.delivery.smtp import Smtp
from digest.delivery.transport import Parcel
from digest.errors import RelayUnusable
from digest.model import LetterState

SENT, DEFERRED = LetterState.SENT, LetterState.DEFERRED
FAILED, UNCERTAIN = LetterState.FAILED, LetterState.UNCERTAIN
MESSAGE = b"Subject: Hi\r\n\r\nbody\r\n"
HUGE = MESSAGE + (b"x" * 70 + b"\r\n") * 200_000


def parcel(recipient: str, message: bytes = MESSAGE) -> Parcel:
    return Parcel("d@x", recipient, f"<{recipient}>", message)


@pytest.fixture(autouse=True, params=["PIPELINING", ""])
def offer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(Scripted, "also", (request.param,) if request.param else ())
    monkeypatch.setattr(session, "LAST_WORDS", 0.2)
    return str(request.param)


@asynccontextmanager
async def opened(script: Scripted, **keys: Any):  # type: ignore[no-untyped-def]
    keys = {"tls": "none", "timeout_seconds": 0.4, "connections": 1} | keys
    transport = Smtp(SmtpConfig(host="127.0.0.1", port=script.port, **keys), None, "client.example.org")
    try:
        await transport.open()
        yield transport
    finally:
        await transport.close()


def run(script: Scripted, supply: Listed, **keys: Any) -> None:
    async def main() -> None:
        async with script, opened(script, **keys) as transport:
            await asyncio.wait_for(transport.carry(supply), 20)

    asyncio.run(main())
    assert not supply.hand.total()


def send(script: Scripted, *names: str, **keys: Any) -> list[LetterState]:
    supply = Listed(parcel(name) for name in names)
    run(script, supply, **keys)
    return [supply.outcomes[parcel(name)].state for name in names]


def arrived(script: Scripted) -> list[str]:
    return [mail.recipient for mail in script.mails]


# ---- one letter after the other


def test_a_letter_and_the_next_envelope_leave_in_one_write(offer: str) -> None:
    """Seen from the server: the next MAIL is there before the dot is answered."""
    script = Scripted(slow=0.02)
    heard: list[int] = []
    supply = Listed(parcel(f"r{i}@x") for i in range(4))
    supply.on_done = lambda _: heard.append(len([line for line in script.said if line.startswith("MAIL")]))
    run(script, supply)
    assert arrived(script) == [f"r{i}@x" for i in range(4)]
    assert supply.most_between == 1
    assert heard == ([2, 3, 4, 4] if offer else [1, 2, 3, 4])


def test_answers_may_come_in_any_pieces() -> None:
    for piece in (1, 2, 3, 7):
        script = Scripted(piece=piece).on(
            "dot", "250-2.0.0 taken\r\n250-2.0.0 gladly\r\n250 2.0.0 as 5", about="b@"
        )
        script.on("RCPT", "550-5.1.1 no\r\n550 5.1.1 such user", about="c@")
        assert send(script, "a@x", "b@x", "c@x", "d@x") == [SENT, SENT, FAILED, SENT]
        assert arrived(script) == ["a@x", "b@x", "d@x"]
        assert script.connections == 1


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize(("step", "reply", "state"), [
    ("RCPT", "550 5.1.1 no such user", FAILED),
    ("RCPT", "451 4.7.1 greylisted", DEFERRED),
    ("MAIL", "451 4.3.0 busy", DEFERRED),
    ("DATA", "451 4.3.0 busy", DEFERRED),
    ("DATA", "554 5.5.1 no valid recipients", FAILED),
])  # fmt: skip
def test_a_refused_envelope_among_others(step: str, reply: str, state: LetterState, lenient: bool) -> None:
    """A lenient server asks for the message all the same, of a letter that has no recipient."""
    script = Scripted(lenient=lenient)
    script.on(step, reply, about="" if step == "MAIL" else "b@")
    expected = [state, SENT, SENT] if step == "MAIL" else [SENT, state, SENT]
    names = ["b@x", "a@x", "c@x"] if step == "MAIL" else ["a@x", "b@x", "c@x"]
    assert send(script, *names) == expected
    assert sorted(arrived(script)) == ["a@x", "c@x"]
    assert script.connections == 1
    assert script.said.count("RSET") == 1  # nothing of it is left when the next one comes


@pytest.mark.parametrize("reply", ["250 2.0.0 taken", "554 5.5.1 no valid recipients", "421 bye", "354 more", DROP])
def test_a_message_without_recipients_is_empty_whatever_is_said_to_it(reply: str, offer: str) -> None:
    script = Scripted(lenient=True).on("RCPT", "550 5.1.1 no such user", about="b@").on("dot", reply, about="b@")
    assert send(script, "a@x", "b@x", "c@x") == [SENT, FAILED, SENT]
    assert sorted(arrived(script)) == ["a@x", "c@x"]


def test_the_answer_to_the_dot_is_lost_while_the_next_envelope_is_under_way() -> None:
    for fault in (DROP, HANG, b"garbage\r\n"):
        script = Scripted().on("dot", fault, about="a@")
        supply = Listed([parcel("a@x"), parcel("b@x")])
        run(script, supply)
        assert [one.state for one in supply.outcomes.values()] == [UNCERTAIN, SENT]
        assert supply.outcomes[parcel("a@x")].kind == "unknown-fate"
        assert arrived(script) == ["a@x", "b@x"]


def test_a_message_that_the_system_did_not_take_whole_is_not_uncertain() -> None:
    """The server reads a little of it and hangs up: the dot was never in the system's hands."""
    script = Scripted(extensions=()).on("middle", DROP, times=2)
    supply = Listed([parcel("a@x", HUGE), parcel("b@x", HUGE)])
    run(script, supply)
    assert [one.state for one in supply.outcomes.values()] == [DEFERRED, SENT]
    assert supply.outcomes[parcel("a@x", HUGE)].kind == "lost"
    assert arrived(script) == ["b@x"]


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
def test_421_before_the_dot_means_a_new_connection_once(step: str) -> None:
    script = Scripted().on(step, "421 4.7.0 enough for one connection", then_drop=True)
    assert send(script, "a@x", "b@x") == [SENT, SENT]
    assert script.connections == 2
    script = Scripted().on(step, "421 4.7.0 enough", times=2, then_drop=True)
    supply = Listed([parcel("a@x"), parcel("b@x")])
    run(script, supply)
    outcome = supply.outcomes[parcel("a@x")]
    assert (outcome.state, outcome.kind, outcome.reply) == (DEFERRED, "closing", "421 4.7.0 enough")
    assert supply.outcomes[parcel("b@x")].state is SENT


def test_421_after_each_letter() -> None:
    script = Scripted()
    for number in range(1, 9):
        script.on("after", "421 4.7.0 one letter for each connection", connection=number, then_drop=True)
    assert send(script, *(f"r{i}@x" for i in range(6))) == [SENT] * 6
    assert sorted(arrived(script)) == [f"r{i}@x" for i in range(6)]


def test_421_that_something_follows_was_no_answer_to_the_letter() -> None:
    script = Scripted().on("dot", b"421 4.3.2 closing soon\r\n250 2.0.0 taken\r\n", about="a@", then_drop=True)
    supply = Listed([parcel("a@x"), parcel("b@x")])
    run(script, supply)
    assert supply.outcomes[parcel("a@x")].state is UNCERTAIN
    assert arrived(script) == ["a@x", "b@x"]


@pytest.mark.parametrize("words", [b"550 5.0.0 unasked\r\n250 2.0.0 taken\r\n", b"250 2.0.0 unasked\r\n550 no\r\n"])
def test_two_answers_of_different_minds_to_one_message_are_not_believed(words: bytes) -> None:
    script = Scripted().on("dot", words, about="a@")
    supply = Listed([parcel("a@x"), parcel("b@x")])
    run(script, supply)
    assert [one.state for one in supply.outcomes.values()] == [UNCERTAIN, SENT]
    assert arrived(script) == ["a@x", "b@x"]


def test_what_the_system_has_not_taken_is_told_from_the_commands_behind_it() -> None:
    async def main() -> None:
        wire = Wire(Model([]))
        for left_over, held in ((0, False), (50, False), (51, True), (500, True)):
            channel = Channel(wire)
            wire.left_over = left_over
            assert channel.send(b"x" * 500, 1, tail=50)
            assert channel.held is held
            channel.resume_writing()
            assert not channel.held
            wire.left_over = 0

    asyncio.run(main())


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
def test_one_answer_too_many_is_noticed_before_a_message_leaves(step: str) -> None:
    usual = {"MAIL": b"250 2.1.0 ok\r\n", "RCPT": b"250 2.1.5 ok\r\n", "DATA": b"354 go\r\n"}[step]
    script = Scripted().on(step, b"250 2.0.0 unasked\r\n" + usual, then_drop=step == "DATA")
    assert send(script, "a@x", "b@x") == [SENT, SENT]
    assert sorted(arrived(script)) == ["a@x", "b@x"]
    assert script.connections == 2


def test_a_server_that_loses_count_is_spoken_to_plainly() -> None:
    script = Scripted(also=("PIPELINING",)) if False else Scripted()
    script.on("DATA", "250 what", connection=1)
    assert send(script, *(f"r{i}@x" for i in range(5))) == [SENT] * 5
    assert script.connections == 2


@pytest.mark.parametrize("flood", [b"250-" + b"x" * 1_000_000, b"250-x\r\n" * 50_000, b"\r\n" * 5000, b"25\r\n"])
def test_endless_and_broken_replies_end_the_connection(flood: bytes) -> None:
    script = Scripted().on("RCPT", flood, then_drop=True)
    assert send(script, "a@x", "b@x") == [SENT, SENT]
    assert script.connections == 2


# ---- what the supply says


def test_a_letter_that_may_not_leave_any_more_is_given_back_untouched() -> None:
    script = Scripted()
    supply = Listed([parcel(name) for name in ("a@x", "b@x", "c@x")], keeps_back=True)
    supply.may_leave = lambda one: one.recipient != "b@x"
    run(script, supply)
    assert [one.recipient for one, _ in supply.backs] == ["b@x"]
    assert arrived(script) == ["a@x", "c@x"]


def test_fewer_connections_are_used_as_soon_as_the_supply_says_so() -> None:
    script = Scripted(slow=0.01)
    supply = Listed([parcel(f"r{i}@x") for i in range(40)], connections=4)
    still_open: list[int] = []

    def count(_: Parcel) -> None:
        if len(supply.outcomes) == 12:
            supply.connections = 1
        if len(supply.outcomes) > 30:
            still_open.append(script.open_now)

    supply.on_done = count
    run(script, supply, connections=4, timeout_seconds=5)
    assert script.most_open == 4
    assert set(still_open) == {1}
    assert len(arrived(script)) == 40


def test_more_connections_are_made_when_the_supply_allows_them() -> None:
    script = Scripted(slow=0.01)
    supply = Listed([parcel(f"r{i}@x") for i in range(40)], connections=1)
    supply.on_done = lambda _: setattr(supply, "connections", 3)
    run(script, supply, connections=4, timeout_seconds=5)
    assert script.most_open == 3


@pytest.mark.parametrize(("limit", "connections"), [(0, 1), (1, 7), (3, 3), (100, 1)])
def test_so_many_letters_for_each_connection(limit: int, connections: int) -> None:
    script = Scripted()
    assert send(script, *(f"r{i}@x" for i in range(7)), messages_per_connection=limit) == [SENT] * 7
    assert script.connections == connections
    assert script.said.count("QUIT") == connections


def test_a_fault_of_ours_lets_the_other_conversations_end() -> None:
    script = Scripted(slow=0.1).on("RCPT", "530 5.7.0 Authentication required", about="r1@", delay=0.05)
    supply = Listed([parcel(f"r{i}@x") for i in range(8)], connections=2, keeps_back=True)
    with pytest.raises(RelayUnusable, match="only after a login"):
        run(script, supply, connections=2, timeout_seconds=5)
    assert not supply.hand.total()
    assert parcel("r1@x") in [one for one, _ in supply.backs]
    assert {one.state for one in supply.outcomes.values()} == {SENT}
    assert sorted(arrived(script)) == sorted(one.recipient for one in supply.outcomes)


def test_an_interrupted_run_answers_for_every_letter() -> None:
    script = Scripted().on("dot", HANG, about="a@").on("RCPT", HANG, about="b@")
    supply = Listed([parcel("a@x"), parcel("b@x"), parcel("c@x")], connections=2, keeps_back=True)

    async def main() -> None:
        async with script, opened(script, connections=2, timeout_seconds=5) as transport:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(transport.carry(supply), 0.3)

    asyncio.run(main())
    assert not supply.hand.total()
    assert supply.outcomes[parcel("a@x")].state is UNCERTAIN
    assert parcel("b@x") in [one for one, _ in supply.backs]


def test_what_follows_the_answer_to_starttls_in_plain_text_is_fatal() -> None:
    for words in (b"220 go\r\n250 injected\r\n", b"220-go\r\n220 ahead\r\n2"):
        script = Scripted(extensions=("STARTTLS",)).on("STARTTLS", words)
        with pytest.raises(RelayUnusable, match="put words into the conversation"):
            run(script, Listed([]), tls="starttls")


# ---- replies


@given(st.lists(st.tuples(st.integers(200, 599), st.lists(st.text("ab -5", max_size=9), min_size=1, max_size=4))),
       st.lists(st.integers(0, 400)))  # fmt: skip
@settings(deadline=None)
def test_replies_are_the_same_in_any_pieces(replies: list[tuple[int, list[str]]], cuts: list[int]) -> None:
    wire = b""
    for code, lines in replies:
        for i, line in enumerate(lines):
            wire += f"{code}{'-' if i < len(lines) - 1 else ' '}{line}\r\n".encode()
    reader, found, start = Replies(), [], 0
    for cut in [*sorted(cuts), len(wire)]:
        if cut >= start:
            found += reader.feed(wire[start:cut])
            start = max(start, min(cut, len(wire)))
    assert not reader.fault
    assert [one.code for one in found] == [code for code, _ in replies]
    kept = ["".join(one.text.split()) for one in found]
    assert kept == ["".join("".join(lines).split()) for _, lines in replies]


def test_replies_are_bounded() -> None:
    for wire in (b"250 " + b"x" * LINE_LIMIT + b"\r\n", b"2" * LINE_LIMIT * 2, b"250-x\r\n" * (LINES_LIMIT + 2)):
        reader = Replies()
        assert reader.feed(wire) == []
        assert reader.fault
        assert reader.feed(b"250 ok\r\n") == []
    reader = Replies()
    assert [one.code for one in reader.feed(b"250 ok\r\n250-first\r\n550 second\r\n")] == [250]
    assert reader.fault


# ---- a model: a server in memory that does anything but lie about a message


class Model:
    """What one server did, over all connections, and how it misbehaves: `dice` decides, until they are used up."""

    def __init__(self, dice: list[int]) -> None:
        self.dice = iter(dice)
        self.accepted: Counter[str] = Counter()  # by the truth
        self.told: set[str] = set()  # the whole answer that says so got through

    def pick(self, *choices: str) -> str:
        """The first is the usual, and three times as likely as another."""
        thrown = next(self.dice, 0) % (len(choices) + 3)
        return choices[max(0, thrown - 3)]


class Hurried(asyncio.SelectorEventLoop):
    """A clock that jumps to the next thing that is to happen: no test waits, and none depends on the machine."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._selector.select = self._jump  # type: ignore[attr-defined]

    def time(self) -> float:
        return self._now

    def _jump(self, timeout: float | None) -> list[object]:
        assert timeout is not None, "everybody waits, and for nothing"
        self._now += max(0.0, timeout)
        return []


class Wire(asyncio.Transport):
    """One connection to the model, without sockets."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model, self.loop = model, asyncio.get_running_loop()
        self.protocol: asyncio.Protocol | None = None
        self.unread, self.closed, self.left_over = b"", False, 0
        self.recipient, self.has_sender, self.in_data = "", False, False
        self.outbox: list[tuple[bytes, str]] = []

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self.protocol = protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return self.left_over

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True

    def _cut(self) -> None:
        if not self.closed:
            self.closed = True
            assert self.protocol
            self.protocol.connection_lost(None)

    def write(self, data: bytes) -> None:  # type: ignore[override]
        assert not self.closed
        if len(data) > 200 and self.model.pick("whole", "part") == "part":
            taken = next(self.model.dice, 0) % (len(data) + 1)
            self.left_over = len(data) - taken
            self._serve(data[:taken])
            self.outbox.append((b"", "cut"))
        else:
            self._serve(data)
        self._post()

    def _serve(self, data: bytes) -> None:
        self.unread += data
        while self.unread and not (self.outbox and self.outbox[-1][1] in ("cut", "hang")):
            if self.in_data:
                end = (b"\r\n" + self.unread).find(b"\r\n.\r\n")
                if end < 0:
                    return
                body, self.unread, self.in_data = self.unread[:end], self.unread[end + 3 :], False
                self._dot(body)
                continue
            line, feed, rest = self.unread.partition(b"\r\n")
            if not feed:
                return
            self.unread = rest
            self._command(line.decode())

    def _say(self, wire: bytes, about: str = "") -> None:
        self.outbox.append((wire, about))

    def _command(self, line: str) -> None:
        verb = line[:4]
        how = self.model.pick("usual", "refuse", "421", "stray", "stray 421", "garbage", "cut", "lines", "hang")
        if how in ("cut", "hang"):
            return self._say(b"", how)
        if how == "garbage":
            return self._say(b"what?\r\n")
        if how == "421":
            self._say(b"421 4.3.2 closing\r\n")
            return self._say(b"", "cut")
        if how == "stray":
            self._say(b"250 2.0.0 unasked\r\n")
        if how == "stray 421":
            self._say(b"421 4.4.2 closing soon\r\n")
        good = b"250 2.0.0 ok\r\n" if how != "lines" else b"250-2.0.0 well\r\n250 2.0.0 ok\r\n"
        if verb == "MAIL":
            self.has_sender, self.recipient = how != "refuse", ""
        elif verb == "RCPT":
            if not self.has_sender:
                return self._say(b"503 5.5.1 MAIL first\r\n")
            self.recipient = line[9:-1] if how != "refuse" else ""
        elif verb == "RSET":
            self.has_sender, self.recipient = False, ""
        elif verb == "DATA":
            lenient = bool(self.recipient) or self.model.pick("no", "lenient") == "lenient"
            if how == "refuse" or not lenient:
                return self._say(b"554 5.5.1 no valid recipients\r\n")
            self.in_data = True
            return self._say(b"354 go ahead\r\n")
        return self._say(b"451 4.3.0 not now\r\n" if how == "refuse" else good)

    def _dot(self, body: bytes) -> None:
        recipient, self.recipient, self.has_sender = self.recipient, "", False
        if not recipient:
            return self._say(
                b"250 2.0.0 ok\r\n" if self.model.pick("no", "yes") == "yes" else b"554 5.5.1 nobody\r\n"
            )
        assert body == message_of(recipient), "a message arrived that is not the recipient's"
        how = self.model.pick(
            "take", "take, cut", "take, garbage", "take, hang", "421, take", "refuse", "421", "cut"
        )
        if "take" in how:
            self.model.accepted[recipient] += 1
        if how == "421, take":
            self._say(b"421 4.4.2 closing soon\r\n")
        if how in ("take", "421, take"):
            return self._say(b"250 2.0.0 taken\r\n", f"told {recipient}")
        if how == "take, garbage":
            return self._say(b"hm\r\n")
        if how == "refuse":
            return self._say(b"550 5.1.1 no such user\r\n")
        if how == "421":
            self._say(b"421 4.3.2 closing\r\n")
        return self._say(b"", "hang" if how == "take, hang" else "cut")

    def _post(self) -> None:
        """Everything that was said, on its way in pieces that have nothing to do with its lines."""
        outbox, self.outbox = self.outbox, []
        wire, marks = b"", []
        for words, about in outbox:
            wire += words
            if about.startswith("told"):
                marks.append((len(wire), about[5:]))
        fate = outbox[-1][1] if outbox else ""
        size = int(self.model.pick("4096", "1", "5", "17", "40"))

        def deliver(start: int = 0) -> None:
            if self.closed:
                return
            piece = wire[start : start + size]
            self.model.told.update(name for end, name in marks if start < end <= start + size)
            if piece:
                assert self.protocol
                self.protocol.data_received(piece)
            if start + size < len(wire):
                self.loop.call_soon(deliver, start + size)
            elif fate == "cut":
                self.loop.call_soon(self._cut)

        self.loop.call_soon(deliver)


def message_of(recipient: str) -> bytes:
    return b"Subject: to " + recipient.encode() + b"\r\n\r\n" + b"x" * 300 + b"\r\n"


class InMemory:
    """In the place of `Smtp`: connections to the model."""

    def __init__(self, model: Model, in_flight: int) -> None:
        self.model, self.in_flight = model, in_flight

    async def talk(self, fresh: bool) -> Pipelined:
        return Pipelined(Channel(Wire(self.model)), Offer("model:25", 30, takes_8bit=True))

    async def release(self, talk: Pipelined) -> None:
        talk.abort()


@given(st.lists(st.integers(0, 2000), max_size=120), st.integers(1, 6), st.integers(1, 3))
@settings(max_examples=300, deadline=None)
def test_every_letter_is_answered_for_by_the_truth(dice: list[int], number: int, connections: int) -> None:
    model = Model(dice)
    names = [f"r{i}@x" for i in range(number)]
    supply = Listed((parcel(name, message_of(name)) for name in names), connections)
    back = supply.back

    def checked_back(one: Parcel, why: str) -> None:
        assert not model.accepted[one.recipient], "given back, and it had been accepted"
        back(one, why)

    supply.back = checked_back  # type: ignore[method-assign]

    with asyncio.Runner(loop_factory=Hurried) as runner:
        runner.run(smtp._Round(InMemory(model, connections), supply).go())  # type: ignore[arg-type]
    assert not supply.hand.total()
    assert len(supply.outcomes) == number
    for one, outcome in supply.outcomes.items():
        if outcome.state is SENT:
            assert one.recipient in model.told
        elif outcome.state is not UNCERTAIN:
            assert not model.accepted[one.recipient], outcome
    assert all(times <= 1 for times in model.accepted.values())
