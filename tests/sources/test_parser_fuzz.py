"""Whatever a source sends, a parser gives records or says in one line why not."""

from __future__ import annotations

from contextlib import suppress

import parser_fuzz
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.errors import DigestError


@pytest.mark.parametrize("name", parser_fuzz.PARSERS)
def test_a_sample_itself_is_taken(name: str) -> None:
    parse, originals = parser_fuzz.PARSERS[name]
    for data in originals:
        parse(data)


@pytest.mark.parametrize("name", parser_fuzz.PARSERS)
@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_spoiled_answer_gives_records_or_one_clear_error(name: str, seed: int) -> None:
    parser_fuzz.attack(name, seed)


@pytest.mark.parametrize("name", parser_fuzz.PARSERS)
@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=300))
def test_so_does_noise(name: str, data: bytes) -> None:
    with suppress(DigestError):
        parser_fuzz.PARSERS[name][0](data)
