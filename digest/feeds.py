"""Feeds from another program's list → sources in config.toml."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import tomlkit
from pydantic import ValidationError

from digest import config, userfile
from digest.config import FILE_NAME, Config
from digest.errors import FileInvalid, Problem
from digest.model import Rejected
from digest.source_config import SourceConfig
from digest.sources import opml

_LONGEST_NAME = 36  # characters; a number may follow


@dataclass(frozen=True, slots=True)
class Found:
    """What a list of feeds comes to."""

    new: tuple[SourceConfig, ...] = ()
    known: int = 0  # that are sources already, or stand in the list twice
    rejected: tuple[Rejected, ...] = ()


def read(data: bytes, name: str, settings: Config) -> Found:
    """The feeds of an OPML file that are no sources yet. Raises `FileInvalid`."""
    feeds, rejected = opml.parse(data, name)
    urls = {_same(one.url) for one in settings.sources if one.url}
    names = {one.name for one in settings.sources}
    new: list[SourceConfig] = []
    known = 0
    for feed in feeds:
        try:
            made = SourceConfig(name=_name(feed, names), kind="feed", url=feed.url)
        except ValidationError as error:
            rejected.append(Rejected(feed.line, error.errors()[0]["msg"].removeprefix("Value error, ")))
            continue
        if _same(made.url) in urls:
            known += 1
            continue
        urls.add(_same(made.url))
        names.add(made.name)
        new.append(made)
    return Found(tuple(new), known, tuple(sorted(rejected, key=lambda one: one.line)))


def written(new: tuple[SourceConfig, ...]) -> str:
    """The lines for config.toml."""
    blocks = (
        f'[[sources]]\nname = "{one.name}"\nkind = "{one.kind}"\nurl = {tomlkit.string(one.url).as_string()}\n'
        for one in new
    )
    return "\n".join(blocks)


def add(home: Path, name: str, new: tuple[SourceConfig, ...]) -> None:
    """Append sources to config.toml; what is there stays byte for byte.

    `name` is the file as messages should show it. Raises `FileInvalid` where the file would not be valid any more.
    """
    path = home / FILE_NAME
    data = path.read_bytes()
    lines = written(new).encode()
    if b"\r\n" in data:
        lines = lines.replace(b"\n", b"\r\n")
    end = b"\r\n" if b"\r\n" in data else b"\n"
    made = data + (b"" if data.endswith(b"\n") or not data else end) + end + lines
    try:
        config.parse(made, home, name)
    except FileInvalid as error:
        what = f"nothing was added, as the file would be wrong with it: {error.problems[0].what}"
        remedy = "--dry-run prints the lines; write those that you want into it by hand"
        raise FileInvalid([Problem(name, None, "sources", what, remedy)]) from None
    userfile.replace(path, made)


def _name(feed: opml.Feed, taken: set[str]) -> str:
    slug = _slug(feed.title) or _slug(_host(feed.url)) or "feed"
    if slug in ("page", "all"):
        slug += "-feed"
    name, number = slug, 1
    while name in taken:
        number += 1
        name = f"{slug}-{number}"
    return name


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:_LONGEST_NAME].strip("-")


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _same(url: str) -> str:
    """What two addresses of one feed have in common."""
    parts = urlsplit(url)
    return f"{(parts.netloc or '').lower()}{parts.path or '/'}?{parts.query}"
