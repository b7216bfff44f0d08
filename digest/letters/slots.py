"""Templates that are rendered once and filled many times.

A template is rendered with `Slot`s where readers differ. Each prints as a mark, and what lies between the marks is
encoded for good, so that a letter is put together without a template engine: `Shell.fill` is one bytes operation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, NamedTuple, NoReturn

import jinja2

from digest.letters import qp
from digest.letters.wrap import WIDTH, wrap

_MARK = re.compile("\0([a-z0-9_.|]+)\0")


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
    whole: bool = False  # finished parts of a letter, which cannot be wrapped

    def __str__(self) -> str:
        return f"\0{self.name}\0"

    def __html__(self) -> str:
        return str(self)

    def __bool__(self) -> bool:
        return self.there

    def wrapped(self, width: int, first: str, rest: str) -> Slot:
        """The same as lines of text."""
        if self.whole or "\0" in first + rest:
            self._refuse()
        mark = f"{self.name}|{len(self.marks)}"
        self.marks[mark] = Wrapped(self.name, width, first, rest)
        return replace(self, name=mark)

    def told(self) -> str:
        """What to tell who wants more of it than it can give."""
        return (
            f"`{self.name}` differs from reader to reader: a template can print it, test whether it is empty and, "
            "in a text, wrap it, but not compare it or change it"
        )

    def _refuse(self, *_: Any) -> NoReturn:
        raise Misused(self.told())

    __add__ = __radd__ = __mod__ = __eq__ = __lt__ = __gt__ = __le__ = __ge__ = __len__ = __iter__ = _refuse
    __contains__ = __getitem__ = _refuse
    __hash__ = None  # type: ignore[assignment]


def wrap_filter(text: Any, width: int = WIDTH, first: Any = "", rest: str = "") -> Any:
    """The filter `wrap` of text templates: see `wrap`. The first line may start with a slot of a known width."""
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

    def __init__(self, rendered: str, marks: Mapping[str, Wrapped], known: Container[str]) -> None:
        """`known` are the slots' names. Raises `Misused` where a template has changed a mark."""
        parts = _MARK.split(rendered)
        names, constant = parts[1::2], parts[::2]
        strange = [name for name in names if name.partition("|")[0] not in known]
        if strange or any("\0" in part for part in constant):
            raise Misused("a template has changed what differs from reader to reader; it can only be printed")
        self._form = b"%b".join(qp.encode(part).replace(b"%", b"%%") for part in constant)
        self._pick = _getter(names)
        self.wrapped = {name: marks[name] for name in names if "|" in name}
        self.names = tuple(dict.fromkeys(name for name in names if name not in self.wrapped))

    def fill(self, values: Mapping[str, bytes]) -> bytes:
        """`values` are encoded pieces by the slots' names."""
        return self._form % self._pick(values)


def _getter(names: Sequence[str]) -> Callable[[Mapping[str, bytes]], tuple[bytes, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return (lambda values: (values[names[0]],)) if names else (lambda values: ())
