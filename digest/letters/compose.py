"""Letters as mails, many a second: everything that readers share is written and encoded once.

A paper's card is rendered and encoded for all letters of a day, and a reason for all who have it; a letter is put
together from these with a few words of its own. `twin` makes the same mail slowly, the usual way; tests compare.
"""

from __future__ import annotations

from binascii import a2b_qp
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from markupsafe import escape

from digest.config import LetterConfig
from digest.language import Language, language
from digest.letters import mime, qp, wording
from digest.letters.links import VERDICTS, Links
from digest.letters.slots import Shell, Slot, Wrapped
from digest.letters.templates import Templates
from digest.letters.views import GroupView, WhyView
from digest.letters.wrap import wrap
from digest.model import Letter, Paper, Pick

if TYPE_CHECKING:  # `cryptography` takes a while to load, and who signs nothing need not wait for it
    from digest.letters.dkim import Signer

HTML_BUDGET = 90_000  # bytes, decoded; Gmail clips at about 102 KB, and with the end the way to unsubscribe
PIECES = 50_000  # that are kept of each kind; beyond that all are made anew, so that memory stays flat
NUMBERS = tuple(f"{number}=\r\n".encode() for number in range(1000))
ACTS = len(wording.ACTS) + 1  # with viewing it in a browser
SAY = {verdict: f"/{verdict}=\r\n".encode() for verdict in VERDICTS}


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
    ) -> None:
        """Without `links` letters link to no pages of ours, and readers act by mail. All `signers` sign."""
        self._config, self._links = config, links
        self._templates = templates or Templates()
        self._head = mime.Head(config, links)
        self.signers = signers
        self._of: dict[str, _Typesetter] = {}

    def mail(self, letter: Letter) -> bytes:
        """The bytes of the mail. Raises `NotMailable` for an address or Message-ID that could break out of its
        header, and `jinja2.TemplateError` for a template that is wrong."""
        own, html, text = self._setter(letter).parts(letter)
        mail = mime.join(self._head.of(letter, own["subject"]), text, html)
        for signer in self.signers:
            # The time is the letter's, not now, so that a letter that is sent again has the same bytes.
            mail = signer.sign(mail, mime.written_at(letter))
        return mail

    def render(self, letter: Letter) -> Rendered:
        """What `mail` says, for those who want to look at it."""
        own, html, text = self._setter(letter).parts(letter)
        return Rendered(own["subject"], own["preheader"], _read(html), _read(text))

    def _setter(self, letter: Letter) -> _Typesetter:
        code = letter.subscriber.language or self._config.language
        if code not in self._of:
            self._of[code] = _Typesetter(self._config, self._templates, self._links, language(code))
        return self._of[code]


@dataclass(frozen=True, slots=True)
class _Card:
    paper: Paper
    html: Shell
    text: Shell
    numbers: tuple[str, ...]  # the slots of its links' numbers


@dataclass(slots=True)
class _Set:
    """The cards of a letter and the headings between them, filled in."""

    html: list[bytes]
    text: list[bytes]
    ends: list[tuple[int, int]]  # after each card: how many of these, and how many links


class _Typesetter:
    """Sets letters in one language."""

    def __init__(self, config: LetterConfig, templates: Templates, links: Links | None, words: Language) -> None:
        self._config, self._links, self._words = config, links, words
        self._templates = templates.of(words)
        self._frames: dict[tuple[object, ...], tuple[Shell, Shell]] = {}
        self._cards: dict[tuple[object, ...], _Card] = {}
        self._reasons: dict[tuple[object, ...], tuple[bytes, bytes]] = {}
        self._shells: dict[tuple[object, ...], Shell] = {}
        self._pieces: dict[object, bytes] = {}

    def parts(self, letter: Letter) -> tuple[dict[str, str], bytes, bytes]:
        """The words of the letter's own, and its HTML and its text, encoded."""
        done = self._set(letter)
        shown = len(done.ends)
        own, frame = self._own(letter, shown)
        page = self._page(frame[0], own, done, done.html, shown)
        if not _fits(page):
            own, frame = self._own(letter, 0)
            # Size only grows with the number of cards, so halving finds the most that fit.
            low = 0
            while shown - low > 1:
                middle = (low + shown) // 2
                page = self._page(frame[0], own, done, done.html, middle)
                low, shown = (middle, shown) if _fits(page) else (low, middle)
            shown = low
            own, frame = self._own(letter, shown)
            page = self._page(frame[0], own, done, done.html, shown)
        return own, page, self._page(frame[1], own, done, done.text, shown)

    def _set(self, letter: Letter) -> _Set:
        say = qp.encode(f"{self._links.say(letter)}/") if self._links else b""
        done = _Set([], [], [])
        number = linked = 0
        for heading, places in wording.grouped(letter, self._words):
            if heading:
                done.html.append(self._group("html", heading))
                done.text.append(self._group("txt", heading))
            for place in places:
                pick, number = letter.picks[place], number + 1
                whys, lines = self._whys(pick, letter)
                card = self._card(pick, letter, bool(whys), bool(heading))
                values = {
                    "number": _number(number),
                    "mark": self._piece(f"{number:>2}. "),
                    "score": self._piece(wording.score_words(pick, self._words)),
                    "whys": whys,
                }
                if say:
                    base = say + _number(place + 1)
                    for verdict, end in SAY.items():
                        values[verdict] = base + end
                for name in card.numbers:
                    linked += 1
                    values[name] = _number(linked)
                done.html.append(card.html.fill(values))
                values["whys"] = lines
                done.text.append(card.text.fill(values))
                done.ends.append((len(done.html), linked))
        return done

    def _own(self, letter: Letter, shown: int) -> tuple[dict[str, str], tuple[Shell, Shell]]:
        """The words of the letter's own by the names of slots, and the frame that they go into."""
        own = wording.letter_words(letter, self._config, self._words, self._links, shown)
        empty = tuple(name for name, said in own.items() if not said)
        key = (letter.slot, letter.subscriber.cadence == "", empty)
        if key not in self._frames:
            if len(self._frames) >= PIECES // 100:
                self._frames.clear()
            self._frames[key] = self._render_frame(letter, own), self._render_frame(letter, own, text=True)
        return own, self._frames[key]

    def _page(self, frame: Shell, own: Mapping[str, str], done: _Set, pieces: Sequence[bytes], shown: int) -> bytes:
        """One part of the letter with so many cards."""
        end, linked = done.ends[shown - 1] if shown else (0, 0)
        values = {"cards": b"".join(pieces[:end])}
        for place in range(ACTS):
            values[f"acts.{place}.number"] = _number(linked + place + 1)
        markup = pieces is done.html
        for name in frame.names:
            if name not in values:
                values[name] = self._escaped(own[name]) if markup else self._piece(own[name])
        for name, wrapped in frame.wrapped.items():
            values[name] = self._wrapped(own[wrapped.slot], wrapped)
        return frame.fill(values)

    # ---- what readers share

    def _card(self, pick: Pick, letter: Letter, told: bool, grouped: bool) -> _Card:
        paper = pick.paper
        key = (paper.id, letter.slot, pick.listed, pick.votes, wording.is_trending(pick), told, grouped)
        known = self._cards.get(key)
        if known is not None and (known.paper is paper or known.paper == paper):
            return known
        if len(self._cards) >= PIECES:
            self._cards.clear()
        view = wording.card_view(pick, letter.slot, self._words, said=self._links is not None, grouped=grouped)
        marks: dict[str, Wrapped] = {}
        numbers = tuple(f"links.{place}" for place in range(len(view.links) + len(view.say)))
        slots: dict[str, Any] = {name: Slot(name, marks) for name in ("number", "score", *SAY, *numbers)}
        slots["mark"] = Slot("mark", marks, columns=4)
        slots["whys"] = Slot("whys", marks, there=told, whole=True)
        say_numbers = numbers[len(view.links) :]
        view = replace(
            view,
            **{name: slots[name] for name in view.OWN},
            links=tuple(replace(one, number=slots[n]) for one, n in zip(view.links, numbers, strict=False)),
            say=tuple(
                replace(one, url=slots[one.url], number=slots[n])
                for one, n in zip(view.say, say_numbers, strict=True)
            ),
        )
        html, text = (
            Shell(self._render(f"letter/card.{kind}", card=view), marks, slots) for kind in ("html", "txt")
        )
        self._cards[key] = _Card(paper, html, text, numbers)
        return self._cards[key]

    def _whys(self, pick: Pick, letter: Letter) -> tuple[bytes, bytes]:
        """The reasons of a pick, in HTML and in text."""
        html, text = b"", b""
        age = wording.age_of(pick, letter.slot)
        for reason in wording.told_reasons(pick):
            key = (reason.kind, reason.text, reason.terms, reason.beside, age)
            known = self._reasons.get(key)
            if known is None:
                if len(self._reasons) >= PIECES:
                    self._reasons.clear()
                view = wording.why_view(reason, age, self._words)
                known = self._reasons[key] = self._why("html", view), self._why("txt", view)
            html, text = html + known[0], text + known[1]
        return html, text

    def _why(self, kind: str, view: WhyView) -> bytes:
        return qp.encode(self._render(f"letter/why.{kind}", why=view))

    def _group(self, kind: str, title: str) -> bytes:
        key = ("group", kind, title)
        if key not in self._pieces:
            self._keep(key, qp.encode(self._render(f"letter/group.{kind}", group=GroupView(title))))
        return self._pieces[key]

    def _render_frame(self, letter: Letter, own: Mapping[str, str], *, text: bool = False) -> Shell:
        marks: dict[str, Wrapped] = {}
        slots: dict[str, Any] = {name: Slot(name, marks, there=bool(said)) for name, said in own.items()}
        slots |= {name: Slot(name, marks) for name in (f"acts.{place}.number" for place in range(ACTS))}
        slots["cards"] = Slot("cards", marks, there=bool(letter.picks), whole=True)
        view = wording.letter_view(letter, self._config, self._words, slots)
        return Shell(self._render(f"letter/letter.{'txt' if text else 'html'}", letter=view), marks, slots)

    def _render(self, name: str, **views: object) -> str:
        return self._templates.get_template(name).render(**views)

    # ---- pieces

    def _piece(self, text: str) -> bytes:
        return self._pieces.get(text) or self._keep(text, qp.encode(text))

    def _escaped(self, text: str) -> bytes:
        key = ("html", text)
        return self._pieces.get(key) or self._keep(key, qp.encode(str(escape(text))))

    def _wrapped(self, text: str, how: Wrapped) -> bytes:
        key = (text, how)
        return self._pieces.get(key) or self._keep(key, qp.encode(wrap(text, how.width, how.first, how.rest)))

    def _keep(self, key: object, piece: bytes) -> bytes:
        if len(self._pieces) >= PIECES:
            self._pieces.clear()
        self._pieces[key] = piece
        return piece


def _number(number: int) -> bytes:
    return NUMBERS[number] if number < len(NUMBERS) else qp.encode(str(number))


def _fits(part: bytes) -> bool:
    return len(part) <= HTML_BUDGET or len(a2b_qp(part.replace(b"\r\n", b"\n"))) <= HTML_BUDGET


def _read(part: bytes) -> str:
    return a2b_qp(part.replace(b"\r\n", b"\n")).decode("utf-8")
