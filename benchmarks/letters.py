"""Letters as mails, beside the usual way: a template, a library that inlines its styles, and the standard library.

    python -m benchmarks.letters [--letters 20000] [--pages FOLDER] [--flat 1000000]

Eight papers a letter, with reasons, votes and a link for each verdict; each letter has a reader of its own. The
usual way renders the same templates for each letter (`digest.letters.twin`), then runs premailer and EmailMessage
over them. `--flat` composes so many more, with interests that nobody shares, and looks at the memory.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.policy import SMTP
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from premailer import transform

from benchmarks.common import NOW, SAMPLES, line, readers, setup, take_pages, timed
from digest.config import Config
from digest.edition import Press
from digest.letters import twin
from digest.letters.compose import Composer
from digest.letters.dkim import Signer
from digest.letters.links import Links
from digest.letters.mime import message_id
from digest.letters.templates import Templates
from digest.model import Letter, Pick
from digest.store import subscribers
from digest.store.opening import open_store
from digest.tokens import Keys

CARDS = 8
PAPERS = 1000  # of which cards are made
USUAL = 60  # letters that are made the usual way, as it takes so long
LINKS = Links("https://digest.example.org", Keys([bytes(32)]))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--letters", type=int, default=20_000)
    arguments.add_argument("--pages", type=Path, default=SAMPLES)
    arguments.add_argument("--flat", type=int, default=0)
    wanted = arguments.parse_args()
    config, templates, number = Config().letter, Templates(), wanted.letters
    letters = _addressed(some_letters(500, wanted.pages, Config()), number, config.from_address)
    composer = Composer(config, templates, LINKS)
    size = sum(len(composer.mail(one)) for one in letters) / number
    private = generate_private_key(65537, 2048)
    key = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    signing = Composer(config, templates, LINKS, [Signer("bench", config.domain, key)])

    print(setup())
    print(
        f"{number} letters of {CARDS} papers and {size / 1000:.1f} kB; one core, 5 rounds, median ± half the spread"
    )
    usual, spread = timed(lambda: _each(lambda one: _usual(one, templates), letters[:USUAL]))
    each = usual / USUAL
    print(line("the usual way: Jinja, premailer, EmailMessage", usual, spread, USUAL, usual))
    took, spread = timed(lambda: _each(lambda one: _plain(one, templates), letters[:USUAL]))
    print(line("the same without premailer", took, spread, USUAL, each * USUAL))
    took, spread = timed(lambda: _each(composer.mail, letters))
    print(line("ours", took, spread, number, each * number))
    some = letters[: number // 5]
    took, spread = timed(lambda: _each(signing.mail, some))
    print(line("ours, signed with RSA-2048", took, spread, len(some), each * len(some)))
    took, spread = timed(lambda: [private.sign(b"", PKCS1v15(), SHA256()) for _ in some])
    print(line("RSA-2048 alone: no signed letter costs less", took, spread, len(some), each * len(some)))
    picks = _papers(letters, PAPERS)
    took, spread = timed(lambda: _cards(picks, letters[0], templates))
    print(line(f"cards of {PAPERS:,} papers, once an edition", took, spread, PAPERS))
    if wanted.flat:
        _flat(letters, wanted.flat, composer)


def _each(compose: Callable[[Letter], bytes], letters: list[Letter]) -> None:
    """One after the other, as they are sent: nobody holds all mails at once."""
    for one in letters:
        compose(one)


def some_letters(number: int, pages: Path, config: Config) -> list[Letter]:
    """Letters as a run writes them, to invented readers."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/digest.db")
        day = take_pages(store, pages)
        asked = [replace(one, profile=replace(one.profile, papers=CARDS, floor=0.0)) for one in readers(number)]
        with store.write() as connection:
            subscribers.add(connection, asked)
        press = Press(store, config)
        with store.read() as connection:
            everyone = subscribers.everyone(connection)
            letters = press.compose(connection, press.open(day), everyone, NOW)
        store.close()
    written = [one for one in letters if one.picks]
    # Readers without a letter are replaced by others, so that the number is what it says.
    return [written[n % len(written)] for n in range(number)]


def _addressed(letters: list[Letter], number: int, sender: str) -> list[Letter]:
    """So many letters with these picks, each filled to `CARDS` and to a reader of its own."""
    every = list({pick.paper.id: pick for one in letters for pick in one.picks}.values())
    found = []
    for n in range(number):
        one = letters[n % len(letters)]
        mine = {pick.paper.id for pick in one.picks}
        picks = (*one.picks, *(pick for pick in every if pick.paper.id not in mine))[:CARDS]
        reader = replace(one.subscriber, id=n, address=f"reader{n}@example.org", name=f"Reader {n}")
        voted = tuple(replace(pick, votes=pick.paper.id % 200) for pick in picks)
        identity = message_id(reader, one.slot, sender)
        found.append(replace(one, id=n, subscriber=reader, picks=voted, message_id=identity))
    return found


def _papers(letters: list[Letter], number: int) -> list[Pick]:
    picks = [pick for one in letters for pick in one.picks]
    return [
        replace(pick, paper=replace(pick.paper, id=n, title=f"{pick.paper.title}, part {n}"))
        for n, pick in enumerate((picks * (number // len(picks) + 1))[:number], 1)
    ]


def _cards(picks: list[Pick], letter: Letter, templates: Templates) -> None:
    fresh = Composer(Config().letter, templates, LINKS)
    for start in range(0, len(picks), CARDS):
        fresh.mail(replace(letter, picks=tuple(picks[start : start + CARDS])))


def _plain(letter: Letter, templates: Templates) -> bytes:
    config = Config().letter
    return twin.mail(twin.render(letter, config, templates, LINKS), letter, config).as_bytes(policy=SMTP)


def _usual(letter: Letter, templates: Templates) -> bytes:
    config = Config().letter
    rendered = twin.render(letter, config, templates, LINKS)
    inlined = transform(rendered.html, disable_validation=True, cache_css_parsing=True)
    return twin.mail(replace(rendered, html=inlined), letter, config).as_bytes(policy=SMTP)


def _flat(letters: list[Letter], number: int, composer: Composer) -> None:
    print(f"memory while {number:,} letters are composed, each reader with interests that nobody shares:")
    told = {number // 10, number // 2, number}
    for done, letter in enumerate(_own_words(letters, number), 1):
        composer.mail(letter)
        if done in told:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"  after {done:>9,}: {peak:,.0f} MiB at most")


def _own_words(letters: list[Letter], number: int) -> Iterator[Letter]:
    for n in range(number):
        one = letters[n % len(letters)]
        picks = tuple(
            replace(pick, reasons=tuple(replace(reason, text=f"{reason.text} {n}") for reason in pick.reasons))
            for pick in one.picks
        )
        yield replace(one, subscriber=replace(one.subscriber, address=f"own{n}@example.org"), picks=picks)


if __name__ == "__main__":
    main()
