"""Safe text from whatever a feed sends: on one line, its sentences, numbers of things.

Every function takes any `str` at all, lone surrogates included, never raises, and runs in time linear in its
input. `<`, `>` and `&` stay what they are: escaping belongs to each output.
"""

from __future__ import annotations

import re
import unicodedata

# ---- clean

# Invisible characters that could reorder, hide or split what a reader sees: C0 and C1 controls, format characters
# (zero width, bidi, byte order mark, soft hyphen, tags), blank "letters", surrogates, noncharacters. Written
# out, as asking for the category of each of 1.1 million code points would slow every start.
_INVISIBLE = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2"
    "\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufdd0-\ufdef"
    "\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
) + "".join(f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(1, 17))
_DROPPED = re.compile(f"[{_INVISIBLE}]+")


def clean(text: str) -> str:
    """Any text → one line of it that is safe to show: NFC, nothing invisible, single spaces, stripped.

    Line and paragraph separators become spaces, so that the words on both sides stay two words.
    """
    if not (text.isascii() and text.isprintable()):
        # Dropping comes before composing: what stood between a letter and its accent may be gone now.
        text = unicodedata.normalize("NFC", _DROPPED.sub("", text))
    elif "  " not in text and text[:1] != " " != text[-1:]:
        return text  # as most is, and to take it apart would cost several times as much
    return " ".join(text.split())


# ---- sentences

_SENTENCE_END = re.compile(r"(?:[.!?…]+[\"'”’)\]]*(?= )|[。！？]+[”’」』）]*)")
_ABBREVIATIONS = frozenset((
    "e.g", "i.e", "et", "al", "vs", "fig", "figs", "eq", "eqs", "cf", "resp", "approx", "dr", "mr", "mrs", "ms",
    "prof", "st", "no", "nos", "vol", "sec", "ch", "ca", "viz", "etc", "inc", "ltd", "jr", "sr", "w.r.t", "a.k.a",
    "aka", "incl", "esp", "def", "thm", "tab", "ref", "refs",
))  # fmt: skip
# These do end a sentence when a capital follows.
_MAY_END = frozenset({"etc", "no", "inc", "ltd"})
_LAST_WORD = re.compile(r"[^\s(\[“‘\"']*\Z")


def count(number: int, noun: str) -> str:
    """ "1 letter", "2 letters"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def ended(text: str) -> str:
    """The text with the full stop that it may lack."""
    return text if text.endswith((".", "?", "!", "…")) else f"{text}."


def sentences(text: str, limit: int) -> str:
    """The first sentences of `text` that fit into `limit` characters, or its first words and "…".

    At most `limit` + 1 characters long: the dots are not counted.
    """
    text = text.strip()
    if len(text) <= max(limit, 0):
        return text
    limit = max(limit, 0)
    window = text[: limit + 2]  # enough to see that a sentence ending at the limit ends there
    best = 0
    for found in _SENTENCE_END.finditer(window):
        if found.end() <= limit and _ends(window, found):
            best = found.end()
    if best:
        return text[:best]
    cut = text.rfind(" ", 0, limit + 1)
    head = text[: cut if cut > 0 else limit]
    return head.rstrip(" ,;:–—-(") + "…"


def _ends(text: str, found: re.Match[str]) -> bool:
    if found[0][0] != ".":
        return True
    following = text[found.end() :].lstrip()[:1]
    if following.islower():
        return False
    tail = _LAST_WORD.search(text[max(0, found.start() - 40) : found.start()])
    word = tail[0] if tail else ""
    if len(word) == 1 and word.isalpha() and word.isupper():
        return False  # an initial, as in "J. Doe"
    bare = word.lower().rstrip(".")
    return bare not in _ABBREVIATIONS or (
        bare in _MAY_END and following.isupper() and bare in ("etc", "inc", "ltd")
    )
