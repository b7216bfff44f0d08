"""`digest suppressions`: the addresses that must not be written to."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from digest import clock, suppressions, tomlfile
from digest.cli.common import (
    Json,
    app,
    cannot_write,
    complain,
    here,
    load_config,
    local,
    note,
    opened,
    row,
    say,
    say_json,
    show,
    table,
)
from digest.errors import NotSuppressed, UserFileError
from digest.fields import check_address
from digest.model import SubscriberState
from digest.store import suppressions as stored
from digest.store.suppressions import REASONS
from digest.text import count

suppressions_app = typer.Typer(
    help="The addresses that must not be written to.",
    rich_markup_mode=None,
    invoke_without_command=True,
    epilog="Example: digest suppressions --json",
)
app.add_typer(suppressions_app, name="suppressions")
Address = Annotated[str, typer.Argument(help="A mail address.", metavar="ADDRESS")]


@suppressions_app.callback()
def suppressions_list(context: typer.Context, json: Json = False) -> None:
    """List the addresses that must not be written to, newest first."""
    if context.invoked_subcommand:
        return
    with opened(load_config(), create=False) as store, store.read() as connection:
        found = stored.everyone(connection)
    if json:
        names = ("address", "reason", "detail", "at", "source", "address_hash")
        say_json([{name: getattr(one, name) for name in names} for one in found])
        return
    if not found:
        say("no address is suppressed")
        return
    made = table("address", "since", "reason", "detail", wide={"address": 2, "detail": 3})
    for one in found:
        shown = one.address or f"#{one.address_hash[:12]}…"
        row(made, shown, local(one.at)[:10], one.reason, one.detail)
    show(made)


@suppressions_app.command(name="import", epilog="Example: digest suppressions import old-list.csv")
def import_(
    file: Annotated[
        Path, typer.Argument(help="CSV with a column “address”, or an address a line.", metavar="FILE")
    ],
) -> None:
    """Add the addresses of a list, such as another program's.

    A line that is wrong is named and left out; exit code 1 if there is any.
    """
    config = load_config()
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UserFileError(path=here(file), detail=f"cannot be read: {error.strerror or error}") from None
    found, problems = suppressions.read(data, here(file), f"import:{file.name}", clock.now())
    with opened(config) as store, store.write() as connection:
        new = sum(stored.add(connection, one) for one in found)
    for problem in problems:
        complain(problem)
    known = f", {len(found) - new} there before" if len(found) > new else ""
    refused = f", {count(len(problems), 'line')} refused" if problems else ""
    say(f"{count(new, 'address') if new == 1 else f'{new} addresses'} added{known}{refused}")
    if problems:
        raise typer.Exit(1)


@suppressions_app.command(epilog="Example: digest suppressions export suppressed.csv")
def export(
    file: Annotated[
        Path | None, typer.Argument(help="Where to write it; without it, to standard output.", metavar="FILE")
    ] = None,
) -> None:
    """Write the list as CSV."""
    with opened(load_config(), create=False) as store, store.read() as connection:
        found = stored.everyone(connection)
    text = suppressions.write(found)
    if file is None:
        sys.stdout.write(text)
        return
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise cannot_write(error, file, "Name a file that this user may write") from None
    say(f"wrote {count(len(found), 'address') if len(found) == 1 else f'{len(found)} addresses'} to {here(file)}")


@suppressions_app.command(epilog='Example: digest suppressions add ada@example.org --reason "asked by phone"')
def add(
    address: Address,
    reason: Annotated[
        str, typer.Option(help=f"Why, in your words, or one of: {', '.join(REASONS)}.", metavar="REASON")
    ] = "manual",
) -> None:
    """Never write to ADDRESS again."""
    config = load_config()
    try:
        entry = suppressions.entry(address, reason, clock.now(), "cli")
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="ADDRESS") from None
    with opened(config) as store, store.write() as connection:
        new = stored.add(connection, entry)
    say(f"{entry.address} gets no more letters" if new else f"{entry.address} is on the list already")


@suppressions_app.command(epilog="Example: digest suppressions remove ada@example.org")
def remove(address: Address) -> None:
    """Take ADDRESS off the list; its subscriber gets letters again.

    Who unsubscribed or complained should have asked for it.
    """
    config = load_config()
    try:
        address = check_address(address)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="ADDRESS") from None
    with opened(config, create=False) as store, store.write() as connection:
        removed = stored.remove(connection, address, clock.now())
        known = [] if removed else [one.address for one in stored.everyone(connection) if one.address]
    if removed is None:
        guess = tomlfile.nearest(address, known)
        raise NotSuppressed(address=address, nearest=f" Did you mean {guess}?" if guess else "")
    entry, reader = removed
    why = f"{entry.reason}{': ' if entry.detail else ''}{entry.detail}"
    say(f"{address} is off the suppression list, where it was since {local(entry.at)[:10]} ({why})")
    if reader and reader.state is SubscriberState.ACTIVE:
        say(f"{reader.handle} gets letters again")
    elif reader:
        say(f"{reader.handle} is {reader.state.value} again, as before")
    if entry.reason in stored.WISHES:
        note("they had asked for no more letters: only undo that if they asked for letters again")
