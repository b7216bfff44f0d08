"""A profile file (`profiles/alice.toml`) → a Subscriber with its Profile.

Pure: bytes in, model out. Reading folders and writing the store is the roster's business.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from digest import tomlfile
from digest.clock import CADENCES
from digest.fields import Address, OneLine, Zone, check_address
from digest.language import known
from digest.model import Interest, Profile, Subscriber
from digest.text import clean
from digest.tomlfile import slip

DEFAULTS = Profile()
_CATEGORY = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*(?:\.(?:[A-Za-z]+(?:-[A-Za-z]+)*|\*))?")
MOST_INTERESTS = 500  # a whole library belongs in `liked`; a row of the space is made for each interest


def _words(text: str) -> str:
    text = clean(text)
    if not text:
        raise ValueError("an empty text — write a word or a phrase, or remove it")
    return text


def _cadence(text: str) -> str:
    text = text.lower().replace(" ", "")
    if text not in CADENCES:
        guess = "weekly:mon" if text == "weekly" else tomlfile.nearest(text, CADENCES)
        hint = f"did you mean {guess!r}? " if guess else ""
        raise ValueError(f"unknown cadence {text!r} — {hint}write daily, weekdays, or weekly:mon … weekly:sun")
    return text


def _weight(weight: float) -> float:
    if not 0 < weight <= 100:
        remedy = "to push papers away use `disliked` or `muted`" if weight < 0 else "1 is usual, 2 counts twice"
        raise ValueError(f"weight {weight:g} is not above 0 and at most 100 — {remedy}")
    return weight


def _category(text: str) -> str:
    text = text.strip()
    if not _CATEGORY.fullmatch(text):
        raise ValueError(f"{text!r} is not an arXiv category — write one as cs.CL, or all of an archive as stat.*")
    return text


Words = Annotated[str, AfterValidator(_words), Field(max_length=2000)]


class _Interest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    text: Words
    weight: Annotated[float, AfterValidator(_weight)] = 1.0


def _phrase_or_table(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


class ProfileFile(BaseModel):
    """Every key of a profile file, with its default. Only `address` must be there."""

    model_config = ConfigDict(extra="forbid", strict=True)

    address: Address
    name: Annotated[OneLine, Field(max_length=100)] = ""
    time_zone: Zone = "UTC"
    cadence: Annotated[str, AfterValidator(_cadence)] = "daily"
    hour: int = Field(7, ge=0, le=23)
    language: Annotated[str, AfterValidator(lambda code: code and known(code))] = ""
    papers: int = Field(DEFAULTS.papers, ge=1, le=50)
    floor: float = Field(DEFAULTS.floor, ge=0, le=100, allow_inf_nan=False)
    trending: float = Field(DEFAULTS.trending, ge=0, le=1, allow_inf_nan=False)
    variety: float = Field(DEFAULTS.variety, ge=0, le=1, allow_inf_nan=False)
    also_trending: int = Field(DEFAULTS.also_trending, ge=0, le=10)
    interests: list[Annotated[_Interest, BeforeValidator(_phrase_or_table)]] = Field(
        default_factory=list, max_length=MOST_INTERESTS
    )
    muted: list[Words] = Field(default_factory=list)
    authors: list[Words] = Field(default_factory=list)
    categories: list[Annotated[str, AfterValidator(_category)]] = Field(default_factory=list)
    liked: list[Words] = Field(default_factory=list)
    disliked: list[Words] = Field(default_factory=list)

    @field_validator("interests")
    @classmethod
    def _one_weight_each(cls, interests: list[_Interest]) -> list[_Interest]:
        first: dict[str, _Interest] = {}
        for place, one in enumerate(interests):
            before = first.setdefault(one.text.casefold(), one)
            if before.weight != one.weight:
                weights = f"with the weights {before.weight:g} and {one.weight:g}"
                raise slip("interests", (place,), one.text, f"{one.text!r} is here twice, {weights} — keep one")
        return list(first.values())

    @model_validator(mode="after")
    def _liked_or_disliked(self) -> Self:
        liked = {text.casefold() for text in self.liked}
        for place, text in enumerate(self.disliked):
            if text.casefold() in liked:
                raise slip("disliked", ("disliked", place), text, f"{text!r} is in `liked` as well — keep one")
        return self


def parse(data: bytes, name: str, handle: str) -> Subscriber:
    """Check one profile file. Raises `FileInvalid` with every problem in it.

    `name` is the file as messages should show it, `handle` the subscriber's short name (the file's stem).
    """
    file = tomlfile.load(data, name, ProfileFile)
    return Subscriber(
        handle=handle,
        address=file.address,
        name=clean(file.name),
        time_zone=file.time_zone,
        cadence=file.cadence,
        hour=file.hour,
        language=file.language,
        profile=Profile(
            interests=tuple(Interest(one.text, one.weight) for one in file.interests),
            muted=_distinct(file.muted),
            authors=_distinct(file.authors),
            categories=_distinct(file.categories),
            liked=_distinct(file.liked),
            disliked=_distinct(file.disliked),
            papers=file.papers,
            floor=file.floor,
            trending=file.trending,
            variety=file.variety,
            also_trending=file.also_trending,
        ),
    )


_ADDRESS_LINE = re.compile(r"""(?m)^[ \t]*(?:address|"address"|'address')[ \t]*=[ \t]*(["'])(.*?)\1""")


def address_in(data: bytes) -> tuple[str, int] | None:
    """The address in a file, and its line, even if the rest of the file is wrong.

    An invalid file must leave its subscriber alone, and this says whose file it is.
    """
    text = data[: tomlfile.MOST_BYTES].decode("utf-8-sig", "replace")
    found = _ADDRESS_LINE.search(text)
    if not found:
        return None
    try:
        return check_address(found[2]), text.count("\n", 0, found.start()) + 1
    except ValueError:
        return None


def _distinct(texts: Sequence[str]) -> tuple[str, ...]:
    """Each text once, as it was first spelled."""
    first: dict[str, str] = {}
    for text in texts:
        first.setdefault(text.casefold(), text)
    return tuple(first.values())
