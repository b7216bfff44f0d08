"""JSON lines of papers, of likes and of readers → what ranking is measured with. Each line stands for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from digest.errors import Problem
from digest.latex import readable
from digest.model import Paper
from digest.ranking.tasks import Like
from digest.text import clean

# What pydantic finds → what is wrong, and the remedy.
ONE_EACH = "write one JSON object on each line"
WRONG = {
    "json_invalid": ("not JSON", ONE_EACH),
    "model_type": ("not an object", ONE_EACH),
    "missing": ("missing", "every line here needs it"),
    "string_type": ("not text", 'write it as "…"'),
    "tuple_type": ("not a list", 'write it as ["…", "…"]'),
}


def _name(text: str) -> str:
    text = clean(text)
    if not text:
        raise ValueError("it is empty")
    return text


def _instant(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError('not a date; write it as "2026-03-01"') from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _nothing(value: object) -> object:
    return "" if value is None else value


Name = Annotated[str, AfterValidator(_name)]


class _Line(BaseModel):
    # Other data sets number their readers and papers, and say more of them.
    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True, frozen=True)


class _Paper(_Line):
    key: Name
    title: Annotated[str, AfterValidator(readable), AfterValidator(_name)]
    abstract: Annotated[str, BeforeValidator(_nothing), AfterValidator(readable)] = ""
    authors: tuple[Annotated[str, AfterValidator(clean)], ...] = ()


class _Like(_Line):
    reader: Name
    paper: Name
    at: Annotated[datetime | None, BeforeValidator(_instant)] = None


class _Reader(_Line):
    reader: Name
    phrases: tuple[Name, ...] = ()


L = TypeVar("L", bound=_Line)


@dataclass(frozen=True, slots=True)
class Dataset:
    """What the lines of a folder say, and which of them cannot be used."""

    papers: dict[str, Paper]
    likes: list[Like]
    phrases: dict[str, tuple[str, ...]]
    problems: list[Problem]


def parse(
    papers: Iterable[bytes], likes: Iterable[bytes], readers: Iterable[bytes], name: Callable[[str], str] = str
) -> Dataset:
    """The three files, each as its lines. `name` gives a file as the user would type it, for the messages."""
    problems: list[Problem] = []
    found: dict[str, Paper] = {}
    where = name("papers.jsonl")
    for number, paper in _lines(papers, _Paper, where, problems):
        if paper.key in found:
            problems.append(
                Problem(where, number, "key", f"{paper.key!r} is on an earlier line", "keep one of them")
            )
        else:
            found[paper.key] = Paper(paper.title, paper.abstract, paper.authors, keys=(paper.key,))
    where, liked = name("likes.jsonl"), []
    for number, like in _lines(likes, _Like, where, problems):
        if like.paper in found:
            liked.append(Like(like.reader, like.paper, like.at))
        else:
            remedy = "add it, or leave out the like"
            problems.append(Problem(where, number, "paper", f"no paper has the key {like.paper!r}", remedy))
    phrases: dict[str, tuple[str, ...]] = {}
    for _, one in _lines(readers, _Reader, name("readers.jsonl"), problems):
        phrases[one.reader] = tuple(dict.fromkeys((*phrases.get(one.reader, ()), *one.phrases)))
    return Dataset(found, liked, phrases, problems)


def _lines(lines: Iterable[bytes], shape: type[L], name: str, problems: list[Problem]) -> Iterator[tuple[int, L]]:
    """Each good line with its number; the others become problems. Empty lines say nothing."""
    for number, line in enumerate(lines, 1):
        text = line.removeprefix(b"\xef\xbb\xbf").strip()
        if not text:
            continue
        try:
            one = shape.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            key = ".".join(str(part) for part in first["loc"])
            what, remedy = WRONG.get(first["type"], (first["msg"].removeprefix("Value error, "), ""))
            problems.append(Problem(name, number, key, what, remedy))
        else:
            yield number, one
