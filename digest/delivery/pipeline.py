"""The pipelined conversation (RFC 2920): what the next letter needs leaves together with the one before.

A round is one write and the replies to it: a message and its dot, behind it MAIL, RCPT and DATA of the next letter.
The replies come in order, so they are told apart by counting; where their shape cannot be (DATA answered with 250),
one too many has come, and nothing that was said in the round is believed.
"""

from __future__ import annotations

from digest.delivery.channel import Broken, Reply
from digest.delivery.replies import judged_sent
from digest.delivery.session import Hand, Load, Talk, contradiction, out_of_place, unknown

DOT = b".\r\n"
ENVELOPE = ("MAIL", "RCPT", "DATA")


class Pipelined(Talk):
    """The order of things is kept: no message leaves before the 354 that asks for it has been read."""

    _dangling = False  # the server waits for a message that has no recipient: it gets the dot alone
    _half = False  # a refused envelope may have left a half behind

    async def run(self, hand: Hand) -> None:
        body: Load | None = None  # the server waits for its message
        while True:
            following = self._take(hand)  # never waited for
            self._at_rest = False
            if body and not hand.leaving(body):  # no way out of DATA but to hang up
                self._keep(hand, following)
                self.abort()
                return
            if body is None and following is None and not self._dangling:
                self._at_rest = True
                return
            try:
                body = await self._round(hand, body, following)
            except Broken as broken:  # both letters are answered for
                self.is_confused = broken.why == "out of place"
                self.abort()
                return

    def _keep(self, hand: Hand, load: Load | None) -> None:
        if load:
            hand.keep(load)

    async def _round(self, hand: Hand, body: Load | None, following: Load | None) -> Load | None:
        """One write, and the replies to it. The load whose message is due; raises `Broken` at the end of all."""
        channel, dangling = self._channel, self._dangling
        resets = bool(self._half and following)
        commands = b""
        if following:
            commands = b"%b%b%bDATA\r\n" % (
                b"RSET\r\n" if resets else b"",
                self._mail(following),
                self._rcpt(following),
            )
        rest = (4 if resets else 3) if following else 0
        if body:
            taken = channel.send(b"".join((body.wire, DOT, commands)), 1 + rest, len(commands))
        else:
            taken = channel.send(DOT + commands if dangling else commands, dangling + rest)
        if not taken:
            broken = Broken("the connection broke off before the message", "gone")
            if body:
                hand.lost(body, broken)
                self._keep(hand, following)
            elif following:
                hand.lost(following, broken)
            raise broken
        answer: Reply | None = None
        if body:
            answer = await self._answer(hand, body, following, rest)
        elif dangling:
            await self._nothing_sent(hand, following)
            self._dangling = self._half = False
        if following is None:
            return None
        if resets:
            await self._reset(hand, following)
            self._half = False
        try:
            refusal = await self._envelope(following)
        except Broken as broken:
            if body and answer:  # an answer was held back until here
                if broken.why == "out of place":
                    hand.done(body, unknown(f"the message is out, and the answers are out of step: {broken}"))
                else:
                    self._judged(hand, body, answer)
            hand.lost(following, broken)
            raise
        if body and answer:
            self._judged(hand, body, answer)
        if refusal is None:
            return following
        step, reply = refusal
        self._half = True
        sender = following.parcel.sender if step == "MAIL" else None
        hand.done(following, self._refused(reply, sender=sender))
        return None

    async def _answer(self, hand: Hand, body: Load, following: Load | None, rest: int) -> Reply | None:
        """The answer to the dot. A refusal is returned, and judged when the round is known to be in step."""
        channel = self._channel
        try:
            reply = await channel.reply(self._final_patience, "the message")
        except Broken as broken:
            if channel.held:  # the dot never left
                hand.lost(body, Broken("the connection broke off in the middle of the message", broken.why))
            else:
                hand.done(body, self._unanswered(broken))
            self._keep(hand, following)
            raise
        refused = 400 <= reply.code < 600
        if channel.held:
            # Some servers refuse in the middle. Whether it reads the rest as commands, nobody knows.
            self._keep(hand, following)
            early = Broken(str(reply), "closing" if reply.code == 421 else "gone")
            body.gone = False
            if refused and reply.code != 421:
                hand.done(body, self._refused(reply))
            else:
                hand.lost(body, early)
            raise early
        if reply.code == 421:
            self._keep(hand, following)
            await self._closing(hand, body, reply)
            raise Broken(str(reply), "closing")
        if not (200 <= reply.code < 300 or refused):
            hand.done(body, self._final(reply))
            self._keep(hand, following)
            raise out_of_place(reply)
        if self._contradicted(reply):
            hand.done(body, contradiction(reply))
            self._keep(hand, following)
            raise out_of_place(reply)
        if rest and (refused or channel.waiting >= rest):
            return reply
        self._judged(hand, body, reply)
        return None

    def _judged(self, hand: Hand, body: Load, reply: Reply) -> None:
        body.gone = False
        hand.done(body, judged_sent(*reply) if reply.code < 300 else self._refused(reply))

    async def _envelope(self, load: Load) -> tuple[str, Reply] | None:
        """The refusal of an envelope with the step that counts, or None: its message is due. Raises `Broken`."""
        channel, patience = self._channel, self._offer.patience
        refusal: tuple[str, Reply] | None = None
        for step in ENVELOPE:
            reply = channel.reply_now() or await channel.reply(patience, step)
            code = reply.code
            if code == 421:
                raise Broken(str(reply), "closing")
            if 400 <= code < 600:
                refusal = refusal or (step, reply)
            # After a refused MAIL no recipient is taken; if one is, the replies are not those to our commands.
            elif step == "DATA" and code == 354:
                self._dangling = refusal is not None
            elif step == "DATA" or not 200 <= code < 300 or refusal:
                raise out_of_place(reply)
        if channel.strays:
            one = channel.strays[0]
            raise Broken(str(one), "closing") if one.code == 421 else out_of_place(one)
        return refusal

    async def _nothing_sent(self, hand: Hand, following: Load | None) -> None:
        """The answer to a dot without a message. Whatever it is, nobody gets anything: there was no recipient."""
        channel = self._channel
        try:
            reply = await channel.reply(self._final_patience, "the end of an empty message")
            if not 400 <= reply.code < 600 or reply.code == 421:  # took a letter to nobody: not to be trusted
                raise out_of_place(reply)
        except Broken:
            self._keep(hand, following)
            raise

    async def _reset(self, hand: Hand, following: Load) -> None:
        try:
            reply = await self._channel.reply(self._offer.patience, "RSET")
            if reply.code != 250:
                raise out_of_place(reply)
        except Broken:
            self._keep(hand, following)
            raise
