"""What a newcomer runs into: a slip is said before anything is written, with the remedy, and nothing is lost."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from command import PAPERS, Digest
from rich.console import Console

from digest import __version__
from digest.cli import common

DAY = "2025-03-14"
SENDER = '[letter]\nfrom_address = "letters@example.org"\n'


@pytest.fixture
def one(digest: Digest) -> Digest:
    """One reader, and papers for a day."""
    digest("ingest", digest.page("one", PAPERS), "--day", DAY)
    digest.profile("alice")
    digest("profiles", "apply")
    return digest


# ---- templates of one's own


@pytest.mark.parametrize("made", ["", "mine/letter.html", "mine/letter/lettre.html"])
def test_a_templates_folder_that_replaces_nothing_is_refused_before_anything_is_written(
    one: Digest, made: str
) -> None:
    one.write("config.toml", SENDER + 'templates = "mine"\n')
    if made:
        one.write(made, "{{ letter.name }}")
    before = one("status", "--json").json
    for command in (["run", "--day", DAY], ["run", "--day", DAY, "--dry-run"], ["serve"], ["preview", "alice"]):
        err = one(*command, *(["--day", DAY] if command[0] == "preview" else []), code=3).err
        assert "config.toml: letter.templates: " in err
        assert ("replaces no template" if made else "no such folder") in err
        assert str(one.home / "mine") in err
        assert "letter/letter.html" in err
        assert "letter/letter.txt" in err
    assert one("status", "--json").json == before


def test_one_template_of_ones_own_is_enough(one: Digest) -> None:
    one.write("config.toml", SENDER + 'templates = "mine"\n')
    one.write("mine/letter/card.html", "<tr><td>CARD {{ card.number }}</td></tr>")
    one("preview", "alice", "--day", DAY)
    page = (one.home / f"preview/alice-{DAY}.html").read_text("utf-8")
    assert page.count("CARD ") == 5
    assert "About this letter" in page


def test_a_password_that_is_not_there_is_said_before_anything_is_written(one: Digest) -> None:
    smtp = '[delivery]\nkind = "smtp"\n[delivery.smtp]\nuser = "me"\npassword_file = "secret"\n'
    one.write("config.toml", SENDER + smtp)
    err = one("run", "--day", DAY, code=3).err
    assert f"delivery.smtp.password_file: no such file: {one.home / 'secret'}" in err
    assert "Errno" not in err
    assert one("why", "alice", "--json").json == []


# ---- slots


def test_an_empty_slot_is_written_when_pages_have_come_in(digest: Digest) -> None:
    digest.profile("alice", 'interests = ["tool use"]\nfloor = 5')
    digest("profiles", "apply")
    digest("run", "--day", DAY)
    (empty,) = digest("why", "alice", "--json").json
    assert (empty["state"], empty["papers"]) == ("empty", [])
    digest("ingest", digest.page("one", PAPERS), "--day", DAY)
    (promised,) = digest("run", "--day", DAY, "--dry-run", "--json").json["would_write"]
    digest("run", "--day", DAY)
    (written,) = digest("why", "alice", "--json").json
    assert written["state"] == "sent"
    assert written["papers"] == [pick["title"] for pick in promised["picks"]] != []
    again = digest("run", "--day", DAY, "--json").json
    assert (again["written"]["already"], again["delivered"]) == (1, {})
    assert len(digest.mails()) == 1


def test_an_empty_slot_stays_as_it_is_while_nothing_has_changed(one: Digest) -> None:
    one.profile("alice", 'interests = ["zymurgy"]')
    one("profiles", "apply")
    one("run", "--day", DAY)
    (before,) = one("why", "alice", "--json").json
    assert one("run", "--day", DAY, "--dry-run", "--json").json == {"would_write": [], "written_before": 1}
    assert one("run", "--day", DAY, "--json").json["written"] == {"ready": 0, "empty": 0, "failed": 0, "already": 1}
    assert one("why", "alice", "--json").json == [before]


def test_the_preview_of_an_empty_slot_is_what_a_run_would_write_by_now(digest: Digest) -> None:
    today = datetime.now(UTC).date()
    digest.profile("alice", "floor = 0")
    digest("profiles", "apply")
    digest("run")
    digest("ingest", digest.page("one", PAPERS), "--day", str(today))
    shown = digest("preview", "alice", "--json").json
    assert shown["slot"] == str(today)
    digest("run")
    assert [one["state"] for one in digest("why", "alice", "--json").json] == ["sent"]
    assert digest("why", "alice", "--json").json[0]["subject"] == shown["subject"]


def test_an_empty_preview_names_the_day_that_has_papers(one: Digest) -> None:
    answer = one("preview", "alice")
    assert "No letter: no papers were listed" in answer.out
    assert f"`digest preview alice --day {DAY}`" in answer.err


def test_a_day_that_lies_ahead_is_only_for_looking(one: Digest) -> None:
    ahead = datetime.now(UTC).date() + timedelta(days=2)
    assert "--dry-run" in one("run", "--day", str(ahead), code=2).err
    one("run", "--day", str(ahead), "--dry-run")
    assert one("why", "alice", "--json").json == []
    one("run", "--day", str(ahead - timedelta(days=1)))  # somewhere it is tomorrow already


# ---- the store


@pytest.mark.parametrize("command", ["run", "run --dry-run", "serve", "preview alice", "status", "why alice"])
def test_a_store_that_is_not_there_is_said_and_not_made(digest: Digest, command: str) -> None:
    err = digest(*command.split(), code=4).err
    assert "digest ingest" in err
    assert "digest profiles apply" in err
    assert not (digest.home / "digest.db").exists()


# ---- pages


def test_a_missing_page_stops_no_other_and_each_slip_has_its_own_remedy(
    digest: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.ingest.LARGEST_PAGE", 50_000)
    good = digest.page("good", PAPERS)
    slips = {
        str(digest.home / "missing.txt"): "Check the name",
        "-": "Save the page to a file",
        str(digest.write("large.txt", "word " * 12_000)): "split it",
        str(digest.write("empty.txt", "\n")): "Save the page once more",
    }
    answer = digest("ingest", *slips, good, "--day", DAY, "--json", code=1)
    assert [one["new"] for one in answer.json] == [0, 0, 0, 0, 5]
    for one, (name, remedy) in zip(answer.json[:4], slips.items(), strict=True):
        assert one["page"] == name
        assert one["error"].startswith(f"{name}: ")
        assert remedy in one["error"]
        assert "UTF-8" not in one["error"]
    assert digest("ingest", "missing.txt", "--json", code=3).json[0]["error"]


def test_a_page_of_a_wrong_year_can_be_taken_back(one: Digest) -> None:
    page = one.home / "pages/one.txt"
    wrong = one("ingest", page, "--year", "2024", "--json").json[0]
    assert (wrong["day"], wrong["new"], wrong["listings"]) == ("2024-03-14", 0, 5)
    table = one("ingest", page, "--year", "2024").out.splitlines()
    assert (table[0].split()[-1], table[1].split()[-1]) == ("listed", "0")
    before = one("status", "--json").json
    assert one("ingest", page, "--forget", "--year", "2023", "--json").json[0]["listings"] == 0
    assert one("status", "--json").json == before
    assert "5 listings of 2024-03-14 forgotten" in one("ingest", page, "--forget", "--year", "2024").out
    after = one("status", "--json").json
    assert (after["papers"], after["listings"], after["newest_listing"]) == (5, 5, DAY)
    assert one("preview", "alice", "--day", DAY, "--json").json["subject"]
    gone = one("ingest", page, "nowhere.txt", "--forget", "--day", DAY, "--json", code=1).json
    assert [bool(found["error"]) for found in gone] == [False, True]
    assert one("status", "--json").json["listings"] == 0


# ---- words about letters and profiles


def test_a_decision_about_a_letter_that_is_not_in_doubt_says_what_it_is(one: Digest) -> None:
    one("run", "--day", DAY)
    for act in ("resend", "settle"):
        assert "error: letter 1: it is sent, not uncertain" in one("outbox", act, "1", code=1).err
        assert "error: letter 77: there is no such letter" in one("outbox", act, "77", code=1).err
        one("outbox", act, "9" * 30, code=1)
    assert len(one.mails()) == 1


def test_apply_that_was_partly_refused_ends_with_1_and_wholly_with_3(digest: Digest) -> None:
    bad = digest.profile("bad", "hour = 25")
    assert "error: " in digest("profiles", "apply", code=3).err
    digest.profile("alice")
    assert "bad.toml:2: hour" in digest("profiles", "apply", code=1).err
    digest("profiles", "diff", code=3)
    bad.unlink()
    digest("profiles", "apply")


def test_the_example_s_address_that_is_left_in_a_profile_is_noticed(empty: Digest) -> None:
    empty("init")
    assert "you: the address is still the example's" in empty("profiles", "apply").err
    empty.profile("you", address="me@example.org")
    assert "example's" not in empty("profiles", "apply").err


def test_every_problem_of_a_file_is_marked_as_an_error(digest: Digest) -> None:
    digest.write("config.toml", "[letter]\nnmae = 'x'\n[edition]\nwindow_days = 0\n")
    lines = digest("status", code=3).err.splitlines()
    assert [line.startswith("error: ") for line in lines] == [True, True]


def test_a_cadence_without_its_day_is_completed(digest: Digest) -> None:
    digest.profile("alice", 'cadence = "weekly"')
    assert "did you mean 'weekly:mon'?" in digest("profiles", "check", code=3).out


def test_a_name_that_is_empty_is_nobody_s(one: Digest) -> None:
    for command in (["why"], ["preview"], ["run", "--only"]):
        assert "error: “”: no such subscriber" in one(*command, "", code=6).err
    assert one.mails() == []


# ---- what the commands say


def test_a_suggested_command_has_the_home_that_was_named(one: Digest, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = Digest(one.home / "not here", monkeypatch)
    said = elsewhere("--home", one.home, "why", "nobody", code=6).err
    assert f"`digest --home {one.home} status --subscribers`" in said
    said = elsewhere("--home", one.home / "my letters", "init").out
    assert f"  digest --home '{one.home}/my letters' profiles apply" in said
    assert "`digest status --subscribers`" in one("why", "nobody", code=6).err


def test_a_run_without_readers_or_without_a_server_says_so(digest: Digest) -> None:
    digest("ingest", digest.page("one", PAPERS[:1]), "--day", DAY)
    assert "there are no subscribers; `digest profiles apply`" in digest("run", "--day", DAY).err
    digest.profile("alice", 'cadence = "weekly:mon"')
    digest("profiles", "apply")
    assert "nobody is due" in digest("run", "--day", DAY).err  # a Friday
    digest.profile("alice", "floor = 0")
    digest("profiles", "apply")
    server = '[delivery]\nkind = "smtp"\n[delivery.smtp]\nhost = "127.0.0.1"\nport = 1\ntls = "none"\n'
    digest.write("config.toml", SENDER + server)
    answer = digest("run", "--day", DAY, code=5)
    assert "1 letter written · none sent, the rest waits for the next run" in answer.out
    status = digest("status").out
    assert "1 ready; `digest run` sends what is ready" in status
    assert "1 written" in status
    assert "already" not in status
    digest.write("config.toml", SENDER)
    answer = digest("run", "--day", DAY)
    assert "0 letters written, 1 written before · 1 sent" in answer.out
    assert "filed in mail/" in answer.err
    assert "1 written before, 1 sent" in digest("status").out


def test_status_lists_subscribers_only_when_asked(one: Digest) -> None:
    assert "subscriber_list" not in one("status", "--json").json
    (alice,) = one("status", "--json", "--subscribers").json["subscriber_list"]
    assert (alice["handle"], alice["state"]) == ("alice", "active")


def test_a_test_letter_does_not_claim_that_more_will_come(digest: Digest) -> None:
    digest("test-mail", "me@example.org")
    (mail,) = digest.mails()
    for kind in ("plain", "html"):
        part = mail.get_body((kind,))
        assert part is not None
        assert "no more will follow" in part.get_content()
        assert "every day" not in part.get_content()
        assert "list of readers" not in part.get_content()
    assert [file.suffix for file in (digest.home / "mail").glob("*/new/*")] == [".eml"]


def test_explain_numbers_the_papers_of_a_week_as_its_letter_does(one: Digest) -> None:
    more = ("Forecasting Speech: Radar for Meetings", "Speech in meetings is forecast as weather is from radar.")
    one("ingest", one.page("more", [more]), "--day", DAY)
    # The headings bring together what was chosen in turns.
    one.profile("alice", 'cadence = "weekly:fri"\ninterests = ["speech in meetings", "protein design"]\nfloor = 1')
    one("profiles", "apply")
    shown = one("preview", "alice", "--day", DAY, "--json").json
    places = {each["why"]: each["title"] for each in shown["candidates"] if each["included"]}
    printed = dict(re.findall(r"^ (\d)\. (.{,30})", shown["text"], re.MULTILINE))
    assert len(printed) == len(places) >= 3
    assert all(places[f"in, place {number}"].startswith(title) for number, title in printed.items())


def test_explain_shows_as_many_as_asked_and_what_is_in(one: Digest) -> None:
    one.profile("alice", "papers = 2\nfloor = 0")
    one("profiles", "apply")
    answer = one("preview", "alice", "--day", DAY, "--explain", "--limit", "3")
    assert len([line for line in answer.out.splitlines() if line[:1] in "+-"]) == 3
    assert "2 more candidates are not shown; --limit 5 shows all" in answer.err
    assert "more candidates" not in one("preview", "alice", "--day", DAY, "--explain").err
    assert len(one("preview", "alice", "--day", DAY, "--json").json["candidates"]) == 5


@pytest.mark.parametrize(
    "command", ["run", "ingest pages", "why alice", "preview alice --explain", "status --subscribers", "demo d"]
)
def test_eighty_columns_are_enough(one: Digest, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    if command.startswith("status"):  # the last run has much to say
        one.write("config.toml", f'{SENDER}[delivery]\nmaildir = "{one.write("in the way", "")}"\n')
    one("run", "--day", DAY, code=5 if command.startswith("status") else 0)
    terminal = Console(
        highlight=False, markup=False, force_terminal=True, width=80, soft_wrap=True, color_system=None
    )
    monkeypatch.setattr(common, "out", terminal)
    day = [] if command.split()[0] in ("why", "status", "demo", "ingest") else ["--day", DAY]
    lines = one(*command.split(), *day).out.splitlines()
    table = [line for line in lines if "  " in line]
    assert len(table) > 1
    assert max(map(len, table)) <= 80
    assert not any(".eml" in line or "…" in line for line in table)


def test_help_is_not_cut_off_at_eighty_columns(digest: Digest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for group in ([], ["profiles"], ["outbox"], ["templates"], ["secret"]):
        listed = digest(*group, "--help").out.partition("Commands:")[2]
        assert listed
        assert "..." not in listed


def test_the_version_can_be_asked_anywhere(empty: Digest) -> None:
    assert empty("--version").out == f"digest {__version__}\n"


# ---- files and folders that are not what they should be


def test_a_place_that_cannot_be_written_is_said_with_what_to_do(
    one: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = one.write("file", "")
    for command, remedy in (
        (["demo", file], "digest demo DIR"),
        (["demo", file / "x"], "digest demo DIR"),
        (["--home", file, "init"], "--home"),
        (["preview", "alice", "--day", DAY, "--out", file], "--out"),
    ):
        err = one(*command, code=3).err
        assert f"{file}" in err
        assert "cannot be written: a file is where the folder should be" in err
        assert remedy in err
    assert "name the folder that holds config.toml" in one("--home", file, "status", code=3).err


def test_a_file_in_the_place_of_the_profiles_folder_is_named(
    digest: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    (digest.home / "profiles").rmdir()
    digest.write("profiles", "in the way")
    monkeypatch.setenv("EDITOR", "true")
    for command in (["edit", "alice"], ["check"], ["apply"]):
        answer = digest("profiles", *command, code=3)
        assert str(digest.home / "profiles") in answer.err + answer.out
        assert "Errno" not in answer.err + answer.out


def test_a_file_that_is_no_database_is_left_alone(one: Digest) -> None:
    for leftover in one.home.glob("digest.db*"):
        leftover.unlink()
    one.write("digest.db", "not a database " * 1000)
    for command in (["status"], ["run"], ["ingest", one.home / "pages"]):
        err = one(*command, code=4).err
        assert "digest.db" in err
        assert "move it away" in err
    assert (one.home / "digest.db").read_text("utf-8").startswith("not a database")
