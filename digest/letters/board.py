"""One page that shows many rendered letters side by side, for a person to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from digest.letters.compose import Rendered
from digest.letters.subject import ENGLISH
from digest.letters.templates import environment
from digest.model import Letter
from digest.text import count


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A letter on the board, as `board.html` sees it."""

    reader: str  # "Ada Lovelace", else the address
    address: str
    day: str  # "Friday 20 November 2026"
    subject: str
    papers: str  # "7 papers"
    html: str  # the whole letter
    file: str  # where its mail lies; empty when nowhere


@dataclass(frozen=True, slots=True)
class Row:
    """One subscriber's letters, in the order of their days."""

    reader: str
    address: str
    exhibits: tuple[Exhibit, ...]


def board(title: str, letters: Sequence[tuple[Letter, Rendered, str]], lead: str) -> str:
    """A self-contained page: a row for each subscriber, a letter for each day. The third item is a file's path."""
    rows: dict[str, list[Exhibit]] = {}
    for letter, rendered, file in sorted(letters, key=lambda one: one[0].slot):
        reader = letter.subscriber
        exhibit = Exhibit(
            reader=reader.name or reader.address,
            address=reader.address,
            day=ENGLISH.long_day(letter.slot),
            subject=rendered.subject,
            papers=count(len(letter.picks), "paper"),
            html=rendered.html,
            file=file,
        )
        rows.setdefault(reader.address, []).append(exhibit)
    # Subscribers stand in the order in which they were given, whatever the order of their days.
    order = dict.fromkeys(letter.subscriber.address for letter, _, _ in letters)
    shown = [Row(rows[key][0].reader, key, tuple(rows[key])) for key in order]
    return environment().get_template("board.html").render(title=title, lead=lead, rows=shown)
