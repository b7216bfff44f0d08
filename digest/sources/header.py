"""What stands on a page saved as text beside its papers: the header with the day, buttons, counts, menus. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from digest.model import StatedDay
from digest.sources.lines import Line, look_of

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


def is_menu(text: str) -> bool:
    """Is this a count, a button or a word of a menu rather than a title? For a text without its neighbours."""
    return len(text) <= 100 and bool(_NOISE.fullmatch(text) or _MENU_WORDS.fullmatch(text))


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


def stated_day(line: Line) -> StatedDay | None:
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


def _is_header(line: Line) -> bool:
    return len(line.text) <= 60 and bool(
        _BANNERS.fullmatch(line.text) or _HEADER_WORDS.fullmatch(line.text) or _date_parts(line.text)
    )


def without_header(lines: Sequence[Line]) -> tuple[tuple[StatedDay, ...], list[Line]]:
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
            if word in seen and _HEADER_WORDS.fullmatch(word) and follower and look_of(follower).as_abstract >= 3:
                break
            seen.add(word)
            top = index + 1
    header = list(lines[:top])
    body: list[Line] = []
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
        if stated := stated_day(line):
            days.setdefault((stated.month, stated.day, stated.year), stated)
    return tuple(days.values()), body


def without_noise(lines: Sequence[Line]) -> list[Line]:
    """The lines without counts, buttons, menus and footers."""
    last_prose = max((i for i, line in enumerate(lines) if _is_prose(line)), default=-1)
    end = len(lines)
    for index in range(last_prose + 1, len(lines)):
        if len(lines[index].text) <= 100 and _FOOTER.fullmatch(lines[index].text):
            end = index  # whatever follows the first line of a footer is footer
            break
    kept: list[Line] = []
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


def _is_prose(line: Line) -> bool:
    look = look_of(line)
    return look.as_abstract >= 2 or (len(line.text) > 40 and (look.starts_low or look.hangs))


def _is_noise(line: Line, before: Line | None, after: Line | None) -> bool:
    if _NOISE.fullmatch(line.text):
        # In the middle of a hard-wrapped paragraph, a line of one number is a part of a sentence.
        if not before or not after or line.apart or after.apart or not line.text[-1].isdigit():
            return True
        return look_of(before).ends or not look_of(after).starts_low
    if not _MENU_WORDS.fullmatch(line.text):
        return False
    wanted = before is None or look_of(before).as_abstract > look_of(before).as_title
    return not (wanted and after is not None and look_of(after).as_abstract >= 3)
