"""A letter holds its own reader's address and tokens, whoever's letters were composed before it."""

from __future__ import annotations

import html
import random
import re
from dataclasses import replace

import pytest
from mails import parts
from sample_letters import ADA, CONFIG, LINKS, PICKS, TOOLS, daily, letter, weekly

from digest.letters import compose
from digest.letters.compose import Composer
from digest.letters.links import Links, quoted
from digest.letters.mime import message_id
from digest.letters.templates import Templates
from digest.letters.verp import Returns
from digest.model import Letter, Reason

RETURNS = Returns("back@example.org", LINKS.keys)
# Of one length and of many, plain ones and such as have to be escaped, encoded, or cut at the end of a line.
SHAPES = (
    *("reader-{n:03}@example.org", "READER_{n:03}@example.org", "x{n:03}@b.c", "zzz{n:03}zzz@example.net"),
    *("a=b{n:03}@example.org", "x&y'{n:03}@example.org", ".dot{n:03}@example.org", "From{n:03}@example.org"),
    *("a%c+{n:03}@example.org", "{n:03}" + "w" * 61 + "@example.org", "w{n:03}@" + "deep." * 14 + "org"),
)
TOKEN = re.compile(r"[0-9a-f]+-[0-9a-f]{32}")


def readers(number: int) -> list[Letter]:
    """Letters that differ in nothing but what one reader alone has, beside others that have little in common."""
    found = []
    for n in range(number):
        shape, kind = SHAPES[n % len(SHAPES)], (daily, weekly, daily)[n // len(SHAPES) % 3]
        reader = replace(
            ADA,
            id=1000 + n,
            secret=f"{n:016x}",
            address=shape.format(n=n),
            name=f"Name-{n:03}" if n % 7 else "",
            cadence=("weekdays", "weekly:fri", "daily", "")[n // 3 % 4],
            language=("", "de")[n // 5 % 2],
        )
        picks = kind().picks
        if n % 4 == 0:
            own = Reason("phrase", f"{TOOLS} of interest-{n:03}", (f"term-{n:03}",), 52.0)
            picks = (replace(PICKS[0], reasons=(own,)), *PICKS[1:])
        one = letter(reader, picks, id=5000 + n)
        found.append(replace(one, message_id=message_id(reader, one.slot, CONFIG.from_address)))
    return found


def tokens(one: Letter, links: Links | None) -> set[str]:
    reader = one.subscriber
    found = {RETURNS.unsubscribe(reader)}
    if links:
        signed = links.tokens(one)
        found |= {*signed} if reader.cadence else {signed.letter}
    return {token for url in found for token in TOKEN.findall(url)}


@pytest.mark.parametrize("pieces", [3, 50_000], ids=["with little room", "as it is"])
@pytest.mark.parametrize("links", [None, LINKS], ids=["by mail", "with pages"])
def test_a_letter_holds_no_other_readers_address_or_token(
    links: Links | None, pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose, "PIECES", pieces)
    composer = Composer(CONFIG, Templates(), links, returns=RETURNS)
    every = readers(6 * len(SHAPES))
    order = every * 2
    random.Random(1).shuffle(order)
    first: dict[int, bytes] = {}
    for one in order:
        mail, reader, number = composer.mail(one), one.subscriber, one.id - 5000
        assert first.setdefault(one.id, mail) == mail
        text, page = parts(mail)
        head = mail.partition(b"\r\n\r\n")[0].decode("ascii").replace("\r\n ", " ")
        said = "\n".join([head, text, html.unescape(page)])
        assert set(TOKEN.findall(said)) == tokens(one, links)
        assert reader.address in html.unescape(page)
        assert links or not reader.cadence or quoted(reader.address) in page
        assert reader.address in text.replace("\n", "").replace("    ", "")  # a long one is cut where a line ends
        # Each has its number in its address and its name, and where it is an interest of its own.
        shapes = (re.escape(shape).replace(r"\{n:03\}", r"(\d{3})") for shape in SHAPES)
        numbers = {found for shape in shapes for found in re.findall(shape, said)}
        numbers |= set(re.findall(r"(?:Name|interest|term)-(\d{3})", said))
        assert numbers == {f"{number:03}"}


def test_each_letter_is_that_of_a_composer_of_its_own() -> None:
    shared = Composer(CONFIG, Templates(), LINKS, returns=RETURNS)
    for one in readers(3 * len(SHAPES)):
        assert shared.mail(one) == Composer(CONFIG, Templates(), LINKS, returns=RETURNS).mail(one)
