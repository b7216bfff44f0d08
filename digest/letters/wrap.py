"""Wrapping for the text part: by the columns a terminal shows, and never inside a URL."""

from __future__ import annotations

import re
from unicodedata import combining, east_asian_width

WIDTH = 72
JOINER = "\u200d"
_NARROW = re.compile("[\0-\u02ff\u2010-\u2027]*")  # each a column: Latin letters, dashes and quotation marks


def wrap(text: str, width: int = WIDTH, first: str = "", rest: str = "") -> str:
    """`text` on lines of at most `width` columns; the first starts with `first`, the others with `rest`.

    A word longer than a line is cut where the line ends, since CJK text has no spaces; a URL is left whole and
    gets a line that is too long, since a cut URL is a dead one.
    """
    quick = _NARROW.fullmatch(text) and "://" not in text and first.isascii()
    if quick and (wrapped := _wrapped(text, width, first, rest)):
        return wrapped
    lines: list[str] = []
    line, used, empty = first, columns(first), True
    for word in text.split():
        size = columns(word)
        # A word that fits no line begins on this one, if there is room for any of it.
        moves = size <= width - columns(rest) or "://" in word or used + 1 >= width
        if not empty and used + 1 + size > width and moves:
            lines.append(line)
            line, used, empty = rest, columns(rest), True
        if not empty:
            line, used = line + " ", used + 1
        if used + size > width and "://" not in word:
            for letter in word:
                step = columns(letter)
                if used + step > width and step and not line.endswith(JOINER) and line not in (first, rest):
                    lines.append(line.rstrip())
                    line, used = rest, columns(rest)
                line, used = line + letter, used + step
        else:
            line, used = line + word, used + size
        empty = False
    lines.append(line)
    return "\n".join(one.rstrip() for one in lines)


def _wrapped(text: str, width: int, first: str, rest: str) -> str:
    """The same where a character is a column; empty where a word is longer than a line."""
    text, start, lines, prefix = " ".join(text.split()), 0, [], first
    while len(text) - start > width - len(prefix):
        cut = text.rfind(" ", start, start + width - len(prefix) + 1)
        if cut <= start:
            return ""
        lines.append(prefix + text[start:cut])
        start, prefix = cut + 1, rest
    return "\n".join([*lines, prefix + text[start:]]).rstrip()


def columns(text: str) -> int:
    """How many columns a terminal gives to `text`."""
    if text.isascii():
        return len(text)
    return sum(_columns(letter) for letter in text)


def _columns(letter: str) -> int:
    if combining(letter) or letter == JOINER or "\ufe00" <= letter <= "\ufe0f":
        return 0
    return 2 if east_asian_width(letter) in "WF" else 1
