"""`digest profiles import NAME FILE…`: what a reader likes, from their reference library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from digest import clock, libraries
from digest.cli.common import (
    Json,
    complain,
    find_subscriber,
    here,
    load_config,
    note,
    opened,
    row,
    say,
    say_json,
    show,
    table,
)
from digest.cli.profiles import profiles_app
from digest.config import Config
from digest.errors import UnknownSubscriber
from digest.libraries import Imported
from digest.model import FeedbackKind, Subscriber
from digest.store.opening import Store
from digest.text import count

SHOWN = 5  # rejected entries told per file; --json has all
_COUNTED = ("entries", "new", "known", "duplicates", "without abstract", "rejected")


class As(StrEnum):
    LIKED = "liked"
    SAVED = "saved"
    DISLIKED = "disliked"


_KINDS: dict[As, FeedbackKind] = {As.LIKED: "liked", As.SAVED: "saved", As.DISLIKED: "disliked"}


@profiles_app.command(name="import", epilog="Example: digest profiles import alice refs.bib ids.txt --dry-run")
def import_library(
    name: Annotated[str, typer.Argument(help="The subscriber: handle or address.", metavar="NAME")],
    files: Annotated[
        list[Path],
        typer.Argument(
            help="BibTeX, RIS, Zotero or CSL JSON, or arXiv ids, DOIs and titles, one a line.", metavar="FILE…"
        ),
    ],
    kind: Annotated[As, typer.Option("--as", help="What the papers are to NAME.")] = As.LIKED,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would do, and do nothing.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Forget what came from files of these names.")] = False,
    json: Json = False,
) -> None:
    """Take the papers of a reference library as what NAME likes.

    Nothing is fetched. Importing a file again adds what is new in it; what NAME said by hand stays.
    """
    config = load_config()
    with opened(config, create=False) as store:
        reader = reader_of(config, store, name)
        if remove:
            _tell_removed(reader, libraries.remove(store, reader, files, dry_run=dry_run), dry_run, json)
            return
        done = libraries.take(store, reader, files, _KINDS[kind], clock.now(), dry_run=dry_run)
    if json:
        say_json([_plain(one) for one in done])
    else:
        _tell(reader, done, kind, dry_run)
    if any(one.error for one in done):
        raise typer.Exit(3 if all(one.error for one in done) else 1)
    if any(one.rejected for one in done):
        raise typer.Exit(1)


def reader_of(config: Config, store: Store, name: str) -> Subscriber:
    """By handle or address. Raises `UnknownSubscriber`, which tells of a profile file that is not applied yet."""
    try:
        return find_subscriber(store, name)
    except UnknownSubscriber:
        file = config.path(config.edition.profiles) / f"{name}.toml"
        if "/" in name or not file.is_file():
            raise
        apply = f" {here(file)} is not taken over yet: run `digest profiles apply` first."
        raise UnknownSubscriber(name=name, nearest=apply) from None


def _tell(reader: Subscriber, done: Sequence[Imported], kind: As, dry_run: bool) -> None:
    taken = [one for one in done if not one.error]
    made = table("file", "format", *_COUNTED, right=_COUNTED, wide={"file": 1})
    for one in taken:
        counts = (one.entries, one.new, one.known, one.duplicates, one.without_abstract, len(one.rejected))
        row(made, here(one.path), one.format, *counts)
    if taken:
        show(made)
    for one in done:
        if one.error:
            complain(one.error)
            continue
        path = here(one.path)
        if not one.entries:
            note(f"{path}: no entry was recognised")
        for told in one.notes:
            note(f"{path}: {told}")
        for thing in one.rejected[:SHOWN]:
            note(f"{path}:{thing.line}: rejected: {thing.reason}")
        if len(one.rejected) > SHOWN:
            note(f"{path}: … and {len(one.rejected) - SHOWN} more rejected; --json lists them")
        if one.by_hand:
            note(f"{path}: what {reader.handle} said by hand of {count(one.by_hand, 'paper')} stays")
    if taken:
        verdicts = sum(one.verdicts for one in taken)
        told = f"{reader.handle}: {count(verdicts, 'paper')}"
        say(f"{told} would be newly {kind.value}; nothing was stored" if dry_run else f"{told} newly {kind.value}")


def _tell_removed(reader: Subscriber, removed: dict[str, int], dry_run: bool, json: bool) -> None:
    if json:
        say_json(removed)
        return
    for name, number in removed.items():
        done = "would forget" if dry_run else "forgot"
        say(f"{done} what {reader.handle} said of {count(number, 'paper')} by {name}")


def _plain(one: Imported) -> dict[str, object]:
    return {
        "file": one.path,
        "format": one.format or None,
        "entries": one.entries,
        "new": one.new,
        "known": one.known,
        "duplicates": one.duplicates,
        "without_abstract": one.without_abstract,
        "verdicts": one.verdicts,
        "by_hand": one.by_hand,
        "rejected": [asdict(thing) for thing in one.rejected],
        "notes": list(one.notes),
        "error": str(one.error) if one.error else None,
    }
