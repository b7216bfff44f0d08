"""Whole journeys: init → ingest → apply → preview → run → run again, and what goes wrong on the way."""

from __future__ import annotations

import os
import stat
from collections import Counter
from pathlib import Path

import pytest
from command import ABSTRACTS, PAPERS, Digest
from real_input import shared_folder

DAY = "2025-03-14"


def test_an_operator_in_an_empty_folder(empty: Digest) -> None:
    """What the README says, in its order."""
    empty("init")
    assert (empty.home / "config.toml").is_file()
    assert (empty.home / "profiles/you.toml").is_file()
    empty("profiles", "check")
    page = empty.page("one", PAPERS)
    assert empty("ingest", page, "--day", DAY, "--json").json[0]["new"] == 5
    assert "new" in empty("profiles", "diff").out
    empty("profiles", "apply")
    assert "0 new" not in empty("profiles", "diff").out
    empty("preview", "you", "--day", DAY, "--out", empty.home / "seen")
    assert (empty.home / f"seen/you-{DAY}.html").read_text("utf-8").startswith("<!doctype html>")
    empty("run", "--day", DAY)
    again = empty("run", "--day", DAY, "--json").json
    assert again["delivered"] == {}
    assert again["written"]["already"] == 1
    assert empty("status", "--json").json["papers"] == 5


def test_init_never_overwrites(empty: Digest) -> None:
    empty.write("config.toml", "# mine\n")
    empty.profile("alice")
    answer = empty("init")
    assert (empty.home / "config.toml").read_text() == "# mine\n"
    assert [p.name for p in (empty.home / "profiles").iterdir()] == ["alice.toml"]
    assert "nothing was changed" in answer.err


def test_a_letter_says_why_and_its_preview_does_not_lie(digest: Digest) -> None:
    digest("ingest", digest.page("one", PAPERS), "--day", DAY)
    digest.profile("alice", 'name = "Alice"\ninterests = ["tool use by language models"]')
    digest("profiles", "apply")
    before = digest("preview", "alice", "--day", DAY, "--text").out
    digest("run", "--day", DAY)
    (mail,) = digest.mails()
    assert mail["To"] == "Alice <alice@example.org>"
    assert "tool use by language models" in mail["Subject"]
    sent = mail.get_body(("plain",))
    assert sent is not None
    text = sent.get_content()
    assert text.replace("\r\n", "\n").rstrip("\n") == before.rstrip("\n")
    assert "Calling for Help: Tool Use by Small Language Models" in text
    assert "Because you follow" in text
    assert digest("preview", "alice", "--day", DAY, "--text").out == before  # the stored one, rendered again


def test_preview_writes_nothing_to_the_store_and_sends_nothing(digest: Digest) -> None:
    digest("ingest", digest.page("one", PAPERS), "--day", DAY)
    digest.profile("alice")
    digest("profiles", "apply")
    before = digest("status", "--json").json
    for extra in ([], ["--explain"], ["--text"], ["--json"], ["--draft"], ["--out", digest.home / "x"]):
        digest("preview", "alice", "--day", DAY, *extra)
    assert digest("status", "--json").json == before
    assert before["letters"]["ready"] == 0
    assert not (digest.home / "mail").exists()


def test_explain_shows_every_candidate_and_why(digest: Digest) -> None:
    digest("ingest", digest.page("one", PAPERS), "--day", "2025-03-13")
    digest.profile("alice", 'interests = ["protein design"]\nmuted = ["radar"]\npapers = 1\nfloor = 1\n')
    digest("profiles", "apply")
    digest("run", "--day", "2025-03-13")
    digest(
        "ingest", digest.page("two", [("Enzyme Design by Small Edits", ABSTRACTS["proteins"][9:])]), "--day", DAY
    )
    shown = digest("preview", "alice", "--day", DAY, "--json").json
    why = {one["title"]: one["why"] for one in shown["candidates"]}
    assert len(why) == 6
    assert why["Designing Proteins That Withstand Heat"] == "sent on 2025-03-13"
    assert why["Enzyme Design by Small Edits"].startswith("in")
    assert why["Rain in Six Hours: Forecasting Weather from Radar"] == "muted: radar"
    assert "below the floor" in why["What Message Passing on Graphs Cannot See"]
    for one in shown["candidates"]:
        if one["included"]:
            assert sum(reason["share"] for reason in one["reasons"]) == pytest.approx(one["score"], abs=1e-6)
    table = digest("preview", "alice", "--day", DAY, "--explain").out
    assert all(title in table for title in why)


def test_nothing_is_repeated_whatever_the_day_or_the_spelling(digest: Digest) -> None:
    digest.profile("alice", "floor = 0\npapers = 50")
    digest("profiles", "apply")
    digest("ingest", digest.page("one", PAPERS), "--day", "2025-03-13")
    digest("run", "--day", "2025-03-13")
    respelled = [(title.upper().replace("USE", "U{s}e"), abstract) for title, abstract in PAPERS]
    counts = digest("ingest", digest.page("two", respelled), "--day", DAY, "--json").json[0]
    assert counts["new"] == 0
    run = digest("run", "--day", DAY, "--json").json
    assert run["written"]["empty"] == 1
    assert "sent before" in run["letters"][0]["note"]
    assert len(digest.mails()) == 1


def test_an_empty_day_sends_no_mail_and_says_why(digest: Digest) -> None:
    digest.profile("alice")
    digest("profiles", "apply")
    assert "no papers yet" in digest("run", "--day", DAY).out
    assert digest.mails() == []
    (letter,) = digest("why", "alice", "--json").json
    assert letter["state"] == "empty"
    assert "holds no papers yet" in letter["note"]
    digest("ingest", digest.page("old", PAPERS), "--day", "2025-01-02")
    assert "2025-01-02" in digest("run", "--day", "2025-03-15").out
    assert "digest ingest" in digest("why", "alice").out


def test_an_empty_profile_gets_trending_and_says_so(digest: Digest) -> None:
    digest("ingest", digest.page("one", PAPERS), "--day", DAY)
    digest.profile("alice")
    digest("profiles", "apply")
    digest("run", "--day", DAY)
    (mail,) = digest.mails()
    assert "trending papers" in mail["Subject"]
    body = mail.get_body(("plain",))
    assert body is not None
    assert "interests" in body.get_content()
    top = digest("why", "alice", "--json").json[0]["papers"][0]
    assert top == PAPERS[0][0]  # the top of the page


def test_a_dry_run_says_what_it_would_do_and_does_nothing(digest: Digest) -> None:
    digest("ingest", digest.page("one", PAPERS), "--day", DAY)
    digest.profile("alice", 'interests = ["speech"]')
    digest("profiles", "apply")
    answer = digest("run", "--day", DAY, "--dry-run")
    assert "Who Spoke?" in answer.out
    assert "Would write 1 letter" in answer.out
    status = digest("status", "--json").json
    assert status["last_run"] is None
    assert not any(status["letters"].values())
    assert not (digest.home / "mail").exists()


def test_cadence_and_only(digest: Digest) -> None:
    digest("ingest", digest.page("one", PAPERS), "--day", DAY)  # a Friday
    digest.profile("daily")
    digest.profile("friday", 'cadence = "weekly:fri"')
    digest.profile("monday", 'cadence = "weekly:mon"')
    digest("profiles", "apply")
    assert "weekly:mon" in digest("run", "--day", DAY, "--only", "monday").err
    assert digest("run", "--day", DAY, "--only", "friday@example.org", "--json").json["written"]["ready"] == 1
    assert digest("run", "--day", DAY, "--json").json["delivered"] == {"sent": 1}
    assert [mail["To"] for mail in digest.mails()] == ["daily@example.org", "friday@example.org"]
    assert digest("why", "monday", "--json").json == []


def test_a_name_that_is_not_there(digest: Digest) -> None:
    digest.profile("alice")
    digest("profiles", "apply")
    assert "Did you mean alice?" in digest("run", "--only", "alcie", code=6).err
    assert "Did you mean alice?" in digest("preview", "alcie", code=6).err
    assert "Did you mean alice?" in digest("why", "alcie", code=6).err


def test_a_removed_file_pauses_and_its_return_resumes_with_memory(digest: Digest) -> None:
    digest("ingest", digest.page("one", PAPERS), "--day", DAY)
    file = digest.profile("alice", "floor = 0\npapers = 2")
    digest.profile("bela")
    digest("profiles", "apply")
    digest("run", "--day", DAY, "--only", "alice")
    first = set(digest("why", "alice", "--json").json[0]["papers"])
    text = file.read_text()
    file.unlink()
    assert "paused   alice" in digest("profiles", "apply").out
    run = digest("run", "--day", "2025-03-15", "--json").json
    assert [one["subscriber"] for one in run["letters"]] == ["bela"]
    file.write_text(text)
    assert "resumed  alice" in digest("profiles", "apply").out
    digest("run", "--day", "2025-03-16", "--only", "alice")
    later = digest("why", "alice", "--json").json
    assert later[0]["slot"] == "2025-03-16"
    assert len(later[0]["papers"]) == 2
    assert not first & set(later[0]["papers"])


def test_removing_every_profile_asks_first(digest: Digest) -> None:
    file = digest.profile("alice")
    digest("profiles", "apply")
    file.unlink()
    assert "--yes" in digest("profiles", "apply", code=3).err
    assert digest("status", "--json").json["subscribers"] == {"active": 1}
    digest("profiles", "apply", "--yes")
    assert digest("status", "--json").json["subscribers"] == {"paused": 1}


def test_one_bad_profile_stops_nobody_else(digest: Digest) -> None:
    digest("ingest", digest.page("one", PAPERS), "--day", DAY)
    digest.profile("alice")
    bad = digest.profile("bad", 'intrests = ["x"]')
    answer = digest("profiles", "apply", code=1)  # the good one is applied
    assert f"{bad.parent.name}/bad.toml:2: intrests: unknown key" in answer.err.replace(str(digest.home) + "/", "")
    assert "interests" in answer.err
    assert digest("status", "--json").json["subscribers"] == {"active": 1}
    assert digest("run", "--day", DAY, "--json").json["delivered"] == {"sent": 1}


def test_two_profiles_with_one_address_are_both_refused(digest: Digest) -> None:
    digest.profile("alice", address="same@example.org")
    digest.profile("bela", address="Same@Example.org")
    err = digest("profiles", "apply", code=3).err
    assert "alice.toml" in err
    assert "bela.toml" in err
    assert digest("status", "--json").json["subscribers"] == {}


def editor(digest: Digest, *scripts: str) -> Path:
    """An editor that does the first thing when it is opened first, the second when it is opened again."""
    count = digest.home / "opened"
    cases = "\n".join(f"{number}) {script} ;;" for number, script in enumerate(scripts, 1))
    program = digest.write(
        "editor.sh",
        f'#!/bin/sh\necho x >> "{count}"\ncase $(wc -l < "{count}" | tr -d " ") in\n{cases}\nesac\n',
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def test_edit_opens_again_until_the_profile_is_valid(digest: Digest, monkeypatch: pytest.MonkeyPatch) -> None:
    file = digest.profile("alice", "papers = 3")
    program = editor(digest, 'sed -i "s/papers = 3/papers = 300/" "$1"', 'sed -i "s/papers = 300/papers = 4/" "$1"')
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(program))
    answer = digest("profiles", "edit", "alice", typed="y\n")
    assert "alice.toml:2: papers" in answer.err
    assert "papers = 4" in file.read_text()
    assert "digest profiles apply" in answer.out


def test_edit_keeps_the_old_file_when_the_new_one_is_given_up(
    digest: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = digest.profile("alice", "papers = 3")
    before = file.read_text()
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(editor(digest, 'echo "nonsense" >> "$1"')))
    answer = digest("profiles", "edit", "alice", typed="n\n", code=3)
    assert file.read_text() == before
    assert "nonsense" in (digest.home / "profiles/.alice.toml.edit").read_text()
    assert ".alice.toml.edit" in answer.err
    digest("profiles", "check")  # the draft is nobody's profile


def test_edit_goes_on_with_a_draft_and_makes_nothing_of_nothing(
    digest: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest.profile("alice", "papers = 3")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(editor(digest, 'echo "nonsense" >> "$1"', "true")))
    digest("profiles", "edit", "alice", typed="n\n", code=3)
    digest("profiles", "edit", "alice", typed="n\n", code=3)
    assert "nonsense" in (digest.home / "profiles/.alice.toml.edit").read_text()
    monkeypatch.setenv("EDITOR", "true")
    assert "no profile was made" in digest("profiles", "edit", "new").out
    assert not (digest.home / "profiles/new.toml").exists()


def test_a_pipe_is_no_page(digest: Digest) -> None:
    os.mkfifo(digest.home / "pipe")
    assert "not an ordinary file" in digest("ingest", digest.home / "pipe", code=3).err


def test_edit_refuses_an_address_that_is_taken(digest: Digest, monkeypatch: pytest.MonkeyPatch) -> None:
    digest.profile("alice")
    digest.profile("bela")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(editor(digest, 'sed -i "s/bela@/alice@/" "$1"')))
    assert "alice.toml" in digest("profiles", "edit", "bela", code=3).err


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff\xfe\x00b\x00i\x00n", "UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00", "image"),
        (b"caf\xe9 au lait\n\nlong text", "UTF-8"),
        (b"A Title\n\nAn abstract of a page that has no day at all.\n", "--day"),
    ],
)
def test_a_page_that_cannot_be_taken_is_named_and_the_next_is_taken(digest: Digest, data: bytes, said: str) -> None:
    bad = digest.home / "pages/a-bad.txt"
    good = digest.page("good", PAPERS)
    bad.write_bytes(data)
    answer = digest("ingest", bad, good, code=1)
    assert "a-bad.txt" in answer.err
    assert said in answer.err
    assert digest("status", "--json").json["papers"] == 5


def test_ingest_tells_lines_and_is_idempotent(digest: Digest) -> None:
    page = digest.page("one", [*PAPERS, ("A Title Without an Abstract", "")])
    first = digest("ingest", page, "--day", DAY, "--json").json[0]
    assert (first["new"], first["listings"]) == (6, 6)
    assert first["flagged"][0]["line"] > 0
    again = digest("ingest", page.parent, "--day", DAY, "--json").json[0]
    assert (again["new"], again["known"], again["listings"]) == (0, 6, 0)
    assert digest("status", "--json").json["listings"] == 6
    assert "no such file" in digest("ingest", digest.home / "nowhere", code=3).err


def test_calls_that_are_wrong(digest: Digest) -> None:
    assert "2026-03-14" in digest("run", "--day", "14.3.2026", code=2).err
    assert "no such file" in Digest(digest.home / "x", digest._patch)("status", code=3).err
    assert "there is no store yet" in digest("status", code=4).err
    assert "not a mail address" in digest("test-mail", "nobody", code=2).err


def test_a_broken_template_is_named_and_no_letter_is_lost(digest: Digest) -> None:
    digest.write("config.toml", '[letter]\nfrom_address = "letters@example.org"\ntemplates = "mine"\n')
    digest("ingest", digest.page("one", PAPERS), "--day", DAY)
    digest.profile("alice")
    digest("profiles", "apply")
    template = digest.write("mine/letter/letter.txt", "one\n{{ letter.nmae }}\n")
    answer = digest("run", "--day", DAY, code=3)
    assert "letter.txt:2" in answer.err
    assert "nmae" in answer.err
    template.write_text("{{ letter.name }}: {{ letter.count }}\n")
    assert digest("run", "--day", DAY, "--json").json["delivered"] == {"sent": 1}
    body = digest.mails()[0].get_body(("plain",))
    assert body is not None
    assert body.get_content().strip() == "Trending papers: 5 papers"


def test_the_store_that_is_locked_is_said_and_nothing_changes(
    digest: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from digest.store import opening

    digest("ingest", digest.page("one", PAPERS), "--day", DAY)
    other = opening.open_store(f"sqlite:///{digest.home}/digest.db")
    monkeypatch.setattr(opening.open_store, "__kwdefaults__", {"create": True, "lock_wait": 0.1})
    with other.write():
        answer = digest("ingest", digest.page("two", [("Another", "x" * 200)]), "--day", DAY, code=4)
    other.close()
    assert "another digest command holds the store" in answer.err
    assert digest("status", "--json").json["papers"] == 5


def test_a_maildir_in_the_way_loses_no_letter(digest: Digest) -> None:
    """The folder of the Maildir is a file: nothing can be filed, everything waits, and the next run delivers it."""
    digest("ingest", digest.page("one", PAPERS), "--day", DAY)
    digest.profile("alice")
    digest("profiles", "apply")
    obstacle = digest.write("mail", "in the way")
    assert "mail" in digest("run", "--day", DAY, code=5).err
    assert digest("status", "--json").json["letters"]["ready"] == 1
    obstacle.unlink()
    assert digest("run", "--day", DAY, "--json").json["delivered"] == {"sent": 1}
    assert len(digest.mails()) == 1


def test_a_full_disk_while_filing_loses_no_letter(digest: Digest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second file does not fit any more. What was filed stays filed, what was not waits."""
    digest("ingest", digest.page("one", PAPERS), "--day", DAY)
    for name in ("alice", "bela", "chen"):
        digest.profile(name)
    digest("profiles", "apply")
    real, wrote = os.write, Counter[str]()

    def full(fd: int, data: bytes) -> int:
        if len(data) > 1000:
            wrote["mail"] += 1
            if wrote["mail"] > 1:
                raise OSError(28, "No space left on device")
        return real(fd, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        answer = digest("run", "--day", DAY, code=5)
    assert wrote["mail"] > 1
    assert "Nobody is marked for it" in answer.err
    letters = digest("status", "--json").json["letters"]
    assert (letters["sent"], letters["ready"]) == (1, 2)
    assert digest("run", "--day", DAY, "--json").json["delivered"] == {"sent": 2}
    assert sorted(mail["To"] for mail in digest.mails()) == [f"{n}@example.org" for n in ("alice", "bela", "chen")]


@pytest.mark.shared
def test_real_pages_from_init_to_run_again(empty: Digest) -> None:
    """The three saved pages: nothing repeated, nothing lost."""
    pages = shared_folder("pages")
    empty("init")
    empty("ingest", pages, "--year", "2025")
    again = empty("ingest", pages, "--year", "2025", "--json").json
    assert sum(one["papers"] for one in again) == 246
    assert all(one["new"] == one["listings"] == 0 for one in again)
    status = empty("status", "--json").json
    assert (status["papers"], status["listings"]) == (211, 246)
    empty.profile("you", 'interests = ["tool use", "long context"]', "you@example.org")
    empty.profile("quiet", "floor = 0\ntrending = 0.5\npapers = 20")
    empty.profile("fields", 'interests = ["robotics", "speech"]\nfloor = 5')
    empty("profiles", "apply")
    for day in range(14, 19):  # the last page is of the 18th
        shown = empty("preview", "you", "--day", f"2025-03-{day}", "--json").json
        run = empty("run", "--day", f"2025-03-{day}", "--json").json
        mine = next(one for one in run["letters"] if one["subscriber"] == "you")
        promised = [one["title"] for one in shown["candidates"] if one["included"]]
        assert [pick["title"] for pick in mine["picks"]] == promised
        again = empty("run", "--day", f"2025-03-{day}", "--json").json
        assert again["delivered"] == {}
        assert again["written"]["already"] == 3
    for name in ("you", "quiet", "fields"):
        letters = empty("why", name, "--json").json
        titles = [title for letter in letters for title in letter["papers"]]
        assert titles
        assert len(titles) == len(set(titles))
        assert len(letters) == 5
        assert all(letter["state"] == "sent" or letter["note"] for letter in letters)
    letters = empty("status", "--json").json["letters"]
    assert sum(letters.values()) == 15
    assert letters["sent"] == len(empty.mails())
