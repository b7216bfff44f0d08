"""`digest lint-letter`: a person looks over letters before they are sent, and a script refuses the bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import PAPERS, Digest

SHIPPED = Path(__file__).parents[2] / "digest" / "templates"
DAY = "2026-03-14"


@pytest.fixture
def stocked(digest: Digest) -> Digest:
    """Two readers and five papers."""
    digest.profile("alice", 'interests = ["tool use"]')
    digest.profile("bela", 'interests = ["weather"]')
    digest("profiles", "apply", "--yes")
    digest("ingest", digest.page("one", PAPERS), "--year", "2026")
    return digest


def own_template(digest: Digest, old: str, new: str, name: str = "letter/letter.html") -> None:
    """A template of the operator's own, with a fault."""
    text = (SHIPPED / name).read_text("utf-8")
    assert old in text
    digest.write(f"own/{name}", text.replace(old, new))
    digest.write("config.toml", '[letter]\nfrom_address = "letters@example.org"\ntemplates = "own"\n')


def test_the_shipped_letter_is_good_for_each_reader(stocked: Digest) -> None:
    answer = stocked("lint-letter", "--day", DAY, "--strict")
    assert f"alice, letter of {DAY}: nothing found\n" in answer.out
    assert f"bela, letter of {DAY}: nothing found\n" in answer.out
    assert "2 letters, none with errors" in answer.out
    assert stocked("status", "--json").json["letters"]["ready"] == 0, "it writes nothing"


def test_a_template_of_ones_own_is_found_out(stocked: Digest) -> None:
    own_template(stocked, "<h1", '<h1 onclick="x()"')
    answer = stocked("lint-letter", "alice", "--day", DAY, code=1)
    assert f"alice, letter of {DAY}: 1 error\n" in answer.out
    assert "event-handler" in answer.out
    assert "Remove it: mail runs no script" in answer.out
    both = stocked("lint-letter", "--day", DAY, code=1).out
    assert f"alice, letter of {DAY}, and 1 more: 1 error\n" in both, "what all letters have is told once"
    assert both.count("event-handler") == 1
    assert "2 letters, 2 with errors" in both
    [told] = stocked("lint-letter", "alice", "--day", DAY, "--json", code=1).json
    assert (told["errors"], told["warnings"], told["error"]) == (1, 0, None)
    assert told["findings"][0]["rule"] == "event-handler"
    assert told["findings"][0]["where"].startswith("HTML line ")


def test_warnings_count_where_they_shall(stocked: Digest) -> None:
    own_template(stocked, '<body style="', '<body style="float:left;')
    assert "warning" in stocked("lint-letter", "alice", "--day", DAY).out
    stocked("lint-letter", "alice", "--day", DAY, "--strict", code=1)


def test_the_letters_in_the_maildirs_and_the_preview_are_looked_at(stocked: Digest) -> None:
    stocked("run", "--day", DAY)
    stocked("preview", "alice", "--day", DAY, "--out", "shown")
    whole = stocked("lint-letter", "mail", "shown")
    assert "3 letters, none with errors" in whole.out
    one = stocked("lint-letter", "mail/alice@example.org")
    [file] = (stocked.home / "mail/alice@example.org/new").iterdir()
    assert one.out == f"mail/alice@example.org/new/{file.name}: nothing found\n"
    page = next((stocked.home / "shown").glob("*.html"))
    page.write_text(page.read_text("utf-8").replace("<h1", "<h2").replace("</h1", "</h2"), "utf-8")
    assert "there are 0 <h1>" in stocked("lint-letter", page, code=1).out
    assert "there are 0 <h1>" in stocked("lint-letter", page.with_suffix(".txt"), code=1).out
    page.with_suffix(".txt").write_text("Unsubscribe by mail.\n", "utf-8")
    assert "parity" in stocked("lint-letter", page, code=1).out
    page.with_suffix(".txt").unlink()
    assert "no text part beside it" in stocked("lint-letter", page, code=1).err


def test_what_cannot_be_read_stops_no_other(stocked: Digest) -> None:
    bad = stocked.home / "bad.html"
    bad.write_bytes(b"<p>\xff")
    answer = stocked("lint-letter", "gone.eml", bad, "alcie", "alice", "--day", DAY, code=1)
    assert f"alice, letter of {DAY}: nothing found" in answer.out
    assert "gone.eml: No such file or directory" in answer.err
    assert "bad.html: byte 4 is not UTF-8" in answer.err
    assert "alcie: no such subscriber. Did you mean alice?" in answer.err
    assert "Traceback" not in answer.err
    told = stocked("lint-letter", "gone.eml", "alice", "--day", DAY, "--json", code=1).json
    assert [bool(one["error"]) for one in told] == [True, False]


def test_where_nothing_could_be_looked_at_the_exit_code_says_why(stocked: Digest) -> None:
    stocked("lint-letter", "gone.eml", code=3)
    stocked("lint-letter", "nobody", code=6)
    (stocked.home / "bare").mkdir()
    assert "no mail and no page" in stocked("lint-letter", "bare", code=3).err
    own_template(stocked, "{{ letter.name }}", "{{ letter.nmae }}")
    assert "letter.html" in stocked("lint-letter", "alice", "--day", DAY, code=3).err


def test_a_reader_without_a_letter_is_told_why(stocked: Digest) -> None:
    answer = stocked("lint-letter", "alice", "--day", "2026-08-01")
    assert "alice, letter of 2026-08-01: no letter: no papers were listed" in answer.err
    assert answer.out == ""


def test_files_need_no_home(empty: Digest) -> None:
    mail = empty.write("one.eml", "From: a@example.org\nSubject: x\n\nhello\n")
    answer = empty("lint-letter", mail, code=1)
    assert "list-unsubscribe" in answer.out
    assert "crlf" not in answer.out, "on a disk lines end as they do there"
    mixed = empty.write("two.eml", "")
    mixed.write_bytes(b"From: a@example.org\r\nSubject: x\n\r\nhello\r\n")
    assert "crlf" in empty("lint-letter", mixed, code=1).out


def test_the_demo_has_only_good_letters(empty: Digest) -> None:
    empty("demo", "demo")
    answer = empty("lint-letter", "demo/mail", "--strict")
    assert "6 letters, none with errors" in answer.out
