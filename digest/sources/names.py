"""Names of authors, as sources write them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from digest.sources.markup import entities_decoded, plain

_ASIDE = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_MAIL = re.compile(r"<?[^\s<>@,;]{1,100}@[^\s<>@,;]{1,200}>?")
_COLLABORATION = re.compile(r"(collaboration|consortium|team)\s?:", re.IGNORECASE)
_AND = re.compile(r"\s(?:and|&)\s", re.IGNORECASE)
_SEPARATOR = re.compile(r"[,;\n]|\s(?:and|&)\s", re.IGNORECASE)
_BETWEEN = re.compile(r"[;\n]")
_LEADING = re.compile(r"(?:and|&|by|on behalf of|for)\s", re.IGNORECASE)
_OTHERS = re.compile(r"\s*\b(?:et\.? al\b\.?|and others)\s*$", re.IGNORECASE)
_SUFFIX = re.compile(r"(?:jr|sr|ph\.?d|m\.?d|esq)\.?|i{2,3}|iv", re.IGNORECASE)
_LONGEST_NAME = 200  # characters
_LONGEST_LIST = 200_000


def tidy(names: Iterable[str]) -> tuple[str, ...]:
    """Names without the space around them, each once, those without a letter left out."""
    tidied: dict[str, None] = {}
    for one in names:
        name = one.strip()
        if name and (name[0].isalpha() or any(map(str.isalpha, name))):
            tidied[name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME].rstrip()] = None
    return tuple(tidied)


def split_names(text: str, *, surname_first: bool = False) -> tuple[str, ...]:
    """One text with several names → the names.

    Commas, semicolons, line breaks and "and" divide; what stands in brackets (affiliations, collaborations), mail
    addresses and "et al." are left out; "Jr." stays with its name. Where semicolons or lines divide, and in
    BibTeX's `Li, Ann and Day, Bo`, a lone comma stands within a name: `Li, Ann` is Ann Li. With `surname_first` it
    does so in a text of two parts of which one is a single word.
    """
    text = text[:_LONGEST_LIST]
    text = plain(text) if "<" in text and not _MAIL.search(text) else entities_decoded(text)
    text = _COLLABORATION.sub(r"\1,", _MAIL.sub(" ", text))
    for _ in range(4):  # brackets in brackets
        text, found = _ASIDE.subn(" ", text)
        if not found:
            break
    divided = _BETWEEN.search(text) is not None
    clauses = _BETWEEN.split(text) if divided else _AND.split(text)
    turned = [_is_turned(one) for one in clauses]
    listed = divided and all(turn or "," not in one for turn, one in zip(turned, clauses, strict=True))
    if len(clauses) > 1 and any(turned) and (listed or all(turned)):
        return tidy(_turned(one) for one in clauses)
    if surname_first and len(clauses) == 1 and _is_turned(text):
        before, _, after = text.partition(",")
        if len(before.split()) == 1 or len(after.split()) == 1:
            return tidy((_turned(text),))
    names: list[str] = []
    for part in _SEPARATOR.split(text):
        name = " ".join(part.partition("(")[0].split())
        while found_word := _LEADING.match(name):
            name = name[found_word.end() :]
        if names and _SUFFIX.fullmatch(name):
            names[-1] += f" {name}"
        else:
            names.append(_OTHERS.sub("", name))
    return tidy(names)


def _is_turned(text: str) -> bool:
    before, comma, after = text.partition(",")
    return (
        bool(comma and before.strip() and after.strip())
        and "," not in after
        and not _SUFFIX.fullmatch(after.strip())
    )


def _turned(text: str) -> str:
    before, _, after = text.partition(",")
    return " ".join(f"{after} {before}".split())
