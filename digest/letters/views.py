"""What templates see. docs/templates.md tells the same to those who write one; a test keeps the two in step.

Every string is plain text: HTML templates escape it by themselves, text templates print it. Parts that were made by
another template are marked as finished, and HTML templates print them as they are.

What a class names in `OWN` differs from reader to reader. The template is rendered before there is a reader, so it
can print it, test whether it is empty and, in a text, wrap it, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class LinkView:
    """A place to read a paper."""

    label: str  # "Abstract", "PDF", "Code", "Page"
    url: str  # http or https
    number: str  # in the text part: "1" is the paper's first link

    OWN: ClassVar = ()


@dataclass(frozen=True, slots=True)
class WhyView:
    """One reason for a paper; read `before`, `words` and `after` as one sentence."""

    before: str  # "Because you follow “"
    words: str = ""  # "tool use by language models": the reader's own; may be written from right to left
    after: str = ""  # "”"
    terms: str = ""  # "tool, language models": what matched; empty where it would repeat the words
    line: str = ""  # all of it: "Because you follow “tool use by language models”: tool, language models"

    OWN: ClassVar = ("before", "words", "after", "terms", "line")


@dataclass(frozen=True, slots=True)
class SayView:
    """A link by which a reader says something of a paper."""

    label: str  # "More like this", "Less like this", "Save"
    url: str
    number: str  # in the text part, counted on from the paper's links

    OWN: ClassVar = ("url",)


@dataclass(frozen=True, slots=True)
class CardView:
    """A paper in the letter; letter/also sees one, too, without number, mark, reasons and score."""

    number: str  # "1" is the first
    mark: str  # " 1. ", always four columns: the beginning of a line of text
    title: str
    url: str  # where the title leads; empty when no link is known
    authors: str  # "Jane Doe, Li Wei, Ana Cruz and 5 more"; empty when none is known
    whys: str  # the reasons, at most three, the weightiest first: each made from letter/why
    abstract: str  # its first two or three sentences; may be empty
    score: str  # "match 73", or "popularity 73" where nothing but that counted
    votes: str  # "134 votes"; empty when unknown
    trending: bool  # it gets more attention than most papers of its days
    listed: str  # "listed today", "listed yesterday", "listed on 17 Nov"; empty when unknown
    links: tuple[LinkView, ...]
    say: tuple[SayView, ...]  # more like this, less like this, save; empty without `web.base_url`
    grouped: bool  # the letter has headings above its papers

    OWN: ClassVar = ("number", "mark", "whys", "score")


@dataclass(frozen=True, slots=True)
class GroupView:
    """A heading above the papers of one interest, in a letter of a week."""

    title: str  # "tool use by language models", "By Mirela Kovač", "Similar to what you liked", "Popular"

    OWN: ClassVar = ("title",)


@dataclass(frozen=True, slots=True)
class ActView:
    """Something a reader may do about the letters: over our pages, or by mail."""

    label: str  # "Preferences", "Pause", "Unsubscribe", "View in browser"
    url: str  # https; mailto where there are no pages of ours
    number: str  # in the text part: "1" is the first
    line: str = ""  # without such pages: "write to letters@example.org with the subject “unsubscribe …”"

    OWN: ClassVar = ("url", "line")


@dataclass(frozen=True, slots=True)
class FooterView:
    why: str  # "ada@example.org gets Trending papers every weekday at 07:00, Europe/Berlin time, because …"
    single: bool  # a test letter: nothing is subscribed to
    acts: tuple[ActView, ...]  # empty for a test letter
    person: str  # "Questions? Answer this mail, or write to editor@example.org."
    postal_address: str  # may be empty

    OWN: ClassVar = ("why",)


@dataclass(frozen=True, slots=True)
class LetterView:
    """The whole letter."""

    language: str  # "en", "de-AT"
    direction: str  # "ltr" or "rtl"
    name: str  # "Trending papers"
    subject: str
    preheader: str
    date: str  # "Friday 20 November 2026"
    count: str  # "7 papers"
    greeting: str  # "Hello Ada,"; empty when there is no name
    lede: str  # "7 of 212 papers from 3 days; you follow 4 interests."
    no_interests: bool  # the profile names none, so these are trending papers
    how: str  # for such a profile: how to set interests
    how_url: str  # and where
    cards: str  # the papers: each made from letter/card, and the headings between them from letter/group
    also: str  # what is popular outside the profile: each made from letter/also; may be empty
    more: str  # "and 3 more, for which there was no room in this letter"; empty when all are here
    footer: FooterView
    width: int  # columns of the text part

    OWN: ClassVar = ("subject", "preheader", "count", "greeting", "lede", "how", "how_url", "cards", "also", "more")
