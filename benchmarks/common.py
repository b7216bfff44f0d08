"""What the benchmarks share: invented readers, stored sample papers, the set-up line, timing with its spread."""

from __future__ import annotations

import os
import platform
import random
import sqlite3
import statistics
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from digest.ingest import ingest, pages_in
from digest.model import Interest, Profile, Subscriber
from digest.store.opening import Store

SAMPLES = Path(__file__).parents[1] / "digest" / "samples" / "pages"
NOW = datetime(2026, 3, 4, 6, 0, tzinfo=UTC)
# What readers of the sample pages might ask for; of other pages the words are only likely to occur.
PHRASES = (
    "tool use by language models", "long context", "retrieval", "protein design", "drug discovery", "weather",
    "reinforcement learning", "robotics", "diffusion models", "image generation", "speech", "translation",
    "code generation", "reasoning", "evaluation and benchmarks", "climate", "graph neural networks", "privacy",
    "video", "agents", "quantization", "distillation", "safety", "vision and language", "planning", "optimisation",
)  # fmt: skip


def setup() -> str:
    python = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return f"set-up: {os.cpu_count()} cores, {platform.machine()}, {python}"


def readers(number: int, seed: int = 1) -> list[Subscriber]:
    """Invented readers, each with one to six interests."""
    dice = random.Random(seed)
    return [
        Subscriber(
            handle=f"reader{n}",
            address=f"reader{n}@example.org",
            name=f"Reader {n}",
            profile=Profile(
                interests=tuple(
                    Interest(text, dice.choice((1.0, 1.0, 2.0)))
                    for text in dice.sample(PHRASES, dice.randint(1, 6))
                ),
                floor=dice.choice((0.0, 5.0, 10.0)),
            ),
            next_due_at=NOW,
        )
        for n in range(number)
    ]


def take_pages(store: Store, folder: Path = SAMPLES) -> date:
    """Ingest a folder of saved pages; the last day on which anything is listed."""
    days = []
    for page in pages_in([folder]):
        done = ingest(store, page, NOW.date(), NOW)
        if done.error:
            raise SystemExit(f"error: {done.error}")
        days.append(done.day)
    if not days:
        raise SystemExit(f"error: {folder} holds no pages")
    return max(day for day in days if day)


def timed(what: Callable[[], object], rounds: int = 5) -> tuple[float, float]:
    """Seconds: the median of some rounds, and the spread between the fastest and the slowest."""
    took = []
    for _ in range(rounds):
        start = time.perf_counter()
        what()
        took.append(time.perf_counter() - start)
    return statistics.median(took), max(took) - min(took)


def line(name: str, seconds: float, spread: float, number: int, base: float | None = None) -> str:
    ratio = f"  {base / seconds:6.2f} ×" if base else ""
    return f"{name:<52}{seconds:8.3f} s ±{spread / 2:6.3f}{number / seconds:12,.0f} /s{ratio}"
