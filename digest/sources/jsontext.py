"""JSON as it comes from others → values. Pure."""

from __future__ import annotations

import json
from typing import Any

from digest.errors import SourceUnreadable


def document(data: bytes, name: str) -> Any:
    """The JSON of an answer. What JSON does not know (NaN, a number of a thousand digits) is null in it."""
    text = data.decode("utf-8-sig", "replace").strip()
    if not text:
        raise SourceUnreadable(source=name, detail="the answer is empty")
    if text[0] == "<":
        raise SourceUnreadable(source=name, detail="the answer is a web page, not JSON")
    try:
        return DECODER.decode(text)
    except json.JSONDecodeError as error:
        detail = f"the answer is not JSON, or breaks off: {error.msg}, line {error.lineno}, column {error.colno}"
        raise SourceUnreadable(source=name, detail=detail) from None
    except RecursionError:
        raise SourceUnreadable(source=name, detail="the answer is nested too deeply") from None


def _whole(digits: str) -> int | None:
    return int(digits) if len(digits) <= 20 else None


DECODER = json.JSONDecoder(parse_constant=lambda _: None, parse_int=_whole)
