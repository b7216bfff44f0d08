"""`digest ingest`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from digest import clock
from digest.cli.common import (
    Day,
    Json,
    app,
    complain,
    load_config,
    narrow,
    note,
    opened,
    progress,
    row,
    say,
    say_json,
    show,
    table,
)
from digest.config import Config
from digest.ingest import Forgotten, Ingested, forget, ingest, pages_in, total
from digest.text import count

SHOWN = 5  # rejected or flagged entries told per page; --json has all


@app.command(name="ingest", epilog="Example: digest ingest saved/ --day 2026-03-14")
def ingest_pages(
    pages: Annotated[list[Path], typer.Argument(help="Saved pages, or folders of them.", metavar="PAGE")],
    day: Day = None,
    year: Annotated[
        int | None,
        typer.Option(help="The year of a page that says only “Mar 14”.", min=1900, max=9998, metavar="YYYY"),
    ] = None,
    undo: Annotated[
        bool, typer.Option("--forget", help="Take back that these pages list their papers on that day.")
    ] = False,
    json: Json = False,
) -> None:
    """Take saved pages of trending papers into the store.

    A page may be saved as HTML, as a web archive (MHTML) or as plain text. Taking it again adds nothing. The day is
    --day, else the date that the page prints, in the latest year that does not lie after today. A page taken
    for a wrong day: --forget with the same --day or --year.
    """
    config = load_config()
    now = clock.now()
    today: date = clock.machine_day(now)
    files = pages_in(pages)
    if undo:
        _forget(config, files, today, day, year, json)
        return
    done: list[Ingested] = []
    with opened(config) as store, progress(("pages", len(files))) as [advance]:
        for path in files:
            done.append(ingest(store, path, today, now, day=day, year=year))
            advance(1)
    if json:
        say_json([_plain(one) for one in done])
    else:
        _tell(done)
    _end(done)


def _end(done: Sequence[Ingested | Forgotten]) -> None:
    if any(one.error for one in done):
        raise typer.Exit(3 if all(one.error for one in done) else 1)


def _forget(config: Config, files: list[Path], today: date, day: date | None, year: int | None, json: bool) -> None:
    with opened(config, create=False) as store:
        done = [forget(store, path, today, day=day, year=year) for path in files]
    if json:
        say_json([asdict(replace(one, error=None)) | {"error": one.error and str(one.error)} for one in done])
    for one in [] if json else done:
        if one.error:
            complain(one.error)
        elif one.listings:
            say(f"{one.path}: {count(one.listings, 'listing')} of {one.day} forgotten; the papers stay")
        else:
            note(f"{one.path}: the store has no listing of this page on {one.day}; nothing was changed")
    _end(done)


def _tell(done: list[Ingested]) -> None:
    counted = ["papers", "new", "known", "merged", "rejected", "listed"]
    made = table("page", "day", *counted, right=counted, wide={"page": 1})
    taken = [one for one in done if not one.error]
    for one in taken:
        a, page = one.added, Path(one.path).name if narrow() else one.path
        row(made, page, one.day or "-", one.papers, a.new, a.known, a.merged, len(one.rejected), a.listings)
    if len(taken) > 1:
        a, on_pages = total(taken), sum(one.papers for one in taken)
        rejected = sum(len(one.rejected) for one in taken)
        row(made, "all", "", on_pages, a.new, a.known, a.merged, rejected, a.listings)
    if taken:
        show(made)
    for one in done:
        if one.error:
            complain(one.error)
            continue
        if not one.papers:
            note(f"{one.path}: no papers found; is it a page of trending papers, saved as HTML or plain text?")
        if one.repeated:
            entries = "1 entry stands" if one.repeated == 1 else f"{one.repeated} entries stand"
            note(f"{one.path}: {entries} on the page twice, taken once")
        for word, things in (("rejected", one.rejected), ("kept", one.flagged)):
            for thing in things[:SHOWN]:
                note(f"{one.path}:{thing.line}: {word}: {thing.reason}")
            if len(things) > SHOWN:
                note(f"{one.path}: … and {len(things) - SHOWN} more {word}; --json lists them")
    if not done:
        note("there are no pages in these folders")


def _plain(one: Ingested) -> dict[str, object]:
    return {
        "page": one.path,
        "day": one.day,
        "papers": one.papers,
        **asdict(one.added),
        "repeated": one.repeated,
        "rejected": [asdict(thing) for thing in one.rejected],
        "flagged": [asdict(thing) for thing in one.flagged],
        "error": str(one.error) if one.error else None,
    }
