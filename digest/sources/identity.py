"""When are two papers one? Keys from titles and identifiers, and the question that a shared title leaves open.

Pure.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from hashlib import blake2b
from urllib.parse import unquote

from digest.model import Paper
from digest.text import clean, fingerprint, readable

# Words that two abstracts share, as a part of all their words (Jaccard). On three real saved pages the 38 pairs of
# repeats all share 1.0, and the most alike of 30,097 pairs of different papers share 0.24. The threshold leaves
# room on both sides: for a revised abstract, and for two papers by one hand.
RESEMBLANCE = 0.45
# Some sites cut abstracts off; the words of such a part are nearly all among those of the whole. (At most 0.43 of
# the shorter one's words, between different papers on those pages.)
CONTAINMENT = 0.85
# Fewer words than this tell nothing: a teaser, a placeholder, "Withdrawn by the authors".
FEWEST_WORDS = 12
_LONGEST_IDENTIFIER = 1000  # characters

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
    folded = fingerprint(paper.raw_abstract or paper.abstract)
    return f"{title_key(paper.raw_title or paper.title)}~{blake2b(folded.encode(), digest_size=4).hexdigest()}"


def same_paper(a: Paper, b: Paper) -> bool:
    """Given that their titles have one fingerprint, are `a` and `b` one paper?

    Yes, unless both have an abstract of some length and these differ: "Reply to comments" is a title of many.
    """
    if a.abstract == b.abstract:
        return True
    first, second = _words(a.abstract), _words(b.abstract)
    fewer = min(len(first), len(second))
    if fewer < FEWEST_WORDS:
        return True
    shared = len(first & second)
    return shared >= RESEMBLANCE * (len(first) + len(second) - shared) or shared >= CONTAINMENT * fewer


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
