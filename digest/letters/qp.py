"""Quoted-printable in pieces: each is encoded once, and pieces are joined without another look.

A piece starts at the beginning of a line and leaves the next one there, by a soft line break where its text does
not end a line. What any server or program could misread at the start of a line is encoded: a dot (RFC 5321, 4.5.2)
and "From " (mbox files). So is every tab, and of blanks that follow one another every second one: nothing is left
that a server may change, so that for DKIM pieces are in relaxed form (RFC 6376, 3.4.4) as they stand.
"""

from __future__ import annotations

import re
from binascii import b2a_qp
from collections.abc import Iterable

LINE = 76  # RFC 2045, 6.7: the longest line, its "=" included
SOFT = b"=\r\n"

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_NEWLINE = re.compile("\r\n?")
# b2a_qp encodes a blank at the end of a line after it has counted the line, which may then be over the limit.
_LONG = re.compile(rb"^(.{74,75})(=20)$", re.MULTILINE)
_MISREAD = re.compile(rb"^(?:(\.+)(From )?|From )", re.MULTILINE)


def readable(text: str) -> str:
    """`text` as a part holds it: newlines are line feeds, and no other control and no lone surrogate is left."""
    if text.isprintable() or not _UNREADABLE.search(text):
        return text
    text = _CONTROL.sub("", _NEWLINE.sub("\n", text))
    return _SURROGATE.sub("\ufffd", text)


def encode(text: str) -> bytes:
    """A piece of a quoted-printable part, of UTF-8."""
    if not text:
        return b""
    if text.isascii() and "=" not in text and "  " not in text and (found := _plain(text)):
        return found
    # The encoder would leave all blanks, or none. These controls, which no readable text has, it spells out.
    marked = readable(text).replace("  ", " \1").replace("\t", "\2")
    lines = b2a_qp(marked.encode("utf-8"), quotetabs=False, istext=True)
    lines = lines.replace(b"=01", b"=20").replace(b"=02", b"=09")
    if b"=20\n" in lines or lines.endswith(b"=20"):
        lines = _LONG.sub(rb"\1=\n\2", lines)
    if b"\n." in lines or b"\nF" in lines or lines[:1] in (b".", b"F"):
        lines = _MISREAD.sub(_spelt_out, lines)
    if not lines.endswith(b"\n"):
        start = lines.rfind(b"\n") + 1
        if len(lines) - start >= LINE:
            cut = start + LINE - 6
            cut -= {lines[cut - 1]: 1, lines[cut - 2]: 2}.get(0x3D, 0)  # not within "=C3"
            lines = lines[:cut] + b"=\n" + _MISREAD.sub(_spelt_out, lines[cut:])
        lines += b"=\n"
    return lines.replace(b"\n", b"\r\n")


def ended(pieces: Iterable[bytes]) -> bytes:
    """A part of its pieces, with a newline at its end in place of a soft line break with nothing behind it."""
    part = b"".join(pieces)
    return part + b"\r\n" if not part or part.endswith(SOFT) else part


def _plain(text: str) -> bytes:
    """The same for a few words without anything to encode, which most pieces are; else nothing."""
    ends = text[-1] != " " and text[0] not in ".F"
    if ends and len(text) < 2 * LINE - 1 and text.isprintable():
        if len(text) < LINE:
            return text.encode("ascii") + SOFT
        if text[LINE - 1] not in ".F":
            return f"{text[: LINE - 1]}=\r\n{text[LINE - 1 :]}=\r\n".encode("ascii")
    lines = text.split("\n")
    for line in lines:
        if not line or len(line) >= LINE or line[0] in ".F" or line[-1] == " " or not line.isprintable():
            return b""
    return "\r\n".join(lines).encode("ascii") + SOFT


def _spelt_out(found: re.Match[bytes]) -> bytes:
    """The beginning of a line in hexadecimal, on lines of its own, as the rest has no room for more."""
    dots = len(found[1] or b"")
    name = b"=46=\nrom " if found[0].endswith(b" ") else b""
    return b"".join(b"=2E" * min(25, dots - at) + b"=\n" for at in range(0, dots, 25)) + name
