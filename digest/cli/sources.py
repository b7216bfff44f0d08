"""`digest sources`: how it goes with each source, and feeds from another program's list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from digest import clock, feeds
from digest.cli.common import (
    Json,
    app,
    here,
    hinted,
    home,
    load_config,
    note,
    opened,
    row,
    say,
    say_json,
    show,
    table,
)
from digest.cli.health import trouble
from digest.cli.sparkline import sparkline
from digest.config import FILE_NAME, Config
from digest.errors import StoreMissing, UserFileError
from digest.store import sources as stored
from digest.store.sources import EMPTY, FAILED, Day, Health
from digest.text import count

SHOWN = 5  # rejected feeds told; --json has all
DAYS = 14  # shown of each source

sources_app = typer.Typer(
    help="How it goes with each source.\n\nWhen it answered last, what it had, what fails, when it is tried "
    "again. A bar for each of the last 14 days: 0 it had nothing, × it could not be read, · not known.",
    rich_markup_mode=None,
    invoke_without_command=True,
    epilog="Example: digest sources --json",
)
app.add_typer(sources_app, name="sources")


@sources_app.callback()
def sources_list(context: typer.Context, json: Json = False) -> None:
    """The table, and a line for each source that fails."""
    if context.invoked_subcommand:
        return
    config = load_config()
    now = clock.now()
    today = now.date()
    health, days = _known(config, today)
    if json:
        say_json([_plain(one.name, one.kind, health.get(one.name), days[one.name]) for one in config.sources])
        return
    if not config.sources:
        say(hinted("config.toml names no source; `digest collect` shows an example"))
        return
    made = table("source", "kind", "last success", "two weeks", "today", right=["today"], wide={"source": 1})
    for one in config.sources:
        mine = {day.day: day for day in days[one.name]}
        at = health[one.name].succeeded_at if one.name in health else None
        when = f"{ago(at, now)}, {at:%m-%d %H:%M} UTC" if at else "never"
        row(made, one.name, one.kind, when, bars(mine, today), sign(mine.get(today)))
    show(made)
    for one in config.sources:
        if told := trouble(health.get(one.name), days[one.name]):
            note(f"{one.name}: {told}")


@sources_app.command(name="import", epilog="Example: digest sources import feeds.opml --dry-run")
def import_(
    file: Annotated[Path, typer.Argument(help="The list of feeds of a feed reader, as OPML.", metavar="FILE")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the lines; write nothing.")] = False,
    json: Json = False,
) -> None:
    """Add the feeds of an OPML file to config.toml, as sources.

    Feeds that are sources already are left out, and so is what is no address of a feed: exit code 1 then.
    What stands in config.toml stays as it is. Nothing is fetched.
    """
    config = load_config()
    path = home() / FILE_NAME
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UserFileError(path=here(file), detail=f"cannot be read: {error.strerror or error}") from None
    found = feeds.read(data, here(file), config)
    if found.new and not dry_run:
        feeds.add(home(), here(path), found.new)
    if json:
        new = [{"name": one.name, "kind": one.kind, "url": one.url} for one in found.new]
        rejected = [asdict(one) for one in found.rejected]
        say_json({"new": new, "known": found.known, "rejected": rejected, "written": bool(new) and not dry_run})
    else:
        if dry_run and found.new:
            say(feeds.written(found.new))
        known = f", {found.known} known before" if found.known else ""
        would = "would be added" if dry_run else "added"
        note(f"{count(len(found.new), 'feed')} {would} to {here(path)}{known}")
        for one in found.rejected[:SHOWN]:
            note(f"{here(file)}:{one.line}: rejected: {one.reason}")
        if len(found.rejected) > SHOWN:
            note(f"{here(file)}: … and {len(found.rejected) - SHOWN} more rejected; --json lists them")
    if found.rejected:
        raise typer.Exit(1)


def bars(days: dict[date, Day], today: date) -> str:
    shown = [days.get(today - timedelta(days=n)) for n in reversed(range(DAYS))]
    return sparkline([one.items if one and one.state not in (FAILED, EMPTY) else sign(one) for one in shown])


def sign(one: Day | None) -> str:
    """What a day came to: "12", "0", "×" where it failed, "·" where nothing is known."""
    if one is None:
        return "·"
    return "×" if one.state == FAILED else str(one.items)


def ago(at: datetime, now: datetime) -> str:
    """ "just now", "5 min ago", "3 h ago", "2 d ago"."""
    minutes = max(int((now - at).total_seconds()) // 60, 0)
    if minutes == 0:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // (24 * 60)} d ago"


def _known(config: Config, today: date) -> tuple[Mapping[str, Health], Mapping[str, list[Day]]]:
    """Health and the last two weeks, by the name of the source."""
    names = [one.name for one in config.sources]
    try:
        with opened(config, create=False) as store, store.read() as connection:
            return stored.health(connection), stored.recent(connection, names, today, DAYS)
    except StoreMissing:  # nothing was collected yet
        return {}, {name: [] for name in names}


def _plain(name: str, kind: str, health: Health | None, days: Sequence[Day]) -> dict[str, object]:
    told = asdict(health or Health(name))
    told.pop("source")
    known = [
        {"day": one.day, "state": one.state, "items": one.items, "tried_at": one.tried_at, "detail": one.detail}
        for one in days
    ]
    return {"source": name, "kind": kind, **told, "trouble": trouble(health, days) or None, "days": known}
