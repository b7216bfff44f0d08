"""`digest test-mail`."""

from __future__ import annotations

import asyncio
import secrets
from typing import Annotated

import typer

from digest import clock
from digest.assembly import compose, composer_of, transport_of
from digest.cli.common import app, load_config, note, say
from digest.config import Config
from digest.delivery.replies import explain
from digest.delivery.transport import Transport, deliver_one
from digest.errors import RelayUnusable
from digest.fields import check_address
from digest.model import (
    Interest,
    Letter,
    LetterState,
    Outcome,
    Paper,
    Pick,
    Profile,
    Reason,
    Subscriber,
)


@app.command(name="test-mail", epilog="Example: digest test-mail me@example.org")
def test_mail(address: Annotated[str, typer.Argument(help="Where to send it.", metavar="ADDRESS")]) -> None:
    """Send one letter and explain what came of it.

    It is about nothing, but goes the way that real ones go.
    """
    config = load_config()
    try:
        recipient = check_address(address)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="ADDRESS") from None
    letter = _specimen(config, recipient)
    composer = composer_of(config)
    parcel = compose(letter, config, composer)
    transport = transport_of(config)
    how = config.delivery
    via = f"{how.smtp.host}:{how.smtp.port}" if how.kind == "smtp" else f"the Maildir {how.maildir}"
    signed = "".join(f", signed by {one.record_name}" for one in composer.signers)
    note(f"sending to {recipient} through {via}{signed}")

    async def send(transport: Transport) -> Outcome | RelayUnusable:
        try:
            await transport.open()
            return await deliver_one(transport, parcel)
        except RelayUnusable as error:
            return error
        finally:
            await transport.close()

    outcome = asyncio.run(send(transport))
    say(explain(outcome))
    if isinstance(outcome, RelayUnusable) or outcome.state is not LetterState.SENT:
        raise typer.Exit(5)


def _specimen(config: Config, address: str) -> Letter:
    """A letter with a made-up paper, so that the test shows what readers will see."""
    interest = "whether mail arrives"
    paper = Paper(
        title="On the Arrival of Letters: A Field Study with One Participant",
        abstract="We send one letter and wait. If you read this, the hypothesis holds: the server took it, "
        "and your mailbox let it in. Look at how it is shown, on a phone and in the dark, before others get one.",
        authors=("The Digest authors",),
    )
    reader = Subscriber(
        handle="test-mail",
        address=address,
        cadence="",  # it comes but once
        profile=Profile(interests=(Interest(interest),), papers=1),
    )
    now = clock.now()
    pick = Pick(paper, 100.0, 1.0, 0.0, (Reason("phrase", interest, ("arrival", "letters"), 100.0),))
    return Letter(
        subscriber=reader,
        slot=now.date(),
        picks=(pick,),
        subject=f"Test letter from {config.letter.name}",
        message_id=f"<test-{secrets.token_hex(16)}@{config.letter.domain}>",
        candidates=1,
        created_at=now,
    )
