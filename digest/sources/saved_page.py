"""A trending page saved as plain text → its papers. Pure: bytes in, `Page` out.

The format has no marks: header lines, then title, abstract, title, abstract, with blank lines between. What a line
*is* follows from what it looks like and from its neighbours, so lines are labelled together: each reading of
the page (this line a title, that one the rest of an abstract, …) has a score, and the best reading of the whole
page is found by dynamic programming. A regular page pays for no irregularity, which makes the alternation the main
signal; where something is missing, the cheapest explanation wins and the next paper is read right again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import log
from statistics import median

from digest.latex import readable
from digest.model import Entry, Page, Paper, Rejected, StatedDay
from digest.sources.encoding import decoded
from digest.sources.header import without_header, without_noise
from digest.sources.identity import same_paper, title_key
from digest.sources.labels import ABSTRACT, MORE_TITLE, TITLE, labels_of, unwrapped
from digest.sources.lines import ENDS, LONGEST_TITLE, Line, lines_of
from digest.sources.weblinks import links_in


def parse(data: bytes, name: str) -> Page:
    """One saved page. `name` is what messages call it.

    A page without papers has no entries; that is not an error. Raises PageUnreadable for bytes that are not a
    plain-text page at all.
    """
    lines = lines_of(decoded(data, name))
    days, body = without_header(lines)
    readings = _readings(unwrapped(without_noise(body)))
    return _page(name, days, readings)


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


def _readings(lines: Sequence[Line]) -> list[_Reading]:
    readings: list[_Reading] = []
    parts: list[list[tuple[int, list[str]]]] = []  # of each reading, its paragraphs as lines
    for line, label in zip(lines, labels_of(lines), strict=True):
        if label == TITLE:
            readings.append(_Reading(line.number, line.raw))
            parts.append([])
        elif label == MORE_TITLE:
            readings[-1].title += "\n" + line.raw
        elif label == ABSTRACT:
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
    goes_on = bool(_CONTINUES.match(text)) or not ENDS.search(so_far[-200:])
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
        links=links_in(reading.abstract),
        keys=(title_key(reading.title),),
        raw_title=reading.title,
        raw_abstract=reading.abstract,
    )
