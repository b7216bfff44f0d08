"""Interests that a reader's likes imply: phrases that recur in them, that their field uses and others do not.

A phrase says much of a liked paper that has it in its title, little of one that names it in passing, and more where
the papers nearest to that one use it, too. The rarer it is in the store, the more it says. The best phrase is
taken; the papers that have it, and in part those about the same, are told of then; what is left asks for the next.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from math import log, log1p
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
from sklearn.preprocessing import normalize

from digest.model import Interest, Paper, Profile
from digest.ranking.interests import Authors
from digest.ranking.space import Space, Vectors
from digest.ranking.terms import ONLY_IN_PAIRS, Token, fold, terms, tokens

MOST = 8  # interests suggested at a time, and authors
MOST_LIKES = 2000  # looked at; of more, those that weigh most
FEW_LIKES = 5  # with fewer than that, one paper is reason enough for a phrase
BY_AUTHOR = 3  # papers that are reason enough to follow their author
WORDS, SIGNS = 3, 6  # of a phrase, at most; a script without spaces has about two signs to a word
LENGTH_BONUS = (0.0, 0.8, 1.5, 1.7)  # of no, one, two and three words: more of them say more
JOINED = 0.5  # what "real-time" and "large-scale" are worth, which are about something else
IN_TITLE, NAMED, MOST_NAMED = 1.0, 0.25, 3  # a phrase in the title, and each time in the abstract, up to three
NEIGHBOURS = 10  # papers of the corpus that tell what the field of a paper says
ABOUT = 0.5  # what a phrase must say of a paper that stands behind it
WHOLE, WHOLE_WORD = 0.25, 0.35  # how sure it must be that a phrase, or a single word, is no fragment
UNSEEN = 50  # papers without any phrase, beside those in the store: a small store says little of what is usual
USUAL = 0.2  # the share of the store from which on a phrase is what everybody writes, ...
LIFT = 2.5  # ... unless it is so many times as usual among the likes; the same for a single word
UNUSUAL = 0.25  # what a phrase counts that none of them has; 1 + UNUSUAL if all of them do
PAPERS_WITH_IT = 2  # of the corpus: a phrase that fewer have finds nothing
TOLD = 0.15  # what a paper counts that has a phrase which is there already
LEAST_NEWS = 1.0  # papers not told of yet that a phrase must be worth; half of it where there are few likes
ENGLISH, ENOUGH_WORDS = 0.2, 20  # a text of so many words with a smaller share of English stop words is not English
BLOCK = 256  # likes at a time against the whole corpus
# The commonest words of other languages that have more than three letters, folded.
_FUNCTION_WORDS = frozenset(
    """
    aber alle auch aussi avec cette ceux chez como comme come dans dass degli dela della delle desde deze dieser
    diese dopo door durch eine einem einen einer eines elle entre essere esta estas este estos etre fait haben hanno
    hasta hebben kann konnen leur leurs mais meer mehr meme mesma moins naar nach nella nicht niet nosso nous notre
    oder over para pela pelo peut plus porque pour quando quand quelle questa questo sans sein seine sich sind sobre
    sono sont sous sulla tambem traves tussen uber unter unsere vers voor waren werden wird worden wordt wurde
    wurden zijn zwischen
    """.split()  # noqa: SIM905
)


_JOINED = re.compile(r"\w+[‐‑–-]\w+")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An interest, or an author to follow, and the liked papers that say so, those that say it most first."""

    interest: Interest
    papers: tuple[Paper, ...]


@dataclass(slots=True)
class _Phrase:
    strength: dict[int, float] = field(default_factory=dict)  # paper → what the phrase says of it
    abstract: Counter[str] = field(default_factory=Counter)  # spelling → times
    title: Counter[str] = field(default_factory=Counter)
    before: Counter[str] = field(default_factory=Counter)  # the word that a longer phrase has before it
    after: Counter[str] = field(default_factory=Counter)
    times: int = 0
    signs: bool = False  # of a script without spaces

    @property
    def whole(self) -> float:
        """From 0 to 1: how sure it is no fragment of a longer phrase, as "long video" and "coli K-12" are."""
        # What stands before a word may vary, "deep" or "sparse" networks; what stands after it makes it part of
        # something else. Where nothing divides words, only what is always the same tells.
        goes_on = max(self.after.values(), default=0) if self.signs else self.after.total()
        always = max(self.before.values(), default=0)
        return (self.times - goes_on + 0.5) / (self.times + 1) * (1 - (always > 1) * 0.9 * always / self.times)

    @property
    def behind(self) -> list[int]:
        """The papers that it is about, those that it says most of first."""
        about = [row for row, strength in self.strength.items() if strength >= ABOUT]
        return sorted(about, key=lambda row: (-self.strength[row], row))

    @property
    def is_title_word(self) -> bool:
        """Do at least half of those have it in their titles?"""
        behind = self.behind
        return 2 * sum(self.strength[row] >= IN_TITLE for row in behind) >= len(behind)

    @property
    def spelling(self) -> str:
        usual = self.abstract or self.title
        apart = [one for one in usual if not _JOINED.fullmatch(one)]  # "tool use" rather than "tool-use"
        return min(apart or usual, key=lambda one: (-usual[one], one))


class _Run(NamedTuple):
    """Words that say something, side by side."""

    words: tuple[Token, ...]
    text: str  # that they stand in
    in_title: bool


def suggest(space: Space, liked: Sequence[tuple[Paper, float]], profile: Profile) -> list[Suggestion]:
    """What `profile` might say and does not yet, given liked papers with weights above 0: interests, the weightiest
    first, then authors. The same whatever the order of `liked`."""
    ordered = sorted(liked, key=lambda one: (-one[1], sorted(one[0].keys), one[0].title))[:MOST_LIKES]
    papers = [paper for paper, _ in ordered]
    weights = np.array([weight for _, weight in ordered])
    return [*_interests(space, papers, weights, profile), *_authors(papers, profile)]


def _interests(space: Space, papers: Sequence[Paper], weights: np.ndarray, profile: Profile) -> list[Suggestion]:
    found = _phrases(papers, space)
    names = [name for name in sorted(found) if not _is_muted(name, profile.muted)]
    if not names:
        return []
    vectors = space.papers(papers)
    says, worth = _weighed(space, vectors, names, found, len(papers))
    where = vectors.topics.astype(np.float64) if vectors.topics.shape[1] else normalize(vectors.terms)
    left = weights.copy()  # of each paper, what is not told yet

    def tell(rows: Sequence[int]) -> None:
        centre = np.asarray(where[rows].mean(axis=0)).ravel()
        alike = np.clip(where @ centre / max(float(np.linalg.norm(centre)), 1e-12), 0.0, 1.0)
        alike[rows] = np.maximum(alike[rows], (1.0 - TOLD) ** 0.5)
        left[:] = np.round(left * (1.0 - alike**2), 9)

    known = [content for one in profile.interests if (content := _content(one.text))]
    about = [_about(paper) for paper in papers] if known else []
    for content in known:
        if rows := [row for row, words in enumerate(about) if content <= words]:
            tell(rows)
    chosen: list[tuple[str, list[int]]] = []
    least = LEAST_NEWS * (1.0 if len(papers) >= FEW_LIKES else 0.5) * float(weights.mean())

    def serves(place: int) -> bool:
        """Is it news of enough papers, and in other words? Once it is not, it never will be."""
        rows, content = found[names[place]].behind, _content(names[place])
        sure = np.minimum([found[names[place]].strength[row] for row in rows], 1.0)
        return float(left[rows] @ sure) >= least and not any(content <= one or content >= one for one in known)

    while len(chosen) < MOST:
        value = np.round((says @ left) * worth, 9)
        order = [int(one) for one in np.argsort(-value, kind="stable") if worth[one] > 0]
        best = next((one for one in order if serves(one)), None)
        if best is None:
            break
        worth[order[: order.index(best) + 1]] = 0.0
        rows = found[names[best]].behind
        known.append(_content(names[best]))
        chosen.append((found[names[best]].spelling, rows))
        tell(rows)
    sizes = [float(weights[rows].sum()) for _, rows in chosen]
    usual = float(np.mean(sizes)) if sizes else 1.0
    made = [
        Suggestion(
            Interest(text, min(max(round(2 * size / usual) / 2, 0.5), 2.0)), tuple(papers[row] for row in rows)
        )
        for (text, rows), size in zip(chosen, sizes, strict=True)
    ]
    return sorted(made, key=lambda one: -one.interest.weight)


def _weighed(
    space: Space, vectors: Vectors, names: Sequence[str], found: Mapping[str, _Phrase], number: int
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """What each phrase says of each paper, (phrases × papers), and what that is worth, (phrases,)."""
    near = sparse.csc_matrix(_near(space, vectors))
    seen = _seen(space)
    column = {term: place for place, term in enumerate(space.vocabulary)}
    stored = space.corpus.terms.shape[0]
    rows, worth = [], np.zeros(len(names))
    for place, name in enumerate(names):
        columns = [column[part] for part in _parts(name)]
        phrase = found[name]
        usual = near[:, columns].toarray().min(axis=1)
        row = np.zeros(number)
        row[list(phrase.strength)] = list(phrase.strength.values())
        rows.append(sparse.csr_matrix(row * (UNUSUAL + usual)))
        share = (min(seen[one] for one in columns) + 1) / (stored + UNSEEN)
        lift = len(phrase.strength) / number / share
        if (_length(name, phrase) == 1 or share > USUAL) and len(phrase.behind) / number / share < LIFT:
            continue
        worth[place] = (-log(share)) ** 0.5 * log1p(lift) * phrase.whole * LENGTH_BONUS[_length(name, phrase)]
        if _JOINED.fullmatch(phrase.spelling):
            worth[place] *= JOINED
    return sparse.csr_matrix(sparse.vstack(rows)), worth


def _near(space: Space, vectors: Vectors) -> sparse.csr_matrix:
    """The share of the papers nearest to each that have a term, (papers × vocabulary)."""
    corpus = space.corpus
    ones = np.ones_like(corpus.terms.data)
    has = sparse.csr_matrix((ones, corpus.terms.indices, corpus.terms.indptr), corpus.terms.shape)
    directions = sparse.csc_matrix(normalize(corpus.terms).T)
    found = []
    for start in range(0, vectors.terms.shape[0], BLOCK):
        some = vectors.take(np.arange(start, min(start + BLOCK, vectors.terms.shape[0])))
        if some.topics.shape[1]:
            alike = some.topics @ corpus.topics.T
        else:
            alike = (normalize(some.terms) @ directions).toarray()
        # The nearest is the paper itself, where it is in the corpus.
        order = np.argsort(-np.round(alike, 6), axis=1, kind="stable")[:, 1 : NEIGHBOURS + 1]
        count = max(order.shape[1], 1)
        bounds = np.arange(0, order.size + 1, order.shape[1]) if order.size else np.zeros(len(order) + 1, np.intp)
        shape = (len(order), corpus.terms.shape[0])
        found.append(sparse.csr_matrix((np.full(order.size, 1 / count), order.ravel(), bounds), shape) @ has)
    return sparse.csr_matrix(sparse.vstack(found))


# ---- phrases


def _phrases(papers: Sequence[Paper], space: Space) -> dict[str, _Phrase]:
    """Phrases of papers that may be suggested: folded words with spaces between them → where they stand."""
    runs = [list(_runs(paper)) for paper in papers]
    least = 1 if len(papers) < FEW_LIKES else 2
    seen = _seen(space)
    vocabulary = {term for term, number in zip(space.vocabulary, seen, strict=True) if number >= PAPERS_WITH_IT}
    times = Counter(name for mine in runs for name in {name for run in mine for name, _, _ in _pieces(run)})
    kept = {
        name
        for name, number in times.items()
        if number >= least and vocabulary.issuperset(_parts(name)) and _content(name)
    }
    found: dict[str, _Phrase] = {}
    for row, mine in enumerate(runs):
        named: Counter[str] = Counter()
        titled: set[str] = set()
        for run in mine:
            for name, start, stop in _pieces(run):
                if name not in kept:
                    continue
                phrase = found.setdefault(name, _Phrase())
                phrase.times += 1
                phrase.signs = _is_sign(run.words[start])
                if stop < len(run.words) or _is_joined(run, start):
                    phrase.after[run.words[stop].folded if stop < len(run.words) else ""] += 1
                if start:
                    phrase.before[run.words[start - 1].folded] += 1
                text, plain = _written(run, start, stop)
                (phrase.title if plain else phrase.abstract)[text] += 1
                if run.in_title:
                    titled.add(name)
                else:
                    named[name] += 1
        for name in titled | named.keys():
            in_title = IN_TITLE if name in titled else 0.0
            found[name].strength[row] = in_title + NAMED * min(named[name], MOST_NAMED)
    return {name: phrase for name, phrase in found.items() if len(phrase.behind) >= least and _serves(name, phrase)}


def _serves(name: str, phrase: _Phrase) -> bool:
    if _length(name, phrase) > 1:
        return phrase.whole >= WHOLE
    return phrase.whole >= WHOLE_WORD and phrase.is_title_word and (" " in name or not phrase.signs)


def _length(name: str, phrase: _Phrase) -> int:
    """In words."""
    number = name.count(" ") + 1
    return (number + 1) // 2 if phrase.signs else number


def _runs(paper: Paper) -> Iterator[_Run]:
    foreign = _is_foreign(paper)
    for text in (paper.title, paper.abstract):
        words: list[Token] = []
        before = 0
        for one in [*tokens(text), Token("", len(text), len(text))]:
            says = _says(one.folded) and not (foreign and _is_function_word(text[one.start : one.end]))
            if words and (not says or text[before : one.start].strip(" \n\t-‐‑–/")):
                yield _Run(tuple(words), text, text is paper.title)
                words = []
            if says:
                words.append(one)
            before = one.end


def _pieces(run: _Run) -> Iterator[tuple[str, int, int]]:
    """(phrase, from, to) of every phrase in a run that is not too long."""
    for start, first in enumerate(run.words):
        name = ""
        most = SIGNS if _is_sign(first) else WORDS
        for stop in range(start + 1, min(start + most, len(run.words)) + 1):
            name = f"{name} {run.words[stop - 1].folded}".lstrip()
            yield name, start, stop


def _is_sign(word: Token) -> bool:
    return word.end - word.start == 1 and word.folded >= "\u3040"  # from kana on


@lru_cache(maxsize=100_000)
def _says(word: str) -> bool:
    return word in ONLY_IN_PAIRS or word.isdigit() or bool(terms(word))


def _is_joined(run: _Run, start: int) -> bool:
    """Does a hyphen stand before it, as in "Pre-processing"?"""
    return run.text[max(run.words[start].start - 1, 0)] in "-‐‑"


def _parts(name: str) -> list[str]:
    """The terms of the space that make up a phrase."""
    words = name.split(" ")
    return [name] if len(words) <= 2 else [f"{one} {other}" for one, other in pairwise(words)]


def _written(run: _Run, start: int, stop: int) -> tuple[str, bool]:
    """A phrase as it is written; and whether the capitals of a title or a sentence were taken from it."""
    first, last = run.words[start].start, run.words[stop - 1].end
    text = " ".join(run.text[first:last].split())
    opens = run.text[:first].rstrip()[-1:] in '.:!?“"('  # also where nothing stands before it
    # Who explains an abbreviation writes "Reinforcement Learning (RL)".
    if run.in_title or opens or run.text[last : last + 2] == " (":
        words = re.split(r"([\s‐‑–/-])", text)
        return "".join(one.lower() if one[1:].islower() or len(one) == 1 else one for one in words), True
    return text, False


def _is_foreign(paper: Paper) -> bool:
    words = [one.folded for one in tokens(f"{paper.title} {paper.abstract}")]
    english = sum(word in ENGLISH_STOP_WORDS for word in words)
    return len(words) >= ENOUGH_WORDS and english < ENGLISH * len(words)


def _is_function_word(word: str) -> bool:
    short = len(word) <= 3 and word < "\u3040" and not word.isupper()  # "LLM" is none in any language
    return short or fold(word) in _FUNCTION_WORDS


def _content(text: str) -> frozenset[str]:
    """The words of a phrase that say something by themselves: not single letters, not digits."""
    words = {word for term in terms(text) for word in term.folded.split(" ")} - ONLY_IN_PAIRS
    return frozenset(word for word in words if not word.isdigit() and (len(word) > 1 or not word.isascii()))


def _about(paper: Paper) -> set[str]:
    """The words that stand in the title, or twice in the abstract."""
    words = Counter(one.folded for one in tokens(paper.abstract))
    return {word for word, times in words.items() if times > 1} | {one.folded for one in tokens(paper.title)}


def _is_muted(name: str, muted: Sequence[str]) -> bool:
    return any(f" {' '.join(one.folded for one in tokens(text))} " in f" {name} " for text in muted)


def _seen(space: Space) -> np.ndarray:
    """How many papers of the corpus have each term."""
    return np.bincount(space.corpus.terms.indices, minlength=len(space.vocabulary))


# ---- authors


def _authors(papers: Sequence[Paper], profile: Profile) -> list[Suggestion]:
    """Who wrote several of the papers and is not followed. "Doe, Jane" is Jane Doe; "J. Doe" may be another."""
    by_author: dict[tuple[str, ...], list[tuple[str, Paper]]] = {}
    for paper in papers:
        for name in dict.fromkeys(paper.authors):
            by_author.setdefault(tuple(sorted(fold(name).replace(",", " ").split())), []).append((name, paper))
    often = sorted((-len(wrote), key) for key, wrote in by_author.items() if len(wrote) >= BY_AUTHOR and key)
    found = []
    for _, key in often:
        spelled = Counter(name for name, _ in by_author[key])
        name = min(spelled, key=lambda one: (-spelled[one], "," in one, one))
        followed = Authors([Paper("", authors=(name,))])
        if not any(followed.matching(other).any() for other in profile.authors):
            found.append(Suggestion(Interest(name, kind="author"), tuple(paper for _, paper in by_author[key])))
    return found[:MOST]
