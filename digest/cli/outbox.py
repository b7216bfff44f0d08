"""`digest outbox`: what waits or is in doubt, and an operator's word on it; `pause`, `resume` and `cancel`."""

from __future__ import annotations

from typing import Annotated

import typer

from digest import clock
from digest.cli.common import Json, app, load_config, local, note, opened, paused, row, say, say_json, show, table
from digest.errors import NotUncertain
from digest.model import LetterState
from digest.store import couriers, letters, outbox, pauses, transitions
from digest.store.pauses import EVERYTHING, Pause
from digest.text import count

outbox_app = typer.Typer(
    help="Letters that wait or are in doubt.",
    rich_markup_mode=None,
    invoke_without_command=True,
    epilog="Example: digest outbox --state deferred",
)
app.add_typer(outbox_app, name="outbox")
Which = Annotated[str, typer.Argument(help="The letter's number in the outbox, or “all”.", metavar="ID|all")]


@outbox_app.callback()
def listing(
    context: typer.Context,
    state: Annotated[LetterState | None, typer.Option(help="Letters in this state alone.", metavar="STATE")] = None,
    limit: Annotated[
        int, typer.Option(help="At most so many letters of each state.", min=1, max=1_000_000, metavar="N")
    ] = 200,
    json: Json = False,
) -> None:
    """List letters that wait or are in doubt; `resend`, `settle` and `drop` decide on those in doubt."""
    if context.invoked_subcommand:
        return
    wanted = (
        [state] if state else [LetterState.READY, LetterState.SENDING, LetterState.DEFERRED, LetterState.UNCERTAIN]
    )
    with opened(load_config(), create=False) as store, store.read() as connection:
        found = [one for each in wanted for one in letters.in_state(connection, each, limit)]
        counts = outbox.count_by_state(connection)
        stops = pauses.in_force(connection, clock.now())
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
    for stop in stops.values():
        note(paused(stop))
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
    left = sum(counts.get(each.value, 0) for each in wanted) - len(found)
    if left > 0:
        note(f"and {left} more; --limit shows more of them")
    if any(one.state is LetterState.UNCERTAIN for one in found):
        note("uncertain: it may or may not have arrived. Ask the reader or the mail server's log, then")
        note("  digest outbox resend ID   send it again, with the same Message-ID")
        note("  digest outbox settle ID   take it as sent")
        note("  digest outbox drop ID     give it up; its papers do not come again")


@outbox_app.command(epilog="Example: digest outbox resend 17")
def resend(which: Which) -> None:
    """Send a letter in doubt again, under the same Message-ID.

    It leaves with the next run.
    """
    _decide(which, "resend", "will be sent again with the next run")


@outbox_app.command(epilog="Example: digest outbox settle all")
def settle(which: Which) -> None:
    """Take a letter in doubt as sent."""
    _decide(which, "settle", "taken as sent")


@outbox_app.command(epilog="Example: digest outbox drop 17")
def drop(which: Which) -> None:
    """Give a letter in doubt up.

    It counts as failed. Its papers may have arrived, so the reader is not sent them again.
    """
    _decide(which, "drop", "given up")


def _decide(which: str, what: str, said: str) -> None:
    if which != "all" and not (which.isascii() and which.isdigit()):
        raise typer.BadParameter(f"{which!r} is neither a number nor “all”")
    ids = None if which == "all" else [int(which)] if len(which) <= 10 and int(which) < 2**31 else []
    with opened(load_config(), create=False) as store, store.write() as connection:
        decided = outbox.decide(connection, what, clock.now(), ids)
        if not decided and ids is not None:
            found = letters.by_ids(connection, ids)
            detail = f"it is {found[0].state.value}, not uncertain" if found else "there is no such letter"
            raise NotUncertain(id=which, detail=detail)
    say(f"{count(decided, 'letter')} {said}")


Provider = Annotated[
    str | None, typer.Option(help="Letters to this mail provider alone, as in google.com.", metavar="NAME")
]


@app.command(epilog='Example: digest pause --reason "the relay moves"')
def pause(
    provider: Provider = None,
    reason: Annotated[str, typer.Option(help="Why, for whoever looks.", metavar="TEXT")] = "no reason was given",
) -> None:
    """Send nothing until `digest resume`.

    A run that is sending stops within seconds. Letters are still written, and wait until they expire.
    """
    scope = _scope(provider)
    with opened(load_config(), create=False) as store, store.write() as connection:
        pauses.pause(connection, Pause(scope, reason, "operator", clock.now()))
        working = len(couriers.everyone(connection)) if scope == EVERYTHING else 0
    running = f"; {count(working, 'run')} at work will stop" if working else ""
    say(f"{'letters to ' + provider if provider else 'delivery'} paused{running}")


@app.command(epilog="Example: digest resume")
def resume(provider: Provider = None) -> None:
    """End a pause, whoever began it."""
    with opened(load_config(), create=False) as store, store.write() as connection:
        ended = pauses.resume(connection, clock.now(), None if provider is None else _scope(provider))
    say(f"{count(ended, 'pause')} ended; the next run sends what waits" if ended else "nothing was paused")


@app.command(epilog="Example: digest cancel")
def cancel(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take back every letter that waits; stop what is sending.

    They count as suppressed; their papers may come in later letters. What has left cannot be taken back.
    """
    with opened(load_config(), create=False) as store:
        with store.read() as connection:
            counts = outbox.count_by_state(connection)
        waiting = sum(counts.get(state.value, 0) for state in (*transitions.WAITING, LetterState.SENDING))
        if not waiting:
            say("nothing waits")
            return
        if not yes:
            typer.confirm(f"Take back {count(waiting, 'letter')}?", abort=True)
        with store.write() as connection:
            working = couriers.ask(connection, "cancel")
            cancelled = outbox.cancel(connection, clock.now())
    running = f"; {count(working, 'run')} at work will stop and take back the rest" if working else ""
    say(f"{count(cancelled, 'letter')} taken back{running}")


def _scope(provider: str | None) -> str:
    return EVERYTHING if provider is None else f"provider:{provider.lower()}"
