"""`digest preview`."""

from __future__ import annotations

import tempfile
import webbrowser
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from digest import clock
from digest.assembly import render_letter
from digest.cli import live, readers
from digest.cli.common import (
    NO_SUBSCRIBERS,
    Day,
    Json,
    app,
    cannot_write,
    complain,
    here,
    hinted,
    home,
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
    what_paid,
    what_trends,
)
from digest.cli.site import write_site
from digest.config import FILE_NAME
from digest.edition import Press
from digest.errors import UserFileError
from digest.letters.compose import Rendered
from digest.model import Letter, Verdict
from digest.text import count


@app.command(epilog="Example: digest preview alice --explain")
def preview(
    name: Annotated[
        str | None, typer.Argument(help="The subscriber: handle or address.", metavar="NAME", show_default=False)
    ] = None,
    day: Day = None,
    all_: Annotated[bool, typer.Option("--all", help="Everyone's next letter, as pages with an index.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the files into this folder.", metavar="DIR")] = None,
    text: Annotated[bool, typer.Option("--text", help="Print the text part.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the candidates and why each is in or out.")
    ] = False,
    limit: Annotated[
        int,
        typer.Option(help="With --explain: so many candidates, the best first.", min=1, max=100_000, metavar="N"),
    ] = 30,
    serve: Annotated[
        bool, typer.Option("--serve", help="Show it in the browser, with every change of the files behind it.")
    ] = False,
    port: Annotated[
        int, typer.Option(help="With --serve: at this port; 0 is any that is free.", min=0, max=65535, metavar="N")
    ] = 8025,
    open_: Annotated[bool, typer.Option("--open", help="Open the letter in the browser.")] = False,
    draft: Annotated[bool, typer.Option("--draft", help="Use the profile file as it is, applied or not.")] = False,
    json: Json = False,
) -> None:
    """Render the letter that NAME would be sent next.

    Writes nothing to the store and sends nothing.
    A letter that is already written is shown as it stands, unless it is empty. Without --text, --explain or --json
    the letter is written to files: into --out, by default ./preview.
    """
    if all_ or name is None:
        if name is not None or not all_:
            raise typer.BadParameter("name one subscriber, or say --all", param_hint="NAME")
        if text or explain or serve:
            raise typer.BadParameter("--all writes files; --text, --explain and --serve are for one subscriber")
        _everyone(out, day, draft, open_, json)
        return
    if serve:
        if text or explain or out or json:
            raise typer.BadParameter("--serve shows all of it as pages; leave the other options out")
        if not (home() / FILE_NAME).exists():
            load_config()  # says what to do; what is wrong in the file is shown as a page
        live.serve(home(), name, day, port, open_=open_)
        return
    config = load_config()
    now = clock.now()
    with opened(config, create=False) as store:
        found = readers.find(config, store, name, draft)
        reader = found.reader
        for one in found.notes:
            note(one)
        press = Press(store, config)
        slot = day or press.next_slot(reader, now)
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


def _everyone(out: Path | None, day: date | None, draft: bool, open_: bool, json: bool) -> None:
    config = load_config()
    folder = out or config.home / "preview"
    with opened(config, create=False) as store:
        found = readers.everyone(config, store, draft)
        with progress(("letters", len(found.readers))) as [step]:
            rows = write_site(folder, Press(store, config), found.readers, found.problems, clock.now(), day, step)
    wrong = [one for one in rows if one.wrong]
    if json:
        say_json([asdict(one) for one in rows])
    else:
        for one in wrong[:30]:
            complain(UserFileError(path=one.handle, detail=one.why))
        written = sum(bool(one.page) for one in rows)
        say(f"wrote {here(folder / 'index.html')}: {count(written, 'letter')} for {count(len(rows), 'reader')}")
        if not rows:
            note(f"there are no subscribers; {NO_SUBSCRIBERS}")
    if open_ and not webbrowser.open((folder / "index.html").resolve().as_uri()):
        note("no browser was found; open the file by hand")
    if wrong:
        raise typer.Exit(1)


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
    columns = ["", *numbers, *([] if narrow() else ["trending by"]), "in or out", told]
    made = table(*columns, right=numbers, wide={told: 3, "in or out" if narrow() else "trending by": 1})
    for one in shown:
        pick = one.pick
        words = what_paid(pick, 44)
        trends = what_trends(one.standing)
        parts = (f"{pick.relevance:.2f}", f"{pick.trending:.2f}", f"{one.redundancy:.2f}", trends)
        paid = f"{pick.paper.title} — {words}" if words else pick.paper.title
        row(
            made,
            "+" if one.included else "-",
            f"{pick.score:.1f}",
            *(() if narrow() else parts),
            one.why,
            f"{paid}\ntrending {pick.trending:.2f}: {trends}" if narrow() and trends else paid,
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
                "standing": asdict(one.standing),
                "likeness": one.redundancy,
                "listed": one.pick.listed,
                "included": one.included,
                "why": one.why,
                "reasons": [asdict(reason) for reason in one.pick.reasons],
            }
            for one in verdicts
        ],
    }
