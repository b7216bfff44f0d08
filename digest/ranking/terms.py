"""Text → terms: the words that say something, and pairs of them, folded so that spellings meet."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

# What every abstract says, whatever it is about.
BOILERPLATE = frozenset(
    """
    abstract achieve achieved achieves achieving across address addresses approach approaches based being
    baseline baselines challenge challenges compared conduct demonstrate demonstrates different effective
    did does doing
    enable enables existing experiment experiments experimental extensive framework general github having high
    https http improve improved improves improvement including introduce introduces key leverage
    leveraging low method methods model new novel outperform outperforms paper performance present
    presents propose proposed proposes provide provides recent result results set show shown shows
    significant significantly simple state art study task tasks technique techniques use used uses using
    various work www com io
    """.split()  # noqa: SIM905
)
# These are boilerplate alone and content beside another word: "tool use", "language model", "state space".
ONLY_IN_PAIRS = frozenset(
    {"model", "use", "art", "state", "set", "task", "method", "key", "high", "low", "general", "system"}
)
# scikit-learn counts these as empty words; in a title they are what the paper is about.
_CONTENT = frozenset({"fire", "interest", "cry", "mill", "bill", "thin", "thick", "system"})
# Kana, Han and Hangul. A character of a script without spaces is a word of its own, and so is a Korean syllable, as
# particles are written onto the word. "C++" and "F#" keep their signs.
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff"
_WORD = re.compile(rf"[{_CJK}]|(?:(?![{_CJK}])[^\W_])+(?:\+\+|#)?")


APART = 12  # characters at most between the two words of a pair


class Token(NamedTuple):
    folded: str  # what is compared
    start: int  # where it stands in the text
    end: int


class Term(NamedTuple):
    folded: str  # one word or two, e.g. "tool use"
    written: str  # as it stands in the text
    opens: bool  # a sentence, so that its capital says nothing


def tokens(text: str) -> list[Token]:
    """The words of a text: without case, accents and the s of a plural; hyphens divide."""
    text = unicodedata.normalize("NFC", text)
    return [Token(_folded(found[0]), found.start(), found.end()) for found in _WORD.finditer(text)]


def terms(text: str) -> list[Term]:
    """The words that say something, and the pairs of such words that stand next to each other."""
    text = unicodedata.normalize("NFC", text)
    kept = [token for token in tokens(text) if token.folded not in _STOP]
    alone = (one for one in kept if one.folded not in ONLY_IN_PAIRS and not one.folded.isdigit())
    found = [Term(one.folded, text[one.start : one.end], _opens(text, one.start)) for one in alone]
    for first, second in pairwise(kept):
        between = text[first.end : second.start]
        # A stop word between two ("use of tools") still leaves them a pair; the end of a sentence does not.
        if len(between) <= APART and not _BREAK.search(between):
            pair = f"{first.folded} {second.folded}"
            found.append(Term(pair, text[first.start : second.end], _opens(text, first.start)))
    return found


def folded_terms(text: str) -> list[str]:
    """The same terms as they are compared, in another order, for whole corpora: several times as fast."""
    found: list[str] = []
    last, end = "", 0
    for match in _WORD_OR_BREAK.finditer(unicodedata.normalize("NFC", text)):
        if match.lastgroup == "break_":
            last = ""
            continue
        word = _folded(match[0])
        if word in _STOP:
            continue
        if word not in ONLY_IN_PAIRS and not word.isdigit():
            found.append(word)
        if last and match.start() - end <= APART:
            found.append(f"{last} {word}")
        last, end = word, match.end()
    return found


_BREAK = re.compile(r"[.;:!?()\[\]“”\"]")
_WORD_OR_BREAK = re.compile(rf"{_WORD.pattern}|(?P<break_>{_BREAK.pattern})")


def _opens(text: str, start: int) -> bool:
    return text[max(0, start - 2) : start].rstrip()[-1:] in '.:!?“"('  # also where nothing stands before it


@lru_cache(maxsize=200_000)
def _folded(word: str) -> str:
    plain = fold(word)
    if len(plain) <= 3 or plain in _NO_PLURAL:
        return plain
    # Only plurals: "robots" is "robot", but "robotics" is not. A singular is cut where its plural loses more than
    # an s, so that the two meet: movies and movie, caches and cache, boxes and box.
    if len(plain) > 4 and plain.endswith("ies"):
        return plain[:-3] + "y"
    if len(plain) > 4 and plain.endswith(("ie", "che", "she", "xe")):
        return plain[:-2] + "y" if plain.endswith("ie") else plain[:-1]
    if plain.endswith(("sses", "ches", "shes", "xes", "iases", "uses")) and len(plain) > 4:
        return plain[:-1] if plain in _ENDS_IN_USE else plain[:-2]
    if plain.endswith("s") and not plain.endswith(("ss", "us", "is", "ias")):
        return plain[:-1]
    return plain


def fold(text: str) -> str:
    """Without case and accents; "ø" is "o" and "ß" is "ss"."""
    if text.isascii():
        return text.lower()
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return plain.casefold().translate(_WITHOUT_STROKES)


_WITHOUT_STROKES = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d"})
_NO_PLURAL = frozenset({"news", "lens"})  # "new" says nothing, "news" does
_ENDS_IN_USE = frozenset({"uses", "causes", "houses", "clauses", "pauses", "fuses", "misuses", "reuses", "abuses"})


_EMPTY = frozenset({*ENGLISH_STOP_WORDS, *BOILERPLATE, "s", "t"}) - _CONTENT
_STOP = frozenset({_folded(word) for word in _EMPTY}) - ONLY_IN_PAIRS
