"""docs/templates.md tells what templates see: every variable, its type, and whether it differs between readers."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from digest.letters import views
from digest.letters.compose import HTML_BUDGET
from digest.letters.faults import CALLED
from digest.letters.templates import NAMES
from digest.letters.wrap import WIDTH

TEXT = (Path(__file__).parents[2] / "docs/templates.md").read_text("utf-8")
ROW = re.compile(r"^\| `([a-z_.]+)` \| ([a-z` ]+) \| (own)? ?\|", re.MULTILINE)
FINISHED = {"letter.cards", "letter.also", "card.whys"}


def spelt(name: str, kind: object) -> str:
    """A type as the page writes it."""
    if name in FINISHED:
        return "finished"
    if get_args(kind):
        return f"list of `{CALLED[get_args(kind)[0]]}`"
    words = {str: "text", bool: "yes or no", int: "number", views.FooterView: "footer"}
    return words[kind]  # type: ignore[index]


@pytest.mark.parametrize("view", CALLED, ids=lambda view: view.__name__)
def test_each_variable_is_told_with_its_type_and_whose_it_is(view: type) -> None:
    called, hints = CALLED[view], get_type_hints(view)
    there = [
        (f"{called}.{one.name}", spelt(f"{called}.{one.name}", hints[one.name]), one.name in view.OWN)  # type: ignore[attr-defined]
        for one in fields(view)
    ]
    told = [(name, kind, bool(own)) for name, kind, own in ROW.findall(TEXT) if name.rpartition(".")[0] == called]
    assert told == there


def test_each_view_is_told() -> None:
    assert set(CALLED) == {one for name, one in vars(views).items() if name.endswith("View")}


def test_each_template_is_told_and_each_figure_is_true() -> None:
    for name in NAMES:
        assert f"`{name}`" in TEXT
    assert f"{HTML_BUDGET:,} bytes" in TEXT
    assert f"at {WIDTH} columns" in TEXT
    assert f"| {WIDTH}: the columns" in TEXT
