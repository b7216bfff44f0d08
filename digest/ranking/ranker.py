"""Rank an edition's candidates for its readers. Same inputs, same picks, whatever the order or the shard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from scipy import sparse

from digest.model import Listing, Paper, Pick, Profile, Verdict
from digest.ranking.interests import Authors, Catalogue, wanted
from digest.ranking.reasons import reasons
from digest.ranking.score import Scored, score
from digest.ranking.select import Muted, select
from digest.ranking.space import Space
from digest.ranking.trending import trending


@dataclass(frozen=True, slots=True)
class Candidate:
    paper: Paper  # stored
    listings: tuple[Listing, ...]  # within the window


@dataclass(frozen=True, slots=True)
class Reader:
    profile: Profile
    memory: Mapping[int, date]  # paper id → slot of the letter it was in


@dataclass(frozen=True, slots=True)
class _Choice:
    scored: Scored
    picked: list[tuple[int, float]]  # (candidate, likeness to the nearest earlier pick)
    out: dict[int, str]  # candidate → why it cannot be in, for those that the profile or the memory keeps out


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

    def __init__(self, corpus: Sequence[Paper], candidates: Sequence[Candidate], day: date) -> None:
        """`corpus` is every stored paper; a candidate that is not in it is read by its own text."""
        # In the order of their keys, not of their arrival: it breaks ties.
        self._candidates = sorted(_merged(candidates), key=lambda one: _place(one.paper))
        self._day = day
        papers = [one.paper for one in self._candidates]
        ordered = sorted(corpus, key=_place)
        self._space = Space(ordered)
        row_of = {paper.id: row for row, paper in enumerate(ordered)}
        if all(paper.id in row_of for paper in papers):
            self._vectors = self._space.corpus.take([row_of[paper.id] for paper in papers])
        else:
            self._vectors = self._space.papers(papers)
        self._columns = sparse.csc_matrix(self._vectors.terms.T)
        self._trend = np.array([trending(one.listings, day) for one in self._candidates])
        self._catalogue = Catalogue(self._space, ordered, self._vectors, Authors(papers))
        self._muted = Muted(papers)
        self._index = {paper.id: row for row, paper in enumerate(papers)}
        self._alike: dict[int, np.ndarray] = {}

    def choose(self, readers: Sequence[Reader]) -> list[tuple[Pick, ...]]:
        """The picks of each reader, best first, in the readers' order."""
        if not self._candidates:
            return [() for _ in readers]
        self._catalogue.learn(one for reader in readers for one, _ in wanted(reader.profile))
        chosen = [self._choose(reader) for reader in readers]
        return [tuple(self._pick(one.scored, place) for place, _ in one.picked) for one in chosen]

    def explain(self, reader: Reader) -> list[Verdict]:
        """What becomes of every candidate: the picks in their order, then the others by score."""
        if not self._candidates:
            return []
        self._catalogue.learn(one for one, _ in wanted(reader.profile))
        choice = self._choose(reader)
        inside = [place for place, _ in choice.picked]
        verdicts = [
            Verdict(self._pick(choice.scored, place), True, f"in, place {number}", redundancy)
            for number, (place, redundancy) in enumerate(choice.picked, 1)
        ]
        nearest = np.zeros(len(self._candidates))
        for place in inside:
            nearest = np.maximum(nearest, self._likeness(place))
        rest = [place for place in range(len(self._candidates)) if place not in set(inside)]
        for place in sorted(rest, key=lambda one: (-choice.scored.score[one], one)):
            why = choice.out.get(place) or self._why_out(choice, place, reader.profile)
            verdicts.append(Verdict(self._pick(choice.scored, place), False, why, float(nearest[place])))
        return verdicts

    def tally(self, reader: Reader) -> Tally:
        """Why candidates are out, in numbers: much cheaper than `explain`."""
        if not self._candidates:
            return Tally(0, 0, 0, 0, 0.0)
        self._catalogue.learn(one for one, _ in wanted(reader.profile))
        scores = score(reader.profile, wanted(reader.profile), self._catalogue, self._trend).score
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

    def _choose(self, reader: Reader) -> _Choice:
        profile = reader.profile
        scored = score(profile, wanted(profile), self._catalogue, self._trend)
        out = self._kept_out(reader)
        allowed = scored.score >= profile.floor
        allowed &= scored.score > 0
        allowed[list(out)] = False
        return _Choice(scored, select(scored.score, allowed, profile.papers, profile.variety, self._likeness), out)

    def _kept_out(self, reader: Reader) -> dict[int, str]:
        out: dict[int, str] = {}
        for term in reader.profile.muted:
            for place in np.flatnonzero(self._muted.by(term)):
                out.setdefault(int(place), f"muted: {term}")
        for one, _ in wanted(reader.profile):
            if one.kind in ("liked", "disliked"):
                paper = self._catalogue.paper(one.text)
                if paper and paper.id in self._index:
                    out[self._index[paper.id]] = (
                        "you liked it already" if one.kind == "liked" else "you disliked it"
                    )
        for paper_id, slot in reader.memory.items():
            if paper_id in self._index:
                out[self._index[paper_id]] = f"sent on {slot}"
        return out

    def _why_out(self, choice: _Choice, place: int, profile: Profile) -> str:
        if choice.scored.score[place] < profile.floor:
            return f"below the floor of {profile.floor:g}"
        if choice.scored.score[place] <= 0:
            return "nothing speaks for it"
        lowest = min((choice.scored.score[one] for one, _ in choice.picked), default=0.0)
        if choice.scored.score[place] > lowest:
            return "for variety: too like a paper that is in"
        return f"room for {profile.papers} {'paper' if profile.papers == 1 else 'papers'} only"

    def _likeness(self, place: int) -> np.ndarray:
        """The cosine of a candidate with each, (candidates,)."""
        if place not in self._alike:
            self._alike[place] = np.round((self._vectors.terms[place] @ self._columns).toarray().ravel(), 12)
        return self._alike[place]

    def _pick(self, scored: Scored, place: int) -> Pick:
        one = self._candidates[place]
        listed = max((each.day for each in one.listings if each.day <= self._day), default=None)
        return Pick(
            paper=one.paper,
            score=float(scored.score[place]),
            relevance=float(scored.relevance[place]),
            trending=float(self._trend[place]),
            reasons=reasons(scored, place, one.paper, self._vectors.terms, self._catalogue, self._space.vocabulary),
            listed=listed,
        )


def _place(paper: Paper) -> tuple[list[str], str, int]:
    return sorted(paper.keys), paper.title, paper.id


def _merged(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Each paper once, with all its listings."""
    found: dict[int, Candidate] = {}
    for one in candidates:
        before = found.get(one.paper.id)
        found[one.paper.id] = replace(before, listings=before.listings + one.listings) if before else one
    return list(found.values())
