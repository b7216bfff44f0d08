"""`digest collect`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated

import typer

from digest import clock, tomlfile
from digest.cli.common import (
    Json,
    app,
    day_argument,
    hinted,
    load_config,
    note,
    opened,
    progress,
    row,
    say,
    say_json,
    show,
    stopping,
    table,
)
from digest.collect import Collected, Failure, collect
from digest.config import Config
from digest.text import count, ended

SHOWN = 5  # rejected records told per source; --json has more
EXAMPLE = """\
config.toml names no source yet. For example:

  [[sources]]
  name = "hf"
  kind = "huggingface"

  [[sources]]
  name = "nlp"
  kind = "arxiv"
  categories = ["cs.CL", "cs.AI"]

`digest sources import FILE` takes the feeds of a feed reader (OPML)."""


@app.command(name="collect", epilog="Example: digest collect --source hf --since 2026-03-01")
def collect_papers(
    sources: Annotated[
        list[str] | None,
        typer.Option("--source", help="This source alone, even if it wants to be left alone.", metavar="NAME"),
    ] = None,
    since: Annotated[
        date | None,
        typer.Option(
            help="Each day since then, where a source can tell it.", parser=day_argument, metavar="YYYY-MM-DD"
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask and count; store nothing.")] = False,
    json: Json = False,
) -> None:
    """Ask the sources that config.toml names for papers.

    Collecting again is harmless: it brings the votes up to date, and asks again for the days that failed. What
    could not be read is told with its reason and counts as not known, never as empty; exit code 1 then.
    """
    config = load_config()
    now = clock.now()
    only = _named(config, sources or [])
    if since and since > now.date():
        raise typer.BadParameter(f"{since} lies ahead", param_hint="--since")
    if not config.sources:
        if json:
            say_json([])
        else:
            say(hinted(EXAMPLE))
        return
    chosen = len(only or config.sources)
    with opened(config) as store, progress(("sources", chosen)) as [advance], stopping() as stop:
        done = collect(
            store, config, clock.now, only=only, since=since, dry_run=dry_run, progress=advance, stop=stop
        )
    if json:
        say_json([_plain(one) for one in done])
    else:
        _tell(done, dry_run)
    if any(one.failures for one in done):
        raise typer.Exit(1)


def _named(config: Config, names: Sequence[str]) -> list[str]:
    known = [one.name for one in config.sources]
    for name in names:
        if name not in known:
            guess = tomlfile.nearest(name, known)
            meant = f"did you mean {guess}?" if guess else f"there are: {', '.join(known) or 'none'}"
            raise typer.BadParameter(f"config.toml has no source {name!r}; {meant}", param_hint="--source")
    return list(dict.fromkeys(names))


def _tell(done: Sequence[Collected], dry_run: bool) -> None:
    counted = ["days", "fetched", "new", "known", "merged", "rejected", "failed"]
    made = table("source", *counted, right=counted, wide={"source": 1})
    for one in done:
        a = one.added
        row(made, one.source, len(one.days), one.fetched, a.new, a.known, a.merged, one.refused, len(one.failures))
    show(made)
    for one in done:
        _tell_of(one)
    if dry_run:
        say("Nothing was stored.")


def _tell_of(one: Collected) -> None:
    name = one.source
    if one.waits_until:
        until = utc(one.waits_until)
        note(f"{name}: not asked, as it wants to be left alone until {until}; --source {name} asks all the same")
    for thing in one.rejected[:SHOWN]:
        note(
            f"{name}: rejected: line {thing.line}: {thing.reason}"
            if thing.line
            else f"{name}: rejected: {thing.reason}"
        )
    if one.refused > SHOWN:
        note(f"{name}: … and {one.refused - SHOWN} more rejected; --json lists them")
    if one.repeated:
        note(f"{name}: {count(one.repeated, 'record')} stood there twice and counted once")
    for told in one.notes:
        note(f"{name}: {told}")
    for failure in one.failures:
        note(f"{name}: failed: {told_of(failure)}")
    if one.stopped:
        note(f"{name}: stopped before its end; the next `digest collect` goes on")
    elif one.unchanged and not one.fetched and not one.failures:
        note(f"{name}: nothing has changed since the last time")


def told_of(failure: Failure) -> str:
    """What failed, and when it is tried again."""
    days = sorted(failure.days)
    when = f"{days[0]}: " if len(days) == 1 else f"{days[0]} to {days[-1]}: " if days else ""
    again = f"not before {utc(failure.next_try_at)}" if failure.next_try_at else "with the next `digest collect`"
    return f"{ended(when + failure.detail)} Next try: {again}"


def utc(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _plain(one: Collected) -> dict[str, object]:
    return {
        "source": one.source,
        "kind": one.kind,
        "days": sorted(one.days),
        "fetched": one.fetched,
        "unchanged": one.unchanged,
        "repeated": one.repeated,
        **asdict(one.added),
        "rejected": one.refused,
        "rejections": [asdict(thing) for thing in one.rejected],
        "failures": [asdict(failure) for failure in one.failures],
        "notes": one.notes,
        "waits_until": one.waits_until,
        "stopped": one.stopped,
    }
