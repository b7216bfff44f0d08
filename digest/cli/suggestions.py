"""`digest profiles suggest NAME`: interests that a reader's likes imply, to take into the profile file."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated

import typer

from digest import clock, suggestions
from digest.cli.common import Json, here, hinted, load_config, note, opened, say, say_json
from digest.cli.libraries import reader_of
from digest.cli.profiles import profiles_app
from digest.library.profile_edit import written
from digest.suggestions import LEAST_LIKES, Suggested
from digest.text import count

if TYPE_CHECKING:
    from digest.ranking.suggest import Suggestion

TITLES = 2  # shown of the papers behind a suggestion
WIDTH = 80
_KEYS = {"phrase": "interests", "author": "authors"}


@profiles_app.command(epilog="Example: digest profiles suggest alice --only 1,3 --accept")
def suggest(
    name: Annotated[str, typer.Argument(help="The subscriber: handle or address.", metavar="NAME")],
    accept: Annotated[bool, typer.Option("--accept", help="Write them into the profile file.")] = False,
    only: Annotated[str, typer.Option("--only", help="These alone.", metavar="1,3")] = "",
    json: Json = False,
) -> None:
    """Suggest interests that NAME's likes imply.

    Also authors to follow. Each is a line that the profile file lacks. --accept writes them there and leaves all
    else in the file as it is.
    """
    config = load_config()
    numbers = _numbers(only)
    with opened(config, create=False) as store:
        reader = reader_of(config, store, name)
        path = config.path(config.edition.profiles) / f"{reader.handle}.toml"
        profile = suggestions.profile_of(reader, path)
        suggested = suggestions.of(store, reader, profile, clock.now(), config.edition.half_life_days)
    if suggested.found and max(numbers, default=0) > len(suggested.found):
        there = f"the suggestions are 1 to {len(suggested.found)}"
        raise typer.BadParameter(f"there is no {max(numbers)}; {there}", param_hint="--only")
    chosen = {n: one for n, one in enumerate(suggested.found, 1) if not numbers or n in numbers}
    if accept and chosen:
        suggestions.accept(path, here(path), reader.handle, list(chosen.values()))
    if json:
        say_json(
            {
                "subscriber": reader.handle,
                "likes": suggested.likes,
                "suggestions": [_plain(n, one) for n, one in chosen.items()],
                "accepted": accept and bool(chosen),
            }
        )
        return
    _tell(reader.handle, suggested, chosen)
    if accept and chosen:
        added = f"added {_counted(list(chosen.values()))} to {here(path)}"
        say(hinted(f"{added}; `digest profiles apply` takes the file over"))
    elif chosen:
        note(f"`digest profiles suggest {reader.handle} --accept` adds these to {here(path)}; --only 1,2 adds some")


def _numbers(text: str) -> set[int]:
    parts = text.replace(",", " ").split()
    if not all(part.isascii() and part.isdigit() and int(part[:9]) > 0 for part in parts):
        raise typer.BadParameter(f"{text!r} is not a list of numbers; write it as 1,3", param_hint="--only")
    return {int(part[:9]) for part in parts}


def _tell(handle: str, suggested: Suggested, chosen: dict[int, Suggestion]) -> None:
    if suggested.likes < LEAST_LIKES:
        known = f"{handle} liked {count(suggested.likes, 'paper')} that the store knows" if suggested.likes else ""
        say(f"{known or f'the store knows of no paper that {handle} liked'}; suggestions need {LEAST_LIKES}")
        note(f"`digest like {handle} PAPER` takes one, `digest profiles import {handle} FILE` a whole library")
    elif not suggested.found:
        likes = f"the {suggested.likes} likes of {handle}"
        say(f"nothing to suggest: {likes} have nothing in common that the profile does not say")
    key = ""
    for number, one in chosen.items():
        if key != _KEYS[one.interest.kind]:
            key = _KEYS[one.interest.kind]
            say(f"{key}:")
        say(f"{number:>3}  {written(one.interest)},  # {len(one.papers)} of {suggested.likes} likes")
        for paper in one.papers[:TITLES]:
            say(f"       {shorten(paper.title, WIDTH - 8, placeholder=' …')}")


def _counted(chosen: Sequence[Suggestion]) -> str:
    authors = sum(one.interest.kind == "author" for one in chosen)
    parts = [(len(chosen) - authors, "interest"), (authors, "author")]
    return " and ".join(count(number, what) for number, what in parts if number)


def _plain(number: int, one: Suggestion) -> dict[str, object]:
    return {
        "number": number,
        "key": _KEYS[one.interest.kind],
        "text": one.interest.text,
        "weight": one.interest.weight,
        "toml": written(one.interest),
        "likes": len(one.papers),
        "titles": [paper.title for paper in one.papers],
    }
