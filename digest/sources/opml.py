"""OPML, in which feed readers hand over what they follow → feeds. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from xml.parsers import expat

from digest.errors import FileInvalid, Problem
from digest.model import Rejected
from digest.text import clean

MOST_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class Feed:
    title: str  # "" where it tells none
    url: str
    line: int


def parse(data: bytes, name: str) -> tuple[list[Feed], list[Rejected]]:
    """The feeds of a file, in its order, folders and all; and the outlines that are feeds without an address.

    `name` is the file as messages should show it. Raises `FileInvalid` for what is no OPML.
    """
    if len(data) > MOST_BYTES:
        what = f"it is larger than {MOST_BYTES // 10**6} MB, and a list of feeds has some KB"
        raise FileInvalid([Problem(name, None, "", what, "look what it holds")])
    feeds: list[Feed] = []
    rejected: list[Rejected] = []
    parser = expat.ParserCreate()
    started = False

    def wrong(what: str, remedy: str) -> FileInvalid:
        return FileInvalid([Problem(name, parser.CurrentLineNumber, "", what, remedy)])

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal started
        if not started and tag.lower() != "opml":
            raise wrong(f"it is no OPML: it begins with <{clean(tag)[:40]}>", "export the list of feeds as OPML")
        started = True
        if tag.lower() != "outline":
            return
        found = {key.lower(): clean(value) for key, value in attributes.items()}
        url, title = found.get("xmlurl", ""), found.get("title") or found.get("text", "")
        if url:
            feeds.append(Feed(title, url, parser.CurrentLineNumber))
        elif found.get("type", "").lower() in ("rss", "atom"):
            rejected.append(Rejected(parser.CurrentLineNumber, f"{title or 'a feed'}: it has no xmlUrl"))

    def entity(*_: object) -> None:
        # A few lines of these unfold to gigabytes.
        raise wrong("it declares entities of its own, which no list of feeds needs", "take the DOCTYPE out")

    parser.StartElementHandler = start
    parser.EntityDeclHandler = entity
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        what = f"it is no well-formed XML: {expat.errors.messages.get(getattr(error, 'code', 0), str(error))}"
        raise wrong(what, "export the list of feeds once more") from None
    return feeds, rejected
