"""Two tellings of one paper → the richer of each field. Pure."""

from __future__ import annotations

from dataclasses import replace

from digest.model import Link, Paper
from digest.sources.identity import contains, says_nothing

_CUT = ("…", "...", "[…]", "[...]")


def completed(before: Paper, after: Paper) -> Paper:
    """`before`, made richer by what `after` tells of the same paper; no field is ever blanked or made poorer.

    The title stays; an abstract gives way to one that holds it and more, as one that was cut off does, and a note
    that there is none to any; of two lists of authors the longer one is taken, or the one with longer names; of two
    lists of categories the longer one, and of each kind of link the first that was told.
    """
    abstract, raw = before.abstract, before.raw_abstract
    if _fuller(after, before):
        abstract, raw = after.abstract, after.raw_abstract
    return replace(
        before,
        abstract=abstract,
        raw_abstract=raw,
        authors=max(before.authors, after.authors, key=_told),
        links=_joined(before.links, after.links),
        categories=_longer(before.categories, after.categories),
    )


def _fuller(after: Paper, before: Paper) -> bool:
    if says_nothing(before.abstract):
        return bool(after.abstract) and (not before.abstract or not says_nothing(after.abstract))
    size = len(before.abstract) * (1.0 if before.abstract.endswith(_CUT) else 1.2)
    return len(after.abstract) > size and not says_nothing(after.abstract) and contains(after, before)


def _told(authors: tuple[str, ...]) -> tuple[int, int]:
    """How many there are, and of how many letters: initials tell less than names."""
    return len(authors), sum(char.isalpha() for name in authors for char in name)


def _longer(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return second if len(second) > len(first) else first


def _joined(first: tuple[Link, ...], second: tuple[Link, ...]) -> tuple[Link, ...]:
    """The first telling's links, and the second's of the kinds that the first has none of."""
    told = {link.label for link in first}
    return first + tuple(link for link in second if link.label not in told)
