"""LaTeX, as feeds send it → text that reads well.

Takes any `str` at all, never raises, and runs in time linear in its input.
"""

from __future__ import annotations

import re
import unicodedata

from digest.latex_names import (
    ACCENTS,
    ASIDES,
    BLANK,
    DOUBLE_STRUCK,
    LETTERS,
    MATH_ACCENTS,
    POINTERS,
    RELATIONS,
    SILENT,
    STARRED,
    STYLES,
    SUBSCRIPT_LETTERS,
    SUBSCRIPTS,
    SUPERSCRIPT_LETTERS,
    SUPERSCRIPTS,
    SYMBOLS,
    TAKING,
    TEXT_STYLES,
)
from digest.text import clean

_DEEPEST = 40  # groups nested deeper than this are read without their braces
_LONGEST_FORMULA = 2_000  # characters; two money signs further apart than this are no formula
_URL = r"(?i:https?)://(?:[^\s{}\\<>\"$]|\\[_%#&~])+"
_TOKEN = re.compile(rf"\\([A-Za-z]+)|\\(.?)|({_URL})|``|''|-{{2,}}|[{{}}$~]", re.DOTALL)
_MATH_TOKEN = re.compile(r"\\([A-Za-z]+)|\\(.?)|()(?:[{}$~^_'&])", re.DOTALL)
_SPECIAL = ("\\", "$", "{", "}", "~", "--", "``", "''")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_DOLLARS = re.compile(r"\\.|\$+", re.DOTALL)
_FORMULA_SIGN = re.compile(r"[\\^_]")
_BARE_WORD = re.compile(r"(?<![\\A-Za-z{])[A-Za-z]{2,}(?![A-Za-z{}])")
_WORD_BEFORE = re.compile(r"[A-Za-z]+\Z")
_ESCAPED_IN_URL = re.compile(r"\\([_%#&~])")
_SPACES = re.compile(r" *")


def readable(text: str) -> str:
    """LaTeX, or text with traces of it → clean text that reads well without a typesetter.

    A command that we do not know leaves its name, a brace without its partner stays, and so does a `$` that is
    money. `%` is a percent sign: abstracts are not source files, and dropping the rest of a line would lose words.
    """
    text = clean(text)
    if not any(sign in text for sign in _SPECIAL):
        return text
    return clean(_Reader(text).run(0, len(text), math=False, depth=0))


class _Reader:
    """One text, with the partner of each brace and of each `$` known in advance, so that nothing is read twice."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.closing = _partners(text)
        self.formulas = _formulas(text)

    def run(self, start: int, end: int, *, math: bool, depth: int) -> str:
        """The readable form of `text[start:end]`."""
        out = _Output()
        token = _MATH_TOKEN if math else _TOKEN
        at = start
        while at < end and (found := token.search(self.text, at, end)):
            out.add(self.text[at : found.start()])
            sign = found[0][0]
            if found[1] is not None:
                at = self._command(found[1], found.end(), end, math, depth, out)
            elif found[2] is not None:
                at = self._escape(found[2], found.end(), end, math, depth, out)
            elif sign == "{":
                at = self._group(found.start(), end, math, depth, out)
            elif math:
                at = self._math_sign(sign, found.end(), end, depth, out)
            elif sign == "$":
                at = self._dollar(found.start(), end, depth, out)
            else:
                out.add(self._plain(found, end))
                at = found.end()
        out.add(self.text[at:end])
        return out.text()

    # -- text

    def _plain(self, found: re.Match[str], end: int) -> str:
        """What a URL, a quotation mark, dashes, a tie or a lone brace become."""
        text = found[0]
        before = self.text[found.start() - 1 : found.start()] or " "
        after = self.text[found.end() : found.end() + 1] if found.end() < end else " "
        if found[3] is not None:
            return _ESCAPED_IN_URL.sub(r"\1", text)
        if text == "``":
            return "“"
        if text == "''":
            if before.isspace() and after.isspace():
                return text  # an empty string in a piece of code
            return "“" if before.isspace() or before in "([{—–" else "”"
        if text == "~":
            # A tie stands between two words; before a number it says "about", before a slash it is a home folder.
            tied = (before.isalnum() or before in ".,;:)}]’”'\"%$") and not after.isspace() and after != "/"
            return " " if tied else text
        if len(text) in (2, 3) and text[0] == "-":
            option = before in " (\"'`[‘“" and (after.isalnum() or after in "-_")
            joined = (before.isalnum() or before in " )]}”’\"'.,;:%$?") and (
                after.isalnum() or after in " ([{“‘\"'`\\$~"
            )
            if joined and not option and not (before.isspace() and after != " "):
                return "–" if len(text) == 2 else "—"
        return text

    def _dollar(self, at: int, end: int, depth: int, out: _Output) -> int:
        formula = self.formulas.get(at)
        if formula is None or formula[2] > end or depth >= _DEEPEST:
            width = 1
            while at + width < end and self.text[at + width] == "$":
                width += 1
            out.add("$" * width)
            return at + width
        inner, stop, after = formula
        out.add(self.run(inner, stop, math=True, depth=depth + 1))
        return after

    def _group(self, at: int, end: int, math: bool, depth: int, out: _Output) -> int:
        close = self.closing.get(at)
        if close is None or close >= end:
            out.add("{")
            return at + 1
        if depth >= _DEEPEST:
            out.add(_unbraced(self.text[at + 1 : close]))
            return close + 1
        if not math and self._is_literal(at, close):
            out.add("{" + self.run(at + 1, close, math=False, depth=depth + 1) + "}")
            return close + 1
        if not math:
            # Some sites drop the backslashes and leave `textbf{Tool use}`: that word is not one of the author's.
            out.drop_word(STYLES)
        out.add(self.run(at + 1, close, math=math, depth=depth + 1))
        return close + 1

    def _is_literal(self, at: int, close: int) -> bool:
        """Do these braces belong to the text, as in `{a, b}`, `{"k": 1}` or `{}`, and not to LaTeX?"""
        if close == at + 1:
            return not self.text[at - 1 : at].strip()
        first = self.text[at + 1]
        if first == "\\" or (at and (self.text[at - 1].isalpha() or self.text[at - 1] in "}\\")):
            return False
        return first in "\"'" or any(self.text.find(sign, at, close) >= 0 for sign in (",", ";", "|", '":', "': "))

    # -- commands

    def _escape(self, char: str, at: int, end: int, math: bool, depth: int, out: _Output) -> int:
        """A backslash and a character that is not a letter."""
        if not char:
            return at
        if char in "([":
            close = self.text.find("\\" + (")" if char == "(" else "]"), at, min(end, at + _LONGEST_FORMULA))
            if close >= 0 and not math and depth < _DEEPEST:
                out.add(self.run(at, close, math=True, depth=depth + 1))
                return close + 2
            out.add(char)
            return at
        if char in ACCENTS and not math and (accented := self._accented(char, at, end)):
            out.add(accented[0])
            return accented[1]
        if char == "\\":
            out.add(" ")
            return at
        if char in ",;: ":
            out.add(" ")
        elif char in "^~" and self.text.startswith("{}", at):
            out.add(char)
            return at + 2
        elif char == "|":
            out.add("‖")
        elif char not in "!/-@":
            out.add(char)
        return at

    def _accented(self, accent: str, at: int, end: int) -> tuple[str, int] | None:
        """The letter with its accent and where to go on, when Unicode has that letter as one character."""
        at = _spaces(self.text, at, end) if accent.isalpha() else at
        close = self.closing.get(at, -1)
        inner = (
            self.text[at + 1 : min(close, at + 6)].strip() if 0 <= close < end else self.text[at : min(end, at + 3)]
        )
        if inner.startswith("\\") and (name := re.match(r"\\([A-Za-z]{1,2})", inner)) and name[1][0] in "ij":
            letter, size = name[1][0], 2
        else:
            letter, size = inner[:1], 1
        if 0 <= close < end and (close >= at + 6 or len(inner) != size):
            return None
        if accent.isalpha() and close < 0 and self.text[at - 1 : at] != " ":
            return None  # `\cx` is a command of its own
        composed = unicodedata.normalize("NFC", letter + ACCENTS[accent])
        if not letter.isalpha() or len(composed) != 1:
            return None
        return composed, (close + 1 if 0 <= close < end else at + size)

    def _command(self, name: str, at: int, end: int, math: bool, depth: int, out: _Output) -> int:
        if name in STARRED and at < end and self.text[at] == "*":
            at += 1
        if name in LETTERS and not (math and name in "ij"):
            out.add(LETTERS[name])
            return self._after_letter(at, end)
        if name in ACCENTS and not math and (accented := self._accented(name, at, end)):
            out.add(accented[0])
            return accented[1]
        if name in SYMBOLS:
            return self._symbol(name, at, end, math, out)
        if name in SILENT or name in BLANK:
            out.add(" " if name in BLANK else "")
            return self._empty_braces(at, end)
        if name in POINTERS:
            at = self._skip_arguments(at, end)
            if at >= end or self.text[at] in ".,;:)":
                out.drop_space()
            return at
        if name == "url" or name == "href":
            return self._link(name, at, end, depth, out)
        if name in ASIDES:
            found = self._argument(self._options(at, end), end)
            out.add(f" ({self._read(found, math=False, depth=depth).strip()})")
            return found[2]
        if name in STYLES:
            found = self._argument(at, end)
            content = self._read(found, math=math and name not in TEXT_STYLES, depth=depth)
            out.add(DOUBLE_STRUCK.get(content, content) if name == "mathbb" else content)
            return found[2]
        if name in ("textcolor", "colorbox", "fontsize"):
            at = self._argument(self._options(at, end), end)[2]
            found = self._argument(at, end)
            out.add(self._read(found, math=math, depth=depth))
            return found[2]
        if name in ("textsuperscript", "textsubscript"):
            found = self._argument(at, end)
            out.add(_script("^" if "super" in name else "_", self._read(found, math=False, depth=depth)))
            return found[2]
        if name in ("frac", "tfrac", "dfrac", "nicefrac", "sfrac"):
            above = self._argument(at, end)
            below = self._argument(above[2], end)
            parts = (self._read(above, math=math, depth=depth), self._read(below, math=math, depth=depth))
            out.add("/".join(_bracketed(part) for part in parts))
            return below[2]
        if name == "sqrt":
            found = self._argument(self._options(at, end), end)
            out.add("√" + _bracketed(self._read(found, math=math, depth=depth)))
            return found[2]
        if name in MATH_ACCENTS:
            found = self._argument(at, end)
            content = self._read(found, math=math, depth=depth)
            out.add(content + MATH_ACCENTS[name] if len(content) == 1 and content.isalpha() else content)
            return found[2]
        return self._unknown(name, at, end, math, depth, out)

    def _symbol(self, name: str, at: int, end: int, math: bool, out: _Output) -> int:
        spaced = self.text[at : at + 1] == " " and at < end
        if name in RELATIONS and math and spaced:
            # TeX sets a relation with equal space on both sides, and a sign in front, as in `\sim 5`, with none.
            if out.is_empty():
                at = _spaces(self.text, at, end)
            elif out.last() != " ":
                out.add(" ")
        out.add(SYMBOLS[name])
        return self._empty_braces(at, end)

    def _unknown(self, name: str, at: int, end: int, math: bool, depth: int, out: _Output) -> int:
        """Its bare name, then what it was given, each as words of their own."""
        out.add_word(name)
        at = self._empty_braces(at, end)
        given = False
        while at < end and 0 <= (close := self.closing.get(at, -1)) < end and depth < _DEEPEST:
            out.add(" " + self.run(at + 1, close, math=math, depth=depth + 1))
            at, given = close + 1, True
        if given and at < end and self.text[at].isalnum():
            out.add(" ")
        return at

    def _link(self, name: str, at: int, end: int, depth: int, out: _Output) -> int:
        found = self._argument(at, end)
        if name == "href" and self.text[found[2] : found[2] + 1] == "{" and found[2] < end:
            shown = self._argument(found[2], end)
            out.add(self._read(shown, math=False, depth=depth))
            return shown[2]
        out.add(_ESCAPED_IN_URL.sub(r"\1", self.text[found[0] : found[1]]))
        return found[2]

    # -- formulas

    def _math_sign(self, sign: str, at: int, end: int, depth: int, out: _Output) -> int:
        if sign in "^_":
            found = self._argument(at, end)
            content = self._read(found, math=True, depth=depth).strip()
            out.add(_script(sign, content))
            return max(found[2], at)
        out.add({"'": "′", "&": " ", "~": " "}.get(sign, sign))
        return at

    # -- arguments

    def _argument(self, at: int, end: int) -> tuple[int, int, int]:
        """Where an argument starts and stops, and where to go on: a group, a command, or one character."""
        at = _spaces(self.text, at, end)
        if at >= end:
            return end, end, end
        close = self.closing.get(at, -1)
        if 0 <= close < end:
            return at + 1, close, close + 1
        if self.text[at] == "\\" and (found := _TOKEN.match(self.text, at, end)):
            stop = found.end()
            while found[1] in TAKING and stop < end and 0 <= (close := self.closing.get(stop, -1)) < end:
                stop = close + 1  # `x^\text{max}`
            return at, stop, stop
        if self.text[at] in "{}$":
            return at, at, at
        return at, at + 1, at + 1

    def _read(self, found: tuple[int, int, int], *, math: bool, depth: int) -> str:
        start, stop, _ = found
        if depth >= _DEEPEST:
            return _unbraced(self.text[start:stop])
        return self.run(start, stop, math=math, depth=depth + 1)

    def _options(self, at: int, end: int) -> int:
        """Past `[…]` arguments; a bracket that is far from its partner is not one."""
        for _ in range(2):
            if at < end and self.text[at] == "[" and (close := self.text.find("]", at, min(end, at + 200))) >= 0:
                at = close + 1
        return at

    def _skip_arguments(self, at: int, end: int) -> int:
        at = self._options(at, end)
        while at < end and 0 <= (close := self.closing.get(at, -1)) < end:
            at = close + 1
        return at

    def _empty_braces(self, at: int, end: int) -> int:
        return at + 2 if at + 2 <= end and self.text.startswith("{}", at) else at

    def _after_letter(self, at: int, end: int) -> int:
        """TeX eats the space after a letter command: `S\\o ren` is one word."""
        past = _spaces(self.text, at, end)
        return past if past < end and self.text[past].islower() else self._empty_braces(at, end)


class _Output:
    """Pieces of the result; knows its last character without joining them."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def add(self, text: str) -> None:
        if text:
            self._parts.append(text)

    def add_word(self, word: str) -> None:
        self.add(" " + word if self.last().isalnum() else word)

    def last(self) -> str:
        return self._parts[-1][-1] if self._parts else ""

    def is_empty(self) -> bool:
        return not self._parts

    def drop_space(self) -> None:
        """Take back a space at the end."""
        if self._parts and self._parts[-1][-1] == " ":
            self._parts[-1] = self._parts[-1][:-1]
            if not self._parts[-1]:
                self._parts.pop()

    def drop_word(self, words: frozenset[str]) -> None:
        """Take back the last word if it is one of `words`."""
        if self._parts and (found := _WORD_BEFORE.search(self._parts[-1][-20:])) and found[0] in words:
            self._parts[-1] = self._parts[-1][: -len(found[0])]
            if not self._parts[-1]:
                self._parts.pop()

    def text(self) -> str:
        return "".join(self._parts)


def _partners(text: str) -> dict[int, int]:
    """Each `{` that has a partner → the place of its `}`."""
    waiting: list[int] = []
    partners: dict[int, int] = {}
    for found in _BRACE.finditer(text):
        if found[0] == "{":
            waiting.append(found.start())
        elif found[0] == "}" and waiting:
            partners[waiting.pop()] = found.start()
    return partners


def _formulas(text: str) -> dict[int, tuple[int, int, int]]:
    """Where a formula opens → where its inside starts and stops, and where the text goes on."""
    runs = [f.span() for f in _DOLLARS.finditer(text) if f[0][0] == "$"]
    formulas = {}
    at = 0
    while at + 1 < len(runs):
        (start, inner), (stop, after) = runs[at], runs[at + 1]
        if inner - start == after - stop <= 2 and _is_formula(text, inner, stop, after):
            formulas[start] = (inner, stop, after)
            at += 2
        else:
            at += 1
    return formulas


def _is_formula(text: str, start: int, stop: int, after: int) -> bool:
    """Is what stands between two `$` a formula, and not the words between two prices?"""
    if not 0 < stop - start <= _LONGEST_FORMULA:
        return False
    inside = text[start:stop]
    signs = _FORMULA_SIGN.search(inside) is not None
    priced = inside[0].isdigit()
    if inside[0].isspace() != inside[-1].isspace() or (inside[0].isspace() and not signs):
        return False
    if text[after : after + 1].isdigit() and (priced or not signs):
        return False  # `$5 or A$7`
    words = len(_BARE_WORD.findall(inside))
    return words == 0 if priced else words <= (5 if signs else 2)


def _spaces(text: str, at: int, end: int) -> int:
    found = _SPACES.match(text, at, end)
    return found.end() if found else at


def _unbraced(text: str) -> str:
    return text.replace("{", "").replace("}", "").replace("\\", " ")


def _script(sign: str, content: str) -> str:
    """Raised or lowered text where Unicode has all of it, and a readable stand-in where not."""
    whole, alone = (SUPERSCRIPTS, SUPERSCRIPT_LETTERS) if sign == "^" else (SUBSCRIPTS, SUBSCRIPT_LETTERS)
    if content in alone:
        return alone[content]
    if content and all(char in whole for char in content):
        return "".join(whole[char] for char in content)
    if content and (not content.strip("′*") or (sign == "^" and content in ("st", "nd", "rd", "th"))):
        return content
    return sign + _bracketed(content) if content else ""


def _bracketed(content: str) -> str:
    content = content.strip()
    return content if content.replace(".", "").isalnum() or len(content) <= 1 else f"({content})"
