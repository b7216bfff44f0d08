"""`digest preview --all`: everyone's next letter as files."""

from __future__ import annotations

import re
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
import sqlalchemy as sa
from command import PAPERS, Digest

from digest import clock, edition
from digest.store.opening import open_store
from digest.store.tables import letter, subscriber

DAY = "2026-03-14"


@pytest.fixture
def many(digest: Digest) -> Digest:
    digest("ingest", digest.page("one", PAPERS), "--day", DAY)
    digest.profile("alice", 'floor = 0\ninterests = ["tool use <b>"]\nname = "Alice"')
    digest.profile(
        "bela", 'interests = ["protein design"]\nmuted = ["protein", "graphs", "speech", "rain", "tool"]'
    )
    digest.profile("chen", "floor = 0")
    digest("profiles", "apply")
    return digest


def site(digest: Digest, *arguments: str, code: int = 0) -> tuple[Path, str, list[dict[str, str]]]:
    """The folder, the index, and the rows as JSON tells them."""
    folder = digest.home / "site"
    rows = digest("preview", "--all", "--out", folder, "--json", *arguments, code=code).json
    return folder, (folder / "index.html").read_text("utf-8"), rows


def test_each_letter_is_a_page_a_text_and_a_mail(many: Digest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edition, "SHARD", 1)
    folder, index, rows = site(many, "--day", DAY)
    assert [(row["handle"], row["state"], row["papers"]) for row in rows] == [
        ("alice", "ready", 1),
        ("bela", "empty", 0),
        ("chen", "ready", 5),
    ]
    assert "muted" in rows[1]["why"]
    assert rows[1]["why"] in index
    links = re.findall(r'href="([^"]+)"', index)
    assert links == [f"letters/{one}.{kind}" for one in ("alice", "chen") for kind in ("html", "txt", "eml")]
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*")) == sorted([*links, "index.html"])
    assert "tool use &lt;b&gt;" in index
    assert "<script" not in index
    mail = message_from_bytes((folder / "letters/alice.eml").read_bytes(), policy=policy.default)
    assert mail["To"] == "Alice <alice@example.org>"
    assert mail["Subject"] == rows[0]["subject"]
    text = mail.get_body(("plain",)).get_content()  # type: ignore[attr-defined]
    assert text.splitlines() == (folder / "letters/alice.txt").read_text("utf-8").splitlines()
    many("preview", "alice", "--day", DAY, "--out", many.home / "one")
    (alone,) = (many.home / "one").glob("*.html")
    assert (folder / "letters/alice.html").read_bytes() == alone.read_bytes()
    assert many("status", "--json").json["letters"]["ready"] == 0, "nothing is written to the store"


def test_a_letter_that_is_gone_leaves_no_files(many: Digest) -> None:
    folder, *_ = site(many, "--day", DAY)
    many.profile("alice", 'muted = ["a", "the", "and", "of", "in"]')
    many("profiles", "apply")
    _, index, _ = site(many, "--day", DAY)
    assert "letters/alice" not in index
    assert not list(folder.glob("letters/alice.*"))


def test_who_was_sent_todays_letter_is_shown_the_next_one(many: Digest) -> None:
    today = clock.now().date()  # the readers live by UTC
    many("ingest", many.page("two", PAPERS[:2]), "--day", today.isoformat())
    assert {row["slot"] for row in site(many)[2]} == {today.isoformat()}
    many("run")
    by_handle = {row["handle"]: row for row in site(many)[2]}
    alone = many("preview", "alice", "--json").json
    assert by_handle["alice"]["slot"] == alone["slot"] == (today + timedelta(days=1)).isoformat()
    assert by_handle["alice"]["why"] == alone["note"]


def test_one_bad_subscriber_stops_nobody(many: Digest) -> None:
    store = open_store(f"sqlite:///{many.home}/digest.db")
    with store.write() as connection:
        for handle, values in (
            ("chen", {"time_zone": "Mars/Olympus"}),
            ("bela", {"address": "a b\r\n@example.org"}),
        ):
            connection.execute(sa.update(subscriber).where(subscriber.c.handle == handle).values(**values))
        connection.execute(sa.update(subscriber).where(subscriber.c.handle == "bela").values(profile={}))
        assert connection.execute(sa.select(sa.func.count()).select_from(letter)).scalar_one() == 0
    store.close()
    folder, index, rows = site(many, "--day", DAY, code=1)
    states = {row["handle"]: (row["state"], row["why"]) for row in rows}
    assert states["alice"][0] == "ready"
    assert states["bela"][0] == "error"
    assert "cannot stand in a mail header" in states["bela"][1]
    assert not list(folder.glob("letters/bela.*"))
    assert index.count('class="state wrong"') == sum(state == "error" for state, _ in states.values())
    said = many("preview", "--all", "--day", DAY, "--out", folder, code=1)
    assert "error: bela: " in said.err
    soon = {row["handle"]: row for row in site(many, code=1)[2]}
    assert "does not know the time zone Mars/Olympus" in soon["chen"]["why"]


def test_a_draft_shows_what_the_files_say(many: Digest) -> None:
    many.profile("alice", "floor = 0\npapers = 2")
    many.profile("dora", "floor = 0\npapers = 1")
    many.profile("chen", "hour = 99")
    (many.home / "profiles/bela.toml").unlink()
    rows = {row["handle"]: row for row in site(many, "--day", DAY, "--draft", code=1)[2]}
    assert (rows["alice"]["papers"], rows["dora"]["papers"]) == (2, 1)
    assert rows["bela"]["state"] == "paused"
    assert rows["chen"]["state"] == "error"
    assert "chen.toml:2: hour" in rows["chen"]["why"]
    assert {row["handle"] for row in site(many, "--day", DAY)[2]} == {"alice", "bela", "chen"}


def test_a_wrong_template_or_folder_is_said_before_anything_is_written(many: Digest) -> None:
    many.write("config.toml", '[letter]\ntemplates = "mine"\n')
    many.write("mine/letter/letter.txt", "{{ letter.nmae }}")
    said = many("preview", "--all", "--out", many.home / "site", code=3)
    assert "letter.txt:1: letter.nmae: there is no such variable; did you mean letter.name?" in said.err
    assert not (many.home / "site").exists()
    many.write("config.toml", "")
    many.write("taken", "")
    assert "a file is where" in many("preview", "--all", "--out", many.home / "taken", code=3).err
    assert "name one subscriber" in many("preview", "--all", "alice", code=2).err
    assert "name one subscriber" in many("preview", code=2).err
