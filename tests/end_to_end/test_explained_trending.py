"""What `digest preview` tells of a paper's trending: votes and their field, as far as these are known."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from command import PAPERS, Digest
from rich.console import Console

from digest.cli import common
from digest.model import Entry, Paper
from digest.sources.identity import title_key
from digest.sources.record import told
from digest.store import merging
from digest.store.opening import open_store

DAY = date(2025, 3, 14)
VOTES = (40, 187, None, 12, 9)
CALCULATORS, HEAT, *_ = (title for title, _ in PAPERS)


@pytest.fixture
def alice(digest: Digest) -> Digest:
    """A source that tells votes, of all papers but one; the second stood alone on a page the day before, too."""
    digest("ingest", digest.page("one", PAPERS[1:2]), "--day", DAY - timedelta(days=1))
    store = open_store(f"sqlite:///{digest.home}/digest.db")
    listed = [
        Entry(Paper(title, text, keys=(title_key(title),)), place, 0, votes)
        for place, ((title, text), votes) in enumerate(zip(PAPERS, VOTES, strict=True), 1)
    ]
    with store.write() as connection:
        records = [told(one) for one in listed]
        merging.take(connection, records, "hf:daily", datetime(2025, 3, 14, 5, tzinfo=UTC), day=DAY)
    store.close()
    digest.profile("alice", "floor = 0")
    digest("profiles", "apply")
    return digest


def test_explain_tells_votes_rank_field_source_day_and_days(alice: Digest) -> None:
    rows = alice("preview", "alice", "--day", DAY, "--explain").out.splitlines()
    told = {title: next(row for row in rows if title in row) for title, _ in PAPERS}
    assert "187 votes, 1st of 4 (hf, 2025-03-14), 2 days" in told[HEAT]
    assert "40 votes, 2nd of 4 (hf, 2025-03-14) " in told[CALCULATORS]
    assert "votes unknown, place 3 of 5 (hf, 2025-03-14)" in told[PAPERS[2][0]]


def test_the_parts_are_in_json(alice: Digest) -> None:
    found = {one["title"]: one for one in alice("preview", "alice", "--day", DAY, "--json").json["candidates"]}
    said = found[HEAT]["standing"]
    listing = {"source": "hf:daily", "day": "2025-03-14", "position": 2, "size": 5, "votes": 187}
    assert said["listing"] == listing
    assert (said["rank"], said["rated"], said["days"]) == (1, 4, 2)
    assert 0 < said["sure"] < 1
    assert said["trending"] == found[HEAT]["trending"]
    assert found[HEAT]["trending"] > found[CALCULATORS]["trending"] > found[PAPERS[4][0]]["trending"]
    unknown = found[PAPERS[2][0]]["standing"]
    assert (unknown["listing"]["votes"], unknown["rank"], unknown["rated"]) == (None, None, 4)


def test_eighty_columns_tell_it_too(alice: Digest, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(
        highlight=False, markup=False, force_terminal=True, width=80, soft_wrap=True, color_system=None
    )
    monkeypatch.setattr(common, "out", terminal)
    out = alice("preview", "alice", "--day", DAY, "--explain").out
    assert max(map(len, out.splitlines())) <= 80
    trending = alice("preview", "alice", "--day", DAY, "--json").json["candidates"][0]["trending"]
    assert f"trending {trending:.2f}: 187 votes, 1st of 4 (hf, 2025-03-14), 2 days" in " ".join(out.split())


@pytest.mark.parametrize(
    ("number", "told"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (113, "113th"), (121, "121st")],
)
def test_ordinals(number: int, told: str) -> None:
    assert common.ordinal(number) == told
