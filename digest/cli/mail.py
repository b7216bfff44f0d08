"""`digest test-mail` and `digest outbox`."""

from __future__ import annotations

import asyncio
import secrets
from typing import Annotated

import typer

from digest import clock
from digest.cli.common import Json, app, load_config, local, note, opened, row, say, say_json, show, table
from digest.config import Config, check_address
from digest.courier import compose, composer_of, transport_of
from digest.delivery.replies import explain
from digest.delivery.transport import Transport, deliver_one
from digest.errors import NotUncertain, RelayUnusable
from digest.letters.subject import count
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
from digest.store import letters


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


outbox_app = typer.Typer(
    help="Letters that wait or are in doubt.",
    rich_markup_mode=None,
    invoke_without_command=True,
    epilog="Example: digest outbox --state deferred",
)
app.add_typer(outbox_app, name="outbox")
Which = Annotated[str, typer.Argument(help="The letter's number in the outbox, or “all”.", metavar="ID|all")]


@outbox_app.callback()
def outbox(
    context: typer.Context,
    state: Annotated[LetterState | None, typer.Option(help="Letters in this state alone.", metavar="STATE")] = None,
    json: Json = False,
) -> None:
    """List letters that wait or are in doubt; `resend` and `settle` decide on those in doubt."""
    if context.invoked_subcommand:
        return
    wanted = (
        [state] if state else [LetterState.READY, LetterState.SENDING, LetterState.DEFERRED, LetterState.UNCERTAIN]
    )
    with opened(load_config(), create=False) as store, store.read() as connection:
        found = [one for each in wanted for one in letters.in_state(connection, each)]
    if json:
        say_json(
            [
                {
                    "id": one.id,
                    "subscriber": one.subscriber.handle,
                    "address": one.subscriber.address,
                    "slot": one.slot,
                    "state": one.state.value,
                    "attempts": one.attempts,
                    "next_try_at": one.next_try_at,
                    "note": one.note,
                    "message_id": one.message_id,
                }
                for one in found
            ]
        )
        return
    if not found:
        say("the outbox is empty")
        return
    made = table(
        "id", "state", "subscriber", "slot", "tries", "next try", "last word", right=["id"], wide={"last word": 1}
    )
    for one in found:
        due = local(one.next_try_at)
        row(made, one.id, one.state.value, one.subscriber.handle, one.slot, one.attempts, due, one.note)
    show(made)
    if any(one.state is LetterState.UNCERTAIN for one in found):
        note("uncertain: it may or may not have arrived. Ask the reader or the mail server's log, then")
        note("  digest outbox resend ID   send it again, with the same Message-ID")
        note("  digest outbox settle ID   take it as sent")


@outbox_app.command(epilog="Example: digest outbox resend 17")
def resend(which: Which) -> None:
    """Send a letter in doubt again, under the same Message-ID.

    It leaves with the next run.
    """
    _decide(which, resend=True, said="will be sent again with the next run")


@outbox_app.command(epilog="Example: digest outbox settle all")
def settle(which: Which) -> None:
    """Take a letter in doubt as sent."""
    _decide(which, resend=False, said="taken as sent")


def _decide(which: str, *, resend: bool, said: str) -> None:
    if which != "all" and not (which.isascii() and which.isdigit()):
        raise typer.BadParameter(f"{which!r} is neither a number nor “all”")
    decided = 0
    with opened(load_config(), create=False) as store, store.write() as connection:
        if which == "all":
            ids = letters.ids_in_state(connection, LetterState.UNCERTAIN)
        else:
            ids = [int(which)] if len(which) <= 10 and int(which) < 2**31 else []
        for one in ids:
            decided += letters.release_uncertain(connection, one, clock.now(), resend=resend)
        if not decided and which != "all":
            found = letters.by_ids(connection, ids)
            detail = f"it is {found[0].state.value}, not uncertain" if found else "there is no such letter"
            raise NotUncertain(id=which, detail=detail)
    say(f"{count(decided, 'letter')} {said}")


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
