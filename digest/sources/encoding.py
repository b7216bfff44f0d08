"""The bytes of a saved page → its text; what they are if they are no text. Pure."""

from __future__ import annotations

import json
import re

from digest.errors import PageUnreadable

_FORMATS = (
    (re.compile(rb"%PDF-"), "a PDF file"),
    (re.compile(rb"(?i)<!doctype html|<html[\s>]|<head[\s>]|<body[\s>]"), "an HTML page"),
    (re.compile(rb"<\?xml|(?i:<rss[\s>]|<feed[\s>])"), "an XML document"),
    (re.compile(rb"\{\\rtf"), "a rich-text (RTF) document"),
    (re.compile(rb"PK\x03\x04"), "a ZIP archive or an office document"),
    (re.compile(rb"\x1f\x8b"), "a gzip archive"),
    (re.compile(rb"\x89PNG|\xff\xd8\xff|GIF8"), "an image"),
    (re.compile(rb"(?i)From: <Saved by|MIME-Version:"), "a web archive (MHTML)"),
    (re.compile(rb'\{\s*"[^"\n]*"\s*:|\[\s*\{\s*["}]'), "a JSON document"),
)
_BOMS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"), (b"\x00\x00\xfe\xff", "UTF-32"))


def decoded(data: bytes, name: str) -> str:
    """The text of a page that was saved as plain text; raises PageUnreadable for anything else, naming it."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            raise PageUnreadable(path=name, detail=f"the byte order mark at its start says {encoding}, not UTF-8")
    start = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    for pattern, what in _FORMATS:
        if pattern.match(start):
            raise PageUnreadable(path=name, detail=f"it looks like {what}, not like a page saved as text")
    if (nul := data.find(b"\x00")) >= 0:
        raise PageUnreadable(path=name, detail=f"it is not text: a NUL byte at {_place(data, nul)}")
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        byte = data[error.start]
        raise PageUnreadable(
            path=name, detail=f"it is not UTF-8: byte 0x{byte:02x} at {_place(data, error.start)}"
        ) from None
    if start[:1] in (b"[", b"{") and _is_json(text):
        raise PageUnreadable(path=name, detail="it looks like a JSON document, not like a page saved as text")
    return text


def _place(data: bytes, offset: int) -> str:
    line = data[:offset].replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n") + 1
    return f"offset {offset}, line {line}"


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), (dict, list))
    except (ValueError, RecursionError):
        return False
