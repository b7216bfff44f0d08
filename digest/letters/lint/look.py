"""How each element of a letter looks: its colour, its ground, the size of its text, and whether it is seen at all.

The small part of the CSS cascade that this takes: style sheets by specificity, inline styles, !important, what is
inherited, what attributes such as bgcolor say, and what a client does by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinycss2.color4 import parse_color

from digest.letters.lint.page import HEADINGS, Node
from digest.letters.lint.sheet import Declaration, Medium, Rule, inline

Colour = tuple[float, float, float, float]  # sRGB and alpha, each 0 to 1
Value = tuple[Any, ...]

BLACK, WHITE, CLEAR = (0.0, 0.0, 0.0, 1.0), (1.0, 1.0, 1.0, 1.0), (0.0, 0.0, 0.0, 0.0)
NIGHT = (18 / 255, 18 / 255, 18 / 255, 1.0)  # what Chromium lays under a page that says it can be dark
LINK, NIGHT_LINK = (0.0, 0.0, 238 / 255, 1.0), (158 / 255, 158 / 255, 1.0, 1.0)
ROOT_SIZE = 16.0
_SIZES = {"h1": 2.0, "h2": 1.5, "h3": 1.17, "h5": 0.83, "h6": 0.67, "small": 0.83, "sub": 0.83, "sup": 0.83}
_WEIGHTS = dict.fromkeys((*HEADINGS, "th"), "bold") | {"b": "bolder", "strong": "bolder"}
_NAMED_SIZES = {
    "xx-small": 9,
    "x-small": 10,
    "small": 13,
    "medium": 16,
    "large": 18,
    "x-large": 24,
    "xx-large": 32,
}
_UNITS = {"px": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 96 / 2.54, "mm": 9.6 / 2.54, "rem": ROOT_SIZE}
_NOT_COLOURS = re.compile(
    r"none|(no-)?repeat(-[xy])?|space|round|scroll|fixed|local|top|bottom|left|right|center|cover|contain|auto|"
    r"(border|padding|content)-box"
)


@dataclass(frozen=True, slots=True)
class Look:
    colour: Colour | None  # None: not known; `fault` says why
    ground: Colour | None  # what lies behind the text, opaque
    fault: str
    opacity: float  # its own
    around: Look | None
    size: float  # px
    weight: int
    hidden: bool  # taken out of sight on purpose, with all in it
    tiny: bool  # text of no size
    invisible: bool  # visibility: inherited, but a descendant may be seen again
    underlined: bool
    boxed: bool  # a border or a ground of its own

    @property
    def seen(self) -> bool:
        return not (self.hidden or self.tiny or self.invisible)

    @property
    def large(self) -> bool:
        return self.size >= 24 or (self.size >= 18.66 and self.weight >= 700)

    def ink(self) -> tuple[Colour, Colour] | None:
        """The colours of text and ground as the eye gets them; None where one is not known."""
        if self.colour is None or self.ground is None:
            return None
        text, ground = over(self.colour, self.ground), self.ground
        one: Look | None = self
        while one is not None:
            behind = one.around.ground if one.around else None
            if one.opacity < 1 and behind is not None:
                text, ground = (over((*it[:3], one.opacity), behind) for it in (text, ground))
            one = one.around
        return text, ground


def over(top: Colour, ground: Colour) -> Colour:
    red, green, blue = (a * top[3] + b * (1 - top[3]) for a, b in zip(top[:3], ground[:3], strict=True))
    return red, green, blue, 1.0


def contrast(one: Colour, other: Colour) -> float:
    """WCAG's ratio of two opaque colours, 1 to 21."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def hexadecimal(colour: Colour) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in colour[:3])


def looks(
    root: Node, matches: Mapping[Node, Sequence[tuple[tuple[int, ...], Rule]]], medium: Medium
) -> dict[Node, Look]:
    """How each element looks in this medium."""
    night = medium.dark and _can_be_dark(root, matches, medium)
    ground = NIGHT if night else WHITE
    ink = WHITE if night else BLACK
    start = Look(ink, ground, "", 1, None, ROOT_SIZE, 400, False, False, False, False, False)
    found: dict[Node, Look] = {}
    for node in root.nodes():
        above = start if node is root or node.parent is None else found[node.parent]
        declared = _declared(node, matches.get(node, ()), medium)
        found[node] = _look(node, above, declared, NIGHT_LINK if night else LINK)
    return found


def _declared(
    node: Node, hits: Sequence[tuple[tuple[int, ...], Rule]], medium: Medium
) -> dict[str, tuple[str, Value]]:
    """Longhand → the value that wins, with its text."""
    applying: list[tuple[tuple[object, ...], Declaration]] = []
    for rank, rule in hits if medium.sheet else ():
        if all(medium.applies(query) for query in rule.media):
            applying += [((one.important, False, *rank), one) for one in rule.declarations]
    applying += [((one.important, True), one) for one in inline(node)[0]]
    won: dict[str, tuple[str, Value]] = {}
    # The sort is stable: of equals the later wins.
    for _, one in sorted(applying, key=lambda pair: pair[0]):
        for name, value in _longhands(one):
            won[name] = (one.text, value)
    return won


def _longhands(one: Declaration) -> Iterable[tuple[str, Value]]:
    if one.name == "background":
        return [("background-color", one.value), ("background-image", one.value)]
    if one.name == "font":
        size, weight = _font(one.value)
        return [("font-size", size), ("font-weight", weight)] if size else []
    if one.name in ("text-decoration", "text-decoration-line"):
        return [("text-decoration", one.value)]
    if re.fullmatch(r"border(-top|-right|-bottom|-left)?(-width|-style)?", one.name):
        return [("border", one.value)]
    return [(one.name, one.value)]


def _look(node: Node, above: Look, declared: Mapping[str, tuple[str, Value]], link: Colour) -> Look:
    def value(name: str) -> Value:
        return declared[name][1] if name in declared else ()

    def word(name: str) -> str:
        tokens = value(name)
        return tokens[0].lower_value if len(tokens) == 1 and tokens[0].type == "ident" else ""

    def zero(name: str) -> bool:
        tokens = value(name)
        return len(tokens) == 1 and getattr(tokens[0], "value", None) == 0

    faults = []
    is_link = node.tag == "a" and "href" in node.attrib
    colour = link if is_link else above.colour
    hint = node.get("text" if node.tag == "body" else "color", "") if node.tag in ("body", "font") else ""
    if hint and "color" not in declared:
        colour = _legacy(hint)
    elif "color" in declared:
        colour = above.colour if word("color") in ("inherit", "currentcolor", "unset") else _colour(value("color"))
    if colour is None and (hint or "color" in declared):
        faults.append(f"the colour “{declared['color'][0] if 'color' in declared else hint}” is not known")

    own: Colour | None = CLEAR
    if "background-color" in declared:
        own = _ground(value("background-color"), colour)
    elif node.get("bgcolor"):
        own = _legacy(node.get("bgcolor", ""))
    if own is None:
        told = declared["background-color"][0] if "background-color" in declared else node.get("bgcolor", "")
        faults.append(f"the ground “{told}” is not a colour that is known")
    image = node.get("background") or any(
        token.type in ("function", "url")
        and (token.type == "url" or "gradient" in token.lower_name or token.lower_name == "url")
        for token in value("background-image")
    )
    if image:
        faults.append("the ground is a picture, on which no contrast can be told")
        own = None
    ground = None if own is None else own if own[3] == 1 else over(own, above.ground) if above.ground else None

    size = above.size * _SIZES.get(node.tag, 1.0)
    if "font-size" in declared:
        size = _size(value("font-size"), above.size) or size if not zero("font-size") else 0.0
    weight = _weight(value("font-weight"), _WEIGHTS.get(node.tag, ""), above.weight)
    opacity = _share(value("opacity"))
    cut = word("overflow") == "hidden" and (zero("max-height") or zero("height") or zero("max-width"))
    invisible = word("visibility") in ("hidden", "collapse") if word("visibility") else above.invisible
    lines = [token.lower_value for token in value("text-decoration") if token.type == "ident"]
    # Once the ground is known again, what was unknown behind it does not matter.
    kept = above.fault if (above.colour is None and colour is None) or (ground is None and own is not None) else ""
    return Look(
        colour=colour,
        ground=ground,
        fault="; ".join(faults) or kept,
        opacity=opacity,
        around=above,
        size=size,
        weight=weight,
        hidden=above.hidden or word("display") == "none" or "hidden" in node.attrib or opacity == 0 or cut,
        tiny=size <= 1,
        invisible=invisible,
        underlined="underline" in lines if "text-decoration" in declared else is_link or node.tag in ("u", "ins"),
        boxed=(bool(value("border")) and word("border") != "none" and not zero("border"))
        or (own is not None and own[3] > 0),
    )


def _can_be_dark(
    root: Node, matches: Mapping[Node, Sequence[tuple[tuple[int, ...], Rule]]], medium: Medium
) -> bool:
    for node in root.nodes("meta"):
        if node.get("name", "").lower() == "color-scheme" and "dark" in node.get("content", "").lower():
            return True
    declared = _declared(root, matches.get(root, ()), medium)
    return "color-scheme" in declared and "dark" in declared["color-scheme"][0].lower()


def _colour(value: Value) -> Colour | None:
    if len(value) != 1:
        return None
    if value[0].type == "ident" and value[0].lower_value == "initial":
        return BLACK
    parsed = parse_color(value[0])
    if parsed is None or isinstance(parsed, str):
        return None
    try:
        red, green, blue, alpha = parsed.to("srgb")
    except NotImplementedError:  # a colour space of which tinycss2 knows only the name
        return None
    return float(red or 0), float(green or 0), float(blue or 0), float(1 if alpha is None else alpha)


def _ground(value: Value, current: Colour | None) -> Colour | None:
    """The colour in a background or background-color; clear where it names none."""
    for token in value:
        if token.type == "ident" and token.lower_value == "currentcolor":
            return current
        if token.type == "ident" and token.lower_value in ("inherit", "initial", "unset", "transparent"):
            return CLEAR
        if token.type == "ident" and _NOT_COLOURS.fullmatch(token.lower_value):
            continue
        if token.type in ("ident", "hash") or (
            token.type == "function" and token.lower_name != "url" and "gradient" not in token.lower_name
        ):
            return _colour((token,))
    return CLEAR


def _legacy(text: str) -> Colour | None:
    """A colour in an attribute, where # may be missing."""
    text = text.strip()
    parsed = parse_color(f"#{text}" if re.fullmatch(r"[0-9a-fA-F]{3}|[0-9a-fA-F]{6}", text) else text)
    if parsed is None or isinstance(parsed, str):
        return None
    red, green, blue, alpha = parsed.to("srgb")
    return float(red), float(green), float(blue), float(alpha)


def _font(value: Value) -> tuple[Value, Value]:
    """Size and weight in the shorthand; the weight is normal where it is not said. Empty for a system's font."""
    weight: Value = ()
    for token in value:
        if token.type in ("dimension", "percentage") or (
            token.type == "ident" and token.lower_value in _NAMED_SIZES
        ):
            return (token,), weight or ("normal",)
        if token.type == "number" or (token.type == "ident" and token.lower_value in ("bold", "bolder", "lighter")):
            weight = (token,)
    return (), ()


def _size(value: Value, above: float) -> float | None:
    """In px; None where it is not understood."""
    if len(value) != 1:
        return None
    token = value[0]
    if token.type == "ident":
        named = _NAMED_SIZES.get(token.lower_value)
        return float(named) if named else above if token.lower_value in ("inherit", "unset") else None
    if token.type == "percentage":
        return float(above * token.value / 100)
    if token.type == "dimension":
        unit = token.lower_unit
        return (
            float(token.value * (above if unit == "em" else above / 2 if unit in ("ex", "ch") else _UNITS[unit]))
            if (unit in ("em", "ex", "ch") or unit in _UNITS)
            else None
        )
    return None


def _weight(value: Value, usual: str, above: int) -> int:
    """As CSS Fonts has it; `usual` is the keyword of the element itself, where the style says nothing."""
    token = value[0] if value else usual
    if not isinstance(token, str):
        if token.type == "number":
            return int(token.value)
        token = getattr(token, "lower_value", "")
    lighter = 100 if above < 600 else 400 if above < 800 else 700
    bolder = 400 if above < 400 else 700 if above < 600 else 900
    return {"normal": 400, "bold": 700, "bolder": bolder, "lighter": lighter}.get(token, above)


def _share(value: Value) -> float:
    if len(value) != 1 or value[0].type not in ("number", "percentage"):
        return 1.0
    share = value[0].value / (100 if value[0].type == "percentage" else 1)
    return float(min(max(share, 0.0), 1.0))


def _luminance(colour: Colour) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
