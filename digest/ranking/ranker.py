"""Rank an edition's candidates for its readers. Same inputs, same picks, whatever the order or the shard."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise

import numpy as np
from scipy import sparse
from sklearn.preprocessing import normalize

from digest.model import Feedback, Listing, Paper, Pick, Profile, Verdict
from digest.ranking.interests import PAPER_KINDS, Catalogue, known_as
from digest.ranking.others import Others
from digest.ranking.reasons import Teller, made
from digest.ranking.score import LIKED, Asked, Scored, score
from digest.ranking.select import LOOK_AHEAD, Muted, Shelf, select, shelf_of
from digest.ranking.space import Space
from digest.ranking.trending import standings

HALF_LIFE_DAYS = 365.0  # in which a like or dislike with a date fades to one half
BLOCK = 500  # readers at a time ...
CELLS = 4_000_000  # ... or fewer, so that readers × shelf × interests stays below
ALIKE = 0.12  # papers whose cosine is above this are seen to be alike


@dataclass(frozen=True, slots=True)
class Candidate:
    paper: Paper  # stored
    listings: tuple[Listing, ...]  # within the window


@dataclass(frozen=True, slots=True)
class Reader:
    profile: Profile
    memory: Mapping[int, date]  # paper id → slot of the letter it was in
    feedback: tuple[Feedback, ...] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """How many candidates are out for which reason; each is counted once."""

    sent: int  # in an earlier letter
    kept_out: int  # muted, liked or disliked
    unrelated: int  # score 0
    below: int  # the floor
    best: float  # the best score among those below the floor


class Ranker:
    """The space of a corpus and the candidates of one day in it."""

    def __init__(
        self,
        corpus: Sequence[Paper],
        candidates: Sequence[Candidate],
        day: date,
        *,
        space: Space | None = None,
        others: Others | None = None,
        half_life_days: float = HALF_LIFE_DAYS,
    ) -> None:
        """`corpus` is what the space is fitted on; a candidate that is not in it is read by its own text.

        `space` is that of the corpus in the order of `in_order`, where it is known already, and `others` what was
        learned from all readers on its rows.
        """
        # In the order of their keys, not of their arrival: it breaks ties.
        self._candidates = sorted(_merged(candidates), key=lambda one: _place(one.paper))
        self._day, self._half_life_days = day, half_life_days
        papers = [one.paper for one in self._candidates]
        ordered = in_order(corpus)
        self._space = space or Space(ordered)
        row_of = {paper.id: row for row, paper in enumerate(ordered)}
        if all(paper.id in row_of for paper in papers):
            self._vectors = self._space.corpus.take([row_of[paper.id] for paper in papers])
        else:
            self._vectors = self._space.papers(papers)
        self._directions = sparse.csr_matrix(normalize(self._vectors.terms) if papers else self._vectors.terms)
        self._columns = sparse.csc_matrix(self._directions.T)
        self._papers = papers
        self._standings = standings([one.listings for one in self._candidates], day)
        self._trends = [one.trending for one in self._standings]
        self._trend = np.array(self._trends)
        self._catalogue = Catalogue(self._space, ordered, papers, self._vectors)
        self.acquaint(papers)
        self._muted = Muted(papers)
        self._index = {paper.id: row for row, paper in enumerate(papers)}
        self._place_of = {known_as(paper.id): row for row, paper in enumerate(papers)}
        self._votes = [_most(one.listings, day) for one in self._candidates]
        self._listed = [
            max((each.day for each in one.listings if each.day <= day), default=None) for one in self._candidates
        ]
        self._teller = Teller(papers, self._vectors.terms, self._catalogue, self._space.vocabulary)
        self._alike = np.zeros((0, len(papers)))  # cosines of some with each, and which row is whose
        self._alike_row = np.full(len(papers), -1)
        self._others = others
        self._factors = others.of_papers(self._vectors).T if others else None

    @property
    def known(self) -> Set[int]:
        """The ids of the papers that a reader may have liked."""
        return self._catalogue.known

    def acquaint(self, papers: Sequence[Paper], *, public: bool = True) -> None:
        """Make papers known that the space was not fitted on, in the order of their keys: `Catalogue.acquaint`."""
        self._catalogue.acquaint(in_order(papers), public=public)

    def choose(self, readers: Sequence[Reader]) -> list[tuple[Pick, ...]]:
        """The picks of each reader, best first, in the readers' order."""
        if not self._candidates:
            return [() for _ in readers]
        found: list[tuple[Pick, ...]] = []
        with _uncollected():
            asked = self.learn(readers)
            # A reader with many interests and much room takes many cells: then fewer readers at a time.
            most = max((len(one.interests) for one in asked), default=0) + 1
            shelf = LOOK_AHEAD * max((reader.profile.papers for reader in readers), default=1)
            step = max(1, min(BLOCK, CELLS // (most * max(shelf, 1))))
            for start in range(0, len(readers), step):
                some, block = readers[start : start + step], asked[start : start + step]
                scored = score(block, self._catalogue, self._trend)
                out = [self._kept_out(*one) for one in zip(some, block, strict=True)]
                picked, _ = self._select(scored, some, out)
                found += self._picks(scored, picked)
        return found

    def also(self, reader: Reader, picks: Sequence[Pick]) -> tuple[Pick, ...]:
        """What is popular beside the picks and was never sent, muted or rated: at most `also_trending` papers."""
        number = reader.profile.also_trending
        if not number or not self._candidates:
            return ()
        out = self._kept_out(reader, self._asked(reader)).keys() | {self._index[pick.paper.id] for pick in picks}
        popular = np.argsort(-np.round(self._trend, 9), kind="stable").tolist()
        places = [place for place in popular if place not in out and self._trends[place] > 0][:number]
        return tuple(
            Pick(self._papers[at], 0.0, 0.0, self._trends[at], (), self._listed[at], self._votes[at])
            for at in places
        )

    def learn(self, readers: Sequence[Reader]) -> list[Asked]:
        """What each asks for. Interests that nobody asked for before are scored, once for all who share them."""
        asked = [self._asked(reader) for reader in readers]
        if self._candidates:
            if self._catalogue.make_room():
                self._teller.forget()
            self._catalogue.learn(named for one in asked for named, _ in one.interests)
        return asked

    def explain(self, reader: Reader) -> list[Verdict]:
        """What becomes of every candidate: the picks in their order, then the others by score."""
        if not self._candidates:
            return []
        asked, scored = self._scored(reader)
        out = self._kept_out(reader, asked)
        picked, near = self._select(scored, [reader], [out])
        inside: list[int] = picked[picked >= 0].tolist()
        scores = scored.score[0]
        everywhere = np.arange(len(scores))[None]
        nearest = self._likeness(picked[picked >= 0], everywhere).max(axis=0, initial=0.0)
        rest = [place for place in range(len(self._candidates)) if place not in set(inside)]
        rest.sort(key=lambda place: (-scores[place], place))
        redundancy = near[picked >= 0].tolist() + nearest[rest].tolist()
        why = [f"in, place {number}" for number in range(1, len(inside) + 1)]
        why += [out.get(place) or _why_out(scores, inside, place, nearest[place], reader.profile) for place in rest]
        every = self._picks(scored, np.array([inside + rest]))[0]
        return [
            Verdict(pick, number < len(inside), said, near, self._standings[place])
            for number, (pick, said, near, place) in enumerate(
                zip(every, why, redundancy, inside + rest, strict=True)
            )
        ]

    def tally(self, reader: Reader) -> Tally:
        """Why candidates are out, in numbers: much cheaper than `explain`."""
        if not self._candidates:
            return Tally(0, 0, 0, 0, 0.0)
        asked, scored = self._scored(reader)
        scores, out = scored.score[0], self._kept_out(reader, asked)
        free = np.ones(len(scores), dtype=bool)
        free[list(out)] = False
        below = free & (scores > 0) & (scores < reader.profile.floor)
        sent = sum(why.startswith("sent on") for why in out.values())
        return Tally(
            sent=sent,
            kept_out=len(out) - sent,
            unrelated=int((free & (scores <= 0)).sum()),
            below=int(below.sum()),
            best=float(scores[below].max(initial=0.0)),
        )

    def _asked(self, reader: Reader) -> Asked:
        interests = self._catalogue.asked(reader.profile, reader.feedback, self._day, self._half_life_days)
        said = None
        if self._others and self._factors is not None:
            rows = [self._catalogue.row(one) for one, _ in interests if one.kind in ("liked", "saved")]
            mine = self._others.of_reader([row for row in rows if row is not None])
            said = None if mine is None else mine @ self._factors
        return Asked(interests, reader.profile.trending, said)

    def _scored(self, reader: Reader) -> tuple[Asked, Scored]:
        asked = self.learn([reader])
        return asked[0], score(asked, self._catalogue, self._trend)

    def _select(
        self, scored: Scored, readers: Sequence[Reader], out: Sequence[Mapping[int, str]]
    ) -> tuple[np.ndarray, np.ndarray]:
        profiles = [reader.profile for reader in readers]
        floor = np.array([profile.floor for profile in profiles])[:, None]
        allowed = (scored.score >= floor) & (scored.score > 0)
        barred = [place for one in out for place in one]
        allowed[np.repeat(np.arange(len(out)), [len(one) for one in out]), barred] = False
        room = np.array([max(profile.papers, 0) for profile in profiles])
        variety = np.array([profile.variety for profile in profiles])
        places, scores = shelf_of(scored.score, allowed, int(room.max(initial=0)))
        parts, weights = _parts(scored, places)
        return select(Shelf(places, scores, parts, weights), room, variety, self._likeness)

    def _kept_out(self, reader: Reader, asked: Asked) -> dict[int, str]:
        out: dict[int, str] = {}
        for term in reader.profile.muted:
            for at in np.flatnonzero(self._muted.by(term)):
                out.setdefault(int(at), f"muted: {term}")
        for one, _ in asked.interests:
            if one.kind in PAPER_KINDS and (place := self._place_of.get(one.text)) is not None:
                out[place] = _SAID[one.kind]
        for paper_id in self._index.keys() & reader.memory.keys():
            out[self._index[paper_id]] = f"sent on {reader.memory[paper_id]}"
        return out

    def _likeness(self, these: np.ndarray, those: np.ndarray) -> np.ndarray:
        """The cosine of each of `these` candidates, (n,), with each of a row of `those`, (n or 1 × m)."""
        if (new := np.unique(these[self._alike_row[these] < 0])).size:
            found = np.round((self._directions[new] @ self._columns).toarray(), 12)
            self._alike_row[new] = np.arange(len(self._alike), len(self._alike) + len(new))
            self._alike = np.concatenate([self._alike, found])
        likeness: np.ndarray = self._alike[self._alike_row[these][:, None], those]
        return likeness

    def _picks(self, scored: Scored, chosen: np.ndarray) -> list[tuple[Pick, ...]]:
        """The picks of each reader of `scored`, whose candidates are a row of `chosen`; −1 is none."""
        row, column = np.nonzero(chosen >= 0)
        place = chosen[row, column]
        at = place.tolist()
        picks = made(
            Pick,
            [self._papers[one] for one in at],
            scored.score[row, place].tolist(),
            scored.relevance[row, place].tolist(),
            [self._trends[one] for one in at],
            self._teller.reasons(scored, row, place),
            [self._listed[one] for one in at],
            [self._votes[one] for one in at],
        )
        ends = [0, *np.cumsum((chosen >= 0).sum(axis=1)).tolist()]
        return [tuple(picks[start:end]) for start, end in pairwise(ends)]


@contextmanager
def _uncollected() -> Iterator[None]:
    """Picks hold no cycles, and looking for some in a hundred thousand of them takes as long as choosing them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            # To the old ones without looking through them: else the next look would be at all of these.
            gc.freeze()
            gc.unfreeze()
            gc.enable()


_SAID = {"liked": "you liked it already", "saved": "you saved it already", "disliked": "you disliked it"}


def _most(listings: Sequence[Listing], day: date) -> int | None:
    """The most votes that a paper had by this day; None where no source tells."""
    return max((one.votes for one in listings if one.votes is not None and one.day <= day), default=None)


def in_order(papers: Sequence[Paper]) -> list[Paper]:
    """By their keys: the order of the rows of a space, whatever the order in which the papers came."""
    return sorted(papers, key=_place)


def _parts(scored: Scored, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What each interest has to do with each of the candidates in `places`, (readers × interests × places), and the
    interests' relative weights, (readers × interests). A reader's likes are one interest, the first, among the
    others."""
    weights = scored.weights
    of_whom = np.repeat(np.arange(len(places)), np.diff(weights.indptr))
    found = scored.likeness[weights.indices[:, None], places[of_whom]] * weights.data[:, None]
    np.maximum(found, 0.0, out=found)  # what is less than usual is no part of anything, nor is a dislike
    own, liked = scored.family < LIKED, scored.family == LIKED
    before = np.concatenate([[0], np.cumsum(own)])
    column = (before[1:] - before[weights.indptr[of_whom]])[own]
    parts = np.zeros((len(places), 1 + int(column.max(initial=0)), places.shape[1]))
    parts[of_whom[own], column] = found[own]
    likes = np.bincount(of_whom[liked], minlength=len(places))
    cells = np.ones(likes.sum()), np.arange(likes.sum()), np.cumsum([0, *likes])
    whose = sparse.csr_matrix(cells, shape=(len(places), likes.sum()))
    said = whose @ found[liked] + np.take_along_axis(scored.others, places, axis=1)
    parts[:, 0] = np.round(said, 9)
    relative = np.zeros(parts.shape[:2])
    relative[:, 0] = likes > 0
    relative[of_whom[own], column] = scored.relative[own]
    return parts, relative


def _why_out(scores: np.ndarray, inside: Sequence[int], place: int, near: float, profile: Profile) -> str:
    if scores[place] < profile.floor:
        return f"below the floor of {profile.floor:g}"
    if scores[place] <= 0:
        return "nothing speaks for it"
    lowest = min((scores[one] for one in inside), default=0.0)
    if scores[place] > lowest:
        return (
            f"for variety: {'too like a paper that is in' if near > ALIKE else 'it is the turn of other interests'}"
        )
    return f"room for {profile.papers} {'paper' if profile.papers == 1 else 'papers'} only"


def _place(paper: Paper) -> tuple[list[str], str, int]:
    return sorted(paper.keys), paper.title, paper.id


def _merged(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Each paper once, with all its listings."""
    found: dict[int, Candidate] = {}
    for one in candidates:
        before = found.get(one.paper.id)
        found[one.paper.id] = replace(before, listings=before.listings + one.listings) if before else one
    return list(found.values())
