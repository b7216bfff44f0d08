"""Interests that a reader's likes imply. The library is invented: three fields that a reader likes, and others."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from digest.model import Interest, Paper, Profile
from digest.ranking.ranker import in_order
from digest.ranking.space import Space
from digest.ranking.suggest import Suggestion, suggest
from digest.ranking.terms import tokens

FIELDS = {
    "sea ice": (
        ["Melting of Sea Ice in Summer", "Sea Ice and the Albedo of the Arctic", "Drift of Sea Ice under Wind"],
        "Satellites watch sea ice from above. We follow how {} the Arctic ocean and find thinner floes. "
        "Where sea ice is lost, dark water takes up the warmth of the sun.",
        ["wind moves", "salt freezes", "sunlight warms", "currents stir", "storms break up"],
    ),
    "protein folding": (
        ["Protein Folding in Crowded Cells", "How Chaperones Guide Protein Folding", "Errors of Protein Folding"],
        "Chains of residues find their shape within seconds. We watch protein folding while {} the enzyme, and "
        "count intermediates. In the laboratory, protein folding is slowed by heat.",
        ["chaperones hold", "urea loosens", "ribosomes make", "membranes press", "lasers heat"],
    ),
    "LLM": (
        ["When an LLM Calls a Calculator", "Teaching an LLM to Forget", "What an LLM Says of Itself"],
        "Prompts change what comes out. We ask an LLM about {} and count mistakes of its answers. No LLM was right "
        "in all cases, and larger ones were wrong with more confidence.",
        ["arithmetic", "poems", "its own weights", "chess", "train tables"],
    ),
}
OTHERS = {
    "bird song": "Young finches learn to sing from their fathers. We record {} over a year in an aviary.",
    "urban traffic": "Cars queue at junctions while drivers wait. Loops under the road count {} in a large city.",
    "wheat yield": "Farmers sow in autumn and reap in August. On trial plots we weigh {} after a dry spring.",
    "medieval trade": "Merchants kept ledgers of wool and wine. We read prices of {} in three harbours.",
    "prime numbers": "Gaps between neighbours grow slowly. We prove a bound on sums of {} with a sieve of our own.",
}
THINGS = [
    "the first part",
    "many samples",
    "two rows",
    "some rare kinds",
    "what is left",
    "the last ten",
    "half of it",
]


def paper(number: int, title: str, abstract: str, *authors: str) -> Paper:
    return Paper(title, abstract, authors, keys=(f"test:{number:05}",), id=number)


def liked_of(name: str, first: int, count: int = 3) -> list[Paper]:
    titles, text, ways = FIELDS[name]
    return [
        paper(
            first + n,
            titles[n % len(titles)] + (f", Part {n}" if n >= len(titles) else ""),
            text.format(ways[n % 5]),
        )
        for n in range(count)
    ]


LIKED = {name: liked_of(name, 10 * place) for place, name in enumerate(FIELDS, 1)}
LIBRARY = [one for some in LIKED.values() for one in some]
REST = [
    paper(100 + n, f"{name.title()}: {thing.title()}", text.format(thing) + f" Here {name} is told with {thing}.")
    for n, (name, text, thing) in enumerate(
        (name, text, thing) for name, text in OTHERS.items() for thing in THINGS
    )
]


@pytest.fixture(scope="module")
def space() -> Space:
    return Space(in_order([*LIBRARY, *REST]))


def suggested(
    space: Space, liked: Sequence[Paper], profile: Profile | None = None, weight: float = 1.0
) -> list[Suggestion]:
    return suggest(space, [(one, weight) for one in liked], profile or Profile())


def texts(found: Sequence[Suggestion]) -> list[str]:
    return [one.interest.text for one in found]


def test_each_field_is_found_and_spelled_as_people_write_it(space: Space) -> None:
    found = suggested(space, LIBRARY)
    assert sorted(texts(found)) == ["LLM", "protein folding", "sea ice"]
    for one in found:
        assert set(one.papers) == set(LIKED[one.interest.text])
        assert one.interest.weight == 1.0


def test_the_more_likes_the_more_weight(space: Space) -> None:
    many = [*liked_of("sea ice", 10, 5), *liked_of("protein folding", 20, 2)]
    weights = {one.interest.text: one.interest.weight for one in suggested(space, many)}
    assert weights["sea ice"] == 1.5
    assert weights["protein folding"] == 0.5
    assert texts(suggested(space, many))[0] == "sea ice"


def test_the_order_of_likes_says_nothing(space: Space) -> None:
    liked = [(one, 1.0 - number / 100) for number, one in enumerate(LIBRARY)]
    first = suggest(space, liked, Profile())
    for seed in range(5):
        random.Random(seed).shuffle(liked)
        assert suggest(space, liked, Profile()) == first


@pytest.mark.parametrize(
    "profile",
    [
        Profile(interests=(Interest("Sea-ice"),)),
        Profile(interests=(Interest("the drift of sea ice in a warmer world"),)),
        Profile(muted=("sea ice",)),
        Profile(muted=("ICE",)),
    ],
)
def test_what_the_profile_says_or_mutes_is_not_suggested(space: Space, profile: Profile) -> None:
    assert sorted(texts(suggested(space, LIBRARY, profile))) == ["LLM", "protein folding"]


def test_what_was_taken_over_is_not_suggested_in_other_words(space: Space) -> None:
    found = suggested(space, LIBRARY)
    assert suggested(space, LIBRARY, Profile(interests=tuple(one.interest for one in found))) == []


def test_nothing_is_said_of_no_likes_and_of_an_empty_store(space: Space) -> None:
    assert suggested(space, []) == []
    assert suggested(Space([]), LIBRARY) == []
    assert suggested(space, [paper(1, "", ""), paper(2, "?!", "7 7 7")]) == []


def test_a_single_like(space: Space) -> None:
    (only,) = suggested(space, LIKED["sea ice"][:1])
    assert (only.interest.text, only.papers) == ("sea ice", (LIKED["sea ice"][0],))


def test_letters_digits_and_what_everybody_writes_are_no_interest() -> None:
    said = "We propose a new method. The results show that our approach outperforms in x and 42 of x."
    liked = [paper(n, f"A New Method 42 x: {name}", said) for n, name in enumerate(("oaks", "elms", "firs"))]
    for one in suggested(Space(in_order([*liked, *REST])), liked):
        assert not {token.folded for token in tokens(one.interest.text)} & {
            "x",
            "42",
            "method",
            "approach",
            "result",
        }


FOREIGN = {
    "apprentissage profond": [
        ("L'apprentissage profond dans les hôpitaux", "Nous étudions comment l'apprentissage profond aide les "
         "médecins dans les hôpitaux, et pour quels patients il est utile avec des images."),
        ("Limites de l'apprentissage profond", "Les données sont rares dans les langues peu parlées. Pour elles, "
         "l'apprentissage profond est moins sûr que des règles écrites par des linguistes."),
        ("Une histoire de l'apprentissage profond", "Dans cette étude, nous lisons des articles de trente ans. "
         "L'apprentissage profond est plus ancien que ses succès."),
    ],
    "Waldbrand": [
        ("Waldbrand nach trockenen Sommern", "Wir zählen, wie oft ein Waldbrand nach einem trockenen Sommer "
         "entsteht, und werten dafür die Berichte der Feuerwehren aus."),
        ("Vom Waldbrand zum Jungwald", "Nach dem Waldbrand wachsen zuerst Birken und Pappeln. Über zehn Jahre "
         "wurde die Fläche nicht geräumt, und der Waldbrand kam nicht wieder."),
        ("Waldbrand und Wind", "Der Wind treibt den Waldbrand über die Straße. Wir messen, wie breit eine Schneise "
         "sein muss, damit sie ihn aufhält."),
    ],
    "神经网络": [
        ("神经网络翻译诗歌", "我们研究用神经网络翻译诗歌,并请读者评价。神经网络的译文更流畅。"),
        ("神经网络的可解释性", "本文讨论神经网络如何作出判断,并给出三个例子。"),
        ("用神经网络预测天气", "雷达图像输入神经网络,预测六小时内的降雨。"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("field", FOREIGN)
def test_likes_in_other_languages(field: str) -> None:
    liked = [paper(n, title, text) for n, (title, text) in enumerate(FOREIGN[field], 1)]
    found = suggested(Space(in_order([*liked, *LIBRARY, *REST])), [*liked, *LIKED["sea ice"]])
    assert sorted(texts(found)) == sorted([field, "sea ice"])
    small = {"les", "la", "nous", "dans", "wir", "der", "den", "nach", "und", "ein", "nicht", "über"}
    assert not small & {token.folded for text in texts(found) for token in tokens(text)}


def test_authors_of_several_likes_are_suggested_unless_followed(space: Space) -> None:
    liked = [
        paper(1, "Melting of Sea Ice in Summer", "Sea ice melts.", "Jane Doe", "Bo Li"),
        paper(2, "Sea Ice in Winter", "Sea ice grows.", "Doe, Jane", "Bo Li"),
        paper(3, "Sea Ice and Bears", "Bears walk on sea ice.", "Jane Doe", "Bo Li", "Ann Once"),
    ]
    authors = [one for one in suggested(space, liked) if one.interest.kind == "author"]
    assert [(one.interest.text, len(one.papers)) for one in authors] == [("Bo Li", 3), ("Jane Doe", 3)]
    left = suggested(space, liked, Profile(authors=("J. Doe",)))
    assert [one.interest.text for one in left if one.interest.kind == "author"] == ["Bo Li"]


def test_a_large_library_gives_eight_at_most() -> None:
    words = [f"{a}{b}" for a in ("bru", "kel", "mor", "tan", "vis") for b in ("dag", "fen", "lok", "rim", "sot")]
    liked = [
        paper(
            n, f"On {words[n % 25]} {words[(n * 7 + n // 25) % 25]}", f"Each {words[n % 25]} grows by itself. " * 5
        )
        for n in range(2_000)
    ]
    found = suggested(Space(in_order([*liked[::10], *REST])), liked)
    assert 1 <= len(found) <= 8
    assert len({one.interest.text for one in found}) == len(found)
