"""A profile file (`profiles/alice.toml`) → a Subscriber with its Profile.

Pure: bytes in, model out. Reading folders and writing the store is the roster's business.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from digest import tomlfile
from digest.clock import CADENCES
from digest.config import Address, OneLine, Zone
from digest.model import Interest, Profile, Subscriber
from digest.text import clean

DEFAULTS = Profile()
MOST_INTERESTS = 500  # a whole library belongs in `liked`; a row of the space is made for each interest


def _words(text: str) -> str:
    text = clean(text)
    if not text:
        raise ValueError("an empty text — write a word or a phrase, or remove it")
    return text


def _cadence(text: str) -> str:
    text = text.lower().replace(" ", "")
    if text not in CADENCES:
        guess = tomlfile.nearest(text, CADENCES)
        hint = f"did you mean {guess!r}? " if guess else ""
        raise ValueError(f"unknown cadence {text!r} — {hint}write daily, weekdays, or weekly:mon … weekly:sun")
    return text


def _weight(weight: float) -> float:
    if not 0 < weight <= 100:
        remedy = "to push papers away use `disliked` or `muted`" if weight < 0 else "1 is usual, 2 counts twice"
        raise ValueError(f"weight {weight:g} is not above 0 and at most 100 — {remedy}")
    return weight


Words = Annotated[str, AfterValidator(_words)]


class _Interest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    text: Annotated[Words, Field(max_length=2000)]
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
    papers: int = Field(DEFAULTS.papers, ge=1, le=50)
    floor: float = Field(DEFAULTS.floor, ge=0, le=100, allow_inf_nan=False)
    trending: float = Field(DEFAULTS.trending, ge=0, le=1, allow_inf_nan=False)
    variety: float = Field(DEFAULTS.variety, ge=0, le=1, allow_inf_nan=False)
    interests: list[Annotated[_Interest, BeforeValidator(_phrase_or_table)]] = Field(
        default_factory=list, max_length=MOST_INTERESTS
    )
    muted: list[Words] = Field(default_factory=list)
    authors: list[Words] = Field(default_factory=list)
    liked: list[Words] = Field(default_factory=list)
    disliked: list[Words] = Field(default_factory=list)


def parse(data: bytes, name: str, handle: str) -> Subscriber:
    """Check one profile file. Raises `FileInvalid` with every problem in it.

    `name` is the file as messages should show it, `handle` the subscriber's short name (the file's stem).
    """
    file = tomlfile.load(data, name, ProfileFile)
    interests = {i.text.casefold(): Interest(i.text, i.weight) for i in file.interests}
    return Subscriber(
        handle=handle,
        address=file.address,
        name=clean(file.name),
        time_zone=file.time_zone,
        cadence=file.cadence,
        hour=file.hour,
        profile=Profile(
            interests=tuple(interests.values()),
            muted=tuple(dict.fromkeys(file.muted)),
            authors=tuple(dict.fromkeys(file.authors)),
            liked=tuple(dict.fromkeys(file.liked)),
            disliked=tuple(dict.fromkeys(file.disliked)),
            papers=file.papers,
            floor=file.floor,
            trending=file.trending,
            variety=file.variety,
        ),
    )
