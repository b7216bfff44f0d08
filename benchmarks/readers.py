"""Real readers to measure ranking with, from a folder that holds a protocol (bench.py) and its data."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from digest.model import Paper
from digest.ranking.evaluate import Known, Task

KINDS = {"abstracts": ("library", "likes:3", "tags:3", "titles:3"), "large": ("library", "likes:3", "tags:3")}
SPLITS = {"all": slice(None), "tune": slice(0, None, 2), "check": slice(1, None, 2)}


def load_bench(folder: Path) -> ModuleType:
    path = folder / "bench.py"
    if not path.is_file():
        raise SystemExit(f"error: {path}: no such file; name the folder of the readers with READERS=…")
    spec = importlib.util.spec_from_file_location("bench", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench"] = module
    spec.loader.exec_module(module)
    return module


def as_task(data: Any) -> Task:
    """The papers and candidates of a bench task. Its readers come by kind of profile, from `known`."""
    papers = [Paper(*_text(data, row), keys=(f"bench:{row}",)) for row in range(data.train.shape[1])]
    likes = [tuple(int(row) for row in rows) for rows in np.split(data.train.indices, data.train.indptr[1:-1])]
    return Task(papers, [int(row) for row in data.candidates], [], [], likes=likes)


def known(profiles: Sequence[Any]) -> list[Known]:
    return [Known(str(one.reader), one.liked, one.phrases) for one in profiles]


def _text(data: Any, row: int) -> tuple[str, str]:
    if data.has_text:
        return data.titles[row], data.abstracts[row]
    # A bag of words: the order is lost, so no two of them stand beside each other.
    words = data.words[row]
    return "", ". ".join(
        word for i, n in zip(words.indices, words.data, strict=True) for word in [data.vocabulary[i]] * int(n)
    )
