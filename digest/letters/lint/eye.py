"""What the eye needs: contrast in light and dark, letters large enough, links that show and say where they lead."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace

from digest.letters.lint.finding import Finding, error, warning
from digest.letters.lint.letter import MEDIA, LetterPage
from digest.letters.lint.look import Look, contrast, hexadecimal
from digest.letters.lint.page import Node

NORMAL, LARGE, BESIDE = 4.5, 3.0, 3.0  # WCAG 1.4.3, and F73 for a link beside text
TEXT_SIZE, SMALL_PRINT = 13, 12  # px
LONG_URL = 40  # characters
_SAYS_NOTHING = re.compile(
    r"((click|tap|see|go|look) )?(here|this|there)|this link|link|"
    r"((read|see|learn) )?more|read|go|open|view|details"
)


def sight(page: LetterPage) -> Iterator[Finding]:
    """Every text in every medium; what fails on a phone alone is said to do so."""
    found: dict[tuple[Finding, str], list[str]] = {}  # a fault, its place → the media that have it
    for medium in MEDIA:
        for text in page.flow:
            look = page.looks[medium].get(text.node)
            if look is not None and not text.node.unseen and look.seen and text.text.strip():
                for one in _text(look):
                    media = found.setdefault((one, text.where), [])
                    if medium.name.partition(",")[0] not in media:
                        media.append(medium.name)
    for (one, where), media in found.items():
        yield replace(one, where=where, message=f"{one.message} ({'; '.join(dict.fromkeys(media))})")


def _text(look: Look) -> Iterator[Finding]:
    inks = look.ink()
    if inks is None:
        what = look.fault or "a colour is not known"
        yield error("contrast", "", what, "Write it as #rrggbb, rgb() or a name of CSS")
    else:
        need, got = LARGE if look.large else NORMAL, contrast(*inks)
        if got < need:
            pair = f"{hexadecimal(inks[0])} on {hexadecimal(inks[1])}"
            # Cut, not rounded: 4.499 is not 4.50.
            what = f"{pair} is {math.floor(got * 100) / 100:.2f}:1, below {need:g}:1"
            yield error("contrast", "", what, "Set text and ground further apart")
    if look.size < SMALL_PRINT:
        what = f"text of {look.size:.3g} px is too small to read"
        yield error("font-size", "", what, f"At least {TEXT_SIZE} px")
    elif look.size < TEXT_SIZE:
        yield warning("font-size", "", f"text of {look.size:.3g} px", f"{TEXT_SIZE} px, but for small print")


def links(page: LetterPage) -> Iterator[Finding]:
    for link in page.links:
        if page.seen(link):
            yield from _href(link, page)
            yield from _label(link)
            yield from _shows(link, page)
    for section in page.sections:
        places: dict[str, Node] = {}
        for link in section.links():
            name = " ".join(_name(link, told_apart=True).lower().split())
            other = places.setdefault(name, link)
            if name and other.get("href") != link.get("href"):
                what = f"“{link.words()}” leads to two places within one card"
                yield error(
                    "link-twice", link.where, what, "Name them differently, or tell them apart by aria-label"
                )


def _href(link: Node, page: LetterPage) -> Iterator[Finding]:
    url = link.get("href", "").strip()
    if url.startswith("#") and any(one.get("id") == url[1:] or one.get("name") == url[1:] for one in page.all()):
        yield warning(
            "link-url", link.where, f"{url} leads within the letter", "Few clients follow it; leave it out"
        )
    elif not re.match(r"(https?://[^/\s]|mailto:[^\s?]+@)", url, re.IGNORECASE) or re.search(r"\s", url):
        shown = url if len(url) <= 40 else url[:39] + "…"
        what = f"a link leads to “{shown}”" if url else "a link leads nowhere"
        yield error("link-url", link.where, what, "Only whole http(s) and mailto addresses work in a mail")


def _label(link: Node) -> Iterator[Finding]:
    words = _name(link)
    if not words:
        yield error("link-text", link.where, "a link has no text", "Say where it leads")
    elif _SAYS_NOTHING.fullmatch(words.lower().strip(" .…»>→:!")) and not link.get("aria-label"):
        yield error("link-text", link.where, f"“{words}” does not say where it leads", "Name the thing it leads to")
    elif re.fullmatch(r"(https?://|www\.)\S+", words) and len(words) > LONG_URL:
        yield error("link-text", link.where, "a link shows a long address", "Name the thing it leads to")


def _name(link: Node, told_apart: bool = False) -> str:
    """What a screen reader says of a link; to tell two apart, what a pointer is told as well."""
    alt = " ".join(image.get("alt", "") for image in link.nodes("img"))
    said = link.get("aria-label", "").strip() or f"{link.words()} {alt}".strip()
    return f"{said} {link.get('title', '')}" if told_apart else said or link.get("title", "").strip()


def _shows(link: Node, page: LetterPage) -> Iterator[Finding]:
    for medium in MEDIA:
        looks = page.looks[medium]
        own = [looks[one] for one in link.nodes() if one in looks]
        if any(look.underlined or look.boxed for look in own) or not link.words():
            continue
        around = own[0].around
        inks, beside = own[0].ink(), around.ink() if around else None
        if inks and beside and contrast(inks[0], beside[0]) < BESIDE:
            what = f"a link looks like the text around it ({medium.name})"
            yield error(
                "link-shows", link.where, what, f"Underline it, or give it a colour of {BESIDE:g}:1 to the text"
            )
            return
