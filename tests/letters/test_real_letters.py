"""Letters of real papers, read as a reader reads them."""

from __future__ import annotations

import re

import pytest
from mails import check, parts
from real_input import shared_folder
from sample_letters import CONFIG, LINKS, letter

from digest.letters.compose import Composer
from digest.model import Pick
from digest.sources.saved_page import parse


@pytest.mark.shared
def test_no_mark_up_of_the_source_is_left_in_a_letter() -> None:
    """Of these pages no letter shows a backslash, a dollar or a brace; a paper on money might."""
    composer = Composer(CONFIG, links=LINKS)
    for file in sorted(shared_folder("pages").glob("*.txt")):
        picks = [Pick(entry.paper, 50, 0.5, 0.5) for entry in parse(file.read_bytes(), file.name).entries]
        for start in range(0, len(picks), 25):
            some = tuple(picks[start : start + 25])
            raw = composer.mail(letter(picks=some))
            check(raw, CONFIG, LINKS)
            text, html = parts(raw)
            assert len(re.findall("^ ?[0-9]+[.] ", text, re.MULTILINE)) == len(some)
            assert [line for line in text.split("\n") if re.search(r"[\\${}]", line)] == []
            assert "�" not in text + html
