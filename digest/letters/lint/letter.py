"""A letter's page as the rules see it: parsed once, with its styles and its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from digest.letters.lint.look import Look, looks
from digest.letters.lint.page import HEADINGS, Node, Page
from digest.letters.lint.sheet import Medium, Sheet

LIGHT = Medium("light")
MEDIA = (
    LIGHT,
    Medium("light, on a phone", width=360),
    Medium("dark", dark=True),
    Medium("dark, on a phone", dark=True, width=360),
    Medium("a client that drops <style>", sheet=False),
)


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under one heading, up to the next: a card, or the footer. The first has no heading."""

    heading: Node | None
    nodes: Sequence[Node] = field(repr=False)
    footer: bool

    def links(self) -> list[Node]:
        return [one for one in self.nodes if one.tag == "a" and "href" in one.attrib]


class LetterPage(Page):
    """A page with its style sheets, its looks in every medium, its sections and links."""

    @cached_property
    def sheet(self) -> Sheet:
        return Sheet(self)

    @cached_property
    def looks(self) -> dict[Medium, dict[Node, Look]]:
        matches = self.sheet.matches(self.root)
        return {medium: looks(self.root, matches, medium) for medium in MEDIA}

    def seen(self, node: Node) -> bool:
        look = self.looks[LIGHT].get(node)
        return look is not None and look.seen and not node.unseen

    @cached_property
    def words(self) -> str:
        """All text that is seen, with single spaces."""
        return " ".join("".join(one.text for one in self.flow if self.seen(one.node)).split())

    @cached_property
    def links(self) -> list[Node]:
        return [one for one in self.all("a") if "href" in one.attrib]

    @cached_property
    def unsubscribe(self) -> Node | None:
        return next(
            (one for one in self.links if "unsubscribe" in f"{one.get('href')} {one.words()}".lower()), None
        )

    @cached_property
    def sections(self) -> list[Section]:
        """In order. The footer is what is marked as one, else the last section, where it has the way to unsubscribe
        and its heading is no link."""
        parts: list[tuple[Node | None, list[Node]]] = [(None, [])]
        for node in self.body.nodes():
            marked = _is_footer(node) and not any(map(_is_footer, list(node.up())[1:]))
            if marked or (node.tag in HEADINGS[1:] and not (parts[-1][0] is not None and _is_footer(parts[-1][0]))):
                parts.append((node, []))
            parts[-1][1].append(node)
        made = [Section(head, nodes, head is not None and _is_footer(head)) for head, nodes in parts]
        last = made[-1]
        if last.heading is not None and self.unsubscribe in last.nodes and not list(last.heading.nodes("a")):
            made[-1] = Section(last.heading, last.nodes, True)
        return made

    @cached_property
    def cards(self) -> list[Section]:
        return [one for one in self.sections if one.heading is not None and not one.footer]


def _is_footer(node: Node) -> bool:
    return node.tag == "footer" or node.get("role") == "contentinfo" or "footer" in node.classes()
