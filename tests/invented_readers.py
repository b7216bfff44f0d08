"""Readers, papers and likes that nobody wrote or liked: topics with words of their own, drawn with a seed."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

TOPICS = {
    "bees": "hive nectar swarm pollen queen honey comb sting drone meadow forager wax",
    "rivers": "delta sediment flood estuary channel bank gravel current weir basin tributary silt",
    "clocks": "pendulum escapement spring chime dial gear tick balance winding hour second brass",
    "bread": "dough yeast crust oven flour knead sourdough loaf proofing crumb rye gluten",
    "glaciers": "ice moraine crevasse melt snow ridge meltwater calving firn valley thaw drift",
    "choirs": "alto tenor hymn tuning breath score soprano rehearsal chord nave bass descant",
}
COMMON = "measured seasons careful notes village early winter longer seven observers report simple pattern often"


def invented(
    readers: int = 24, papers: int = 180, seed: int = 1, *, dates: bool = True
) -> dict[str, list[dict[str, Any]]]:
    """The lines of papers.jsonl, likes.jsonl and readers.jsonl. A reader likes papers of two topics."""
    dice = random.Random(seed)
    topics = list(TOPICS)
    made: dict[str, list[dict[str, Any]]] = {"papers": [], "likes": [], "readers": []}
    topic_of = []
    for number in range(papers):
        topic = topics[number % len(topics)]
        topic_of.append(topic)
        own = dice.sample(TOPICS[topic].split(), 6)
        words = [*own, *dice.sample(COMMON.split(), 8)]
        dice.shuffle(words)
        made["papers"].append(
            {
                "key": f"p{number:03}",
                "title": f"{own[0]} {own[1]} {dice.choice(COMMON.split())}",
                "abstract": " ".join(words),
            }
        )
    for number in range(readers):
        mine = [topics[number % len(topics)], topics[(number * 5 + 2) % len(topics)]]
        liked = [place for place in range(papers) if topic_of[place] in mine and dice.random() < 0.5]
        for place in liked:
            line: dict[str, Any] = {"reader": f"r{number:02}", "paper": f"p{place:03}"}
            # Papers appear one after another, some each day, and are liked on that day.
            made["likes"].append(
                line | ({"at": f"2026-{1 + place // 60:02}-{1 + place % 60 // 3:02}"} if dates else {})
            )
        made["readers"].append({"reader": f"r{number:02}", "phrases": [" ".join(TOPICS[mine[0]].split()[:2])]})
    return made


def write(folder: Path, made: dict[str, list[dict[str, Any]]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in made.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines), "utf-8")
    return folder
