"""Templates that are rendered once and filled many times.

A template is rendered with `Slot`s where readers differ. Each prints as a mark, and what lies between the marks is
encoded for good, so that a letter is put together without a template engine, by putting pieces into their order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from operator import itemgetter
from typing import Any, NamedTuple, NoReturn

import jinja2

from digest.letters import qp
from digest.letters.wrap import WIDTH, wrap

# The two letters are for filters such as `lower`: whichever case they leave, the mark is none any more.
_MARK = re.compile("\0aA([a-z0-9_.|]+)\0")


class Wrapped(NamedTuple):
    """A slot that is printed as lines of text."""

    slot: str
    width: int  # columns
    first: str  # how the first line begins
    rest: str  # and the others


class Misused(jinja2.TemplateRuntimeError):
    """A template wants to compute with what it cannot know."""


@dataclass(frozen=True, eq=False)
class Slot:
    """What differs from reader to reader, in a template that is rendered before there is one."""

    name: str
    marks: dict[str, Wrapped]  # filled while the template is rendered
    columns: int = 0  # it always takes so many; 0 is unknown
    there: bool = True  # not empty: templates are rendered apart for both
    whole: bool = False  # a finished part of a letter, or too short to be wrapped
    printed: str = ""  # what is printed in place of its mark: marks of others

    def __str__(self) -> str:
        return self.printed or mark_of(self.name)

    def __html__(self) -> str:
        return str(self)

    def __bool__(self) -> bool:
        return self.there

    def wrapped(self, width: int, first: str, rest: str) -> Slot:
        """The same as lines of text."""
        if "\0" in first + rest:
            self._refuse()
        if self.whole:
            raise Misused(f"`{self.name}` cannot be wrapped: print it as it is")
        name = f"{self.name}|{len(self.marks)}"
        self.marks[name] = Wrapped(self.name, width, first, rest)
        return replace(self, name=name)

    def told(self) -> str:
        """What to tell who wants more of it than it can give."""
        return (
            f"`{self.name}` differs from reader to reader: a template can print it, test whether it is empty and, "
            "in a text, wrap it, but not compare it or change it"
        )

    def _refuse(self, *_: Any) -> NoReturn:
        raise Misused(self.told())

    __add__ = __radd__ = __mod__ = __eq__ = __lt__ = __gt__ = __le__ = __ge__ = __len__ = __iter__ = _refuse
    __contains__ = __getitem__ = __int__ = __float__ = __hash__ = _refuse


def mark_of(name: str) -> str:
    """What a slot prints as until it is filled."""
    return f"\0aA{name}\0"


def careful(name: str, jinjas: Callable[..., Any]) -> Callable[..., Any]:
    """A filter of the template engine, which would take the mark of a slot for its words."""

    @wraps(jinjas)
    def checked(*given: Any, **named: Any) -> Any:
        for one in given:
            if isinstance(one, Slot):
                one._refuse()
            if isinstance(one, str) and "\0" in one:
                raise Misused(
                    f"`| {name}` cannot change what differs from reader to reader; it can only be printed"
                )
        return jinjas(*given, **named)

    return checked


def wrap_filter(text: Any, width: int = WIDTH, first: Any = "", rest: str = "") -> Any:
    """The filter `wrap` of text templates: see `wrap`. The first line may start with a slot of a known width."""
    # Looked at here, as a slot is wrapped when the template has long been left, and cannot be named any more.
    if type(width) is not int or not isinstance(first, str | Slot) or not isinstance(rest, str):
        raise Misused('`wrap` takes a number of columns, and for `first` and `rest` text: wrap(72, first="- ")')
    if isinstance(text, Slot):
        return text.wrapped(width, str(first), rest)
    if "\0" in str(text):
        raise Misused("what differs from reader to reader is wrapped by itself: {{ letter.lede | wrap }}")
    if isinstance(first, Slot):
        if not first.columns:
            raise Misused(f"`{first.name}` has no fixed width, so no line can start with it")
        lines = wrap(str(text), width, "." * first.columns, rest)
        return str(first) + lines[first.columns :]
    return wrap(str(text), width, first, rest)


class Shell:
    """A rendered template with its constant parts encoded."""

    def __init__(self, rendered: str, marks: Mapping[str, Wrapped], known: Sequence[str]) -> None:
        """`known` are the names of the slots, in the order in which they are given when it is filled. Raises
        `Misused` where a template has changed a mark."""
        parts = _MARK.split(rendered)
        names, constant = parts[1::2], parts[::2]
        strange = [name for name in names if name not in known and name.partition("|")[0] not in known]
        if strange or any("\0" in part for part in constant):
            raise Misused("a template has changed what differs from reader to reader; it can only be printed")
        more = [name for name in dict.fromkeys(names) if name not in known]
        self.wrapped = [marks[name] for name in more]
        self.names = frozenset(name for name in names if "|" not in name)
        places = {name: place for place, name in enumerate([*known, *more])}
        self._form = [qp.encode(constant[0])]
        for after in constant[1:]:
            self._form += b"", qp.encode(after)
        self._pick = _getter([places[name] for name in names])

    def pieces(self, values: Sequence[bytes]) -> list[bytes]:
        """The template with `values`: encoded pieces for the known slots in their order, and then for `wrapped`.
        They are not joined, as a letter is joined once from the pieces of all its parts."""
        filled = self._form.copy()
        filled[1::2] = self._pick(values)
        return filled


def slots_of(rendered: str) -> list[str]:
    """The slots that a rendered template prints, each name once, with "|" and a number where it is wrapped."""
    return list(dict.fromkeys(_MARK.findall(rendered)))


def _getter(places: Sequence[int]) -> Callable[[Sequence[bytes]], tuple[bytes, ...]]:
    if len(places) > 1:
        return itemgetter(*places)
    return (lambda values: (values[places[0]],)) if places else (lambda values: ())
