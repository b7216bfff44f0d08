"""The plain conversation about a letter: one command, one reply (RFC 5321)."""

from __future__ import annotations

import asyncio

from digest.delivery.channel import Broken, Reply
from digest.delivery.session import Hand, Load, Talk, contradiction, out_of_place
from digest.model import LetterState, Outcome


class Plain(Talk):
    """Until the line with the final dot has left, nothing has been delivered and a letter may be tried again."""

    async def run(self, hand: Hand) -> None:
        while self.is_usable and (load := self._take(hand)):
            # An exception from here to the end of the conversation leaves the connection unfit for reuse.
            self._at_rest = False
            try:
                outcome = await self._envelope(load) or await self._message(hand, load)
            except Broken as broken:
                hand.lost(load, broken)
                outcome = None
            if outcome is None:  # it is answered for, and so is the connection
                self.abort()
                return
            hand.done(load, outcome)
            self._at_rest = outcome.state is LetterState.SENT
            if not self._at_rest and outcome.state is not LetterState.UNCERTAIN:
                self._at_rest = await self._reset()
            if not self._at_rest:
                self.abort()

    async def _envelope(self, load: Load) -> Outcome | None:
        """None where the server waits for the message."""
        reply = await self._say(self._mail(load), "MAIL")
        if reply.code >= 400:
            return self._refused(reply, sender=load.parcel.sender)
        if reply.code >= 300:
            raise out_of_place(reply)
        reply = await self._say(self._rcpt(load), "RCPT")
        if reply.code >= 400:
            return self._refused(reply)
        if reply.code >= 300:
            raise out_of_place(reply)
        reply = await self._say(b"DATA\r\n", "DATA")
        if reply.code >= 400:
            return self._refused(reply)
        if reply.code != 354:
            raise out_of_place(reply)
        return None

    async def _say(self, command: bytes, step: str) -> Reply:
        if not self._channel.send(command, 1):
            raise Broken(f"the server hung up at {step}", "gone")
        reply = await self._channel.reply(self._offer.patience, step)
        if reply.code == 421:
            raise Broken(str(reply), "closing")
        if not 200 <= reply.code < 600:
            raise out_of_place(reply)
        return reply

    async def _message(self, hand: Hand, load: Load) -> Outcome | None:
        """Send the message, then the final dot, and wait for the verdict. None where `load` is answered for.

        The dot is written on its own, after the message has left our buffers. Until then a fault is harmless, and
        the transport tells at once if the connection was gone. What remains is the true window of uncertainty: the
        dot went into the system's hands and no reply came.
        """
        channel, offer = self._channel, self._offer
        broken = Broken("the connection broke off in the middle of the message", "gone")
        if not channel.send(load.wire, 1):
            raise broken
        if channel.held:
            await channel.handed_over(offer.patience)
        await asyncio.sleep(0)  # let an answer that is there already be heard
        if early := channel.reply_now():
            # A refusal counts; nothing else can mean that the message was taken. The server may or may not be
            # reading the rest as commands: this connection is done with.
            if 400 <= early.code < 600 and early.code != 421:
                hand.done(load, self._refused(early))
                return None
            raise Broken(str(early), "closing") if early.code == 421 else out_of_place(early)
        if not hand.leaving(load):
            return None
        if not channel.send(b".\r\n", 0):
            raise broken
        try:
            reply = await channel.reply(offer.final_patience, "the message")
        except Broken as unheard:
            if channel.held:
                raise broken from None
            return self._unanswered(unheard)
        if reply.code == 421:
            await self._closing(hand, load, reply)
            return None
        if self._contradicted(reply):
            return contradiction(reply)
        load.gone = False
        return self._final(reply)

    async def _reset(self) -> bool:
        """A refused step may leave a half-written envelope behind. Without a clean slate, no reuse."""
        try:
            return (await self._say(b"RSET\r\n", "RSET")).code == 250
        except Broken:
            return False
