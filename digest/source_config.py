"""`[[sources]]` and `[collect]` of config.toml: where papers come from."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from digest import tomlfile
from digest.fields import OneLine, Section, check_address

SourceKind = Literal["huggingface", "arxiv", "feed", "pages", "jsonl"]
Announced = Literal["new", "cross", "replace", "replace-cross"]

# The keys of each kind beside `name` and `kind`, those that it needs first.
_KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "huggingface": ((), ("url", "look_back_days")),
    "arxiv": (("categories",), ("announced", "via", "url", "look_back_days")),
    "feed": (("url",), ()),
    "pages": (("path",), ()),
    "jsonl": (("path",), ()),
}


def _name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9._-]{0,38}[a-z0-9])?", name):
        raise ValueError(f"{name!r} is not a name — write up to 40 letters a–z, digits, '-', '_' and '.'")
    if name in ("page", "all"):
        raise ValueError(f"the name {name!r} is taken — choose another")
    return name


def _category(name: str) -> str:
    if not re.fullmatch(r"[a-z]+(-[a-z]+)*(\.([A-Za-z]{2}|[a-z]+(-[a-z]+)+|\*))?", name):
        raise ValueError(f"{name!r} is no category of arXiv — write e.g. 'cs.CL', 'stat.ML' or 'hep-th'")
    return name


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if url and (parts.scheme not in ("http", "https") or not parts.hostname or port == 0):
        raise ValueError(f"{url!r} is no address of a feed — write it as 'https://example.org/feed.xml'")
    if parts.username or parts.password:
        raise ValueError("a login does not belong into an address — take it out")
    return url


class SourceConfig(Section):
    """One place that papers come from."""

    name: Annotated[str, AfterValidator(_name)]  # as `digest sources` and its listings call it
    kind: SourceKind
    url: Annotated[OneLine, AfterValidator(_address), Field(max_length=2000)] = ""  # "" is the kind's own
    path: OneLine = ""  # a file or a folder
    categories: list[Annotated[str, AfterValidator(_category)]] = Field(default_factory=list, max_length=50)
    announced: list[Announced] = Field(default=["new", "cross"], min_length=1)
    via: Literal["feed", "api"] = "feed"
    look_back_days: int = Field(7, ge=0, le=90)  # polled again, as votes settle and days may have failed

    @model_validator(mode="before")
    @classmethod
    def _of_its_kind(cls, keys: Any) -> Any:
        kind = keys.get("kind") if isinstance(keys, dict) else None
        if not isinstance(kind, str) or kind not in _KEYS:
            return keys
        needed, may = _KEYS[kind]
        for key in keys:
            if key in cls.model_fields and key not in ("name", "kind", *needed, *may):
                mine = ", ".join(f"`{one}`" for one in (*needed, *may)) or "none besides `name`"
                what = f"`{key}` is no key of a source of the kind {kind!r} — its keys are {mine}"
                raise tomlfile.slip("sources", (key,), keys[key], what)
        return keys

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for key in _KEYS[self.kind][0]:
            if not getattr(self, key):
                raise ValueError(f"a source of the kind {self.kind!r} needs `{key}` — add it")
        return self


class CollectConfig(Section):
    """How sources are asked."""

    every_minutes: int = Field(60, ge=1, le=10_080)  # by `digest serve`
    contact: Annotated[str, AfterValidator(lambda a: a and check_address(a))] = ""  # "" is that of the letters
    private_addresses: bool = False  # may a source be on this machine or in its network?
    timeout_seconds: float = Field(60.0, gt=0, le=600)
    largest_mb: int = Field(20, ge=1, le=1000)  # of one answer


def distinct(sources: list[SourceConfig]) -> list[SourceConfig]:
    seen: set[str] = set()
    for place, one in enumerate(sources):
        if one.name in seen:
            what = f"another source is named {one.name!r} too — each needs a name of its own"
            raise tomlfile.slip("sources", (place, "name"), one.name, what)
        seen.add(one.name)
    return sources


Sources = Annotated[list[SourceConfig], AfterValidator(distinct), Field(max_length=100)]
