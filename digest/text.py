"""Safe, readable text from whatever a feed sends: Unicode, LaTeX, fingerprints, sentences.

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


# ---- LaTeX tables


def _listed(names: str) -> list[str]:
    return names.split()


def _set_of(names: str) -> frozenset[str]:
    return frozenset(names.split())


_GREEK = dict(
    zip(
        _listed(
            "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau"
            " upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
        ),
        "αβγδεζηθικλμνξοπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ",
        strict=True,
    )
)
# The first name of a sign is the one that a page without its backslashes shows, hence the one in fingerprints.
_SIGNS = {
    "infty": "∞", "partial": "∂", "nabla": "∇", "forall": "∀", "exists": "∃", "emptyset": "∅", "ell": "ℓ",
    "hbar": "ℏ", "aleph": "ℵ", "sum": "∑", "prod": "∏", "int": "∫", "top": "⊤", "bot": "⊥", "star": "⋆",
    "checkmark": "✓", "neg": "¬", "heartsuit": "♥", "triangle": "△", "square": "□", "Box": "□",
    "angle": "∠", "dagger": "†", "ddagger": "‡", "bullet": "•", "infinity": "∞", "lnot": "¬", "varnothing": "∅",
}  # fmt: skip
_RELATIONS = {
    "times": "×", "leq": "≤", "geq": "≥", "neq": "≠", "rightarrow": "→", "leftarrow": "←", "leftrightarrow": "↔",
    "Rightarrow": "⇒", "Leftarrow": "⇐", "Leftrightarrow": "⇔", "mapsto": "↦", "uparrow": "↑", "downarrow": "↓",
    "sim": "∼", "approx": "≈", "simeq": "≃", "cong": "≅", "equiv": "≡", "propto": "∝", "pm": "±", "mp": "∓",
    "div": "÷", "cdot": "⋅", "circ": "∘", "ast": "∗", "oplus": "⊕", "otimes": "⊗", "odot": "⊙", "in": "∈",
    "notin": "∉", "ni": "∋", "subset": "⊂", "supset": "⊃", "subseteq": "⊆", "supseteq": "⊇", "cup": "∪",
    "cap": "∩", "setminus": "∖", "land": "∧", "lor": "∨", "ll": "≪", "gg": "≫", "prec": "≺", "succ": "≻",
    "preceq": "⪯", "succeq": "⪰", "perp": "⟂", "parallel": "∥", "mid": "∣", "models": "⊨", "vdash": "⊢",
    "rightleftharpoons": "⇌", "hookrightarrow": "↪", "triangleq": "≜", "bigcup": "⋃", "bigcap": "⋂",
    "le": "≤", "ge": "≥", "ne": "≠", "to": "→", "gets": "←", "iff": "⇔", "implies": "⇒", "wedge": "∧",
    "vee": "∨", "longrightarrow": "→", "Longrightarrow": "⇒", "leqslant": "≤", "geqslant": "≥", "lesssim": "≲",
    "gtrsim": "≳", "lt": "<", "gt": ">", "colon": ":",
}  # fmt: skip
_SYMBOLS = (
    _GREEK
    | _SIGNS
    | _RELATIONS
    | {
        "varepsilon": "ε", "vartheta": "θ", "varpi": "π", "varrho": "ρ", "varsigma": "ς", "varphi": "φ",
        "ldots": "…", "dots": "…", "cdots": "⋯", "dotsc": "…", "textellipsis": "…", "prime": "′", "degree": "°",
        "textdegree": "°", "lbrace": "{", "rbrace": "}", "langle": "⟨", "rangle": "⟩", "lfloor": "⌊",
        "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "vert": "|", "lvert": "|", "rvert": "|", "Vert": "‖",
        "lVert": "‖", "rVert": "‖", "copyright": "©", "textregistered": "®", "texttrademark": "™", "S": "§",
        "P": "¶", "pounds": "£", "euro": "€", "textendash": "–", "textemdash": "—", "textquotedblleft": "“",
        "textquotedblright": "”", "textquoteleft": "‘", "textquoteright": "’", "textasciitilde": "~",
        "textasciicircum": "^", "textunderscore": "_", "textbackslash": "\\", "textless": "<",
        "textgreater": ">", "textbar": "|", "textdollar": "$", "textpercent": "%", "textmu": "μ", "Re": "ℜ",
        "Im": "ℑ", "eg": "e.g.", "ie": "i.e.", "etc": "etc.", "etal": "et al.", "wrt": "w.r.t.",
    }
)  # fmt: skip
_LETTERS = {
    "o": "ø", "O": "Ø", "ss": "ß", "aa": "å", "AA": "Å", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "l": "ł",
    "L": "Ł", "i": "ı", "j": "ȷ", "dh": "ð", "DH": "Ð", "th": "þ", "TH": "Þ", "dj": "đ", "DJ": "Đ",
}  # fmt: skip
_ACCENTS = {
    '"': "\u0308", "'": "\u0301", "`": "\u0300", "^": "\u0302", "~": "\u0303", "=": "\u0304", ".": "\u0307",
    "c": "\u0327", "v": "\u030c", "u": "\u0306", "H": "\u030b", "k": "\u0328", "r": "\u030a", "d": "\u0323",
    "b": "\u0331",
}  # fmt: skip
_MATH_ACCENTS = {
    "hat": "\u0302", "widehat": "\u0302", "tilde": "\u0303", "widetilde": "\u0303", "bar": "\u0304",
    "overline": "\u0304", "vec": "\u20d7", "dot": "\u0307", "ddot": "\u0308", "check": "\u030c",
    "breve": "\u0306", "acute": "\u0301", "grave": "\u0300",
}  # fmt: skip
# Their argument is ordinary text, even inside a formula.
_TEXT_STYLES = _set_of(
    "text textbf textit texttt textsc textsf textrm textnormal textup textmd textsl emph mbox hbox fbox underline"
    " uline uwave sout enquote uppercase lowercase MakeUppercase MakeLowercase title section subsection paragraph"
    " operatorname textquote smash phantom"
)
_MATH_STYLES = _set_of(
    "mathbf mathcal mathrm mathbb mathit mathsf mathtt mathfrak mathscr mathop boldsymbol bm pmb ensuremath"
    " displaystyle boxed overbrace underbrace mathnormal"
)
_COLOURS = _set_of(
    "red green blue cyan magenta yellow black white gray grey brown lime olive orange pink purple teal violet"
)
_STYLES = _TEXT_STYLES | _MATH_STYLES | _COLOURS
# Switches and spacing: nothing to read.
_SILENT = _set_of(
    "bf it em sc tt rm sf sl bfseries itshape scshape ttfamily rmfamily sffamily normalfont tiny scriptsize small"
    " footnotesize normalsize large Large LARGE huge Huge displaystyle textstyle scriptstyle centering noindent"
    " xspace protect limits nolimits left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr middle relax"
    " maketitle footnotemark leavevmode unskip ignorespaces"
)
_BLANK = _set_of("quad qquad newline linebreak par item space enspace thinspace hfill smallskip medskip bigskip")
# Their arguments are names of things, not words.
_POINTERS = _set_of(
    "cite citep citet citealp citealt citeauthor citeyear citeyearpar parencite textcite autocite nocite ref eqref"
    " autoref cref Cref pageref label begin end hspace vspace color bibliography bibliographystyle vskip hskip"
    " includegraphics input"
)
_TAKING = _STYLES | _MATH_ACCENTS.keys() | {"frac", "sqrt"}
_STARRED = _POINTERS | {"operatorname", "section", "subsection", "paragraph"}
_ASIDES = _set_of("footnote footnotetext thanks")

_SUPERSCRIPTS = dict(zip("0123456789+-=()", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾", strict=True))
_SUBSCRIPTS = dict(zip("0123456789+-=()", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎", strict=True))
# Letters are raised and lowered only when they stand alone: xⁿ reads well, xₘₐₓ does not.
_SUPERSCRIPT_LETTERS = dict(zip("nikdmtTabcpxyz", "ⁿⁱᵏᵈᵐᵗᵀᵃᵇᶜᵖˣʸᶻ", strict=True)) | {
    "*": "*", "∗": "*", "′": "′", "∘": "°", "†": "†", "°": "°",
}  # fmt: skip
_SUBSCRIPT_LETTERS = dict(zip("ijknmtxaeoprsuvlh", "ᵢⱼₖₙₘₜₓₐₑₒₚᵣₛᵤᵥₗₕ", strict=True))
_DOUBLE_STRUCK = dict(zip("CHNPQRZE", "ℂℍℕℙℚℝℤ𝔼", strict=True))

# ---- LaTeX to text

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
            out.drop_word(_STYLES)
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
        if char in _ACCENTS and not math and (accented := self._accented(char, at, end)):
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
        composed = unicodedata.normalize("NFC", letter + _ACCENTS[accent])
        if not letter.isalpha() or len(composed) != 1:
            return None
        return composed, (close + 1 if 0 <= close < end else at + size)

    def _command(self, name: str, at: int, end: int, math: bool, depth: int, out: _Output) -> int:
        if name in _STARRED and at < end and self.text[at] == "*":
            at += 1
        if name in _LETTERS and not (math and name in "ij"):
            out.add(_LETTERS[name])
            return self._after_letter(at, end)
        if name in _ACCENTS and not math and (accented := self._accented(name, at, end)):
            out.add(accented[0])
            return accented[1]
        if name in _SYMBOLS:
            return self._symbol(name, at, end, math, out)
        if name in _SILENT or name in _BLANK:
            out.add(" " if name in _BLANK else "")
            return self._empty_braces(at, end)
        if name in _POINTERS:
            at = self._skip_arguments(at, end)
            if at >= end or self.text[at] in ".,;:)":
                out.drop_space()
            return at
        if name == "url" or name == "href":
            return self._link(name, at, end, depth, out)
        if name in _ASIDES:
            found = self._argument(self._options(at, end), end)
            out.add(f" ({self._read(found, math=False, depth=depth).strip()})")
            return found[2]
        if name in _STYLES:
            found = self._argument(at, end)
            content = self._read(found, math=math and name not in _TEXT_STYLES, depth=depth)
            out.add(_DOUBLE_STRUCK.get(content, content) if name == "mathbb" else content)
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
        if name in _MATH_ACCENTS:
            found = self._argument(at, end)
            content = self._read(found, math=math, depth=depth)
            out.add(content + _MATH_ACCENTS[name] if len(content) == 1 and content.isalpha() else content)
            return found[2]
        return self._unknown(name, at, end, math, depth, out)

    def _symbol(self, name: str, at: int, end: int, math: bool, out: _Output) -> int:
        spaced = self.text[at : at + 1] == " " and at < end
        if name in _RELATIONS and math and spaced:
            # TeX sets a relation with equal space on both sides, and a sign in front, as in `\sim 5`, with none.
            if out.is_empty():
                at = _spaces(self.text, at, end)
            elif out.last() != " ":
                out.add(" ")
        out.add(_SYMBOLS[name])
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
            while found[1] in _TAKING and stop < end and 0 <= (close := self.closing.get(stop, -1)) < end:
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
    whole, alone = (_SUPERSCRIPTS, _SUPERSCRIPT_LETTERS) if sign == "^" else (_SUBSCRIPTS, _SUBSCRIPT_LETTERS)
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


# ---- fingerprints

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
    {sign: name.lower() for name, sign in reversed((_SIGNS | _RELATIONS).items()) if not sign.isascii()}
    | {sign.casefold(): name.lower() for name, sign in _GREEK.items()}
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


# ---- sentences

_SENTENCE_END = re.compile(r"(?:[.!?…]+[\"'”’)\]]*(?= )|[。！？]+[”’」』）]*)")
_ABBREVIATIONS = _set_of(
    "e.g i.e et al vs fig figs eq eqs cf resp approx dr mr mrs ms prof st no nos vol sec ch ca viz etc inc ltd jr"
    " sr w.r.t a.k.a aka incl esp def thm tab ref refs"
)
# These do end a sentence when a capital follows.
_MAY_END = frozenset({"etc", "no", "inc", "ltd"})
_LAST_WORD = re.compile(r"[^\s(\[“‘\"']*\Z")


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
