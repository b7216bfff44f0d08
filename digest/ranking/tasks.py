"""Likes → a task to measure ranking with: what was known, what is the future, and nobody's like in both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from digest.model import Paper
from digest.ranking.evaluate import Known, Split, Task, held_out

KNOWN_SHARE = 0.8  # of the likes, by time
GOOD = ("liked", "saved")


class Like(NamedTuple):
    reader: str
    paper: str  # its key
    at: datetime | None = None


def split(papers: Mapping[str, Paper], likes: Iterable[Like], phrases: Mapping[str, tuple[str, ...]]) -> Task:
    """The task in these likes, the same in whatever order they come.

    Where every like has a date, the last fifth of them is the future, and the candidates are the papers that nobody
    liked before it. Otherwise a fifth of the papers are candidates, chosen by a hash of their keys. Likes of papers
    that are not in `papers` are left out.
    """
    keys = sorted(papers)
    row = {key: place for place, key in enumerate(keys)}
    first: dict[tuple[str, str], datetime | None] = {}
    for one in likes:
        if one.paper in row:
            both = (first.get((one.reader, one.paper)), one.at)
            first[one.reader, one.paper] = min((at for at in both if at), default=None)
    dates = sorted(at for at in first.values() if at is not None)
    undated, cut = len(first) - len(dates), None
    if dates and not undated:
        # The likes of one moment are not divided; where the last fifth is of the first moment, what follows it is.
        cut = dates[int(KNOWN_SHARE * len(dates))]
        cut = cut if cut > dates[0] else next((at for at in dates if at > dates[0]), None)
    if cut is None:
        candidates = {key for key in keys if held_out(key)}
        future = {pair for pair in first if pair[1] in candidates}
    else:
        future = {pair for pair, at in first.items() if at is not None and at >= cut}
        candidates = {key for _, key in future} - {key for _, key in first.keys() - future}
    liked: dict[str, list[int]] = {}
    truth: dict[str, set[int]] = {}
    for reader, key in sorted(first):
        if (reader, key) not in future:
            liked.setdefault(reader, []).append(row[key])
        elif key in candidates:
            truth.setdefault(reader, set()).add(row[key])
    readers = sorted({reader for reader, _ in first} | {reader for reader, texts in phrases.items() if texts})
    asked = [one for one in readers if one in truth]
    kept = [one for one in asked if one in liked or phrases.get(one)]
    return Task(
        papers=[papers[key] for key in keys],
        candidates=[row[key] for key in keys if key in candidates],
        known=[Known(one, tuple(liked.get(one, ())), phrases.get(one, ())) for one in kept],
        truth=[frozenset(truth[one]) for one in kept],
        split=Split(
            since=cut,
            one_moment=bool(dates) and not undated and cut is None,
            undated=undated,
            likes=len(first),
            readers=len(readers),
            without_truth=len(readers) - len(asked),
            without_profile=len(asked) - len(kept),
            late=sum(key not in candidates for _, key in future),
        ),
        likes=[tuple(rows) for _, rows in sorted(liked.items())],
    )


def from_feedback(
    papers: Sequence[Paper],
    rows: Iterable[tuple[int, int, str, datetime]],
    phrases: Mapping[int, tuple[str, ...]],
) -> Task:
    """The task in a store's own feedback: (subscriber's id, paper's id, kind, at) and each subscriber's phrases.

    Liked and saved papers count as liked from the first time on, unless the subscriber's last word on the paper is
    another: then it is neither liked nor the truth. Nobody knows when a phrase was written, so all of them count as
    known.
    """
    key_of = {paper.id: " ".join(sorted(paper.keys)) or f"id:{paper.id}" for paper in papers}
    said: dict[tuple[int, int], list[tuple[datetime, bool]]] = {}
    for reader, paper, kind, at in rows:
        said.setdefault((reader, paper), []).append((at, kind in GOOD))
    likes = [
        Like(str(reader), key_of[paper], min(at for at, good in words if good))
        for (reader, paper), words in said.items()
        if paper in key_of and max(words)[1]
    ]
    return split(
        {key_of[paper.id]: paper for paper in papers},
        likes,
        {str(reader): texts for reader, texts in phrases.items()},
    )
