"""A small world of papers, written for the tests."""

from __future__ import annotations

from datetime import date, timedelta

from digest.model import Interest, Listing, Paper, Profile
from digest.ranking.ranker import Candidate, Ranker, Reader
from digest.sources.identity import title_key

DAY = date(2026, 3, 14)
TEXTS = {
    "Tool Use by Small Language Models": "A language model that calls a calculator makes fewer mistakes. We train "
    "it to choose a tool for each step, and report where tool use still fails.",
    "When Tools Fail: Language Agents and Broken Calculators": "Tools break. We inject failures into the tool use "
    "of agents and count how often a language model notices.",
    "Designing Proteins That Withstand Heat": "Enzymes unfold when heated. We design proteins by editing few "
    "residues and measure their stability in the laboratory.",
    "Folding a Protein from Its Sequence Alone": "A network reads a sequence of residues and folds the protein. No "
    "alignment is needed, and enzymes fold within seconds.",
    "Rain in Six Hours": "Forecasts of rain rest on radar images. A small network predicts how clouds move, and we "
    "compare its weather forecasts with those of a physical simulation.",
    "Who Spoke? Meetings with Overlapping Speech": "Overlapping voices are hard to transcribe. We separate "
    "the speakers of a meeting before speech recognition.",
    "Video-Generation with a Storyboard": "Minute-long video drifts. A storyboard keeps the generated frames "
    "together while a diffusion network paints them.",
    "A Robot That Chooses Its Hammer": "Manipulation needs the right instrument. Our robots choose among hammers "
    "and spatulas by weight and reach.",
    "神经网络翻译诗歌": "我们研究用神经网络翻译诗歌,并请读者评价译文的韵律。",
}


def paper(number: int, title: str, abstract: str, *authors: str, key: str = "") -> Paper:
    keys = (*([key] if key else []), title_key(title))
    return Paper(title=title, abstract=abstract, authors=authors, keys=keys, id=number)


PAPERS = [paper(n, title, text) for n, (title, text) in enumerate(TEXTS.items(), 1)]


def listed(
    position: int = 5, age: int = 0, size: int = 20, votes: int | None = None, source: str = "page"
) -> Listing:
    return Listing(source, DAY - timedelta(days=age), position, size, votes)


def candidates(papers: list[Paper] | None = None) -> list[Candidate]:
    return [Candidate(one, (listed(place),)) for place, one in enumerate(papers or PAPERS, 1)]


def ranker(papers: list[Paper] | None = None) -> Ranker:
    return Ranker(papers or PAPERS, candidates(papers), DAY)


def reader(*interests: str | Interest, memory: dict[int, date] | None = None, **knobs: object) -> Reader:
    made = tuple(one if isinstance(one, Interest) else Interest(one) for one in interests)
    values: dict[str, object] = {"floor": 0.0, "variety": 0.0, **knobs}
    return Reader(Profile(interests=made, **values), memory or {})  # type: ignore[arg-type]


def titles(one: Reader, world: Ranker | None = None) -> list[str]:
    return [pick.paper.title for pick in (world or ranker()).choose([one])[0]]


def why(one: Reader, world: Ranker | None = None) -> dict[str, str]:
    return {verdict.pick.paper.title: verdict.why for verdict in (world or ranker()).explain(one)}
