"""What commands of LaTeX stand for: signs, letters, accents, styles, and what of them is nothing to read."""

from __future__ import annotations


def _listed(names: str) -> list[str]:
    return names.split()


def _set_of(names: str) -> frozenset[str]:
    return frozenset(names.split())


GREEK = dict(
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
SIGNS = {
    "infty": "∞", "partial": "∂", "nabla": "∇", "forall": "∀", "exists": "∃", "emptyset": "∅", "ell": "ℓ",
    "hbar": "ℏ", "aleph": "ℵ", "sum": "∑", "prod": "∏", "int": "∫", "top": "⊤", "bot": "⊥", "star": "⋆",
    "checkmark": "✓", "neg": "¬", "heartsuit": "♥", "triangle": "△", "square": "□", "Box": "□",
    "angle": "∠", "dagger": "†", "ddagger": "‡", "bullet": "•", "infinity": "∞", "lnot": "¬", "varnothing": "∅",
}  # fmt: skip
RELATIONS = {
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
SYMBOLS = (
    GREEK
    | SIGNS
    | RELATIONS
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
LETTERS = {
    "o": "ø", "O": "Ø", "ss": "ß", "aa": "å", "AA": "Å", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "l": "ł",
    "L": "Ł", "i": "ı", "j": "ȷ", "dh": "ð", "DH": "Ð", "th": "þ", "TH": "Þ", "dj": "đ", "DJ": "Đ",
}  # fmt: skip
ACCENTS = {
    '"': "\u0308", "'": "\u0301", "`": "\u0300", "^": "\u0302", "~": "\u0303", "=": "\u0304", ".": "\u0307",
    "c": "\u0327", "v": "\u030c", "u": "\u0306", "H": "\u030b", "k": "\u0328", "r": "\u030a", "d": "\u0323",
    "b": "\u0331",
}  # fmt: skip
MATH_ACCENTS = {
    "hat": "\u0302", "widehat": "\u0302", "tilde": "\u0303", "widetilde": "\u0303", "bar": "\u0304",
    "overline": "\u0304", "vec": "\u20d7", "dot": "\u0307", "ddot": "\u0308", "check": "\u030c",
    "breve": "\u0306", "acute": "\u0301", "grave": "\u0300",
}  # fmt: skip
# Their argument is ordinary text, even inside a formula.
TEXT_STYLES = _set_of(
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
STYLES = TEXT_STYLES | _MATH_STYLES | _COLOURS
# Switches and spacing: nothing to read.
SILENT = _set_of(
    "bf it em sc tt rm sf sl bfseries itshape scshape ttfamily rmfamily sffamily normalfont tiny scriptsize small"
    " footnotesize normalsize large Large LARGE huge Huge displaystyle textstyle scriptstyle centering noindent"
    " xspace protect limits nolimits left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr middle relax"
    " maketitle footnotemark leavevmode unskip ignorespaces"
)
BLANK = _set_of("quad qquad newline linebreak par item space enspace thinspace hfill smallskip medskip bigskip")
# Their arguments are names of things, not words.
POINTERS = _set_of(
    "cite citep citet citealp citealt citeauthor citeyear citeyearpar parencite textcite autocite nocite ref eqref"
    " autoref cref Cref pageref label begin end hspace vspace color bibliography bibliographystyle vskip hskip"
    " includegraphics input"
)
TAKING = STYLES | MATH_ACCENTS.keys() | {"frac", "sqrt"}
STARRED = POINTERS | {"operatorname", "section", "subsection", "paragraph"}
ASIDES = _set_of("footnote footnotetext thanks")

SUPERSCRIPTS = dict(zip("0123456789+-=()", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾", strict=True))
SUBSCRIPTS = dict(zip("0123456789+-=()", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎", strict=True))
# Letters are raised and lowered only when they stand alone: xⁿ reads well, xₘₐₓ does not.
SUPERSCRIPT_LETTERS = dict(zip("nikdmtTabcpxyz", "ⁿⁱᵏᵈᵐᵗᵀᵃᵇᶜᵖˣʸᶻ", strict=True)) | {
    "*": "*", "∗": "*", "′": "′", "∘": "°", "†": "†", "°": "°",
}  # fmt: skip
SUBSCRIPT_LETTERS = dict(zip("ijknmtxaeoprsuvlh", "ᵢⱼₖₙₘₜₓₐₑₒₚᵣₛᵤᵥₗₕ", strict=True))
DOUBLE_STRUCK = dict(zip("CHNPQRZE", "ℂℍℕℙℚℝℤ𝔼", strict=True))
