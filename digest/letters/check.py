"""Tries templates on invented letters, and says what is wrong with them before a reader sees it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser

import jinja2

from digest.config import LetterConfig
from digest.errors import Problem
from digest.language import language, languages
from digest.letters import cards, faults, twin
from digest.letters.compose import HTML_BUDGET, Composer, Rendered
from digest.letters.faults import Place, Source
from digest.letters.links import Links, mailto
from digest.letters.samples import sample_letters
from digest.letters.slots import Misused
from digest.letters.templates import NAMES, Templates
from digest.model import Letter
from digest.tokens import SECRET_BYTES, Keys

PAGES = Links("https://digest.example.org", Keys([b"\0" * SECRET_BYTES]))
KINDS = {"html": "HTML", "txt": "text"}
NUMBER = "4711"  # of a paper, where nothing else says so
# Where what stands in a sample as HARM is printed from.
_FROM = {
    "title": "card.title, letter.preheader",
    "abstract": "card.abstract",
    "author": "card.authors",
    "words": "why.words, why.line, group.title, letter.subject",
    "terms": "why.terms, why.line",
    "reader": "letter.greeting",
}
_MEND_NAME = "docs/templates.md lists every variable"
_MEND_OWN = "print it as it is; docs/templates.md says what else can be done"
_MEND_SAFE = "take `safe` away, and put quotes around attributes: anybody can put a paper on a page"


def first_fault(templates: Templates, config: LetterConfig, links: Links | None) -> Place | None:
    """What would stop letters of this configuration, if anything would."""
    composer = Composer(config, templates, links)
    for letter in sample_letters(config).values():
        try:
            composer.render(letter)
        except Exception as error:
            if place := faults.of_error(error):
                return place
            raise
    return None


def check(templates: Templates, config: LetterConfig) -> list[Problem]:
    """Everything that is wrong with the templates, in the order of files and lines; empty for good ones."""
    trial = _Trial(templates, config)
    trial.read()
    if not trial.unreadable:  # it would be told again for every letter
        for code in languages():
            for links in (None, PAGES):
                for what, letter in sample_letters(config).items():
                    reader = replace(letter.subscriber, language=code)
                    pages = "with pages of ours" if links else "without pages of ours"
                    trial.on(replace(letter, subscriber=reader), links, f"{what}, in {code!r}, {pages}")
    return sorted(trial.found.values(), key=lambda one: (one.path, one.line or 0))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a browser makes of HTML."""

    text: str  # without spaces: where they stand is for the template to say
    links: frozenset[str]
    names: frozenset[str]  # of elements and attributes


class _Trial:
    def __init__(self, templates: Templates, config: LetterConfig) -> None:
        self.templates, self.config = templates, config
        self.found: dict[tuple[str, int | None, str], Problem] = {}
        self.sources: list[Source] = []
        self.unreadable = False

    def tell(self, path: str, line: int | None, what: str, remedy: str, where: str = "") -> None:
        """Once for each thing, of the first letter that shows it."""
        key = (path, line, what)
        if not any(one[:2] == (path, line) for one in self.found if line is not None) and key not in self.found:
            self.found[key] = Problem(path, line, "", f"{what} ({where})" if where else what, remedy)

    def read(self) -> None:
        """What can be seen without rendering."""
        files = self.templates.of(language("en"))
        for name in NAMES:
            try:
                source = Source(files, name)
            except jinja2.TemplateSyntaxError as error:
                self.unreadable = True
                if place := faults.of_error(error):
                    self.tell(place.path, place.line, place.what, "mend this line")
                continue
            self.sources.append(source)
            for place in source.unknown():
                self.tell(place.path, place.line, place.what, _MEND_NAME)

    def on(self, letter: Letter, links: Links | None, where: str) -> None:
        """What one letter shows."""
        try:
            fast = Composer(self.config, self.templates, links).render(letter)
            slow = twin.render(letter, self.config, self.templates, links)
        except Exception as error:
            self._stopped(error, where)
            return
        size = len(slow.html.encode("utf-8", "replace"))
        if size > HTML_BUDGET:
            what = f"with {len(letter.picks)} papers it has {size:,} bytes, over the budget of {HTML_BUDGET:,}"
            self.tell(self._path("letter.html"), None, what, "make it smaller: mail programs cut it off", where)
            return
        if self._unescaped(slow, fast, where):
            return
        self._differs(slow, fast, where)
        for kind in KINDS:
            self._papers(letter, links, kind, slow, where)
            self._unsubscribe(letter, links, kind, slow, where)

    def _stopped(self, error: Exception, where: str) -> None:
        place = faults.of_error(error)
        if place is None:
            raise error
        if isinstance(error, Misused) and self._tell_all("computes", _MEND_OWN):
            return
        remedy = _MEND_OWN if "differs from reader" in place.what else _MEND_NAME
        self.tell(place.path, place.line, place.what, remedy, where)

    def _tell_all(self, question: str, remedy: str) -> bool:
        places: list[Place] = [place for one in self.sources for place in getattr(one, question)()]
        for place in places:
            self.tell(place.path, place.line, place.what, remedy)
        return bool(places)

    def _unescaped(self, slow: Rendered, fast: Rendered, where: str) -> bool:
        names = _seen(slow.html).names | _seen(fast.html).names
        through = [what for what in _FROM if {f"x-{what}", f"y-{what}"} & names]
        if through and not self._tell_all("unescaped", _MEND_SAFE):
            for what in through:
                said = f"one of {_FROM[what]} comes through unescaped"
                self.tell(self._path("letter.html"), None, said, _MEND_SAFE, where)
        return bool(through)

    def _differs(self, slow: Rendered, fast: Rendered, where: str) -> None:
        for kind, one, many in (("html", slow.html, fast.html), ("txt", slow.text, fast.text)):
            # What is not escaped differs, too, and is told already.
            if one == many or any(True for each in self.sources for _ in each.unescaped()):
                continue
            if self._tell_all("computes", _MEND_OWN):
                continue
            lines = zip(f"{one}\n\0".split("\n"), f"{many}\n\0".split("\n"), strict=False)
            mine, theirs = next((pair for pair in lines if pair[0] != pair[1]), ("", ""))
            what = (
                f"the {KINDS[kind]} part is not the same when it is made for one reader alone: "
                f"{mine.strip()[:60]!r}, not {theirs.strip()[:60]!r}"
            )
            self.tell(self._path(f"letter.{kind}"), None, what, _MEND_OWN, where)

    def _papers(self, letter: Letter, links: Links | None, kind: str, slow: Rendered, where: str) -> None:
        """Each paper has its title and its number, and stands in the letter."""
        words = language(letter.subscriber.language)
        said = _plain(slow.html) if kind == "html" else _packed(slow.text)
        for pick in letter.picks:
            view = cards.card_view(pick, letter.slot, words, said=links is not None, grouped=False)
            view = replace(view, number=NUMBER, mark=f"{NUMBER}. ", score="", whys="")
            card = self.templates.of(words).get_template(f"letter/card.{kind}").render(card=view)
            shown = _plain(card) if kind == "html" else _packed(card)
            path, title = self._path(f"card.{kind}"), _packed(view.title)
            number = "{{ card.number }}" if kind == "html" else "card.mark or {{ card.number }}"
            if title not in shown:
                self.tell(path, None, "a paper's title is not in it", "print {{ card.title }}", where)
            elif title not in said:
                what = f"the papers are not in the {KINDS[kind]} part"
                self.tell(self._path(f"letter.{kind}"), None, what, "print {{ letter.cards }}", where)
            if NUMBER not in shown:
                what = "a paper's number is not in it: readers name a paper by it"
                self.tell(path, None, what, f"print {number}", where)

    def _unsubscribe(self, letter: Letter, links: Links | None, kind: str, slow: Rendered, where: str) -> None:
        reader = letter.subscriber
        if not reader.cadence:
            return  # a test letter is not subscribed to
        line = f"unsubscribe {reader.address}"
        url = mailto(self.config.reply_to, line)
        if links:
            url = links.unsubscribe(links.tokens(letter).unsubscribe)
        if kind == "html":
            there = url in _seen(slow.html).links
        else:
            there = url in slow.text or (not links and _packed(line) in _packed(slow.text))
        if not there:
            what = f"the {KINDS[kind]} part has no way to unsubscribe"
            remedy = "print the url" + (" and the line" if kind == "txt" else "") + " of each of letter.footer.acts"
            self.tell(self._path(f"letter.{kind}"), None, what, remedy, where)

    def _path(self, name: str) -> str:
        name = f"letter/{name}"
        files = self.templates.of(language("en"))
        return files.get_template(name).filename or name


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self.links: set[str] = set()
        self.names: set[str] = set()
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names |= {tag, *(name for name, _ in attrs)}
        self.links |= {value for name, value in attrs if name == "href" and value}
        self._hidden += tag in ("style", "title", "script")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "title", "script")

    def handle_data(self, data: str) -> None:
        if self._hidden <= 0:
            self.text.append(data)


def _seen(html: str) -> _Seen:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return _Seen(_packed("".join(reader.text)), frozenset(reader.links), frozenset(reader.names))


def _plain(html: str) -> str:
    return _seen(html).text


def _packed(text: str) -> str:
    return re.sub(r"\s+", "", text)
