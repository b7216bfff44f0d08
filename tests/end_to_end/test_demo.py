"""`make demo`, as a new user sees it."""

from __future__ import annotations

import re
from urllib.parse import unquote

from command import Digest


def test_the_demo_writes_two_days_for_three_readers(empty: Digest) -> None:
    folder = empty.home / "demo"
    answer = empty("demo", folder)
    assert "No paper went to a reader twice." in answer.out
    for name in ("alice", "bela", "chen"):
        assert answer.out.count(f"\n{name} ") == 2
    inner = Digest(folder, empty._patch)
    status = inner("status", "--json").json
    assert status["papers"] >= 45
    assert status["listings"] > status["papers"]
    assert status["letters"]["sent"] == 6
    mails = inner.mails()
    assert len(mails) == 6
    assert len({mail["Message-ID"] for mail in mails}) == 6
    board = (folder / "letters.html").read_text("utf-8")
    for name in ("alice", "bela", "chen"):
        titles = [title for letter in inner("why", name, "--json").json for title in letter["papers"]]
        assert len(titles) == len(set(titles)) >= 4
    assert "2026" in board
    assert board.count("<iframe") == 6
    links = re.findall(r'href="(mail/[^"]+)"', board)
    assert len(links) == 6
    assert all((folder / unquote(link)).is_file() for link in links)
    empty("demo", folder)  # its own folder may be cleared


def test_the_demo_clears_away_nobody_elses_folder(empty: Digest) -> None:
    mine = empty.write("demo/thesis.tex", "ten years of work")
    assert "not empty" in empty("demo", empty.home / "demo", code=3).err
    assert mine.read_text() == "ten years of work"
