"""`digest demo`: the main job on the shipped samples, in a folder that can be thrown away."""

from __future__ import annotations

import os
import shutil
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from digest import clock, config, profile_folder, roster
from digest.assembly import render_letter
from digest.cli.common import app, cannot_write, complain, here, letter_rows, note, opened, say, show
from digest.cli.setup import SAMPLES
from digest.edition import Press, due_by_hand
from digest.errors import UserFileError
from digest.ingest import ingest, pages_in, total
from digest.letters.board import board
from digest.model import Letter, LetterState
from digest.run import run
from digest.store import letters, subscribers
from digest.text import count

MARK = ".digest-demo"  # only a folder with this file in it is ever cleared away
DAYS = (date(2026, 3, 3), date(2026, 3, 4))  # a Tuesday and a Wednesday, for which there are sample pages


@app.command(epilog="Example: digest demo /tmp/demo")
def demo(
    folder: Annotated[Path, typer.Argument(help="A new folder, or an old demo's.", metavar="DIR")] = Path("demo"),
) -> None:
    """Run the main job on samples, in a new folder.

    Takes sample pages and three sample readers, writes two days of letters and files them in a Maildir.
    """
    _lay(folder)
    settings = config.load(folder)
    now = clock.now()
    with opened(settings) as store:
        pages = pages_in([folder / "pages"])
        taken = [ingest(store, page, now.date(), now, year=DAYS[0].year) for page in pages]
        sums = total(taken)
        say(
            f"Took {count(len(pages), 'page')}: {sums.listings} listings of {sums.new} papers, "
            f"{sums.known + sums.merged} of them seen on more than one page."
        )
        plan = roster.apply(store, profile_folder.read(folder / "profiles"), now)
        say(f"Took {count(len(plan.changes), 'profile')}.")
        say()
        press = Press(store, settings)
        with store.read() as connection:
            readers = subscribers.everyone(connection)
        for day in DAYS:
            ran = run(press, due_by_hand(readers, now, day), clock.now)
            if ran.delivered.stopped:
                complain(ran.delivered.stopped)
                raise typer.Exit(ran.delivered.stopped.exit_code)
        with store.read() as connection:
            written: list[Letter] = []
            for reader in readers:
                written += reversed(letters.of_subscriber(connection, reader.id))
    show(letter_rows(written))
    say()
    twice = _sent_twice(written)
    say("No paper went to a reader twice." if not twice else f"DEFECT: sent twice: {twice}")
    page = folder / "letters.html"
    shown = [
        (one, render_letter(one, settings), os.path.relpath(one.where, folder)) for one in written if one.picks
    ]
    lead = "Two days, three readers: what each was sent, and why. Every paper is invented."
    page.write_text(board("Digest: a demonstration", shown, lead), "utf-8", newline="\n")
    say(f"The letters side by side: {here(page)}")
    if twice or any(one.state is not LetterState.SENT for one in written):
        raise typer.Exit(1)


def _lay(folder: Path) -> None:
    """An empty demo home in `folder`; the remains of an earlier demo are cleared away, nothing else ever is."""
    try:
        if folder.is_dir() and any(folder.iterdir()):
            if not (folder / MARK).is_file():
                raise UserFileError(path=folder, detail="this folder is not empty and not a demo's; name a new one")
            note(f"clearing away the earlier demo in {here(folder)}")
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARK).write_text("`digest demo` may clear this folder away.\n", "utf-8")
        shutil.copyfile(SAMPLES / "config.toml", folder / config.FILE_NAME)
        for name in ("pages", "profiles"):
            shutil.copytree(SAMPLES / name, folder / name)
    except OSError as error:
        raise cannot_write(error, folder, "Name a folder that this user may write: digest demo DIR") from None


def _sent_twice(written: list[Letter]) -> list[str]:
    seen: set[tuple[int, int]] = set()
    twice = []
    for letter in written:
        for pick in letter.picks:
            if (letter.subscriber.id, pick.paper.id) in seen:
                twice.append(f"{letter.subscriber.handle}: {pick.paper.title}")
            seen.add((letter.subscriber.id, pick.paper.id))
    return twice
