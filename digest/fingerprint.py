"""What is the same of a title however it is spelled."""

from __future__ import annotations

import re
import unicodedata

from digest.latex import readable
from digest.latex_names import GREEK, RELATIONS, SIGNS

_FOLDED_LETTERS = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "ı": "i",
        "ȷ": "j",
        "ŋ": "n",
        "ħ": "h",
    }
)
# A sign and its name spell one title: `Adapt-∞` and, from a page that lost its backslashes, `Adapt-infty`.
_NAMES = str.maketrans(
    {sign: name.lower() for name, sign in reversed((SIGNS | RELATIONS).items()) if not sign.isascii()}
    | {sign.casefold(): name.lower() for name, sign in GREEK.items()}
    | {"•": " ", "†": " ", "‡": " ", "✓": " ", "−": "-"}
)
# `C++` and `C#` are not `C`: these two signs count where they end a word.
_SUFFIX = re.compile(r"(?<=[^\W\d_])([+#]+)(?!\w)")
_ASCII_LETTERS = re.compile("[a-z0-9]+")
# Accents of Latin, Greek and Cyrillic, Hebrew points and Arabic vowel signs can be left out by a writer; the
# marks of other scripts (Devanagari vowels, the dots of kana) make other words.
_OPTIONAL_MARKS = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f"
    "\u0670\u06d6-\u06dc\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]+"
)


def fingerprint(title: str) -> str:
    """A title folded to letters and digits, the same for every spelling of it; "" only if nothing is left.

    Case, accents, punctuation, spaces and LaTeX make no difference; `α`, `\\alpha` and `alpha` are one, `GPT-3`
    and `GPT-4` are two, `C`, `C++` and `C#` are three.
    """
    folded = readable(title).casefold()
    if folded.isascii():  # most are, and the rest takes several times as long
        return "".join(_ASCII_LETTERS.findall(_SUFFIX.sub(_suffix, folded)))
    folded = unicodedata.normalize("NFKD", folded).casefold()
    folded = _OPTIONAL_MARKS.sub("", folded).translate(_FOLDED_LETTERS).translate(_NAMES)
    folded = _SUFFIX.sub(_suffix, folded)
    return "".join(char for char in folded if unicodedata.category(char)[0] in "LNM")


def _suffix(found: re.Match[str]) -> str:
    return found[1].replace("+", "plus").replace("#", "sharp")
