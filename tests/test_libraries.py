"""Importing reference libraries: what is stored, what stays, and what is taken back; on both databases."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from digest import libraries, verdicts
from digest.errors import NothingImported
from digest.libraries import Imported
from digest.model import Feedback, FeedbackKind, Paper, Record, Subscriber
from digest.sources.identity import title_key
from digest.store import feedback, merging, papers, subscribers
from digest.store.opening import Store

NOW = datetime(2026, 3, 14, 6, 0, tzinfo=UTC)
BIB = """\
@misc{a, title = {Bees}, eprint = {2603.00001}, abstract = {Bees fly.}, date-added = {2025-01-02}}
@misc{b, title = {Wasps}, doi = {10.1000/wasps}}
@misc{c, title = {BEES!}}
@misc{d, author = {Nobody}}
"""


@pytest.fixture
def alice(store: Store) -> Subscriber:
    with store.write() as connection:
        subscribers.add(connection, [Subscriber("alice", "alice@example.org", next_due_at=NOW)])
        (found,) = subscribers.everyone(connection)
    return found


def write(folder: Path, text: str, name: str = "refs.bib") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def take(
    store: Store,
    reader: Subscriber,
    *paths: Path,
    kind: FeedbackKind = "liked",
    now: datetime = NOW,
    dry_run: bool = False,
) -> list[Imported]:
    return libraries.take(store, reader, paths, kind, now, dry_run=dry_run)


def said(store: Store, reader: Subscriber) -> dict[str, Feedback]:
    """Title → verdict."""
    with store.read() as connection:
        rows = feedback.of(connection, [reader.id]).get(reader.id, ())
        title = {one.id: one.title for one in papers.by_ids(connection, [row.paper_id for row in rows])}
    return {title[row.paper_id]: row for row in rows}


def kinds(store: Store, reader: Subscriber) -> dict[str, str]:
    return {title: row.kind for title, row in said(store, reader).items()}


def listed(store: Store, title: str) -> None:
    paper = Paper(title, f"{title} on a page.", keys=(title_key(title),), raw_title=title)
    with store.write() as connection:
        merging.take(connection, [Record(paper.title, paper=paper)], "page:a", NOW, day=date(2026, 3, 14))


def test_a_library_becomes_what_the_reader_likes(store: Store, alice: Subscriber, tmp_path: Path) -> None:
    listed(store, "Wasps")
    (done,) = take(store, alice, write(tmp_path, BIB))
    assert (done.format, done.entries, done.new, done.known, done.duplicates) == ("BibTeX", 4, 1, 1, 1)
    assert (done.without_abstract, done.verdicts, done.by_hand) == (0, 2, 0)
    assert [(one.line, one.reason) for one in done.rejected] == [(4, "d: no title, arXiv id or DOI")]
    rows = said(store, alice)
    assert {title: (row.kind, row.source) for title, row in rows.items()} == dict.fromkeys(
        ("Bees", "Wasps"), ("liked", "import:refs.bib")
    )
    assert rows["Bees"].at == datetime(2025, 1, 2, tzinfo=UTC)
    assert rows["Wasps"].at == NOW
    with store.read() as connection:
        assert [one.title for one in papers.corpus(connection)] == ["Wasps"]


def test_again_is_harmless(store: Store, alice: Subscriber, tmp_path: Path) -> None:
    path = write(tmp_path, BIB)
    take(store, alice, path)
    before = said(store, alice)
    (done,) = take(store, alice, path, now=NOW + timedelta(days=9))
    assert (done.new, done.known, done.duplicates, done.verdicts) == (0, 2, 1, 0)
    assert said(store, alice) == before
    (done,) = take(store, alice, write(tmp_path, BIB + "@misc{e, title = {Ants}}"), now=NOW + timedelta(days=9))
    assert (done.new, done.verdicts) == (1, 1)


def test_what_stands_in_two_files_counts_once(store: Store, alice: Subscriber, tmp_path: Path) -> None:
    first, second = write(tmp_path, BIB), write(tmp_path, "2603.00001\n10.1000/WASPS\nAnts\n", "ids.txt")
    done = take(store, alice, first, second)
    assert [(one.new, one.known, one.duplicates, one.verdicts) for one in done] == [(2, 0, 1, 2), (1, 0, 2, 1)]
    assert said(store, alice)["Bees"].source == "import:refs.bib"


def test_an_id_alone_needs_a_paper_that_is_known(store: Store, alice: Subscriber, tmp_path: Path) -> None:
    ids = write(tmp_path, "2603.00001\n\n2603.00009v2\n", "ids.txt")
    (done,) = take(store, alice, ids)
    why = "is not known here; give a title"
    assert [(one.line, one.reason) for one in done.rejected] == [
        (1, f"arxiv:2603.00001 {why}"),
        (3, f"arxiv:2603.00009 {why}"),
    ]
    take(store, alice, write(tmp_path, BIB), kind="disliked")
    (done,) = take(store, alice, ids, now=NOW + timedelta(days=1))
    assert (done.known, len(done.rejected)) == (1, 1)
    assert kinds(store, alice)["Bees"] == "liked"


def test_what_was_said_by_hand_stays(store: Store, alice: Subscriber, tmp_path: Path) -> None:
    path = write(tmp_path, BIB)
    take(store, alice, path)
    verdicts.say(store, alice, "wasps", "disliked", NOW + timedelta(hours=1))
    (done,) = take(store, alice, path, now=NOW + timedelta(days=1))
    assert (done.verdicts, done.by_hand) == (0, 1)
    assert kinds(store, alice) == {"Bees": "liked", "Wasps": "disliked"}


def test_imported_as_something_else_replaces_what_was_imported(
    store: Store, alice: Subscriber, tmp_path: Path
) -> None:
    path = write(tmp_path, BIB)
    take(store, alice, path)
    (done,) = take(store, alice, path, kind="saved", now=NOW + timedelta(days=1))
    assert done.verdicts == 2
    assert kinds(store, alice) == {"Bees": "saved", "Wasps": "saved"}


def test_a_date_in_the_future_is_today(store: Store, alice: Subscriber, tmp_path: Path) -> None:
    take(store, alice, write(tmp_path, "@misc{a, title = {Bees}, timestamp = {2999-01-01}}"))
    assert said(store, alice)["Bees"].at == NOW
    verdicts.say(store, alice, "bees", "disliked", NOW + timedelta(seconds=1))
    assert kinds(store, alice) == {"Bees": "disliked"}


def test_a_dry_run_stores_nothing_and_tells_the_same(store: Store, alice: Subscriber, tmp_path: Path) -> None:
    paths = write(tmp_path, BIB), write(tmp_path, "2603.00001\nAnts\n", "ids.txt")
    tried = take(store, alice, *paths, dry_run=True)
    assert said(store, alice) == {}
    with store.read() as connection:
        assert papers.count(connection) == (0, 0)
    assert take(store, alice, *paths) == tried


def test_a_file_that_cannot_be_read_leaves_the_others(store: Store, alice: Subscriber, tmp_path: Path) -> None:
    paths = [tmp_path / "nowhere.bib", tmp_path, write(tmp_path, "", "empty.bib"), write(tmp_path, BIB)]
    done = take(store, alice, *paths)
    assert [str(one.error).partition(": ")[2].partition(".")[0] if one.error else None for one in done] == [
        "no such file",
        "it is not an ordinary file",
        "the file is empty",
        None,
    ]
    assert len(said(store, alice)) == 2


def test_taking_it_back(store: Store, alice: Subscriber, tmp_path: Path) -> None:
    path = write(tmp_path, BIB)
    take(store, alice, path, write(tmp_path, "Ants", "ids.txt"))
    verdicts.say(store, alice, "wasps", "saved", NOW)
    assert libraries.remove(store, alice, [path], dry_run=True) == {"refs.bib": 1}
    assert libraries.remove(store, alice, [Path("elsewhere/refs.bib")]) == {"refs.bib": 1}
    assert kinds(store, alice) == {"Ants": "liked", "Wasps": "saved"}
    with pytest.raises(NothingImported, match=r"refs\.bib: nothing of alice's .* Imported were: ids\.txt\."):
        libraries.remove(store, alice, [Path("ids.txt"), path])
    assert kinds(store, alice) == {"Ants": "liked", "Wasps": "saved"}
