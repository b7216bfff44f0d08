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
from typing import TYPE_CHECKING, Any

from markupsafe import escape

from digest.config import LetterConfig
from digest.language import Language, language_of
from digest.letters import cards, mime, qp, wording
from digest.letters.links import Links, Tokens, quoted
from digest.letters.slots import Shell, Slot, Wrapped, mark_of, slots_of
from digest.letters.templates import Templates
from digest.letters.verp import Returns
from digest.letters.views import GroupView, WhyView
from digest.letters.wrap import wrap
from digest.model import Letter, Paper, Pick

if TYPE_CHECKING:  # `cryptography` takes a while to load, and who signs nothing need not wait for it
    from digest.letters.dkim import Signer

HTML_BUDGET = 90_000  # bytes, decoded; Gmail clips at about 102 KB, and with the end the way to unsubscribe
PIECES = 50_000  # that are kept of each kind; beyond that all are made anew, so that memory stays flat
MOST = 10_000  # papers that a letter can number
NUMBERS = tuple(qp.encode(str(number)) for number in range(MOST))
MARKS = tuple(qp.encode(f"{number:>2}. ") for number in range(MOST))
# An address of which every character takes one column, and one byte in either part, wherever it stands.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+%-]*@[A-Za-z0-9.-]+")
# A few words that are the same in either part, encoded or not.
_SIMPLE = re.compile(r"[A-EG-Za-z](?:[A-Za-z0-9,!]| (?=[A-Za-z0-9])){,70}")
_CARD = ("number", "mark", "score", "whys", "lines", "say")  # the slots of a card
_NO_CARD = (b"",) * len(_CARD)
HOLDERS = (*Tokens._fields, "address")  # what differs in the URLs of letters
NO_TOKENS = Tokens("", "", "")


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
        own, tokens, html, text = self._setter(letter).parts(letter)
        page = self._links.unsubscribe(tokens.unsubscribe) if self._links and letter.subscriber.cadence else ""
        head = self._head.of(letter, own["subject"], page)
        mail = mime.join(head, text, html)
        if not self.signers:
            return mail
        # The body is in relaxed form. The time is the letter's, not now: what is sent again has the same bytes.
        body_hash, at = sha256(memoryview(mail)[len(head) :]).digest(), mime.written_at(letter)
        return b"".join([*(signer.header(head, body_hash, at) for signer in reversed(self.signers)), mail])

    def render(self, letter: Letter) -> Rendered:
        """What `mail` says, for those who want to look at it."""
        own, _, html, text = self._setter(letter).parts(letter)
        return Rendered(own["subject"], own["preheader"], _read(html), _read(text))

    def _setter(self, letter: Letter) -> _Typesetter:
        words = language_of(letter.subscriber.language, self._config.language)
        if words.code not in self._of:
            self._of[words.code] = _Typesetter(self._config, self._templates, self._links, words)
        return self._of[words.code]


# What cards are made for: a day, whether under headings, the template.
_Kind = tuple[date, bool, str]


@dataclass(frozen=True, slots=True)
class _Card:
    paper: Paper
    html: Shell
    text: Shell
    age: int  # see `cards.age_of`


@dataclass(frozen=True, slots=True)
class _Frame:
    """What stands around the cards of a part, and which words of the letter's own it prints, in their order."""

    shells: list[Shell]  # between two of them stand the cards
    shared: list[tuple[str, Wrapped | None, dict[str, bytes]]]  # and what is known of each
    personal: list[tuple[str, Wrapped | None, dict[tuple[str, int], bytes]]]  # and its forms: `_around`


@dataclass(slots=True)
class _Set:
    """The cards of a letter and the headings between them, filled in: a part in HTML and one in text."""

    html: list[bytes]
    text: list[bytes]
    also: tuple[bytes, bytes]  # what is popular outside the profile
    held: tuple[bytes, ...]  # `HOLDERS`
    plain: bytes  # the reader's address; nothing where it may need to be encoded or cut


class _Typesetter:
    """Sets letters in one language."""

    def __init__(self, config: LetterConfig, templates: Templates, links: Links | None, words: Language) -> None:
        self._config, self._links, self._words = config, links, words
        self._templates = templates.of(words)
        self._frames: dict[tuple[object, ...], tuple[_Frame, _Frame]] = {}
        self._shells: dict[tuple[object, ...], Shell] = {}
        self._kinds: dict[_Kind, _Kind] = {}
        self._cards: dict[tuple[object, ...], _Card] = {}
        self._reasons: dict[tuple[object, ...], tuple[bytes, bytes]] = {}
        self._lines = [wording.act_lines(single, config, words, links) for single in (False, True)]
        self._said: dict[tuple[bool, Wrapped | None], dict[str, bytes]] = {}
        self._scores: dict[tuple[int, bool], bytes] = {}

    def parts(self, letter: Letter) -> tuple[dict[str, str], Tokens, bytes, bytes]:
        """The words of the letter's own, its tokens, its HTML and its text, encoded."""
        tokens = self._links.tokens(letter) if self._links else NO_TOKENS
        shown = len(letter.picks)
        done = self._set(letter, tokens, shown)
        own, (html, text) = self._own(letter, shown, done.also)
        page = self._page(letter, html, own, done, True)
        if letter.also and not _fits(page):
            letter = replace(letter, also=())
            done = self._set(letter, tokens, shown)
            own, (html, text) = self._own(letter, shown, done.also)
            page = self._page(letter, html, own, done, True)
        if not _fits(page):
            own, (html, text) = self._own(letter, 0, done.also)
            # Size only grows with the number of cards, so halving finds the most that fit.
            low = 0
            while shown - low > 1:
                middle = (low + shown) // 2
                page = self._page(letter, html, own, self._set(letter, tokens, middle), True)
                low, shown = (middle, shown) if _fits(page) else (low, middle)
            done = self._set(letter, tokens, low)
            own, (html, text) = self._own(letter, low, done.also)
            page = self._page(letter, html, own, done, True)
        return own, tokens, page, self._page(letter, text, own, done, False)

    def _set(self, letter: Letter, tokens: Tokens, shown: int) -> _Set:
        """So many of the cards, and the strip below them."""
        picks, reader = letter.picks, letter.subscriber
        say = f"{tokens.letter}/".encode("ascii")
        address = b"" if self._links and reader.cadence else qp.encode(quoted(reader.address))
        html: list[bytes] = []
        text: list[bytes] = []
        for heading, places in wording.grouped(reader, picks, self._words):
            grouped = heading != ""
            if grouped and places[0] < shown:
                html += self._group("html", heading)
                text += self._group("txt", heading)
            kind = self._kind(letter.slot, grouped, "card")
            for place in places:
                if place >= shown:
                    break
                pick, number = picks[place], NUMBERS[place + 1]
                card = self._card(pick, kind)
                score, why, lines = self._told(pick, card.age)
                if pick.reasons and not (why and lines):  # a template leaves a part out
                    card = self._card(pick, kind, (why != b"") + 2 * (lines != b""))
                values = number, MARKS[place + 1], score, why, lines, say + number
                html += card.html.pieces(values)
                text += card.text.pieces(values)
        also = b"", b""
        if letter.also:
            kind = self._kind(letter.slot, False, "also")
            strip = [self._card(pick, kind) for pick in letter.also]
            also = (
                b"".join([piece for card in strip for piece in card.html.pieces(_NO_CARD)]),
                b"".join([piece for card in strip for piece in card.text.pieces(_NO_CARD)]),
            )
        plain = reader.address.encode("ascii") if _PLAIN.fullmatch(reader.address) else b""
        return _Set(html, text, also, (*[one.encode("ascii") + qp.SOFT for one in tokens], address), plain)

    def _own(
        self, letter: Letter, shown: int, also: tuple[bytes, bytes]
    ) -> tuple[dict[str, str], tuple[_Frame, _Frame]]:
        """The words of the letter's own by the names of slots, and the frames that they go into."""
        own = wording.own_words(letter, self._config, self._words, shown)
        single = letter.subscriber.cadence == ""
        there = tuple(map(bool, own.values()))
        key = letter.slot, single, there, letter.picks == (), also[0] == b"", also[1] == b""
        own |= self._lines[single]
        frames = self._frames.get(key)
        if frames is None:
            frames = self._frame(letter, own, "html", also[0]), self._frame(letter, own, "txt", also[1])
            _keep(self._frames, key, frames, share=100)
        return own, frames

    def _page(self, letter: Letter, frame: _Frame, own: Mapping[str, str], done: _Set, markup: bool) -> bytes:
        """One part of the letter."""
        values = [done.also[not markup], *done.held]
        for name, how, known in frame.shared:
            said = own[name]
            values.append(known.get(said) or _keep(known, said, _encoded(said, how, markup)))
        address, plain = letter.subscriber.address, done.plain
        for name, how, forms in frame.personal:
            said = own[name]
            if "\0" not in said:
                values.append(_alone(said, how, markup))
                continue
            form = forms.get((said, len(plain)))
            if form is None:
                form = _keep(forms, (said, len(plain)), _around(said, len(plain), how, markup))
            values.append(
                form.replace(b"\0", plain) if form else _encoded(said.replace("\0", address), how, markup)
            )
        pieces = frame.shells[0].pieces(values)
        for shell in frame.shells[1:]:
            pieces += done.html if markup else done.text
            pieces += shell.pieces(values)
        return qp.ended(pieces)

    # ---- what readers share

    def _kind(self, *kind: *_Kind) -> _Kind:
        """What the cards of a letter are made for: the same object whenever it is the same."""
        return self._kinds.setdefault(kind, kind)

    def _card(self, pick: Pick, kind: _Kind, said: int = 3) -> _Card:
        """`said` is in which parts its reasons, if it has any, say something: 1 in HTML, 2 in text."""
        paper, told = pick.paper, said if pick.reasons else 0
        trending = pick.trending >= cards.TRENDING_FROM and cards.is_trending(pick)
        key = paper.id, pick.listed, pick.votes, trending, told, id(kind)
        known = self._cards.get(key)
        if known is not None and (known.paper is paper or known.paper == paper):
            return known
        slot, grouped, part = kind
        view = cards.card_view(pick, slot, self._words, said=self._links is not None, grouped=grouped)
        if part == "also":
            view = cards.in_brief(view)
        marks: dict[str, Wrapped] = {}
        own: dict[str, Any] = {
            name: Slot(name, marks, there=part == "card", whole=True) for name in ("number", "score")
        }
        own["mark"] = Slot("mark", marks, columns=4, there=part == "card", whole=True)
        base = self._links.base_url if self._links else ""
        signed = f"{base}/letter/{mark_of('say')}"
        say: list[Any] = [Slot("say", marks, whole=True, printed=f"{signed}/{one.url}") for one in view.say]
        own["say"] = tuple(replace(one, url=url) for one, url in zip(view.say, say, strict=True))
        view = replace(view, **own)

        def shell(kind: str, reasons: str, there: int) -> Shell:
            whys: Any = Slot(reasons, marks, there=there > 0 and part == "card", whole=True)
            return Shell(self._render(f"letter/{part}.{kind}", card=replace(view, whys=whys)), marks, _CARD)

        html, text = shell("html", "whys", told & 1), shell("txt", "lines", told & 2)
        card: _Card = _keep(self._cards, key, _Card(paper, html, text, cards.age_of(pick, slot)), share=10)
        return card

    def _told(self, pick: Pick, age: int) -> tuple[bytes, bytes, bytes]:
        """The score of a pick, and its reasons in HTML and in text."""
        reasons = pick.reasons
        popular = reasons != () and reasons[0].kind == "trending" and cards.is_popular(pick)
        points = round(pick.score), popular
        score = self._scores.get(points)
        if score is None:
            score = _keep(self._scores, points, qp.encode(cards.score_words(pick, self._words)))
        html, text = b"", b""
        for reason in cards.told_reasons(pick):
            key = reason.kind, reason.text, reason.terms, reason.beside, age
            known = self._reasons.get(key)
            if known is None:
                view = cards.why_view(reason, age, self._words)
                known = _keep(self._reasons, key, (self._why("html", view), self._why("txt", view)))
            html, text = (html + known[0], text + known[1]) if html or text else known
        return score, html, text

    def _why(self, kind: str, view: WhyView) -> bytes:
        shell = self._shell(kind, "why", view)
        said = {name: getattr(view, name) for name in view.OWN}
        return b"".join(_filled(shell, view.OWN, said, kind == "html"))

    def _group(self, kind: str, title: str) -> list[bytes]:
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

    def _frame(self, letter: Letter, own: Mapping[str, str], kind: str, also: bytes) -> _Frame:
        marks: dict[str, Wrapped] = {}
        slots: dict[str, Any] = {"also": Slot("also", marks, there=also != b"", whole=True)}
        slots |= {name: Slot(name, marks, there=bool(own[name])) for name in (*wording.SHARED, *wording.PERSONAL)}
        for name, (url, holder) in wording.targets(letter, own, self._config, self._words, self._links).items():
            printed = url.replace("\0", mark_of(holder))
            slots[name] = Slot(name, marks, whole=True, printed=printed) if url else ""
        cards = Slot("cards", marks, there=bool(letter.picks), whole=True)
        view = wording.letter_view(letter, self._config, self._words, slots | {"cards": cards})
        rendered = self._render(f"letter/letter.{kind}", letter=view)
        shared, personal = list[Any](), list[Any]()
        for name in slots_of(rendered):
            slot, how = name.partition("|")[0], marks.get(name)
            if slot in wording.SHARED:
                shared.append((name, (slot, how, self._said.setdefault((kind == "html", how), {}))))
            elif slot in wording.PERSONAL:
                personal.append((name, (slot, how, {})))
        order = ["also", *HOLDERS, *(name for name, _ in shared), *(name for name, _ in personal)]
        shells = [Shell(part, marks, order) for part in rendered.split(mark_of("cards"))]
        return _Frame(shells, [one for _, one in shared], [one for _, one in personal])

    def _render(self, name: str, **views: object) -> str:
        return self._templates.get_template(name).render(**views)


def _keep(kept: dict[Any, Any], key: object, piece: Any, share: int = 1) -> Any:
    if len(kept) >= PIECES // share:
        kept.clear()
    kept[key] = piece
    return piece


def _encoded(said: str, how: Wrapped | None, markup: bool) -> bytes:
    if how:
        said = wrap(said, how.width, how.first, how.rest)
    return qp.encode(str(escape(said)) if markup else said)


def _alone(said: str, how: Wrapped | None, markup: bool) -> bytes:
    """What only one reader's letter says. Nothing of it is kept."""
    if _SIMPLE.fullmatch(said) and (how is None or (not how.first and len(said) <= how.width)):
        return said.encode("ascii") + qp.SOFT
    return _encoded(said, how, markup)


def _around(said: str, length: int, how: Wrapped | None, markup: bool) -> bytes:
    """What stands around any plain address of this length, with a NUL for it; nothing where it is cut in two."""
    there = f"{said}{how}"
    letter = next((one for one in "xzjkwvyXZJKWVY" if one not in there), "")  # no entity has these
    if not length or not letter:
        return b""
    encoded = _encoded(said.replace("\0", letter * length), how, markup).split(letter.encode("ascii") * length)
    return b"\0".join(encoded) if len(encoded) == said.count("\0") + 1 else b""


@lru_cache(maxsize=4096)
def _recurring(said: str, markup: bool) -> bytes:
    return _encoded(said, None, markup)


def _filled(shell: Shell, names: Sequence[str], said: Mapping[str, str], markup: bool) -> list[bytes]:
    plain = [_recurring(said[name], markup) if name in shell.names else b"" for name in names]
    return shell.pieces((*plain, *(_encoded(said[how.slot], how, markup) for how in shell.wrapped)))


def _fits(page: bytes) -> bool:
    return len(page) <= HTML_BUDGET or len(_read(page).encode()) <= HTML_BUDGET


def _read(page: bytes) -> str:
    return a2b_qp(page.replace(b"\r\n", b"\n")).decode("utf-8")
