"""Two tellings of one paper → the richer of each field. Pure."""

from __future__ import annotations

from dataclasses import replace

from digest.model import Link, Paper
from digest.sources.identity import contains


def completed(before: Paper, after: Paper) -> Paper:
    """`before`, made richer by what `after` tells of the same paper; no field is ever blanked or made poorer.

    The title stays; an abstract gives way to one that holds it and more, as one that was cut off does; of two lists
    of authors or categories the longer one is taken, and of each kind of link the first that was told.
    """
    abstract, raw = before.abstract, before.raw_abstract
    if not abstract or (len(after.abstract) > 1.2 * len(abstract) and contains(after, before)):
        abstract, raw = after.abstract, after.raw_abstract
    return replace(
        before,
        abstract=abstract,
        raw_abstract=raw,
        authors=_longer(before.authors, after.authors),
        links=_joined(before.links, after.links),
        categories=_longer(before.categories, after.categories),
    )


def _longer(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return second if len(second) > len(first) else first


def _joined(first: tuple[Link, ...], second: tuple[Link, ...]) -> tuple[Link, ...]:
    """The first telling's links, and the second's of the kinds that the first has none of."""
    told = {link.label for link in first}
    return first + tuple(link for link in second if link.label not in told)
