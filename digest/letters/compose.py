"""Letters as mails, many a second: everything that readers share is written and encoded once.

A paper's card is rendered and encoded for all letters of a day, and a reason for all who have it; a letter is put
together from these with a few words of its own. `twin` makes the same mail slowly, the usual way; tests compare.
"""

from __future__ import annotations

from binascii import a2b_qp
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from hashlib import sha256
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from markupsafe import escape

from digest.config import LetterConfig
from digest.language import Language, language_of
from digest.letters import cards, mime, qp, wording
from digest.letters.links import Links
from digest.letters.slots import Shell, Slot, Wrapped, mark_of
from digest.letters.templates import Templates
from digest.letters.verp import Returns
from digest.letters.views import GroupView, WhyView
from digest.letters.wrap import wrap
from digest.model import Letter, Paper, Pick

if TYPE_CHECKING:  # `cryptography` takes a while to load, and who signs nothing need not wait for it
    from digest.letters.dkim import Signer

HTML_BUDGET = 90_000  # bytes, decoded; Gmail clips at about 102 KB, and with the end the way to unsubscribe
PIECES = 50_000  # that are kept of each kind; beyond that all are made anew, so that memory stays flat
ACTS = len(wording.ACTS) + 1  # with viewing the letter in a browser
MOST = 10_000  # papers, and links, that a letter can number
NUMBERS = tuple(qp.encode(str(number)) for number in range(MOST))
MARKS = tuple(qp.encode(f"{number:>2}. ") for number in range(MOST))
_CARD = ("number", "mark", "score", "whys", "lines", "say")  # the slots of a card; those of links follow
_shared = itemgetter(*wording.SHARED)


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a letter says, before it is made a mail."""

    subject: str
    preheader: str
    html: str
    text: str


class Composer:
    """Composes the letters of a run."""

    def __init__(
        self,
        config: LetterConfig,
        templates: Templates | None = None,
        links: Links | None = None,
        signers: Sequence[Signer] = (),
        returns: Returns | None = None,
    ) -> None:
        """Without `links` letters link to no pages of ours, and readers act by mail. All `signers` sign. With
        `returns` the address that List-Unsubscribe names is signed."""
        self._config, self._links = config, links
        self._templates = templates or Templates()
        self._head = mime.Head(config, returns)
        self.signers, self.returns = signers, returns
        self._of: dict[str, _Typesetter] = {}

    def mail(self, letter: Letter) -> bytes:
        """The bytes of the mail. Raises `NotMailable` for an address or Message-ID that could break out of its
        header, and `jinja2.TemplateError` for a template that is wrong."""
        own, html, text = self._setter(letter).parts(letter)
        page = own[wording.UNSUBSCRIBE] if self._links else ""
        head = self._head.of(letter, own["subject"], page)
        mail = mime.join(head, text, html)
        if not self.signers:
            return mail
        # The body is in relaxed form. The time is the letter's, not now: what is sent again has the same bytes.
        body_hash, at = sha256(memoryview(mail)[len(head) :]).digest(), mime.written_at(letter)
        return b"".join([*(signer.header(head, body_hash, at) for signer in reversed(self.signers)), mail])

    def render(self, letter: Letter) -> Rendered:
        """What `mail` says, for those who want to look at it."""
        own, html, text = self._setter(letter).parts(letter)
        return Rendered(own["subject"], own["preheader"], _read(html), _read(text))

    def _setter(self, letter: Letter) -> _Typesetter:
        words = language_of(letter.subscriber.language, self._config.language)
        if words.code not in self._of:
            self._of[words.code] = _Typesetter(self._config, self._templates, self._links, words)
        return self._of[words.code]


@dataclass(frozen=True, slots=True)
class _Card:
    paper: Paper
    html: Shell
    text: Shell
    numbers: int  # of its links
    age: int  # see `cards.age_of`


@dataclass(slots=True)
class _Set:
    """The cards of a letter and the headings between them, filled in."""

    html: list[bytes]
    text: list[bytes]
    ends: list[tuple[int, int]]  # after each card: how many of these, and how many links
    urls: list[bytes]  # of what the reader may do about the letters
    also: tuple[bytes, bytes] = b"", b""  # what is popular outside the profile, in HTML and in text
    linked: int = 0  # the links in that


class _Typesetter:
    """Sets letters in one language."""

    def __init__(self, config: LetterConfig, templates: Templates, links: Links | None, words: Language) -> None:
        self._config, self._links, self._words = config, links, words
        self._templates = templates.of(words)
        self._frames: dict[tuple[object, ...], tuple[Shell, Shell]] = {}
        self._shells: dict[tuple[object, ...], Shell] = {}
        self._cards: dict[tuple[object, ...], _Card] = {}
        self._reasons: dict[tuple[object, ...], tuple[bytes, bytes]] = {}
        self._shared: dict[tuple[object, ...], tuple[list[bytes], list[bytes]]] = {}
        self._pieces: dict[str, bytes] = {}

    def parts(self, letter: Letter) -> tuple[dict[str, str], bytes, bytes]:
        """The words of the letter's own, its HTML and its text, encoded."""
        done = self._set(letter)
        shown = len(done.ends)
        own, (html, text) = self._own(letter, shown)
        page = self._page(html, own, done, shown, markup=True)
        if letter.also and not _fits(page):
            letter, done.also, done.linked = replace(letter, also=()), (b"", b""), 0
            own, (html, text) = self._own(letter, shown)
            page = self._page(html, own, done, shown, markup=True)
        if not _fits(page):
            own, (html, text) = self._own(letter, 0)
            # Size only grows with the number of cards, so halving finds the most that fit.
            low = 0
            while shown - low > 1:
                middle = (low + shown) // 2
                page = self._page(html, own, done, middle, markup=True)
                low, shown = (middle, shown) if _fits(page) else (low, middle)
            shown = low
            own, (html, text) = self._own(letter, shown)
            page = self._page(html, own, done, shown, markup=True)
        return own, page, self._page(text, own, done, shown, markup=False)

    def _set(self, letter: Letter) -> _Set:
        slot = letter.slot
        say = qp.encode(f"{self._links.say(letter)}/") if self._links else b""
        done = _Set([], [], [], [])
        linked = 0
        for heading, places in wording.grouped(letter.subscriber, letter.picks, self._words):
            if heading:
                done.html.append(self._group("html", heading))
                done.text.append(self._group("txt", heading))
            for place in places:
                pick, number = letter.picks[place], place + 1
                card = self._card(pick, slot, pick.reasons != (), heading != "")
                html, text = self._whys(pick, card.age)
                score = self._piece(cards.score_words(pick, self._words))
                first, linked = linked + 1, linked + card.numbers
                counted, said = NUMBERS[first : linked + 1], say + NUMBERS[number]
                own = NUMBERS[number], MARKS[number], score, html, text, said, *counted
                done.html.append(card.html.fill(own))
                done.text.append(card.text.fill(own))
                done.ends.append((len(done.html), linked))
        if letter.also:
            html, text = b"", b""
            for pick in letter.also:
                card = self._card(pick, slot, False, False, part="also")
                first, linked = linked + 1, linked + card.numbers
                own = (*[b""] * len(_CARD), *NUMBERS[first : linked + 1])
                html, text = html + card.html.fill(own), text + card.text.fill(own)
                done.linked += card.numbers
            done.also = html, text
        return done

    def _own(self, letter: Letter, shown: int) -> tuple[dict[str, str], tuple[Shell, Shell]]:
        """The words of the letter's own by the names of slots, and the frames that they go into."""
        own = wording.letter_words(letter, self._config, self._words, self._links, shown)
        there = *map(bool, own.values()), bool(letter.picks), bool(letter.also)
        key = letter.slot, letter.subscriber.cadence == "", there
        frame = self._frames.get(key)
        if frame is None:
            frame = self._render_frame(letter, own, "html"), self._render_frame(letter, own, "txt")
            _keep(self._frames, key, frame, share=100)
        return own, frame

    def _page(self, frame: Shell, own: Mapping[str, str], done: _Set, shown: int, *, markup: bool) -> bytes:
        """One part of the letter with so many cards."""
        pieces = done.html if markup else done.text
        end, linked = done.ends[shown - 1] if shown else (0, 0)
        key = (frame, _shared(own))
        known = self._shared.get(key)
        if known is None:
            lines = [_lines(how, own, markup) if how.slot in wording.SHARED else b"" for how in frame.wrapped]
            known = _keep(self._shared, key, (_plain(frame, wording.SHARED, own, markup), lines))
        shared, lines = known
        done.urls = done.urls or [qp.encode(own[name]) for name in wording.URLS]  # they hold nothing to escape
        personal = _plain(frame, wording.PERSONAL, own, markup)
        linked += done.linked
        values = [
            b"".join(pieces[:end]),
            done.also[not markup],
            *NUMBERS[linked + 1 : linked + 1 + ACTS],
            *shared,
            *done.urls,
            *personal,
        ]
        values += [line or _lines(how, own, markup) for line, how in zip(lines, frame.wrapped, strict=True)]
        return qp.ended(frame.fill(values))

    # ---- what readers share

    def _card(self, pick: Pick, slot: date, told: bool, grouped: bool, part: str = "card") -> _Card:
        paper = pick.paper
        key = (paper.id, slot, pick.listed, pick.votes, cards.is_trending(pick), told, grouped, part)
        known = self._cards.get(key)
        if known is not None and (known.paper is paper or known.paper == paper):
            return known
        view = cards.card_view(pick, slot, self._words, said=self._links is not None, grouped=grouped)
        if part == "also":
            view = cards.in_brief(view)
        marks: dict[str, Wrapped] = {}
        number, age = len(view.links) + len(view.say), cards.age_of(pick, slot)
        counted: list[Any] = [Slot(f"links.{place}", marks, whole=True) for place in range(number)]
        own: dict[str, Any] = {
            name: Slot(name, marks, there=part == "card", whole=True) for name in ("number", "score")
        }
        own["mark"] = Slot("mark", marks, columns=4, there=part == "card", whole=True)
        links = [replace(one, number=mark) for one, mark in zip(view.links, counted, strict=False)]
        say = []
        for one, mark in zip(view.say, counted[len(links) :], strict=True):
            url: Any = Slot("say", marks, whole=True, printed=f"{mark_of('say')}/{one.url}")
            say.append(replace(one, url=url, number=mark))
        view = replace(view, links=tuple(links), say=tuple(say), **own)

        def shell(kind: str, reasons: str) -> Shell:
            whys: Any = Slot(reasons, marks, there=told, whole=True)
            names = [*_CARD, *(mark.name for mark in counted)]
            return Shell(self._render(f"letter/{part}.{kind}", card=replace(view, whys=whys)), marks, names)

        made = _Card(paper, shell("html", "whys"), shell("txt", "lines"), number, age)
        card: _Card = _keep(self._cards, key, made, share=10)
        return card

    def _whys(self, pick: Pick, age: int) -> tuple[bytes, bytes]:
        """The reasons of a pick, in HTML and in text."""
        html, text = b"", b""
        for reason in cards.told_reasons(pick):
            key = (reason.kind, reason.text, reason.terms, reason.beside, age)
            known = self._reasons.get(key)
            if known is None:
                view = cards.why_view(reason, age, self._words)
                known = _keep(self._reasons, key, (self._why("html", view), self._why("txt", view)))
            html, text = (html + known[0], text + known[1]) if html else known
        return html, text

    def _why(self, kind: str, view: WhyView) -> bytes:
        shell = self._shell(kind, "why", view)
        said = {name: getattr(view, name) for name in view.OWN}
        return _filled(shell, view.OWN, said, kind == "html")

    def _group(self, kind: str, title: str) -> bytes:
        shell = self._shell(kind, "group", GroupView(title))
        return _filled(shell, GroupView.OWN, {"title": title}, kind == "html")

    def _shell(self, kind: str, part: str, view: WhyView | GroupView) -> Shell:
        """The template of a part that differs from reader to reader, for one with the same fields filled."""
        there = {name: bool(getattr(view, name)) for name in view.OWN}
        key = (part, kind, *there.values())
        if key not in self._shells:
            marks: dict[str, Wrapped] = {}
            slots: dict[str, Any] = {name: Slot(name, marks, there=is_there) for name, is_there in there.items()}
            rendered = self._render(f"letter/{part}.{kind}", **{part: replace(view, **slots)})
            self._shells[key] = Shell(rendered, marks, view.OWN)
        return self._shells[key]

    def _render_frame(self, letter: Letter, own: Mapping[str, str], kind: str) -> Shell:
        marks: dict[str, Wrapped] = {}
        slots: dict[str, Any] = {"cards": Slot("cards", marks, there=bool(letter.picks), whole=True)}
        slots["also"] = Slot("also", marks, there=bool(letter.also), whole=True)
        slots |= {name: Slot(name, marks, whole=True) for name in (f"acts.{place}.number" for place in range(ACTS))}
        for name in (*wording.SHARED, *wording.URLS, *wording.PERSONAL):
            slots[name] = Slot(name, marks, there=bool(own[name]))
        view = wording.letter_view(letter, self._config, self._words, slots)
        return Shell(self._render(f"letter/letter.{kind}", letter=view), marks, list(slots))

    def _render(self, name: str, **views: object) -> str:
        return self._templates.get_template(name).render(**views)

    def _piece(self, text: str) -> bytes:
        return self._pieces.get(text) or _keep(self._pieces, text, qp.encode(text))


def _keep(kept: dict[Any, Any], key: object, piece: Any, share: int = 1) -> Any:
    if len(kept) >= PIECES // share:
        kept.clear()
    kept[key] = piece
    return piece


def _plain(shell: Shell, names: Sequence[str], said: Mapping[str, str], markup: bool) -> list[bytes]:
    """The values of the slots `names`, as they are; empty where the shell has no such slot."""
    used = shell.names
    if markup:
        return [_escaped(said[name]) if name in used else b"" for name in names]
    return [qp.encode(said[name]) if name in used else b"" for name in names]


@lru_cache(maxsize=4096)  # much of what only some letters say is said by many
def _escaped(text: str) -> bytes:
    return qp.encode(str(escape(text)))


def _lines(how: Wrapped, said: Mapping[str, str], markup: bool) -> bytes:
    lines = wrap(said[how.slot], how.width, how.first, how.rest)
    return qp.encode(str(escape(lines)) if markup else lines)


def _filled(shell: Shell, names: Sequence[str], said: Mapping[str, str], markup: bool) -> bytes:
    return shell.fill([*_plain(shell, names, said, markup), *(_lines(how, said, markup) for how in shell.wrapped)])


def _fits(part: bytes) -> bool:
    return len(part) <= HTML_BUDGET or len(_read(part).encode()) <= HTML_BUDGET


def _read(part: bytes) -> str:
    return a2b_qp(part.replace(b"\r\n", b"\n")).decode("utf-8")
