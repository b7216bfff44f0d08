"""HTML from a feed → text, with formulas as LaTeX. Pure.

A tag is what has the name of one: in `if x <y then`, where a browser would hide the rest, all of it is text.
Nothing here makes mark-up safe: what comes out is text, and each output escapes text.
"""

from __future__ import annotations

import re
from html import unescape

import nh3

_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
# Each alternative ends at the next `<` at the latest or takes the text to its end, so that nothing is read twice.
_TAG = re.compile(
    r"<!--.*?(?:-->|\Z)|<!\[CDATA\[|<[!?][^<>]*>"
    r"|<(/?)([A-Za-z][\w.-]{0,40})(?::([A-Za-z][\w.-]{0,40}))?"
    r"((?:\s[^<>\"']*(?:\"[^\"<]*\"[^<>\"']*|'[^'<]*'[^<>\"']*)*)?)/?>",
    re.DOTALL,
)


_TAG_OR_SIGN = re.compile(f"(?:{_TAG.pattern})|<", re.DOTALL)


def _set_of(names: str) -> frozenset[str]:
    return frozenset(names.split())


_BLOCKS = _set_of(
    "address article aside blockquote br caption center dd details dialog div dl dt fieldset figcaption"
    " figure footer form h1 h2 h3 h4 h5 h6 header hr html body label legend li main menu nav ol option p pre"
    " sec section select summary table tbody td tfoot th thead title tr ul disp-formula list list-item para"
)
_INLINE = _set_of(
    "a abbr acronym audio b bdi bdo big bold button canvas cite code data del dfn em embed font i img inf"
    " input ins italic kbd link map mark meta meter output picture progress q s samp sc small source span"
    " strike strong time track tt u var video wbr alternatives inline-formula inline-graphic named-content"
    " styled-content tex-math xref ext-link monospace underline overline roman sans-serif"
    " annotation semantics mfenced mfrac mi mn mo mover mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext"
    " mtr munder"
)
_SCRIPTS = {"sub": "_", "inf": "_", "sup": "^"}
_SILENT = _set_of("script style template svg iframe object noscript textarea")
_KNOWN = _BLOCKS | _INLINE | _SILENT | _SCRIPTS.keys() | {"math"}
_UNSOUND = re.compile("[\x00\ud800-\udfff]+")  # shown nowhere, and refused by the sanitiser
# More than any abstract: a parser as browsers have it takes quadratic time for tags that are nested deeply.
LONGEST_HTML = 60_000
_KEPT_BY_BROWSERS = {"noscript", "object", "iframe", "textarea", "template"}
_LONGEST_SCRIPT = 24  # characters; what is longer is no index
_DEEPEST_SCRIPT = 8
_LOWER = {ord(char): char.lower() for char in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
# What is left of HTML that was escaped once too often.
_ESCAPED_TWICE = re.compile(r"</(?:p|div|span|i|b|em|strong|sub|sup|a|li|ul|script|style)>|<(?:br|p|hr) ?/?>", re.I)

_ALTERNATIVE_TEXT = re.compile(r"\balttext\s{0,9}=\s{0,9}(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)
_ANNOTATION = re.compile(r"<annotation\b[^<>]{0,200}tex\b[^<>]{0,200}>([^<]*)<", re.IGNORECASE)
_PREFIX = re.compile(r"(</?)[A-Za-z][\w.-]{0,40}:")
_RAISED = re.compile(
    r"<(msu[bp])>\s{0,9}<m[ino]>([^<]*)</m[ino]>\s{0,9}<m[ino]>([^<]*)</m[ino]>\s{0,9}</\1>", re.IGNORECASE
)
_ANY_TAG = re.compile(r"<[^<>]*>")


def entities_decoded(text: str) -> str:
    """`&lt;`, `&#233;` and the like → their characters; those that are escaped twice, too."""
    if "&" not in text:
        return text
    once = _ENTITY.sub(lambda found: unescape(found[0]), text)
    return _ENTITY.sub(lambda found: unescape(found[0]), once)


def plain(html: str) -> str:
    """The text of the first LONGEST_HTML characters of a piece of HTML. Takes any text, and never raises.

    Blocks and line breaks divide words; scripts, styles, comments and pictures are gone with what is in them;
    indices, exponents and MathML become LaTeX, for `readable()` to set.
    """
    text = _text(_sanitised(html[:LONGEST_HTML] if "<" in html else html))
    return _text(_sanitised(text[:LONGEST_HTML])) if _ESCAPED_TWICE.search(text) else text


def _sanitised(html: str) -> str:
    """HTML without scripts, comments, and all but the tags that we read, well formed."""
    if "<" not in html:
        return html
    sound = _UNSOUND.sub("", html)
    unprefixed = _PREFIX.sub(r"\1", sound.replace("<![CDATA[", "").replace("]]>", ""))
    return nh3.clean(
        _TAG_OR_SIGN.sub(_stray_escaped, unprefixed),
        tags=set(_KNOWN - _SILENT),
        clean_content_tags=set(_SILENT - _KEPT_BY_BROWSERS),
        attributes={"math": {"alttext"}, "annotation": {"encoding"}},
        link_rel=None,
    )


def _stray_escaped(found: re.Match[str]) -> str:
    """A `<` that begins no tag that we know is a sign of the text: a browser would swallow what follows it."""
    tag, attributes = (found[2] or "").lower(), (found[4] or "").strip()
    if tag in _SILENT and found[0].endswith("/>"):
        return ""
    if found[0].startswith(("<!", "<?")) or (
        tag in _KNOWN and not (len(tag) == 1 and attributes and "=" not in attributes)
    ):
        return found[0]
    return f"&lt;{found[0][1:]}"


def _text(html: str) -> str:
    if "<" not in html:
        return entities_decoded(html)
    out: list[str] = []
    scripts: list[tuple[str, int]] = []  # tag and place in `out` of the indices that are open
    lowered = ""  # `html`, once it is needed; the case of ASCII alone, so that places stay what they are
    ends: dict[str, int] = {}  # tag → where it closes for the last time
    set_as_tex = False  # was the formula that comes now given as TeX already?
    at = 0
    while found := _TAG.search(html, at):
        between = html[at : found.start()]
        if between:
            out.append(entities_decoded(between))
            set_as_tex = set_as_tex and not between.strip()
        at = found.end()
        if found[2] is None:
            continue
        closing, tag = bool(found[1]), (found[3] or found[2]).lower()
        attributes = found[4].strip()
        if found[3] is None and (tag not in _KNOWN or (len(tag) == 1 and attributes and "=" not in attributes)):
            out.append(entities_decoded(found[0]))
        elif tag in _BLOCKS:
            out.append("\n")
        elif tag == "tex-math":
            set_as_tex = closing
        elif tag in _SCRIPTS:
            if not closing and len(scripts) < _DEEPEST_SCRIPT:
                scripts.append((tag, len(out)))
            elif closing and scripts and scripts[-1][0] == tag:
                start = scripts.pop()[1]
                out[start:] = [_script(_SCRIPTS[tag], "".join(out[start:]))]
        elif (tag in _SILENT or tag == "math") and not closing and not found[0].endswith("/>"):
            lowered = lowered or html.translate(_LOWER)
            name = f"{found[2]}:{found[3]}".lower() if found[3] else tag
            if name not in ends:
                ends[name] = lowered.rfind(f"</{name}")
            if ends[name] >= at:
                close = lowered.index(f"</{name}", at)
                if tag == "math" and not set_as_tex:
                    out.append(_formula(attributes, html[at:close]))
                at = close
            elif tag in ("script", "style"):  # a browser shows nothing of what follows, either
                return "".join(out)
    out.append(entities_decoded(html[at:]))
    return "".join(out)


def _script(sign: str, content: str) -> str:
    content = content.strip()
    if not content or len(content) > _LONGEST_SCRIPT or any(char in "\\{}$\n" for char in content):
        return f" {content} "
    return f"\\({sign}{{{content.replace(chr(0x2212), '-')}}}\\)"


def _formula(attributes: str, body: str) -> str:
    """MathML once: as the TeX that it was made from, where it tells that, else its signs."""
    body = _PREFIX.sub(r"\1", body)
    if found := _ANNOTATION.search(body):
        tex = found[1]
    elif found := _ALTERNATIVE_TEXT.search(attributes):
        tex = found[1] or found[2] or ""
    else:
        raised = _RAISED.sub(lambda m: f"{m[2]}{'_' if m[1].lower() == 'msub' else '^'}{{{m[3]}}}", body)
        tex = _ANY_TAG.sub("", raised)
    tex = " ".join(entities_decoded(tex).split()).strip("$ ")
    return rf"\({tex}\)" if tex and "\\)" not in tex and "\\(" not in tex else tex
