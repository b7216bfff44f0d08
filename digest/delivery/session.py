"""What one worker has taken from the supply and answers for, and what all conversations about letters share."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from digest.delivery.channel import Broken, Channel, Reply
from digest.delivery.replies import judge, judged_sent
from digest.delivery.transport import Parcel, Supply
from digest.delivery.wire import address_fault, stuffed, wire_lines
from digest.errors import RelayUnusable
from digest.model import LetterState, Outcome

# Once the final dot is out, every reply that we do not wait for is a letter of unknown fate (RFC 1047), and servers
# scan for spam before they answer. So the last wait is longer, up to the ten minutes that RFC 5321 asks for.
FINAL_PATIENCE = 4
FINAL_PATIENCE_LIMIT = 600.0  # seconds

LAST_WORDS = 2.0  # seconds; a goodbye is not worth more
TRIES = 2  # a connection may break under a letter once


@dataclass(slots=True, eq=False)
class Load:
    """A parcel in our hands."""

    parcel: Parcel
    size: int  # bytes of its lines, as SIZE counts them
    wire: bytes  # the lines with their dots doubled
    is_ascii: bool
    tries: int = 0
    gone: bool = False  # the final dot is out and no answer to it has come


class Hand:
    """What one worker has taken. Every parcel in it leaves by `done` or `back`, whatever happens."""

    def __init__(self, supply: Supply, may_take: Callable[[], bool], taken: Callable[[], None]) -> None:
        """`may_take` is asked before the supply is, `taken` called after it gave something."""
        self._supply = supply
        self._may_take = may_take
        self._taken = taken
        self._kept: deque[Load] = deque()
        self._open: set[Load] = set()
        self._sender: str | None = None  # one that is in order

    def take(self) -> Load | None:
        """The next one that may go onto the wire. What may not is answered for on the way."""
        if self._kept:
            return self._kept.popleft()
        while self._may_take() and (parcel := self._supply.take()):
            self._taken()
            fault = self._address_fault(parcel)
            found = "" if fault else parcel.message if parcel.plain else wire_lines(parcel.message)
            if isinstance(found, bytes):
                wire = found if parcel.plain else stuffed(found)
                load = Load(parcel, len(found), wire, parcel.plain or wire.isascii())
                self._open.add(load)
                return load
            self._supply.done(parcel, Outcome(LetterState.FAILED, fault or found, kind="unfit"))
        return None

    def _address_fault(self, parcel: Parcel) -> str:
        if fault := address_fault(parcel.recipient):
            return f"the recipient's address {fault}"
        if parcel.sender != self._sender:  # the same for all, as a rule
            if fault := address_fault(parcel.sender):
                return f"the sender's address {fault}"
            self._sender = parcel.sender
        return ""

    def first(self, load: Load) -> None:
        """It is the next one to be taken."""
        self._kept.appendleft(load)

    def keep(self, load: Load) -> None:
        """It waits for the next connection, and none of this was its fault."""
        self._kept.append(load)

    def lost(self, load: Load, broken: Broken) -> None:
        """The connection broke under it, and it has certainly not been delivered: once more, then not for now."""
        load.gone = False
        load.tries += 1
        if load.tries < TRIES:
            self._kept.appendleft(load)
        else:
            self.done(load, Outcome(LetterState.DEFERRED, str(broken), kind=broken.kind))

    def leaving(self, load: Load) -> bool:
        """Right before its final dot. False: it has been given back."""
        load.gone = self._supply.leaving(load.parcel)
        if not load.gone:
            self._back(load, "it was called back before it left")
        return load.gone

    def done(self, load: Load, outcome: Outcome) -> None:
        self._open.remove(load)
        self._supply.done(load.parcel, outcome)

    def _back(self, load: Load, why: str) -> None:
        self._open.remove(load)
        self._supply.back(load.parcel, why)

    def let_go(self, why: str) -> None:
        """Answer for all that is left."""
        self._kept.clear()
        for load in list(self._open):
            if load.gone:
                self.done(load, unknown(f"the message is out, and no answer was waited for: {why}"))
            else:
                self._back(load, why)

    @property
    def is_retry(self) -> bool:
        return bool(self._kept) and self._kept[0].tries > 0


@dataclass(frozen=True, slots=True)
class Offer:
    """What the server told us after EHLO, and how we deal with it."""

    where: str  # host:port
    patience: float  # seconds for each reply
    size_limit: int = 0  # bytes; 0 is none
    takes_size: bool = False
    takes_8bit: bool = False
    pipelining: bool = False
    limit: int = 0  # letters for each connection; 0 is any number

    @property
    def final_patience(self) -> float:
        return max(self.patience, min(FINAL_PATIENCE * self.patience, FINAL_PATIENCE_LIMIT))


class Talk:
    """What the plain and the pipelined conversation have in common."""

    def __init__(self, channel: Channel, offer: Offer) -> None:
        self._channel = channel
        self._offer = offer
        self._final_patience = offer.final_patience
        self._taken = 0
        self._at_rest = True  # no letter is half-way through
        self.is_confused = False  # the answers did not fit what was asked

    @property
    def is_usable(self) -> bool:
        return self._at_rest and self._channel.is_sound

    @property
    def is_spent(self) -> bool:
        """Some servers close, or slow down, after so many letters: better to leave before."""
        return 0 < self._offer.limit <= self._taken

    async def run(self, hand: Hand) -> None:
        """Deliver until `hand` gives nothing or this is no longer usable. Raises `RelayUnusable`."""
        raise NotImplementedError

    def _take(self, hand: Hand) -> Load | None:
        while not self.is_spent and (load := hand.take()):
            fault = self._unfit(load)
            if not fault:
                self._taken += 1
                return load
            hand.done(load, fault)
        return None

    def _unfit(self, load: Load) -> Outcome | None:
        offer = self._offer
        if 0 < offer.size_limit < load.size:
            words = f"the letter is too large: {load.size} bytes, and the server takes {offer.size_limit}"
            return Outcome(LetterState.FAILED, words, kind="too-large")
        if not offer.takes_8bit and not load.is_ascii:
            words = "the letter is not plain ASCII and the server takes nothing else"
            return Outcome(LetterState.FAILED, words, kind="unfit")
        return None

    # Not aiosmtplib's mail() and rcpt(): these read the address anew, and what they read may be another one.
    def _mail(self, load: Load) -> bytes:
        size = b" SIZE=%d" % load.size if self._offer.takes_size else b""
        eight_bit = b"" if load.is_ascii else b" BODY=8BITMIME"
        return b"MAIL FROM:<%b>%b%b\r\n" % (load.parcel.sender.encode("ascii"), size, eight_bit)

    def _rcpt(self, load: Load) -> bytes:
        return b"RCPT TO:<%b>\r\n" % load.parcel.recipient.encode("ascii")

    def _refused(self, reply: Reply, sender: str | None = None) -> Outcome:
        """What a refusal means. Raises `RelayUnusable` where it is ours to mend, as of our sender address."""
        judgement = judge(*reply)
        for_good = judgement.state is LetterState.FAILED and judgement.kind != "too-large"
        ours = sender is not None and (for_good or (judgement.kind == "reputation" and reply.code >= 500))
        if judgement.state is not None and not ours:
            return Outcome(judgement.state, judgement.reply, kind=judgement.kind, wait=judgement.wait)
        raise RelayUnusable(
            where=self._offer.where,
            detail=f"the server does not accept our sender address {sender!r}: “{judgement.reply}”"
            if ours
            else f"{judgement.explanation}: “{judgement.reply}”",
            remedy="Set `from_address` under [letter] to an address that this server may send for"
            if ours
            else judgement.remedy,
        )

    def _final(self, reply: Reply) -> Outcome:
        """What the answer to the final dot means."""
        if 200 <= reply.code < 300:
            return judged_sent(*reply)
        if 400 <= reply.code < 600:
            return self._refused(reply)
        return unknown(f"the message is out, and the answer makes no sense: {reply}")

    def _unanswered(self, broken: Broken) -> Outcome:
        if broken.why == "silent":
            return unknown(f"the message is out, and no answer came within {self._final_patience:g} seconds")
        if broken.why == "gone":
            return unknown("the message is out, and the connection broke off before the answer")
        return unknown(f"the message is out, and the answer makes no sense: {broken}")

    def _contradicted(self, reply: Reply) -> bool:
        """Whether one reply too many has come already, and of another mind."""
        return any(one.code // 100 != reply.code // 100 and one.code != 421 for one in self._channel.strays)

    async def _closing(self, hand: Hand, load: Load, reply: Reply) -> None:
        """421 in answer to the dot refuses the message (RFC 5321, 4.2.3: like any 4yz) and is the last word.

        Where something else follows, it was said of the connection and not of the message, and that may be taken.
        """
        later = await self._channel.last_words(LAST_WORDS)
        self.abort()
        if any(one.code < 400 for one in later):
            hand.done(load, contradiction(reply))
        else:
            hand.lost(load, Broken(str(reply), "closing"))

    async def leave(self) -> None:
        """Say goodbye if that is in order. Never raises, and does not wait for long."""
        if self.is_usable and self._channel.send(b"QUIT\r\n", 1):
            with suppress(Broken):
                await self._channel.reply(min(LAST_WORDS, self._offer.patience), "QUIT")
        self.abort()

    def abort(self) -> None:
        self._at_rest = False
        self._channel.abort()


def unknown(words: str) -> Outcome:
    return Outcome(LetterState.UNCERTAIN, words, kind="unknown-fate")


def contradiction(reply: Reply) -> Outcome:
    return unknown(f"the message is out, and the answers contradict each other: {reply}")


def out_of_place(reply: Reply) -> Broken:
    return Broken(f"the server gave an answer out of place: {reply}", "out of place")
