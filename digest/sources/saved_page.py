"""A trending page saved as plain text → its papers. Pure: bytes in, `Page` out.

The format has no marks: header lines, then title, abstract, title, abstract, with blank lines between. What a line
*is* follows from what it looks like and from its neighbours, so lines are labelled together: each reading of
the page (this line a title, that one the rest of an abstract, …) has a score, and the best reading of the whole
page is found by dynamic programming. A regular page pays for no irregularity, which makes the alternation the main
signal; where something is missing, the cheapest explanation wins and the next paper is read right again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from math import log
from statistics import median
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from digest.errors import PageUnreadable
from digest.model import Entry, Link, Page, Paper, Rejected, StatedDay
from digest.sources.identity import same_paper, title_key
from digest.text import clean, readable

LONGEST_TITLE = 500


def parse(data: bytes, name: str) -> Page:
    """One saved page. `name` is what messages call it.

    A page without papers has no entries; that is not an error. Raises PageUnreadable for bytes that are not a
    plain-text page at all.
    """
    lines = _lines(_decoded(data, name))
    days, body = _without_header(lines)
    readings = _readings(_unwrapped(_without_noise(body)))
    return _page(name, days, readings)


# ---- bytes to lines


class _Line(NamedTuple):
    number: int
    raw: str  # without the white space around it
    text: str  # clean
    apart: bool  # a blank line or the start of the file stands before it


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


def _decoded(data: bytes, name: str) -> str:
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


def _lines(text: str) -> list[_Line]:
    """The lines with something to read on them."""
    lines: list[_Line] = []
    apart = True
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        readable_line = clean(line)
        if readable_line:
            lines.append(_Line(number, line.strip().strip("\ufeff").strip(), readable_line, apart))
        apart = not readable_line
    return lines


# ---- header and noise

# Whole lines that no paper is called. These are known wherever they stand.
_BANNERS = re.compile(
    r"(?i)get trending papers in your email( inbox)?[.!]?|by ?AK and the research community[.!]?|by ?AK|"
    r"(get )?trending papers( in your inbox)?[.!]?"
)
# Header words that might be a paper's title further down.
_HEADER_WORDS = re.compile(
    r"(?i)new|hot|rising|subscribe[.!]?|daily papers|trending|hugging ?face|daily|weekly|monthly"
)
_NOISE = re.compile(
    r"(?i)up-?votes?:?( [+-]?[0-9.,]+k?)?|[0-9.,]+k? up-?votes?|[#+-]?[0-9][0-9.,]*k?|"
    r"([·•|–-] ?)?([0-9]+|one|a) (authors?|comments?|likes?|votes?|replies|reply|points?)|[·•|*–—_=-]+|"
    r"submitted by( \S+){0,4}|by [·•]|(published|submitted) on \S+( \S+){0,3}|"
    r"([·•] ?)?[0-9]+ (minutes?|hours?|days?) ago|"
    r"(©|\(c\)|copyright)( .{0,80})?|load more( papers)?|(show|see|view|read) (more|all|less)|"
    r"all rights reserved\.?"
)
# Words of menus and footers, which could also be a title when an abstract follows.
_MENU_WORDS = re.compile(
    r"(?i)(‹|<|«|←)? ?(previous|prev|back)( page)?|next( page)? ?(›|>|»|→)?|terms( of (service|use))?|tos|"
    r"privacy( policy)?|cookies?( policy)?|about( us)?|company|jobs|careers|website|models|datasets|spaces|"
    r"pricing|docs|documentation|contact( us)?|blog|help|system theme|light|dark|log ?in|sign ?(in|up)|share|"
    r"view pdf|pdf|view arxiv page|arxiv( page)?|github|paper( page)?|project page|abstract:?|community|"
    r"comments?|home|search|menu|back to top|follow|feedback|settings|page [0-9]+( of [0-9]+)?"
)
_FOOTER = re.compile(
    r"(?i)(©|\(c\)|copyright)( .*)?|load more( papers)?|all rights reserved\.?|system theme|company|tos|"
    r"(‹|<|«|←)? ?(previous|prev)( page)?|next( page)? ?(›|>|»|→)?|previous ([0-9]+ )*next|"
    r"terms( of (service|use))?|privacy( policy)?"
)

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"(?P<day>[0-9]{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:,? (?P<year>[0-9]{4}))?"
_WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?[.,]? )?"
_DATES = tuple(
    re.compile(_WEEKDAY + form, re.IGNORECASE)
    for form in (
        rf"{_MONTH} {_DAY}{_YEAR}",
        rf"{_DAY}(?: of)? {_MONTH}{_YEAR}",
        r"(?P<year>[0-9]{4})(?P<dash>[-/.])(?P<month>[0-9]{1,2})(?P=dash)(?P<day>[0-9]{1,2})",
    )
)


def _date_parts(text: str) -> re.Match[str] | None:
    if len(text) > 40:
        return None
    return next((found for form in _DATES if (found := form.fullmatch(text))), None)


def _stated_day(line: _Line) -> StatedDay | None:
    """The day that a line prints, if it is one that a calendar has."""
    found = _date_parts(line.text)
    if found is None:
        return None
    name = found["month"].lower()
    month = int(name) if name.isdigit() else _MONTHS.index(name[:3]) + 1
    year = int(found["year"]) if found["year"] else None
    try:
        date(2000 if year is None else year, month, int(found["day"]))  # 2000 has a 29 February
    except ValueError:
        return None
    return StatedDay(month=month, day=int(found["day"]), year=year, line=line.number, text=line.text)


def _is_header(line: _Line) -> bool:
    return len(line.text) <= 60 and bool(
        _BANNERS.fullmatch(line.text) or _HEADER_WORDS.fullmatch(line.text) or _date_parts(line.text)
    )


def _without_header(lines: Sequence[_Line]) -> tuple[tuple[StatedDay, ...], list[_Line]]:
    """The days that the header states, and the lines below it.

    The header reaches to the last header line above the first abstract; a line that we do not know among these is
    some menu. Further down, header lines are one only in company of a banner, as where two pages were joined:
    there may be a paper called "New".
    """
    top = 0
    seen: set[str] = set()
    for index, line in enumerate(lines):
        if _is_prose(line) or index >= 60:
            break
        if _is_header(line):
            word = line.text.casefold()
            follower = lines[index + 1] if index + 1 < len(lines) else None
            # The second "new", right above an abstract, is that abstract's title.
            if word in seen and _HEADER_WORDS.fullmatch(word) and follower and _looks(follower).as_abstract >= 3:
                break
            seen.add(word)
            top = index + 1
    header = list(lines[:top])
    body: list[_Line] = []
    index = top
    while index < len(lines):
        stop = index
        while stop < len(lines) and _is_header(lines[stop]):
            stop += 1
        block = lines[index:stop]
        if any(_BANNERS.fullmatch(line.text) for line in block):
            header += block
        elif block:
            # A day printed alone between papers is when one of them was published, not the page's day.
            body += [line for line in block if not _date_parts(line.text)]
        else:
            body.append(lines[index])
        index = max(stop, index + 1)
    days: dict[tuple[int, int, int | None], StatedDay] = {}
    for line in header:
        if stated := _stated_day(line):
            days.setdefault((stated.month, stated.day, stated.year), stated)
    return tuple(days.values()), body


def _without_noise(lines: Sequence[_Line]) -> list[_Line]:
    """The lines without counts, buttons, menus and footers."""
    last_prose = max((i for i, line in enumerate(lines) if _is_prose(line)), default=-1)
    end = len(lines)
    for index in range(last_prose + 1, len(lines)):
        if len(lines[index].text) <= 100 and _FOOTER.fullmatch(lines[index].text):
            end = index  # whatever follows the first line of a footer is footer
            break
    kept: list[_Line] = []
    apart = False
    for index in range(end):
        line = lines[index]
        after = lines[index + 1] if index + 1 < end else None
        if len(line.text) <= 100 and _is_noise(line, kept[-1] if kept else None, after):
            apart = True  # what comes after it is no continuation of what came before
            continue
        kept.append(line._replace(apart=True) if apart else line)
        apart = False
    return kept


def _is_prose(line: _Line) -> bool:
    look = _looks(line)
    return look.as_abstract >= 2 or (len(line.text) > 40 and (look.starts_low or look.hangs))


def _is_noise(line: _Line, before: _Line | None, after: _Line | None) -> bool:
    if _NOISE.fullmatch(line.text):
        # In the middle of a hard-wrapped paragraph, a line of one number is a part of a sentence.
        if not before or not after or line.apart or after.apart or not line.text[-1].isdigit():
            return True
        return _looks(before).ends or not _looks(after).starts_low
    if not _MENU_WORDS.fullmatch(line.text):
        return False
    wanted = before is None or _looks(before).as_abstract > _looks(before).as_title
    return not (wanted and after is not None and _looks(after).as_abstract >= 3)


# ---- what a line looks like


class _Look(NamedTuple):
    as_title: float
    as_abstract: float
    ends: bool  # a sentence, or a web address, ends with the line
    starts_low: bool  # with a small letter
    hangs: bool  # its last word or sign asks for more
    titled: float  # 0–1: how many of its longer words have a capital


_ENDS = re.compile(
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
_IMPOSSIBLE = -1000.0


def _looks(line: _Line) -> _Look:
    text = line.text
    length = len(text)
    head = text[:600]  # enough to judge by, however long the line is
    breaks = min(3, len(_BREAK.findall(head)))
    words = _LONGER_WORD.findall(head)[1:]
    cased = [word for word in words if word[0].isupper() or word[0].islower()]
    titled = sum(word[0].isupper() for word in cased) / len(cased) if len(cased) >= 2 else 0.4
    tail = text[-200:]
    ends = bool(_ENDS.search(tail))
    hangs = bool(_HANGS.search(tail))
    low = text[0].islower()
    opens = bool(_OPENS_PROSE.match(text)) and length > 60

    as_title = next((score for longest, score in _TITLE_LENGTHS if length <= longest), _IMPOSSIBLE)
    as_title += -1.5 * breaks + 4 * (titled - 0.4) - low - opens - 2 * hangs
    as_title -= 1.5 * bool(_FULL_STOP.search(tail)) + 2 * bool(_URL_INSIDE.search(head))
    as_abstract = next((score for shortest, score in _ABSTRACT_LENGTHS if length >= shortest), -3.0)
    as_abstract += breaks - 3 * (titled - 0.4) + opens + (1 if ends else -0.5)
    if titled >= 0.6 and not ends and not breaks and length < 250:
        as_abstract -= 6  # Words With Capitals And No Full Stop
    return _Look(as_title, min(as_abstract, 6.0), ends, low, hangs, titled)


# ---- hard-wrapped pages


def _unwrapped(lines: list[_Line]) -> list[_Line]:
    """The lines, each wrapped paragraph joined to one if the page sets titles and abstracts apart by blank lines.

    Where it does not, the label of each line says what it belongs to.
    """
    width = _wrap_width(lines, [_looks(line) for line in lines])
    if not width:
        return lines
    paragraphs: list[list[_Line]] = []
    for line in lines:
        if line.apart or not paragraphs:
            paragraphs.append([])
        paragraphs[-1].append(line)
    titles = sum(sum(len(line.text) for line in paragraph) <= 260 for paragraph in paragraphs)
    if not 0.4 <= titles / len(paragraphs) <= 0.7:
        return lines
    joined: list[_Line] = []
    for paragraph in paragraphs:
        groups = [[paragraph[0]]]
        for before, line in pairwise(paragraph):
            filled = len(before.text) / width
            if line.text[0].islower() or filled >= 0.7 or (filled >= 0.4 and not _looks(before).ends):
                groups[-1].append(line)
            else:
                groups.append([line])
        for group in groups:
            raw, text = "\n".join(line.raw for line in group), " ".join(line.text for line in group)
            joined.append(group[0]._replace(raw=raw, text=text))
    return joined


def _wrap_width(lines: Sequence[_Line], looks: Sequence[_Look]) -> int:
    """The width at which the page is hard-wrapped; 0 if it is not."""
    if not lines:
        return 0
    beside = [i for i in range(1, len(lines)) if not lines[i].apart]
    if len(beside) < 0.4 * len(lines) or sum(looks[i].starts_low for i in beside) < 0.35 * len(beside):
        return 0
    width = sorted(len(line.text) for line in lines)[int(0.95 * (len(lines) - 1))]
    return width if width <= 140 else 0


# ---- labels

_Label = Literal["title", "more_title", "abstract", "more_abstract"]
_LABELS: tuple[_Label, ...] = ("title", "more_title", "abstract", "more_abstract")
_TITLE, _MORE_TITLE, _ABSTRACT, _MORE_ABSTRACT = range(4)

# What an irregularity costs. A line looks like a title or an abstract for at most six points, so one odd line in a
# regular page does not break the alternation, and two do where something is really missing.
_NO_ABSTRACT = -5.0
_NO_TITLE = -6.0
_NEXT_PARAGRAPH = -3.0


def _labels(lines: Sequence[_Line]) -> list[int]:
    """The best reading of the page: a label for each line (Viterbi)."""
    if not lines:
        return []
    looks = [_looks(line) for line in lines]
    width = _wrap_width(lines, looks)
    beside = sum(not line.apart for line in lines[1:]) / max(1, len(lines) - 1)
    # Where no line stands apart, a missing blank line says nothing.
    unspaced = 0.0 if beside > 0.9 else -3.0 if width else -1.0

    scores = [looks[0].as_title, _IMPOSSIBLE * 10, looks[0].as_abstract + _NO_TITLE, _IMPOSSIBLE * 10]
    back: list[tuple[int, int, int, int]] = []
    for index in range(1, len(lines)):
        line, look, before, last = lines[index], looks[index], looks[index - 1], lines[index - 1]
        apart = line.apart
        gap = 0.0 if apart else unspaced
        # In a page that is not wrapped, a long line is a whole abstract and a line below it the next title.
        whole = not width and (before.ends or len(last.text) >= 250)
        goes_on = 0.0 if before.ends else 0.5 if whole else 2.0
        as_abstract = look.as_abstract
        if width and not apart:
            as_abstract = max(as_abstract, 0.5)  # the first of many short lines; its length says nothing
        elif width and index + 1 < len(lines) and not lines[index + 1].apart:
            as_abstract = max(as_abstract, 2.0 - 3 * (look.titled - 0.4))
        if apart:
            more = _NEXT_PARAGRAPH + look.as_abstract + (0.5 if not before.ends and len(last.text) >= 120 else 0.0)
            more_title = _IMPOSSIBLE * 10
        else:
            more = (
                goes_on
                + 1.5 * (look.starts_low and not before.ends)
                - 2.0 * whole
                - 2 * (look.titled - 0.4)
                + (1.0 if len(line.text) >= 300 else 0.0)
            )
            full = bool(width) and len(last.text) >= 0.6 * width
            more_title = (
                (-2.5 if full or before.hangs or look.starts_low else -9.0)
                + (3.0 if before.hangs else 1.0)
                + min(0.0, look.as_title + look.hangs * 2)
            )
        if width and not apart and before.ends:
            # A paragraph that ended before the margin is over; one that filled its line may go on.
            gap += 1.5 if len(last.text) < 0.8 * width else 0.0
        as_title = look.as_title + gap - (0.0 if apart else goes_on)
        # Each label's best predecessor; the order of candidates breaks ties for the regular reading.
        moves = (
            ((_ABSTRACT, as_title), (_MORE_ABSTRACT, as_title), (_TITLE, as_title + _NO_ABSTRACT),
             (_MORE_TITLE, as_title + _NO_ABSTRACT)),
            ((_TITLE, more_title), (_MORE_TITLE, more_title)),
            ((_TITLE, as_abstract + gap / 3), (_MORE_TITLE, as_abstract + gap / 3),
             (_ABSTRACT, as_abstract + _NO_TITLE), (_MORE_ABSTRACT, as_abstract + _NO_TITLE)),
            ((_ABSTRACT, more), (_MORE_ABSTRACT, more + 0.5)),
        )  # fmt: skip
        steps = [max(((scores[a] + gain, -rank, a) for rank, (a, gain) in enumerate(move))) for move in moves]
        scores = [step[0] for step in steps]
        back.append((steps[0][2], steps[1][2], steps[2][2], steps[3][2]))
    label = max(range(4), key=lambda a: scores[a])
    labels = [label]
    for step_back in reversed(back):
        label = step_back[label]
        labels.append(label)
    labels.reverse()
    return labels


# ---- readings


@dataclass
class _Reading:
    """A title and its abstract, either of which may be missing."""

    line: int
    title: str = ""
    paragraphs: list[tuple[int, str]] | None = None  # line and text of each

    @property
    def abstract(self) -> str:
        return "\n\n".join(text for _, text in self.paragraphs or ())


def _readings(lines: Sequence[_Line]) -> list[_Reading]:
    readings: list[_Reading] = []
    parts: list[list[tuple[int, list[str]]]] = []  # of each reading, its paragraphs as lines
    for line, label in zip(lines, _labels(lines), strict=True):
        if label == _TITLE:
            readings.append(_Reading(line.number, line.raw))
            parts.append([])
        elif label == _MORE_TITLE:
            readings[-1].title += "\n" + line.raw
        elif label == _ABSTRACT:
            if not readings or parts[-1]:
                readings.append(_Reading(line.number))
                parts.append([])
            parts[-1].append((line.number, [line.raw]))
        elif line.apart:
            parts[-1].append((line.number, [line.raw]))
        else:
            parts[-1][-1][1].append(line.raw)
    for reading, paragraphs in zip(readings, parts, strict=True):
        reading.paragraphs = [(number, "\n".join(raws)) for number, raws in paragraphs]
    return list(_untangled(readings))


_CONTINUES = re.compile(
    r"(?i)(?:however|furthermore|moreover|additionally|in addition|finally|also|codes?\b|project|specifically|"
    r"our (?:code|results)|these|extensive|experiments|experimental|to (?:this end|address)|as a result|"
    r"for example|overall|besides|consequently|thus|therefore|in summary|the (?:code|data)|data|available|https?:|"
    r"website|demo)\b"
)
_USUAL_LENGTH = 1200  # of an abstract, where a page does not say it
_LONGEST_ABSTRACT = 2600


def _untangled(readings: Sequence[_Reading]) -> Iterable[_Reading]:
    """Tell an abstract's second paragraph from the abstract of a paper whose title is missing.

    Both are prose after prose. Two halves make up an abstract of the usual length; two abstracts have it each.
    """
    whole = [len(r.abstract) for r in readings if r.title and len(r.paragraphs or ()) == 1]
    several = sum(len(r.paragraphs or ()) > 1 for r in readings)
    usual = median(whole) if len(whole) > several else _USUAL_LENGTH
    for reading in readings:
        paragraphs = reading.paragraphs or []
        current = _Reading(reading.line, reading.title, paragraphs[:1])
        for number, text in paragraphs[1:]:
            if len(whole) >= several and _is_another(current.abstract, text, usual):
                yield current
                current = _Reading(number, "", [(number, text)])
            else:
                current.paragraphs = [*(current.paragraphs or ()), (number, text)]
        yield current


def _is_another(so_far: str, text: str, usual: float) -> bool:
    if text[0].islower():
        return False
    together = len(so_far) + len(text)
    if together > _LONGEST_ABSTRACT:
        return True
    as_one = abs(log(together / usual))
    as_two = (abs(log(len(so_far) / usual)) + abs(log(len(text) / usual))) / 2
    goes_on = bool(_CONTINUES.match(text)) or not _ENDS.search(so_far[-200:])
    return as_one > as_two + (0.4 if goes_on else 0.0)


# ---- the page


def _page(name: str, days: tuple[StatedDay, ...], readings: Iterable[_Reading]) -> Page:
    entries: list[Entry] = []
    rejected: list[Rejected] = []
    flagged: dict[int, Rejected] = {}  # by line
    places: dict[str, list[int]] = {}  # key → places in `entries`
    repeated = 0
    for reading in readings:
        if not reading.title:
            rejected.append(Rejected(reading.line, "an abstract without a title"))
            continue
        paper = _paper(reading)
        (key,) = paper.keys
        if key == title_key(""):
            rejected.append(Rejected(reading.line, f"a title without letters or digits: {paper.title[:40]!r}"))
            continue
        if len(paper.title) > LONGEST_TITLE:
            rejected.append(Rejected(reading.line, f"a title of {len(paper.title)} characters"))
            continue
        known = places.setdefault(key, [])
        # Compared with a few only: a page of one title repeated ten thousand times must end, too.
        twin = next((place for place in known[:16] if same_paper(entries[place].paper, paper)), None)
        if twin is not None:
            repeated += 1
            first = entries[twin]
            if paper.abstract and not first.paper.abstract:
                entries[twin] = replace(first, paper=paper)
                flagged.pop(first.line, None)
            continue
        known.append(len(entries))
        entries.append(Entry(paper=paper, position=len(entries) + 1, line=reading.line))
        if not paper.abstract:
            flagged[reading.line] = Rejected(reading.line, f"a title without an abstract: {paper.title[:80]!r}")
    return Page(name, days, tuple(entries), tuple(rejected), tuple(flagged.values()), repeated)


def _paper(reading: _Reading) -> Paper:
    return Paper(
        title=readable(reading.title),
        abstract=readable(reading.abstract),
        links=_links(reading.abstract),
        keys=(title_key(reading.title),),
        raw_title=reading.title,
        raw_abstract=reading.abstract,
    )


# ---- links

_WEB_ADDRESS = re.compile(
    r"(?<![\w/.@])(?:(?i:https?)://|(?=(?:www\.)?git(?:hub|lab)\.com/))((?:[^\s<>\"{}|\\^`\x00-\x20\x7f-\U0010ffff]"
    r"|\\[_%#&~])+)"
)
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}(?::[0-9]{2,5})?")
_MOST_LINKS = 8


def _links(abstract: str) -> tuple[Link, ...]:
    """Code and project pages that an abstract names.

    An arXiv address in an abstract is left out: it is another paper's more often than the paper's own.
    """
    links: dict[str, Link] = {}
    for found in _WEB_ADDRESS.finditer(abstract):
        url = _trimmed(re.sub(r"\\([_%#&~])", r"\1", found[0]))
        if not url.lower().startswith("http"):
            url = "https://" + url
        try:
            host = urlsplit(url).netloc.lower()
        except ValueError:
            continue
        if not _HOST.fullmatch(host) or len(url) > 500 or host.endswith("arxiv.org"):
            continue
        is_code = host.removeprefix("www.") in ("github.com", "gitlab.com", "bitbucket.org", "codeberg.org")
        links.setdefault(url, Link("code" if is_code else "page", url))
        if len(links) == _MOST_LINKS:
            break
    return tuple(links.values())


def _trimmed(url: str) -> str:
    """Without the punctuation of the sentence around it."""
    while url and (url[-1] in ".,;:!?'*_~]$" or (url[-1] == ")" and url.count(")") > url.count("("))):
        url = url[:-1]
    return url
