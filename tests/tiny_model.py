"""A model of sentences that is tiny and knows nothing, in the files that a real one comes in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

WORDS = ["[PAD]", "[UNK]", "a", "robot", "chooses", "its", "hammer", "rain", "in", "six", "hours"]
WIDTH, WIDE, LAYERS = 8, 16, 2
SETTINGS = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": WIDTH,
    "num_attention_heads": 2,
    "num_hidden_layers": LAYERS,
    "layer_norm_eps": 1e-12,
}


def weights(words: Sequence[str], seed: int) -> dict[str, np.ndarray]:
    dice = np.random.default_rng(seed)
    found: dict[str, np.ndarray] = {}

    def add(name: str, *shape: int) -> None:
        found[name] = dice.normal(size=shape).astype(np.float32)

    def norm(name: str) -> None:
        found[f"{name}.LayerNorm.weight"] = np.ones(WIDTH, np.float32)
        found[f"{name}.LayerNorm.bias"] = np.zeros(WIDTH, np.float32)

    for name, number in (("word", len(words)), ("position", 32), ("token_type", 2)):
        add(f"embeddings.{name}_embeddings.weight", number, WIDTH)
    norm("embeddings")
    for layer in (f"encoder.layer.{number}" for number in range(LAYERS)):
        parts = {f"attention.self.{name}": (WIDTH, WIDTH) for name in ("query", "key", "value")}
        parts |= {"attention.output.dense": (WIDTH, WIDTH)}
        parts |= {"intermediate.dense": (WIDE, WIDTH), "output.dense": (WIDTH, WIDE)}
        for part, (out, into) in parts.items():
            add(f"{layer}.{part}.weight", out, into)
            add(f"{layer}.{part}.bias", out)
        norm(f"{layer}.attention.output")
        norm(f"{layer}.output")
    return found


def write_model(folder: Path, seed: int = 0, words: Sequence[str] = WORDS) -> Path:
    folder.mkdir(parents=True)
    save_file(weights(words, seed), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(SETTINGS), "utf-8")
    tokenizer = Tokenizer(WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
