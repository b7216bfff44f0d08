"""Whether two lists of authors are of the same people, however their names are spelled. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from digest.fingerprint import fingerprint

# These stand for people who are named elsewhere.
_GROUP = re.compile(r"\b(?:collaborations?|consortium|team|group|network|et al|others|anonymous)\b", re.IGNORECASE)
_SUFFIX = re.compile(r"[,\s]+(?:jr|sr|ii|iii|iv)\.?$", re.IGNORECASE)
_BETWEEN = re.compile(r"[\s,.]+")


def shared(a: Sequence[str], b: Sequence[str]) -> float | None:
    """The part of the shorter list's authors who are on the longer one, too, 0–1; None where one names nobody.

    Known by their family names, wherever these stand: "Ada B. Lind", "Lind, A. B." and "Lind Ada" are one.
    """
    first, second = _people(a), _people(b)
    if not first or not second:
        return None
    fewer, more = sorted((first, second), key=len)
    families, words = {family for family, _ in more}, {word for _, name in more for word in name}
    known = sum(family in words or not families.isdisjoint(name) for family, name in fewer)
    return known / len(fewer)


def _people(names: Iterable[str]) -> list[tuple[str, frozenset[str]]]:
    """(family name, the names of more than one letter) of each."""
    found = []
    for name in names:
        if _GROUP.search(name):
            continue
        name = _SUFFIX.sub("", name.strip())
        given_last = "," in name
        words = [one for word in _BETWEEN.split(name) if (one := fingerprint(word))]
        if words:
            family = fingerprint(name.partition(",")[0]) if given_last else words[-1]
            found.append((family, frozenset(word for word in (*words, family) if len(word) > 1)))
    return found
