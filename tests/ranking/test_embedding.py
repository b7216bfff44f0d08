"""What a model of sentences adds to the ranking, with a small one made up here, which knows some synonyms."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from invented_readers import COMMON, TOPICS
from world import DAY, PAPERS, TEXTS, candidates, paper, reader, titles

from digest.model import Paper
from digest.ranking.ranker import Ranker, in_order
from digest.ranking.space import Space

TOOLS, BROKEN, HEAT, FOLDING, RAIN, SPEECH, VIDEO, ROBOT, POEMS = TEXTS
SAME = {"meteorology": "weather", "beekeeping": "honey", "verse": "神经网络翻译诗歌"}


class Invented:
    """A text's vector is the sum of its words', and theirs are random, the same for words of one meaning."""

    def __init__(self, name: str = "invented", shift: float = 0.0) -> None:
        self.name, self._shift, self.read = name, shift, 0

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        self.read += len(texts)
        rows = [self._one(text) for text in texts]
        return np.array(rows, dtype=np.float32).reshape(len(texts), 64)

    def _one(self, text: str) -> np.ndarray:
        words = [SAME.get(word, word) for word in re.findall(r"\w{4,}", text.casefold())]
        row = sum((np.random.default_rng(list(word.encode())).normal(size=64) for word in words), np.zeros(64))
        return np.asarray(row / max(float(np.linalg.norm(row)), 1e-9) + self._shift / 8)


def with_model(papers: list[Paper] | None = None, embed: Invented | None = None) -> Ranker:
    papers = papers or PAPERS
    return Ranker(papers, candidates(papers), DAY, space=Space(in_order(papers), embed or Invented()))


def many(number: int = 260) -> list[Paper]:
    """Enough papers for topics of the store's own."""
    dice = random.Random(7)
    made = []
    for n in range(1, number + 1):
        words = TOPICS[list(TOPICS)[n % len(TOPICS)]].split()
        text = " ".join([*dice.choices(words, k=9), *dice.choices(COMMON.split(), k=6)])
        made.append(paper(n, f"{dice.choice(words)} {dice.choice(words)} {n}", text))
    return made


def test_a_word_that_no_stored_paper_has_finds_what_means_the_same() -> None:
    assert titles(reader("meteorology")) == []
    assert titles(reader("meteorology"), with_model())[0] == RAIN
    assert titles(reader("verse"), with_model())[0] == POEMS


def test_what_the_words_say_still_counts() -> None:
    assert titles(reader("tool use by language models"), with_model())[:2] == [TOOLS, BROKEN]
    assert set(titles(reader("protein"), with_model())[:2]) == {HEAT, FOLDING}


@pytest.mark.parametrize("text", ["the of and", "…!?", " "])
def test_a_phrase_that_says_nothing_finds_nothing(text: str) -> None:
    assert titles(reader(text), with_model()) == []


@pytest.mark.parametrize("papers", [PAPERS, many()], ids=["few papers", "papers with topics"])
def test_rows_have_length_one_and_are_on_the_grid(papers: list[Paper]) -> None:
    space = Space(papers, Invented())
    for rows in (space.corpus.topics, space.phrases(["protein stability", "meteorology"]).topics):
        assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=0.002)
        assert np.array_equal(rows * 2**14, np.round(rows * 2**14))
        assert rows.dtype == np.float32


def test_what_all_texts_have_in_common_does_not_count() -> None:
    plain, shifted = (Space(PAPERS, Invented(shift=shift)).corpus.topics for shift in (0.0, 1.0))
    assert shifted == pytest.approx(plain, abs=0.001)


def test_a_paper_has_the_same_place_whether_the_space_was_fitted_on_it_or_not() -> None:
    space = Space(papers := many(), Invented())
    assert np.array_equal(space.papers(papers[:7]).topics, space.corpus.topics[:7])
    without = Space([replace(one, title="", abstract="") for one in papers], Invented())
    assert not without.corpus.topics.any()


def test_no_papers_and_one_paper_are_no_trouble() -> None:
    assert Space([], Invented()).corpus.topics.shape[0] == 0
    assert titles(reader("weather"), with_model([PAPERS[4]])) == [RAIN]


def test_neither_the_order_of_papers_nor_the_company_of_readers_matters() -> None:
    papers = many()
    readers = [reader(text, trending=0.0, papers=5) for text in (*TOPICS.values(), "beekeeping")]
    readers.append(reader(liked=(papers[3].title,), trending=0.0, papers=5))
    together = with_model(papers).choose(readers)
    random.Random(3).shuffle(papers)
    other = with_model(papers)
    alone = [other.choose([one])[0] for one in reversed(readers)][::-1]
    assert [[(p.paper.title, p.score) for p in picks] for picks in together] == [
        [(p.paper.title, p.score) for p in picks] for picks in alone
    ]
    assert all(together)


def test_the_reasons_add_up_to_the_score() -> None:
    asked = reader("meteorology", "tool use", trending=0.4, liked=(HEAT,))
    picks = with_model().choose([asked])[0]
    assert picks
    for pick in picks:
        assert sum(reason.share for reason in pick.reasons) == pytest.approx(pick.score)
    assert ("phrase", "meteorology") in {(one.kind, one.text) for pick in picks for one in pick.reasons}


def saved(space: Space) -> dict[str, np.ndarray]:
    file = io.BytesIO()
    np.savez(file, **space.to_arrays())  # type: ignore[arg-type]
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def test_a_saved_space_is_loaded_without_reading_its_papers_again() -> None:
    space, again = Space(many(), Invented()), Invented()
    loaded = Space.from_arrays(saved(space), again)
    assert again.read == 0
    assert np.array_equal(loaded.corpus.topics, space.corpus.topics)
    texts = ["meteorology", "honey hive"]
    assert np.array_equal(loaded.phrases(texts).topics, space.phrases(texts).topics)


@pytest.mark.parametrize(
    ("fitted", "asked"), [(Invented(), Invented("another")), (Invented(), None), (None, Invented())]
)
def test_a_space_of_another_model_is_never_mistaken(fitted: Invented | None, asked: Invented | None) -> None:
    arrays = saved(Space(PAPERS, fitted))
    with pytest.raises(ValueError, match="model"):
        Space.from_arrays(arrays, asked)
