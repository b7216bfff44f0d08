"""Letters as mails, many a second: everything that readers share is written and encoded once.

A paper's card is rendered and encoded for all letters of a day, and a reason for all who have it; a letter is put
together from these with a few words of its own. `twin` makes the same mail slowly, the usual way; tests compare.
"""

from __future__ import annotations

import re
from binascii import a2b_qp
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import escape

from digest.config import LetterConfig
from digest.language import Language, language_of
from digest.letters import cards, mime, qp, wording
from digest.letters.links import Links, quoted
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
# An address of which every character takes one column, and one byte in either part, wherever it stands.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+%-]*@?[A-Za-z0-9.-]+")
_CARD = ("number", "mark", "score", "whys", "lines", "say")  # the slots of a card; those of links follow
_NO_CARD = (b"",) * len(_CARD)


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


@dataclass(frozen=True, slots=True)
class _Frame:
    """What stands before the cards or behind them, and which slots it prints as they are, as it wants them."""

    shell: Shell
    markup: bool
    shared: list[str]
    urls: list[str]
    personal: list[str]


class _Address(NamedTuple):
    words: str
    plain: bytes  # nothing where it may need to be encoded or cut

    @classmethod
    def of(cls, words: str) -> _Address:
        return cls(words, words.encode("ascii") if _PLAIN.fullmatch(words) else b"")


@dataclass(slots=True)
class _Set:
    """The cards of a letter and the headings between them, filled in."""

    html: list[bytes]
    text: list[bytes]
    ends: list[tuple[int, int]]  # after each card: how many of these, and how many links
    addresses: tuple[_Address, _Address]  # of the reader, and as it stands in URLs
    also: tuple[bytes, bytes] = b"", b""  # what is popular outside the profile, in HTML and in text
    linked: int = 0  # the links in that


class _Typesetter:
    """Sets letters in one language."""

    def __init__(self, config: LetterConfig, templates: Templates, links: Links | None, words: Language) -> None:
        self._config, self._links, self._words = config, links, words
        self._templates = templates.of(words)
        self._frames: dict[tuple[object, ...], tuple[list[_Frame], list[_Frame]]] = {}
        self._shells: dict[tuple[object, ...], Shell] = {}
        self._cards: dict[tuple[object, ...], _Card] = {}
        self._reasons: dict[tuple[object, ...], tuple[bytes, bytes]] = {}
        self._said: dict[tuple[str, bool, Wrapped | None], bytes] = {}
        self._scores: dict[tuple[int, bool], bytes] = {}

    def parts(self, letter: Letter) -> tuple[dict[str, str], list[bytes], list[bytes]]:
        """The words of the letter's own, its HTML and its text, encoded, in pieces."""
        done = self._set(letter)
        shown = len(done.ends)
        own, (html, text) = self._own(letter, shown)
        page = self._page(letter, html, own, done, shown)
        if letter.also and not _fits(page):
            letter, done.also, done.linked = replace(letter, also=()), (b"", b""), 0
            own, (html, text) = self._own(letter, shown)
            page = self._page(letter, html, own, done, shown)
        if not _fits(page):
            own, (html, text) = self._own(letter, 0)
            # Size only grows with the number of cards, so halving finds the most that fit.
            low = 0
            while shown - low > 1:
                middle = (low + shown) // 2
                page = self._page(letter, html, own, done, middle)
                low, shown = (middle, shown) if _fits(page) else (low, middle)
            shown = low
            own, (html, text) = self._own(letter, shown)
            page = self._page(letter, html, own, done, shown)
        return own, page, self._page(letter, text, own, done, shown)

    def _set(self, letter: Letter) -> _Set:
        slot, picks = letter.slot, letter.picks
        say = qp.encode(f"{self._links.say(letter)}/") if self._links else b""
        address = letter.subscriber.address
        done = _Set([], [], [], (_Address.of(address), _Address.of(quoted(address))))
        linked = 0
        for heading, places in wording.grouped(letter.subscriber, picks, self._words):
            grouped = heading != ""
            if grouped:
                done.html.append(self._group("html", heading))
                done.text.append(self._group("txt", heading))
            for place in places:
                pick, number = picks[place], place + 1
                card = self._card(pick, slot, pick.reasons != (), grouped)
                html, text = self._whys(pick, card.age)
                first, linked = linked + 1, linked + card.numbers
                own = (
                    *(NUMBERS[number], MARKS[number], self._score(pick), html, text, say + NUMBERS[number]),
                    *NUMBERS[first : linked + 1],
                )
                done.html.append(card.html.fill(own))
                done.text.append(card.text.fill(own))
                done.ends.append((len(done.html), linked))
        if letter.also:
            html, text = b"", b""
            for pick in letter.also:
                card = self._card(pick, slot, False, False, "also")
                first, linked = linked + 1, linked + card.numbers
                own = (*_NO_CARD, *NUMBERS[first : linked + 1])
                html, text = html + card.html.fill(own), text + card.text.fill(own)
                done.linked += card.numbers
            done.also = html, text
        return done

    def _own(self, letter: Letter, shown: int) -> tuple[dict[str, str], tuple[list[_Frame], list[_Frame]]]:
        """The words of the letter's own by the names of slots, and the frames that they go into."""
        own = wording.unaddressed(letter, self._config, self._words, self._links, shown)
        there = *map(bool, own.values()), bool(letter.picks), bool(letter.also)
        key = letter.slot, letter.subscriber.cadence == "", there
        frame = self._frames.get(key)
        if frame is None:
            frame = self._render_frame(letter, own, "html"), self._render_frame(letter, own, "txt")
            _keep(self._frames, key, frame, share=100)
        return own, frame

    def _page(
        self, letter: Letter, frame: Sequence[_Frame], own: Mapping[str, str], done: _Set, shown: int
    ) -> list[bytes]:
        """One part of the letter with so many cards."""
        markup, (address, in_urls) = frame[0].markup, done.addresses
        end, linked = done.ends[shown - 1] if shown else (0, 0)
        linked += done.linked
        always = [done.also[not markup], *NUMBERS[linked + 1 : linked + 1 + ACTS]]
        pieces: list[bytes] = []
        for part in frame:
            if part is not frame[0]:  # between two stand the cards
                pieces += (done.html if markup else done.text)[:end]
            values = always + [self._common(own[name], markup) for name in part.shared]
            values += [_personal(own[name], in_urls, None, False) for name in part.urls]  # nothing to escape
            values += [_personal(own[name], address, None, markup) for name in part.personal]
            for how in part.shell.wrapped:
                if how.slot in wording.SHARED:
                    values.append(self._common(own[how.slot], markup, how))
                else:
                    there = in_urls if how.slot in wording.URLS else address
                    values.append(_personal(own[how.slot], there, how, markup))
            pieces.append(part.shell.fill(values))
        while len(pieces) > 1 and not pieces[-1]:
            del pieces[-1]
        pieces[-1] = qp.ended(pieces[-1])
        return pieces

    def _common(self, said: str, markup: bool, how: Wrapped | None = None) -> bytes:
        """What many letters say."""
        key = said, markup, how
        return self._said.get(key) or _keep(self._said, key, _encoded(said, how, markup))

    # ---- what readers share

    def _card(self, pick: Pick, slot: date, told: bool, grouped: bool, part: str = "card") -> _Card:
        paper = pick.paper
        key = paper.id, pick.listed, pick.votes, cards.is_trending(pick), told, grouped, part, slot
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

    def _render_frame(self, letter: Letter, own: Mapping[str, str], kind: str) -> list[_Frame]:
        marks: dict[str, Wrapped] = {}
        slots: dict[str, Any] = {"also": Slot("also", marks, there=bool(letter.also), whole=True)}
        slots |= {name: Slot(name, marks, whole=True) for name in (f"acts.{place}.number" for place in range(ACTS))}
        always = len(slots)
        for name in (*wording.SHARED, *wording.URLS, *wording.PERSONAL):
            slots[name] = Slot(name, marks, there=bool(own[name]))
        cards = Slot("cards", marks, there=bool(letter.picks), whole=True)
        view = wording.letter_view(letter, self._config, self._words, slots | {"cards": cards})
        found = []
        for part in self._render(f"letter/letter.{kind}", letter=view).split(mark_of("cards")):
            shell = Shell(part, marks, list(slots), always)
            used = [
                [n for n in shell.given if n in some] for some in (wording.SHARED, wording.URLS, wording.PERSONAL)
            ]
            found.append(_Frame(shell, kind == "html", *used))
        return found

    def _render(self, name: str, **views: object) -> str:
        return self._templates.get_template(name).render(**views)

    def _score(self, pick: Pick) -> bytes:
        key = round(pick.score), cards.is_popular(pick)
        return self._scores.get(key) or _keep(self._scores, key, qp.encode(cards.score_words(pick, self._words)))


def _keep(kept: dict[Any, Any], key: object, piece: Any, share: int = 1) -> Any:
    if len(kept) >= PIECES // share:
        kept.clear()
    kept[key] = piece
    return piece


def _encoded(said: str, how: Wrapped | None, markup: bool) -> bytes:
    if how:
        said = wrap(said, how.width, how.first, how.rest)
    return qp.encode(str(escape(said)) if markup else said)


def _personal(said: str, address: _Address, how: Wrapped | None, markup: bool) -> bytes:
    """What only one reader's letter says, with the address for each NUL. Nothing of it is kept."""
    if "\0" not in said:
        return _encoded(said, how, markup) if said else b""
    if address.plain and (form := _around(said, len(address.plain), how, markup)):
        return form.replace(b"\0", address.plain)
    return _encoded(said.replace("\0", address.words), how, markup)


@lru_cache(maxsize=4096)
def _around(said: str, length: int, how: Wrapped | None, markup: bool) -> bytes:
    """What stands around any plain address of this length, with a NUL for it; nothing where it is cut in two."""
    there = f"{said}{how}"
    letter = next((one for one in "xzjkwvyXZJKWVY" if one not in there), "")  # no entity has these
    encoded = _encoded(said.replace("\0", letter * length), how, markup).split(letter.encode("ascii") * length)
    return b"\0".join(encoded) if letter and len(encoded) == said.count("\0") + 1 else b""


@lru_cache(maxsize=4096)
def _recurring(said: str, markup: bool) -> bytes:
    return _encoded(said, None, markup)


def _filled(shell: Shell, names: Sequence[str], said: Mapping[str, str], markup: bool) -> bytes:
    plain = [_recurring(said[name], markup) if name in shell.names else b"" for name in names]
    return shell.fill([*plain, *(_encoded(said[how.slot], how, markup) for how in shell.wrapped)])


def _fits(page: Sequence[bytes]) -> bool:
    return sum(map(len, page)) <= HTML_BUDGET or len(_read(page).encode()) <= HTML_BUDGET


def _read(page: Sequence[bytes]) -> str:
    return a2b_qp(b"".join(page).replace(b"\r\n", b"\n")).decode("utf-8")
