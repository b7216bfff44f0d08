"""The styles of a letter, read: rules with their media queries, declarations with their lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cssselect2
import tinycss2

from digest.letters.lint.finding import Finding, error, warning
from digest.letters.lint.page import Node, Page

SYNTAX = "css-syntax"
HOLD_RULES = ("media", "supports", "layer", "container", "document")

_FEATURE = re.compile(r"\(\s*([a-z-]+)\s*(?::\s*([^)]*?)\s*)?\)")


@dataclass(frozen=True, slots=True)
class Declaration:
    name: str
    value: tuple[Any, ...]  # tinycss2's tokens, without white space around
    important: bool
    line: int

    @property
    def text(self) -> str:
        return str(tinycss2.serialize(self.value)).strip()

    @property
    def words(self) -> list[str]:
        """Its keywords, in lower case."""
        return [token.lower_value for token in self.value if token.type == "ident"]


@dataclass(frozen=True, slots=True)
class Rule:
    selector: str
    selectors: tuple[Any, ...]  # cssselect2's, compiled; those of a hover or of a generated box match nothing
    declarations: tuple[Declaration, ...]
    media: tuple[str, ...]  # every query must apply
    line: int


@dataclass(frozen=True, slots=True)
class AtRule:
    name: str
    prelude: str
    inside: str  # the at-rule around it
    line: int


@dataclass(frozen=True, slots=True)
class Medium:
    """A way to look at a letter."""

    name: str
    dark: bool = False
    width: int = 1024  # px
    sheet: bool = True  # does the client read <style>?

    def applies(self, query: str) -> bool:
        return any(self._one(part) for part in query.lower().split(","))

    def _one(self, query: str) -> bool:
        query = query.strip().removeprefix("only ").strip()
        negated = query.startswith("not ")
        plain = query.removeprefix("not ").strip()
        kind = plain.split("(")[0].split(" and")[0].strip()
        holds = kind in ("", "all", "screen") and all(map(self._feature, _FEATURE.findall(plain)))
        return holds is not negated

    def _feature(self, feature: tuple[str, str]) -> bool:
        name, value = feature
        number = re.fullmatch(r"([\d.]+)(px|em|rem)", value)
        px = float(number[1]) * (1 if number[2] == "px" else 16) if number else 0.0
        if name in ("max-width", "max-device-width"):
            return bool(number) and self.width <= px
        if name in ("min-width", "min-device-width"):
            return bool(number) and self.width >= px
        return name == "prefers-color-scheme" and value == ("dark" if self.dark else "light")


class Sheet:
    """Every <style> block of a page, in order. `findings` tell what could not be read."""

    def __init__(self, page: Page) -> None:
        self.rules: list[Rule] = []
        self.at_rules: list[AtRule] = []
        self.findings: list[Finding] = []
        self.size = 0  # bytes in all <style> blocks
        for node in page.all("style"):
            css = "".join(one.text for one in node.texts())
            self.size += len(css.encode("utf-8", "replace"))
            nodes = tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True)
            media = (node.get("media", ""),) if node.get("media") else ()
            self._read(nodes, node.line - 1, media, "")

    def _read(self, nodes: Sequence[Any], before: int, media: tuple[str, ...], inside: str) -> None:
        for node in nodes:
            line = before + node.source_line
            if node.type == "error":
                self._fault(line, node.message)
            elif node.type == "at-rule":
                name = node.lower_at_keyword
                prelude = tinycss2.serialize(node.prelude).strip()
                self.at_rules.append(AtRule(name, prelude, inside, line))
                if name in HOLD_RULES and node.content is not None:
                    inner = tinycss2.parse_rule_list(node.content, skip_comments=True, skip_whitespace=True)
                    self._read(inner, before, (*media, prelude) if name == "media" else media, name)
            elif node.type == "qualified-rule":
                self._rule(node, line, before, media)

    def _rule(self, node: Any, line: int, before: int, media: tuple[str, ...]) -> None:
        text = tinycss2.serialize(node.prelude).strip()
        try:
            selectors = tuple(cssselect2.compile_selector_list(node.prelude))
        except cssselect2.SelectorError:
            what = f"the selector “{text}” is not understood, so nothing was computed with it"
            self.findings.append(warning(SYNTAX, f"HTML line {line}", what, "Write a simpler one"))
            selectors = ()
        declarations = []
        for one in tinycss2.parse_blocks_contents(node.content, skip_comments=True, skip_whitespace=True):
            if one.type == "declaration":
                declarations.append(_declaration(one, before))
            elif one.type == "error":
                self._fault(before + one.source_line, one.message)
            else:
                what = f"a rule stands in the rule of “{text}”; most clients drop both, Gmail the whole block"
                remedy = "Write the rules one after the other"
                self.findings.append(error("css-nesting", f"HTML line {before + one.source_line}", what, remedy))
        self.rules.append(Rule(text, selectors, tuple(declarations), media, line))

    def _fault(self, line: int, message: str) -> None:
        what = f"the style cannot be read: {message}"
        self.findings.append(error(SYNTAX, f"HTML line {line}", what, "Mend it; Gmail drops a block with a fault"))

    def matches(self, root: Node) -> dict[Node, list[tuple[tuple[int, ...], Rule]]]:
        """Element → its rules with what orders them (specificity, place), whatever their media queries."""
        matcher = cssselect2.Matcher()
        for rule in self.rules:
            for selector in rule.selectors:
                matcher.add_selector(selector, rule)
        found: dict[Node, list[tuple[tuple[int, ...], Rule]]] = {}
        for element in cssselect2.ElementWrapper.from_html_root(root).iter_subtree():
            hits = [((*rank, place), rule) for rank, place, pseudo, rule in matcher.match(element) if not pseudo]
            found[element.etree_element] = hits
        return found


def inline(node: Node) -> tuple[list[Declaration], list[Finding]]:
    """What stands in the element's style attribute, and what of it cannot be read."""
    declarations, findings = [], []
    for one in tinycss2.parse_blocks_contents(node.get("style", ""), skip_comments=True, skip_whitespace=True):
        if one.type == "declaration":
            declarations.append(_declaration(one, node.line - one.source_line))
        else:
            message = one.message if one.type == "error" else "a rule stands in it"
            what = f"the style of <{node.tag}> cannot be read: {message}"
            findings.append(error(SYNTAX, node.where, what, "Mend it"))
    return declarations, findings


def functions(value: Sequence[Any]) -> Iterator[Any]:
    """Every function and url() in a value, also within others."""
    for token in value:
        if token.type in ("function", "url"):
            yield token
        yield from functions(getattr(token, "arguments", None) or getattr(token, "content", None) or ())


def _declaration(one: Any, before: int) -> Declaration:
    value = [token for token in one.value if token.type != "comment"]
    while value and value[0].type == "whitespace":
        value.pop(0)
    while value and value[-1].type == "whitespace":
        value.pop()
    return Declaration(one.lower_name, tuple(value), one.important, before + one.source_line)
