"""`digest preview`."""

from __future__ import annotations

import tempfile
import webbrowser
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from digest import clock, roster
from digest.cli.common import (
    Day,
    Json,
    app,
    cannot_write,
    complain,
    here,
    hinted,
    load_config,
    narrow,
    note,
    opened,
    row,
    say,
    say_json,
    show,
    table,
    unknown,
    words_of,
)
from digest.config import Config
from digest.courier import render_letter
from digest.edition import Press
from digest.errors import UserFileError
from digest.letters.compose import Rendered
from digest.letters.subject import shorten
from digest.model import Letter, LetterState, Subscriber, Verdict
from digest.store import letters, subscribers
from digest.store.opening import Store

WORTH_TELLING = 0.5  # points of the score


@app.command(epilog="Example: digest preview alice --explain")
def preview(
    name: Annotated[str, typer.Argument(help="The subscriber: handle or address.", metavar="NAME")],
    day: Day = None,
    out: Annotated[Path | None, typer.Option(help="Write the files into this folder.", metavar="DIR")] = None,
    text: Annotated[bool, typer.Option("--text", help="Print the text part.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the candidates and why each is in or out.")
    ] = False,
    limit: Annotated[
        int,
        typer.Option(help="With --explain: so many candidates, the best first.", min=1, max=100_000, metavar="N"),
    ] = 30,
    open_: Annotated[bool, typer.Option("--open", help="Open the letter in the browser.")] = False,
    draft: Annotated[bool, typer.Option("--draft", help="Use the profile file as it is, applied or not.")] = False,
    json: Json = False,
) -> None:
    """Render the letter that NAME would be sent next.

    Writes nothing to the store and sends nothing.
    A letter that is already written is shown as it stands, unless it is empty. Without --text, --explain or --json
    the letter is written to files: into --out, by default ./preview.
    """
    config = load_config()
    now = clock.now()
    with opened(config, create=False) as store:
        reader = find_reader(config, store, name, draft)
        press = Press(store, config)
        slot = day or next_slot(press, reader, now)
        letter = press.preview(reader, slot, now)
        verdicts = press.explain(reader, slot) if explain or json else []
        newest = None if letter.candidates else press.open(slot).newest
    rendered = render_letter(letter, config) if letter.picks else None
    if json:
        say_json(_plain(letter, rendered, verdicts))
        return
    state = "" if not letter.id else f" (written {letter.created_at:%Y-%m-%d %H:%M} UTC; {letter.state.value})"
    note(f"{reader.handle} <{reader.address}>, letter of {slot}{state}")
    if rendered is None:
        say(hinted(f"No letter: {letter.note}."))
        if newest:
            note(f"`digest preview {name} --day {newest}` shows the letter of that day")
    elif text:
        say(rendered.text.rstrip("\n"))
    if explain:
        if letter.id:
            note("explained with what the store holds now; the letter itself stands as it was written")
        _show_verdicts(verdicts, limit)
    if rendered is not None and (out or open_ or not (text or explain)):
        folder = out or (Path(tempfile.mkdtemp(prefix="digest-")) if open_ else config.home / "preview")
        page = _write(folder, f"{reader.handle}-{slot}", rendered)
        if not text:
            say(rendered.subject)
        say(f"wrote {here(page)} and {here(page.with_suffix('.txt'))}")
        if open_ and not webbrowser.open(page.resolve().as_uri()):
            note("no browser was found; open the file by hand")


def find_reader(config: Config, store: Store, name: str, draft: bool) -> Subscriber:
    """The subscriber as applied, else as the file has it; a note where the two differ."""
    with store.read() as connection:
        stored = subscribers.find(connection, name)
        everyone = subscribers.everyone(connection)
    reading = roster.read(config.path(config.edition.profiles))
    handle = stored.handle if stored else name
    mine = next(
        (one for one in reading.subscribers if name in (one.handle, one.address) or one.handle == handle), None
    )
    path = f"{config.edition.profiles}/{handle}.toml"
    if draft or not stored:
        for problem in reading.problems:
            if mine is None and handle in reading.refused:
                complain(problem)
        if mine is None:
            if stored:
                raise UserFileError(path=path, detail="there is no valid profile file of this name to preview")
            raise unknown(name, [one.handle for one in (*everyone, *reading.subscribers)])
        if not stored:
            note(f"{path} is not applied yet; `digest profiles apply` takes it over")
            return mine
        return roster.merged(stored, mine)
    if mine and roster.differs(stored, mine):
        note(f"{path} has changes that are not applied; --draft shows the letter with them")
    if stored.state.value != "active":
        note(f"{stored.handle} is {stored.state.value} and gets no letters ({stored.state_reason})")
    return stored


def next_slot(press: Press, reader: Subscriber, now: datetime) -> date:
    """The slot of the letter to be sent next: today's while it may still leave, else the one after."""
    today = clock.local_day(now, reader.time_zone)
    slot = today if clock.is_slot(reader.cadence, today) else clock.next_slot(reader.cadence, today)
    with press.store.read() as connection:
        written = letters.existing(connection, [(reader.id, slot)])
    if written and press.preview(reader, slot, now).state not in (LetterState.READY, LetterState.DEFERRED):
        return clock.next_slot(reader.cadence, slot)
    return slot


def _write(folder: Path, stem: str, rendered: Rendered) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{stem}.txt").write_text(rendered.text, "utf-8", newline="\n")
        page = folder / f"{stem}.html"
        page.write_text(rendered.html, "utf-8", newline="\n")
    except OSError as error:
        raise cannot_write(error, folder, "Name a folder that this user may write with --out") from None
    return page


def _show_verdicts(verdicts: Sequence[Verdict], limit: int) -> None:
    """The best `limit` candidates, and whatever is in; on a narrow terminal without the parts of the score."""
    shown = [one for place, one in enumerate(verdicts) if place < limit or one.included]
    numbers = ["score"] if narrow() else ["score", "rel.", "trend", "like"]
    told = "title and what paid for it"
    columns = ["", *numbers, *([] if narrow() else ["listed"]), "in or out", told]
    made = table(*columns, right=numbers, wide={told: 3, "in or out": 1} if narrow() else {told: 1})
    for one in shown:
        pick = one.pick
        paid = [r for r in sorted(pick.reasons, key=lambda r: -r.share) if r.share >= WORTH_TELLING]
        words = " · ".join(f"{shorten(words_of(r), 44)} {r.share:.1f}" for r in paid)
        parts = (f"{pick.relevance:.2f}", f"{pick.trending:.2f}", f"{one.redundancy:.2f}", pick.listed or "")
        row(
            made,
            "+" if one.included else "-",
            f"{pick.score:.1f}",
            *(() if narrow() else parts),
            one.why,
            f"{pick.paper.title} — {words}" if words else pick.paper.title,
        )
    show(made)
    if len(shown) < len(verdicts):
        note(f"{len(verdicts) - len(shown)} more candidates are not shown; --limit {len(verdicts)} shows all")
    legend = "score 0–100, and the points of it that each interest paid"
    note(legend if narrow() else f"{legend}; relevance, trending, likeness to a pick 0–1")


def _plain(letter: Letter, rendered: Rendered | None, verdicts: Sequence[Verdict]) -> dict[str, object]:
    return {
        "subscriber": letter.subscriber.handle,
        "slot": letter.slot,
        "state": letter.state.value if letter.id else None,
        "note": letter.note,
        "subject": rendered.subject if rendered else None,
        "text": rendered.text if rendered else None,
        "candidates": [
            {
                "title": one.pick.paper.title,
                "keys": one.pick.paper.keys,
                "score": one.pick.score,
                "relevance": one.pick.relevance,
                "trending": one.pick.trending,
                "likeness": one.redundancy,
                "listed": one.pick.listed,
                "included": one.included,
                "why": one.why,
                "reasons": [asdict(reason) for reason in one.pick.reasons],
            }
            for one in verdicts
        ],
    }
