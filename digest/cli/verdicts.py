"""`digest like|dislike|save NAME PAPER`: what a reader says of one paper."""

from __future__ import annotations

from typing import Annotated

import typer

from digest import clock, verdicts
from digest.cli.common import Json, app, find_subscriber, load_config, opened, say, say_json
from digest.model import FeedbackKind

Name = Annotated[str, typer.Argument(help="The subscriber: handle or address.", metavar="NAME")]
PaperText = Annotated[
    str,
    typer.Argument(
        help="A title or a part of it, an arXiv id, DOI, link or key, or the place in the last letter: '#3'.",
        metavar="PAPER",
    ),
]
Undo = Annotated[bool, typer.Option("--undo", help="Take it back.")]

_DOES: dict[FeedbackKind, str] = {"liked": "likes", "disliked": "dislikes", "saved": "saved"}
_NO_LONGER: dict[FeedbackKind, str] = {
    "liked": "no longer likes",
    "disliked": "no longer dislikes",
    "saved": "no longer saves",
}


@app.command(epilog="Example: digest like alice '#3'")
def like(name: Name, paper: PaperText, undo: Undo = False, json: Json = False) -> None:
    """NAME likes PAPER: more like this."""
    _say(name, paper, "liked", undo, json)


@app.command(epilog='Example: digest dislike alice "part of a title"')
def dislike(name: Name, paper: PaperText, undo: Undo = False, json: Json = False) -> None:
    """NAME dislikes PAPER: less like this."""
    _say(name, paper, "disliked", undo, json)


@app.command(epilog="Example: digest save alice 2502.12345")
def save(name: Name, paper: PaperText, undo: Undo = False, json: Json = False) -> None:
    """NAME keeps PAPER, which also says: more like this."""
    _say(name, paper, "saved", undo, json)


def _say(name: str, paper: str, kind: FeedbackKind, undo: bool, json: bool) -> None:
    config = load_config()
    with opened(config, create=False) as store:
        reader = find_subscriber(store, name)
        if undo:
            said = verdicts.take_back(store, reader, paper, kind)
        else:
            said = verdicts.say(store, reader, paper, kind, clock.now())
    if json:
        say_json(
            {
                "subscriber": reader.handle,
                "title": said.paper.title,
                "keys": list(said.paper.keys),
                "before": said.before,
                "after": said.after,
                "changed": said.changed,
            }
        )
        return
    title = f"“{said.paper.title}”"
    if said.changed:
        instead = f" (before: {said.before})" if said.before and said.after else ""
        say(f"{reader.handle} {(_NO_LONGER if undo else _DOES)[kind]} {title}{instead}")
    elif undo:
        other = f", it is {said.before}" if said.before else ""
        say(f"{title} is not {kind} by {reader.handle}{other}; nothing was changed")
    else:
        say(f"{reader.handle} {_DOES[kind]} {title}, as before")
