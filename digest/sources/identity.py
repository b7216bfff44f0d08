"""When are two papers one? Keys from titles and identifiers, and the question that a shared title leaves open.

Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from urllib.parse import unquote

from digest.model import Paper
from digest.sources.sketch import resemblance, shingles
from digest.text import clean, fingerprint, readable

# Words that two abstracts share, as a part of all their words (Jaccard). On three real saved pages the 38 pairs of
# repeats all share 1.0, and the most alike of 30,097 pairs of different papers share 0.24. The threshold leaves
# room on both sides: for a revised abstract, and for two papers by one hand.
RESEMBLANCE = 0.45
# Some sites cut abstracts off; the words of such a part are nearly all among those of the whole. (At most 0.43 of
# the shorter one's words, between different papers on those pages.)
CONTAINMENT = 0.85
# The same for abstracts of two arXiv ids under one title, which seldom are one paper that was submitted twice.
RESUBMITTED = 0.8
# Shingles (runs of 16 letters) that two abstracts under different titles share. Of the 61,075 pairs of 350 real
# papers no two share more than 0.03. NEARLY_SAME is enough by itself; ALIKE needs authors or a title that agree.
NEARLY_SAME = 0.7
ALIKE = 0.35
# Fewer words than this tell nothing: a teaser, a placeholder, "Withdrawn by the authors".
FEWEST_WORDS = 12
_LONGEST_IDENTIFIER = 1000  # characters

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)*|\b[ivx]{1,5}\b|\b(?:one|two|three|four|first|second|third|fourth)\b")
_WORD = re.compile(r"[^\W_]+")
_MARKS = re.compile("[\u0300-\u036f]+")

_ARXIV = re.compile(
    r"(?:https?://)?(?:(?:www\.|export\.)?arxiv\.org/(?:abs|pdf|html|format)/|(?:www\.)?alphaxiv\.org/abs/"
    r"|huggingface\.co/papers/|(?:doi:\s*|(?:https?://)?(?:dx\.)?doi\.org/)?10\.48550/arxiv\.|arxiv:\s*)?"
    r"(?:([a-z-]+)(?:\.[a-z]{2})?(/[0-9]{7})|([0-9]{4}\.[0-9]{4,5}))(?:v[0-9]+)?(?:\.pdf)?(?:\s*\[[a-z.-]+\])?(?:[/?#]\S*)?",
    re.IGNORECASE,
)
_DOI = re.compile(
    r"(?:doi:\s*|(?:https?://)?(?:(?:dx|www)\.)?doi\.org/)?(10\.[0-9]{4,9}(?:\.[0-9]+)*/\S+)", re.IGNORECASE
)


def title_key(title: str) -> str:
    """The key of a title: `title:<fingerprint>`; "title:" alone for a title without letters or digits."""
    return f"title:{fingerprint(title)}"


def paper_key(text: str) -> str | None:
    """The key that an arXiv id, a DOI, a link to either or a key itself stands for; None if it is none of these.

    A version says nothing of the paper: `arXiv:2502.12345v2` is `arxiv:2502.12345`; and
    `10.48550/arXiv.2502.12345` is that, too.
    """
    text = text.strip()
    if text.startswith("title:"):
        return text
    if len(text) > _LONGEST_IDENTIFIER:
        return None
    if found := _ARXIV.fullmatch(text):
        return f"arxiv:{found[3] or found[1].lower() + found[2]}"
    text = unquote(text).strip()
    if found := _DOI.fullmatch(text.rstrip(".,;")):
        return f"doi:{clean(found[1]).lower()}"
    return None


def split_key(paper: Paper) -> str:
    """The key of a second paper under a title that is taken: `title:<fingerprint>~<8 hex>`, from its abstract."""
    # What is raw may be HTML, of which the mark-up says nothing.
    title, abstract = (
        shown if not raw or "<" in raw or "&" in raw else raw
        for raw, shown in ((paper.raw_title, paper.title), (paper.raw_abstract, paper.abstract))
    )
    folded = fingerprint(abstract)
    return f"{title_key(title)}~{blake2b(folded.encode(), digest_size=4).hexdigest()}"


def same_paper(a: Paper, b: Paper) -> bool:
    """Given that their titles have one fingerprint, are `a` and `b` one paper?

    Yes, unless both have an abstract of some length and these differ: "Reply to comments" is a title of many. Two
    different arXiv ids are two papers unless the abstracts say clearly that one was submitted twice.
    """
    if two_ids(a, b):
        first, second = _words(a.abstract), _words(b.abstract)
        shared = len(first & second)
        return min(len(first), len(second)) >= FEWEST_WORDS and shared >= RESUBMITTED * len(first | second)
    if a.abstract == b.abstract:
        return True
    first, second = _words(a.abstract), _words(b.abstract)
    fewer = min(len(first), len(second))
    if fewer < FEWEST_WORDS:
        return True
    shared = len(first & second)
    return shared >= RESEMBLANCE * (len(first) + len(second) - shared) or shared >= CONTAINMENT * fewer


def near_duplicate(a: Paper, b: Paper) -> float:
    """How alike the abstracts of two papers with different titles are, 0–1, if that makes them one; else 0.

    A title changes between versions and an abstract is polished. But parts and editions of a work are told apart by
    a number in the title, one group's papers may share half of their abstracts, and two arXiv ids are two papers.
    """
    if two_ids(a, b) or _numbered_apart(a.title, b.title):
        return 0.0
    alike = resemblance(shingles(a.abstract), shingles(b.abstract))
    if alike < ALIKE:
        return 0.0
    authors = _shared_surnames(a.authors, b.authors)
    if authors is not None and authors < 0.5:
        return 0.0
    if alike >= NEARLY_SAME or (authors is not None and alike >= ALIKE):
        return alike
    first, second = _words(a.title), _words(b.title)
    return alike if 2 * len(first & second) >= min(len(first), len(second)) else 0.0


def contains(whole: Paper, part: Paper) -> bool:
    """Does the abstract of `whole` hold that of `part`, which was cut off?"""
    small, large = _words(part.abstract), _words(whole.abstract)
    return len(small & large) >= CONTAINMENT * len(small)


def two_ids(a: Paper, b: Paper) -> bool:
    """Does arXiv know the two under different ids?"""
    first, second = ({key for key in one.keys if key.startswith("arxiv:")} for one in (a, b))
    return bool(first and second) and first.isdisjoint(second)


def _numbered_apart(a: str, b: str) -> bool:
    """Do the titles differ in their numbers: part I and part II, the reports of two years, versions of a model?"""
    first, second = (Counter(_NUMBER.findall(readable(title).casefold())) for title in (a, b))
    return bool(first - second) and bool(second - first)


def _shared_surnames(a: Sequence[str], b: Sequence[str]) -> float | None:
    """The part of the shorter list's surnames that the longer one has, too; None where one list is not told."""
    first, second = ({_surname(name) for name in names} - {""} for names in (a, b))
    return len(first & second) / min(len(first), len(second)) if first and second else None


def _surname(name: str) -> str:
    family = name.partition(",")[0] if "," in name else name.rpartition(" ")[2]
    return fingerprint(family)


@lru_cache(maxsize=64)  # one paper is compared with several in a row
def _words(text: str) -> frozenset[str]:
    """The distinct folded words; of a script without spaces between words, the pairs of letters."""
    words: set[str] = set()
    for word in _WORD.findall(_MARKS.sub("", unicodedata.normalize("NFKD", readable(text).casefold()))):
        if word.isascii() or len(word) < 8:
            words.add(word)
        else:
            words.update(word[i : i + 2] for i in range(len(word) - 1))
    return frozenset(words)
