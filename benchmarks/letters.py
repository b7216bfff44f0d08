"""Rendering and assembling letters, beside the usual way of building a mail with the standard library.

python -m benchmarks.letters [--letters 1000]
"""

from __future__ import annotations

import argparse
import tempfile
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

from digest.letters.letter import Rendered, environment, render

from benchmarks.common import NOW, SAMPLES, line, readers, setup, take_pages, timed
from digest.config import Config
from digest.edition import Press
from digest.letters.mime import assemble
from digest.model import Letter
from digest.store import subscribers
from digest.store.opening import open_store


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--letters", type=int, default=1000)
    arguments.add_argument("--pages", type=Path, default=SAMPLES)
    wanted = arguments.parse_args()
    config = Config()
    letters = some_letters(wanted.letters, wanted.pages, config)
    templates = environment()
    rendered = [render(one, config.letter, templates) for one in letters]
    number = len(letters)
    cards = sum(len(one.picks) for one in letters) / number
    size = sum(len(assemble(r, one, config.letter)) for r, one in zip(rendered, letters, strict=True)) / number

    print(setup())
    print(f"{number} letters, {cards:.1f} papers and {size / 1000:.1f} kB each; 5 rounds, median ± half the spread")
    usual, spread = timed(lambda: [_usual(r, one) for r, one in zip(rendered, letters, strict=True)])
    ours, ours_spread = timed(
        lambda: [assemble(r, one, config.letter) for r, one in zip(rendered, letters, strict=True)]
    )
    render_time, render_spread = timed(lambda: [render(one, config.letter, templates) for one in letters])
    whole, whole_spread = timed(
        lambda: [assemble(render(one, config.letter, templates), one, config.letter) for one in letters]
    )
    print(line("mail from parts: EmailMessage, the usual way", usual, spread, number, usual))
    print(line("mail from parts: ours", ours, ours_spread, number, usual))
    print(line("render HTML and text", render_time, render_spread, number))
    print(line("letter to mail: render and assemble", whole, whole_spread, number))


def some_letters(number: int, pages: Path, config: Config) -> list[Letter]:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/digest.db")
        day = take_pages(store, pages)
        with store.write() as connection:
            subscribers.add(connection, readers(number))
        press = Press(store, config)
        with store.read() as connection:
            everyone = subscribers.everyone(connection)
            letters = press.compose(connection, press.open(day), everyone, NOW)
        store.close()
    written = [one for one in letters if one.picks]
    # Readers without a letter are replaced by others, so that the number is what it says.
    return [written[n % len(written)] for n in range(number)]


def _usual(rendered: Rendered, letter: Letter) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"] = Address("Trending papers", "digest", "example.org")
    message["To"] = Address(letter.subscriber.name, addr_spec=letter.subscriber.address)
    message["Subject"] = rendered.subject
    message["Date"] = format_datetime(NOW)
    message["Message-ID"] = letter.message_id
    message.set_content(rendered.text)
    message.add_alternative(rendered.html, subtype="html")
    return message.as_bytes()


if __name__ == "__main__":
    main()
