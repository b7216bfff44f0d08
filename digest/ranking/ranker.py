"""Rank an edition's candidates for its readers. Same inputs, same picks, whatever the order or the shard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from scipy import sparse
from sklearn.preprocessing import normalize

from digest.model import Feedback, Listing, Paper, Pick, Profile, Verdict
from digest.ranking.interests import PAPER_KINDS, Catalogue
from digest.ranking.others import Others
from digest.ranking.reasons import reasons
from digest.ranking.score import Asked, Scored, score
from digest.ranking.select import Muted, Shelf, select, shelf_of
from digest.ranking.space import Space
from digest.ranking.trending import trending

HALF_LIFE_DAYS = 365.0  # in which a like or dislike with a date fades to one half
BLOCK = 256  # readers at a time
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
        self._trend = np.array([trending(one.listings, day) for one in self._candidates])
        self._catalogue = Catalogue(self._space, ordered, papers, self._vectors)
        self.acquaint(papers)
        self._muted = Muted(papers)
        self._index = {paper.id: row for row, paper in enumerate(papers)}
        self._alike: dict[int, np.ndarray] = {}
        self._others = others
        self._factors = others.of_papers(self._vectors).T if others else None

    @property
    def known(self) -> Set[int]:
        """The ids of the papers that a reader may have liked."""
        return self._catalogue.known

    def acquaint(self, papers: Sequence[Paper]) -> None:
        """Make papers known that the space was not fitted on, in the order of their keys."""
        self._catalogue.acquaint(in_order(papers))

    def choose(self, readers: Sequence[Reader]) -> list[tuple[Pick, ...]]:
        """The picks of each reader, best first, in the readers' order."""
        if not self._candidates:
            return [() for _ in readers]
        asked = [self._asked(reader) for reader in readers]
        self._catalogue.learn(named for one in asked for named, _ in one.interests)
        found: list[tuple[Pick, ...]] = []
        for start in range(0, len(readers), BLOCK):
            some, block = readers[start : start + BLOCK], asked[start : start + BLOCK]
            scored = score(block, self._catalogue, self._trend)
            out = [self._kept_out(reader) for reader in some]
            for row, picked in enumerate(self._select(scored, some, block, out)):
                found.append(tuple(self._pick(scored, row, place) for place, _ in picked))
        return found

    def explain(self, reader: Reader) -> list[Verdict]:
        """What becomes of every candidate: the picks in their order, then the others by score."""
        if not self._candidates:
            return []
        scored = self._scored(reader)
        out = self._kept_out(reader)
        picked = self._select(scored, [reader], [self._asked(reader)], [out])[0]
        inside = [place for place, _ in picked]
        verdicts = [
            Verdict(self._pick(scored, 0, place), True, f"in, place {number}", redundancy)
            for number, (place, redundancy) in enumerate(picked, 1)
        ]
        nearest = self._likeness(np.array(inside, dtype=np.intp)).max(axis=0, initial=0.0)
        rest = [place for place in range(len(self._candidates)) if place not in set(inside)]
        scores = scored.score[0]
        for place in sorted(rest, key=lambda one: (-scores[one], one)):
            why = out.get(place) or _why_out(scores, inside, place, nearest[place], reader.profile)
            verdicts.append(Verdict(self._pick(scored, 0, place), False, why, float(nearest[place])))
        return verdicts

    def tally(self, reader: Reader) -> Tally:
        """Why candidates are out, in numbers: much cheaper than `explain`."""
        if not self._candidates:
            return Tally(0, 0, 0, 0, 0.0)
        scores = self._scored(reader).score[0]
        out = self._kept_out(reader)
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

    def _scored(self, reader: Reader) -> Scored:
        asked = self._asked(reader)
        self._catalogue.learn(named for named, _ in asked.interests)
        return score([asked], self._catalogue, self._trend)

    def _select(
        self, scored: Scored, readers: Sequence[Reader], asked: Sequence[Asked], out: Sequence[Mapping[int, str]]
    ) -> list[list[tuple[int, float]]]:
        profiles = [reader.profile for reader in readers]
        floor = np.array([profile.floor for profile in profiles])[:, None]
        allowed = (scored.score >= floor) & (scored.score > 0)
        for row, barred in enumerate(out):
            allowed[row, list(barred)] = False
        room = np.array([max(profile.papers, 0) for profile in profiles])
        variety = np.array([profile.variety for profile in profiles])
        places, scores = shelf_of(scored.score, allowed, int(room.max(initial=0)))
        parts, weights = _parts(scored, asked, places)
        return select(Shelf(places, scores, parts, weights), room, variety, self._likeness)

    def _kept_out(self, reader: Reader) -> dict[int, str]:
        out: dict[int, str] = {}
        for term in reader.profile.muted:
            for place in np.flatnonzero(self._muted.by(term)):
                out.setdefault(int(place), f"muted: {term}")
        for one, _ in self._catalogue.asked(reader.profile, reader.feedback, self._day, self._half_life_days):
            paper = self._catalogue.paper(one) if one.kind in PAPER_KINDS else None
            if paper and paper.id in self._index:
                out[self._index[paper.id]] = _SAID[one.kind]
        for paper_id in self._index.keys() & reader.memory.keys():
            out[self._index[paper_id]] = f"sent on {reader.memory[paper_id]}"
        return out

    def _likeness(self, places: np.ndarray) -> np.ndarray:
        """The cosine of candidates with each, (places × candidates)."""
        new = sorted({int(place) for place in places} - self._alike.keys())
        if new:
            found = np.round((self._directions[new] @ self._columns).toarray(), 12)
            self._alike.update(zip(new, found, strict=True))
        if not len(places):
            return np.zeros((0, len(self._candidates)))
        return np.array([self._alike[int(place)] for place in places])

    def _pick(self, scored: Scored, row: int, place: int) -> Pick:
        one = self._candidates[place]
        listed = max((each.day for each in one.listings if each.day <= self._day), default=None)
        mine = slice(scored.weights.indptr[row], scored.weights.indptr[row + 1])
        columns = scored.weights.indices[mine]
        paid = scored.weights.data[mine] * scored.parts[columns, place]
        named = [scored.named[column] for column in columns.tolist()]
        return Pick(
            paper=one.paper,
            score=float(scored.score[row, place]),
            relevance=float(scored.relevance[row, place]),
            trending=float(self._trend[place]),
            reasons=reasons(
                float(scored.score[row, place]),
                float(scored.popular[row, place]),
                list(zip(named, paid.tolist(), strict=True)),
                float(scored.others[row, place]),
                place,
                one.paper,
                self._vectors.terms,
                self._catalogue,
                self._space.vocabulary,
            ),
            listed=listed,
        )


_SAID = {"liked": "you liked it already", "saved": "you saved it already", "disliked": "you disliked it"}


def in_order(papers: Sequence[Paper]) -> list[Paper]:
    """By their keys: the order of the rows of a space, whatever the order in which the papers came."""
    return sorted(papers, key=_place)


def _parts(scored: Scored, asked: Sequence[Asked], places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What each interest has to do with each of the candidates in `places`, (readers × places × interests), and the
    interests' weights, (readers × interests). A reader's likes are one interest among the others."""
    row_of = {named: row for row, named in enumerate(scored.named)}
    own = [
        [(row_of[named], weight) for named, weight in one.interests if named.kind not in PAPER_KINDS]
        for one in asked
    ]
    most = max(map(len, own), default=0)
    weights = np.zeros((len(asked), most + 1))
    rows = np.zeros((len(asked), most), dtype=np.intp)
    for reader, mine in enumerate(own):
        weights[reader, 0] = any(named.kind in ("liked", "saved") for named, _ in asked[reader].interests)
        rows[reader, : len(mine)] = [row for row, _ in mine]
        weights[reader, 1 : len(mine) + 1] = [weight for _, weight in mine]
    parts = np.zeros((*places.shape, most + 1))
    if most:
        relative = weights[:, 1:] / np.maximum(weights[:, 1:].max(axis=1, keepdims=True), 1e-12)
        parts[:, :, 1:] = scored.parts[rows[:, None, :], places[:, :, None]] * relative[:, None, :]
    drawn = np.take_along_axis(scored.drawn, places, axis=1)
    parts[:, :, 0] = np.where(weights[:, :1] > 0, np.round(drawn - parts.sum(axis=2), 9), 0.0)
    return np.clip(parts, 0.0, None), weights


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
