"""When are two papers one? Keys from titles and identifiers, and the question that a shared title leaves open.

Pure. A translation is another paper: nothing of what we are told shows that it is one.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from functools import lru_cache
from hashlib import blake2b
from urllib.parse import unquote

from digest.fingerprint import fingerprint
from digest.latex import readable
from digest.model import Paper
from digest.sources.authors import shared
from digest.sources.sketch import resemblance, shingles
from digest.text import clean

# Words that two abstracts share, as a part of all their words (Jaccard). On three real saved pages the 38 pairs of
# repeats all share 1.0, and the most alike of 30,097 pairs of different papers share 0.24. The threshold leaves
# room on both sides: for a revised abstract, and for two papers by one hand.
RESEMBLANCE = 0.45
# Some sites cut abstracts off; the words of such a part are nearly all among those of the whole. (At most 0.43 of
# the shorter one's words, between different papers on those pages.)
CONTAINMENT = 0.85
# The same for abstracts under one title that seldom are of one paper: those of two arXiv ids (one that was
# submitted twice), of two DOIs, or of authors who have nobody in common.
RESUBMITTED = 0.8
# Shingles (runs of 16 letters) that two abstracts under different titles share. Of the 61,075 pairs of 350 real
# papers no two share more than 0.03. NEARLY_SAME, of shingles or words, is enough by itself; ALIKE needs authors or
# a title that agree, and words that do: what is polished changes all over, and two papers of one group share some
# sentences and no more. (Of an abstract in which every seventh word is another one, 0.31 of the shingles stay, and
# 0.73 of the words.)
NEARLY_SAME = 0.7
ALIKE = 0.25
POLISHED = 0.6  # of all words, as above
# Fewer words than this tell nothing: a teaser, "Withdrawn by the authors".
FEWEST_WORDS = 12
# A title of fewer words may be anybody's: "Introduction", "Reply to comments".
FEWEST_IN_TITLE = 4
_LONGEST_IDENTIFIER = 1000  # characters

_COUNTED = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_ORDINAL = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
]
_ROMAN = ["i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii"]
_NUMBERS = {word: str(n) for words in (_COUNTED, _ORDINAL, _ROMAN) for n, word in enumerate(words, 1)}
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)*|(?<![^\W_])(?:" + "|".join(_NUMBERS) + r")(?![^\W_])")
_PART = {"part", "chapter", "volume", "vol", "version", "v", "edition", "ed", "nd", "rd", "th", "no", "section"}
_YEAR = re.compile(r"(?<![0-9.])(?:19|20)[0-9]{2}(?![0-9.]*[0-9])")
_NEGATION = {"not", "no", "without", "never", "non", "un", "cannot"}
_WORD = re.compile(r"[^\W_]+")
_MARKS = re.compile("[\u0300-\u036f]+")
# Papers about a paper, whose abstracts may quote its own.
_ABOUT = re.compile(
    r"\W*(?:(?:an?|the|our|authors?)\W+(?:s\W+)?)?"
    r"(errat|corrigend|addend|correction|retract|repl(?:y|ies)\b|respon[sd]|comment|rebuttal|rejoinder|supplement)"
)
_ABOUT_LAST = re.compile(r"[:(\[.–—-]\s*(errat|corrigend|addend|correction|retract|reply|supplement)\w*\W*$")
# Abstracts that are none, or of a whole volume.
_EMPTY = re.compile(
    r"\W*(?:no abstract|abstract (?:is )?(?:not|un)\s?available"
    r"|(?:this|the) (?:\w+ ){1,3}(?:has been |was |is (?:being )?)"
    r"withdrawn|withdrawn)\b"
)
_VOLUME = re.compile(
    r"\W*(?:(?:this|the present|the) (?:volume|book|special issue|issue)|these (?:are the )?(?:\w+ )?proceedings"
    r"|(?:the )?proceedings of|in this (?:special )?issue)\b"
)

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
    return f"title:{fingerprint(html.unescape(title) if '&' in title else title)}"


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
    """The key of a second paper under a title that is taken: `title:<fingerprint>~<8 hex>`, from its abstract, and
    where it has none from its authors."""
    # What is raw may be HTML, of which the mark-up says nothing.
    title, abstract = (
        shown if not raw or "<" in raw or "&" in raw else raw
        for raw, shown in ((paper.raw_title, paper.title), (paper.raw_abstract, paper.abstract))
    )
    folded = fingerprint(abstract) or fingerprint(" ".join(paper.authors))
    return f"{title_key(title)}~{blake2b(folded.encode(), digest_size=4).hexdigest()}"


def same_paper(a: Paper, b: Paper) -> bool:
    """Given that their titles have one fingerprint, are `a` and `b` one paper?

    Yes, unless both have an abstract of some length and these differ: "Reply to comments" is a title of many. Where
    one has none, authors who have nobody in common are two papers', and so are two DOIs under a title of few words.
    Two different arXiv ids are two papers unless the abstracts say clearly that one was submitted twice.
    """
    first, second = _told_words(a.abstract), _told_words(b.abstract)
    fewer = min(len(first), len(second))
    authors = shared(a.authors, b.authors)
    if two_ids(a, b):
        return fewer >= FEWEST_WORDS and _share(first, second) >= RESUBMITTED and not _other_years(a, b)
    if fewer < FEWEST_WORDS:
        if a.abstract and a.abstract == b.abstract and authors != 0:
            return True
        return authors != 0 and not (_two_dois(a, b) and (not authors or len(_words(a.title)) < FEWEST_IN_TITLE))
    if _other_years(a, b):
        return False
    if authors == 0 or (_two_dois(a, b) and not authors):
        return _share(first, second) >= RESUBMITTED
    return _share(first, second) >= RESEMBLANCE or len(first & second) >= CONTAINMENT * fewer


def near_duplicate(a: Paper, b: Paper) -> float:
    """How alike the abstracts of two papers with different titles are, 0–1, if that makes them one; else 0.

    A title changes between versions and an abstract is polished. But parts and editions of a work are told apart by
    a number in the title, errata quote what they mend, one group's papers may share half of their abstracts, and
    two arXiv ids are two papers.
    """
    if two_ids(a, b) or says_nothing(a.abstract) or says_nothing(b.abstract):
        return 0.0
    alike = resemblance(shingles(a.abstract), shingles(b.abstract))
    if alike < ALIKE:
        return 0.0
    if title_key(a.title) == title_key(b.title):
        return alike if same_paper(a, b) else 0.0
    authors = shared(a.authors, b.authors)
    if (authors is not None and authors < 0.5) or (_two_dois(a, b) and authors is None):
        return 0.0
    if (
        _told_apart(a.title, b.title)
        or _other_years(a, b)
        or (_VOLUME.match(a.abstract.casefold()) and not authors)
    ):
        return 0.0
    first, second = _words(a.abstract), _words(b.abstract)
    if max(alike, _share(first, second)) >= NEARLY_SAME:
        return alike
    small, large = _words(a.title), _words(b.title)
    agree = authors is not None or 2 * len(small & large) >= min(len(small), len(large))
    cut = len(first & second) >= CONTAINMENT * min(len(first), len(second))
    return alike if agree and (cut or _share(first, second) >= POLISHED) else 0.0


def contains(whole: Paper, part: Paper) -> bool:
    """Does the abstract of `whole` hold that of `part`, which was cut off?"""
    small, large = _words(part.abstract), _words(whole.abstract)
    return len(small & large) >= CONTAINMENT * len(small)


def two_ids(a: Paper, b: Paper) -> bool:
    """Does arXiv know the two under different ids?"""
    return _two("arxiv:", a, b)


def says_nothing(abstract: str) -> bool:
    """Is there no abstract, or a note that there is none or that the paper was withdrawn?"""
    return not abstract or _EMPTY.match(abstract.casefold()) is not None


def _two_dois(a: Paper, b: Paper) -> bool:
    return _two("doi:", a, b)


def _two(kind: str, a: Paper, b: Paper) -> bool:
    first, second = ({key for key in one.keys if key.startswith(kind)} for one in (a, b))
    return bool(first and second) and first.isdisjoint(second)


def _told_apart(a: str, b: str) -> bool:
    """Do the titles say themselves that they are of two papers: part I and part II, the reports of two years,
    versions of a model; an erratum, a comment or a reply and what it is about; with and without; α and β?"""
    first, second = readable(a).casefold(), readable(b).casefold()
    if _about(first) != _about(second):
        return True
    numbers = [Counter(_NUMBERS.get(one, one) for one in _NUMBER.findall(text)) for text in (first, second)]
    words = [set(_WORD.findall(_NUMBER.sub(" ", text))) - _PART for text in (first, second)]
    if numbers[0] != numbers[1] and (words[0] == words[1] or (numbers[0] - numbers[1] and numbers[1] - numbers[0])):
        return True
    mine, theirs = words[0] - words[1], words[1] - words[0]
    if (mine | theirs) & _NEGATION:
        return True
    return len(mine) == len(theirs) == 1 and all(len(word) == 1 for word in mine | theirs)


def _about(title: str) -> str:
    found = _ABOUT.match(title) or _ABOUT_LAST.search(title)
    return found[1] if found else ""


def _other_years(a: Paper, b: Paper) -> bool:
    """Does each of the abstracts name years, and none that the other names?"""
    first, second = (set(_YEAR.findall(one.abstract)) for one in (a, b))
    return bool(first and second) and first.isdisjoint(second)


def _share(first: frozenset[str], second: frozenset[str]) -> float:
    """The part of all words that are in both (Jaccard)."""
    return len(first & second) / len(first | second)


def _told_words(abstract: str) -> frozenset[str]:
    return frozenset() if says_nothing(abstract) else _words(abstract)


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
