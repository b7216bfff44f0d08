"""The lines of a page saved as text, and what each looks like: a title, an abstract. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from digest.text import clean

LONGEST_TITLE = 500


class Line(NamedTuple):
    number: int
    raw: str  # without the white space around it
    text: str  # clean
    apart: bool  # a blank line or the start of the file stands before it


def lines_of(text: str) -> list[Line]:
    """The lines with something to read on them."""
    lines: list[Line] = []
    apart = True
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        readable_line = clean(line)
        if readable_line:
            lines.append(Line(number, line.strip().strip("\ufeff").strip(), readable_line, apart))
        apart = not readable_line
    return lines


# ---- what a line looks like


class Look(NamedTuple):
    as_title: float
    as_abstract: float
    ends: bool  # a sentence, or a web address, ends with the line
    starts_low: bool  # with a small letter
    hangs: bool  # its last word or sign asks for more
    titled: float  # 0–1: how many of its longer words have a capital


ENDS = re.compile(
    r"[.!?。！？…][\"'”’)\]}*]*$|https?://\S+$|www\.\S+$"
    r"|\b[\w-]+\.(?:com|io|org|ai|net)(?:/\S*)?[)\]]?$"
)
_FULL_STOP = re.compile(r"(?:(?<!\.)\.|。)[\"'”’)\]]*$")
_BREAK = re.compile(r"(?<=[\w)\]\"”’%])[.!?] +(?=[A-Z\"“(])|[。！？](?=.)")
_HANGS = re.compile(
    r"(?i)(?:[,;:–—&-]|\b(?:a|an|the|of|for|and|or|in|on|to|with|by|from|via|at|as|is|are|that|which|using"
    r"|without))$"
)
_OPENS_PROSE = re.compile(
    r"(?i)(?:we|in this|this (?:paper|work|study|article|report)|recent|recently|despite|while|although|existing"
    r"|there|our|to address|it is|inspired by|motivated by|given|with the|modern|current"
    r"|the (?:recent|rapid|emergence))\b"
)
_URL_INSIDE = re.compile(r"https?://")
_LONGER_WORD = re.compile(r"[^\W\d_][\w'’-]{3,}")

_TITLE_LENGTHS = ((120, 1.0), (180, 0.0), (250, -1.5), (350, -4.0), (LONGEST_TITLE, -7.0))
_ABSTRACT_LENGTHS = ((600, 4.0), (300, 3.0), (150, 1.5), (80, 0.5), (45, -0.5), (20, -1.5))
IMPOSSIBLE = -1000.0


def look_of(line: Line) -> Look:
    """What a line looks like by itself. Takes time bounded by a line's head, however long the line is."""
    text = line.text
    length = len(text)
    head = text[:600]  # enough to judge by, however long the line is
    breaks = min(3, len(_BREAK.findall(head)))
    words = _LONGER_WORD.findall(head)[1:]
    cased = [word for word in words if word[0].isupper() or word[0].islower()]
    titled = sum(word[0].isupper() for word in cased) / len(cased) if len(cased) >= 2 else 0.4
    tail = text[-200:]
    ends = bool(ENDS.search(tail))
    hangs = bool(_HANGS.search(tail))
    low = text[0].islower()
    opens = bool(_OPENS_PROSE.match(text)) and length > 60

    as_title = next((score for longest, score in _TITLE_LENGTHS if length <= longest), IMPOSSIBLE)
    as_title += -1.5 * breaks + 4 * (titled - 0.4) - low - opens - 2 * hangs
    as_title -= 1.5 * bool(_FULL_STOP.search(tail)) + 2 * bool(_URL_INSIDE.search(head))
    as_abstract = next((score for shortest, score in _ABSTRACT_LENGTHS if length >= shortest), -3.0)
    as_abstract += breaks - 3 * (titled - 0.4) + opens + (1 if ends else -0.5)
    if titled >= 0.6 and not ends and not breaks and length < 250:
        as_abstract -= 6  # Words With Capitals And No Full Stop
    return Look(as_title, min(as_abstract, 6.0), ends, low, hangs, titled)
