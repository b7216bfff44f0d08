"""TOML that a person wrote → a checked value, or problems that name the file, the line, the key and the remedy.

Used for `config.toml` and for profiles, so that both complain in one voice.
"""

from __future__ import annotations

import contextlib
import difflib
import re
import tomllib
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from digest.errors import FileInvalid, Problem
from digest.text import clean

M = TypeVar("M", bound=BaseModel)
Path = Sequence[str | int]

MOST_BYTES = 2_000_000  # a large library of liked papers has its place; a file put here by mistake has not
MOST_PROBLEMS = 25  # shown of one file; whoever mends these sees the next
LONGEST_QUOTE = 60  # characters of a value that a message repeats


def load(data: bytes, name: str, model: type[M]) -> M:
    """Parse and check. `name` is the file as the user would type it; raises `FileInvalid` with every problem."""
    if len(data) > MOST_BYTES:
        raise FileInvalid([too_large(name, len(data))])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise FileInvalid([Problem(name, line, "", "not UTF-8 text", "save the file as UTF-8")]) from None
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileInvalid([_syntax(name, text, str(error))]) from None
    except RecursionError:
        what, remedy = "brackets are nested too deeply", "no key here needs more than a list of tables"
        raise FileInvalid([Problem(name, None, "", what, remedy)]) from None
    except ValueError:  # Python refuses to read a number of thousands of digits, and says only that
        raise FileInvalid([_number_too_long(name, text)]) from None
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        places, found = _Places(text), error.errors(include_url=False)
        problems = [_explain(name, places, model, tree, details) for details in found[: 20 * MOST_PROBLEMS]]
        # A union reports each branch that did not fit: one line a place is enough.
        unique = {(p.line, p.key): p for p in reversed(problems)}
        ordered = sorted(unique.values(), key=lambda p: (p.line or 0, p.key))
        if len(ordered) > MOST_PROBLEMS:
            more = max(len(ordered), len(found)) - MOST_PROBLEMS
            ordered[MOST_PROBLEMS:] = [Problem(name, None, "", f"{more} more problems", "mend these first")]
        raise FileInvalid(ordered) from None


def too_large(name: str, size: int) -> Problem:
    what = f"{size / 1e6:.1f} MB is more than a file of this kind can hold ({MOST_BYTES / 1e6:.0f} MB)"
    return Problem(name, None, "", what, "is it the right file?")


def slip(title: str, place: tuple[int | str, ...], value: object, what: str) -> ValidationError:
    """An error at one key or item below the model that raises it, so that the message names its line."""
    error = ValueError(what)
    return ValidationError.from_exception_data(
        title, [{"type": "value_error", "loc": place, "input": value, "ctx": {"error": error}}]
    )


def line_of(text: str, path: Path) -> int | None:
    """The line on which the key or item at `path` stands, else what holds it; None where the file has neither.

    `text` must be valid TOML.
    """
    return _Places(text).line_of(path)


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The known word that `word` most likely was meant to be."""
    word = word[:100].lower()
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if found:
        return found[0]
    # A letter or two are part of half of all words.
    return next((k for k in known if min(len(word), len(k)) > 2 and (word in k or k in word)), None)


def dotted_keys(model: type[BaseModel]) -> list[str]:
    """Every key of a file, as a user writes it: "delivery.smtp.host"; below a list of tables "interests[].text";
    below tables whose names the user chooses "providers.*.per_second"."""
    keys = []
    for name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        if inner is None:
            keys.append(name)
        elif _is_model(field.annotation):
            keys += [f"{name}.{key}" for key in dotted_keys(inner)]
        else:
            many = ".*" if getattr(field.annotation, "__origin__", None) is dict else "[]"
            keys += [name, *(f"{name}{many}.{key}" for key in dotted_keys(inner))]
    return keys


# ---- where things stand


class _Places:
    """The line of every key and list item of a valid TOML text. tomllib keeps none."""

    _TOKEN = re.compile(
        r"""(?P<skip>[ \t\r\n]+|\#[^\n]*)
        | (?P<text>\"{3}(?:\\.|(?!\"{3})[^\\])*\"{3,5} | '{3}(?:(?!'{3}).)*'{3,5} | "(?:\\.|[^"\\])*" | '[^']*')
        | (?P<sign>[\[\]{},=.])
        | (?P<bare>[^\s\#\[\]{},=."']+)""",
        re.VERBOSE | re.DOTALL,
    )

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str | int, ...], int] = {}
        self._tokens: list[tuple[str, str, int]] = []
        line = 1
        for found in self._TOKEN.finditer(text):
            if found.lastgroup != "skip":
                self._tokens.append((str(found.lastgroup), found[0], line))
            line += found[0].count("\n")
        self._at = 0
        self._tables: dict[tuple[str | int, ...], int] = {}  # a list of tables → the place of its last one
        # A message without its line is better than none.
        with contextlib.suppress(IndexError, RecursionError):
            self._file()

    def line_of(self, path: Path) -> int | None:
        for depth in range(len(path), 0, -1):
            if line := self._lines.get(tuple(path[:depth])):
                return line
        return None

    def _file(self) -> None:
        table: tuple[str | int, ...] = ()
        while self._at < len(self._tokens):
            if self._sign() == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> tuple[str | int, ...]:
        line = self._tokens[self._at][2]
        # `[ [` is a list's first item in a value; at the start of a line only `[[` opens a table.
        is_list = self._sign(1) == "["
        self._at += 2 if is_list else 1
        names = self._key()
        self._at += 2 if is_list else 1
        path: tuple[str | int, ...] = ()
        for place, name in enumerate(names, 1):
            path += (name,)
            self._lines.setdefault(path, line)
            if is_list and place == len(names):
                self._tables[path] = self._tables.get(path, -1) + 1
            if path in self._tables:
                path += (self._tables[path],)
                self._lines.setdefault(path, line)
        return path

    def _pair(self, table: tuple[str | int, ...]) -> None:
        line = self._tokens[self._at][2]
        path = table
        for name in self._key():
            path += (name,)
            self._lines.setdefault(path, line)
        self._at += 1  # "="
        self._value(path)

    def _key(self) -> list[str]:
        names = [self._name()]
        while self._sign() == ".":
            self._at += 1
            names.append(self._name())
        return names

    def _name(self) -> str:
        kind, token, _ = self._tokens[self._at]
        self._at += 1
        if kind != "text":
            return token
        return next(iter(tomllib.loads(f"{token} = 0")))

    def _value(self, path: tuple[str | int, ...]) -> None:
        start = self._sign()
        line = self._tokens[self._at][2]
        self._at += 1
        if start == "[":
            item = 0
            while self._sign() != "]":
                self._lines[(*path, item)] = self._tokens[self._at][2]
                self._value((*path, item))
                item += 1
                self._at += self._sign() == ","
            self._at += 1
        elif start == "{":
            while self._sign() != "}":
                self._pair(path)
                self._at += self._sign() == ","
            self._at += 1
        else:
            # A number or a time is one or more words, with dots between them, on the line it starts on.
            while self._at < len(self._tokens) and self._tokens[self._at - 1][0] != "text":
                kind, sign, its_line = self._tokens[self._at]
                if its_line != line or kind == "text" or (kind == "sign" and sign != "."):
                    break
                self._at += 1

    def _sign(self, ahead: int = 0) -> str:
        if self._at + ahead >= len(self._tokens):
            return ""
        kind, token, _ = self._tokens[self._at + ahead]
        return token if kind == "sign" else ""


# ---- what to say


def _syntax(name: str, text: str, message: str) -> Problem:
    found = re.search(r"\(at line (\d+), column \d+\)", message)
    # What is open at the end of the file is told at its last line, not below it.
    line = int(found[1]) if found else text.rstrip().count("\n") + 1
    what = re.sub(r"\s*\(at .*\)$", "", message)
    remedy = "write text in quotes, lists in [brackets], and each key once"
    if what.startswith(("Cannot overwrite", "Duplicate inline", "Cannot declare", "Cannot redefine")):
        remedy = "this key or [section] is in the file already; keep one of them"
    return Problem(name, line, "", f"not valid TOML: {_brief(what, 200)}", remedy)


def _number_too_long(name: str, text: str) -> Problem:
    found = re.search(r"[\d_]{4000}", text)
    line = text.count("\n", 0, found.start()) + 1 if found else None
    return Problem(name, line, "", "a number of thousands of digits", "write a number of a few digits")


# What pydantic calls it → what must stand there.
_WANTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number of a few digits",
    "float_type": "a number",
    "finite_number": "a plain number",
    "string_type": "text in quotes",
    "bool_type": "true or false",
    "list_type": "a list in [brackets]",
}
_BOUNDS = {
    "greater_than_equal": "at least {ge:g}",
    "greater_than": "above {gt:g}",
    "less_than_equal": "at most {le:g}",
    "less_than": "below {lt:g}",
}
_LENGTHS = {
    "string_too_short": "at least {min_length}",
    "too_short": "at least {min_length}",
    "string_too_long": "at most {max_length}",
    "too_long": "at most {max_length}",
}


def _explain(name: str, places: _Places, model: type[BaseModel], tree: Any, details: ErrorDetails) -> Problem:
    # pydantic adds the branch of a union to the path; what the file does not hold is not part of the key.
    path: list[str | int] = []
    node = tree
    for step in details["loc"]:
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            if details["type"] == "missing" and step == details["loc"][-1]:
                path.append(step)
            continue
        path.append(step)
    kind, context = details["type"], details.get("ctx", {})
    found = f"found {_found(node)}"
    if kind == "extra_forbidden":
        what, remedy = "unknown key", _known(str(path[-1]), _keys_at(model, path[:-1]))
    elif kind == "missing":
        what, remedy = "missing", "add this key"
    elif kind == "value_error":
        what, _, remedy = str(context["error"]).partition(" — ")
    elif kind == "literal_error":
        guess = nearest(node, re.findall("'([^']*)'", str(context["expected"]))) if isinstance(node, str) else None
        what = f"must be {context['expected']}, {found}"
        remedy = f"did you mean {guess!r}?" if guess else "write one of these"
    elif kind in _BOUNDS:
        what, remedy = f"must be {_BOUNDS[kind].format(**context)}, {found}", _usual(model, path)
    elif kind in _LENGTHS:
        unit, bound = "characters" if isinstance(node, str) else "entries", _LENGTHS[kind].format(**context)
        what, remedy = f"{len(node)} {unit} where there must be {bound}", "change its length"
        if "short" in kind and not clean(str(node)[:1000]):
            what, remedy = "an empty text", "write something, or remove this key"
    elif kind in _WANTED:
        what, remedy = f"must be {_WANTED[kind]}, {found}", _usual(model, path)
        if kind == "string_type" and not remedy and not isinstance(node, dict | list):
            remedy = f'write "{_found(node)}"'
    elif kind in ("model_type", "dict_type", "model_attributes_type"):
        known = _keys_at(model, path)
        if path and isinstance(path[-1], int):
            fields = _model_at(model, path).model_fields
            needed = ", ".join(f"{key} = …" for key in known if fields[key].is_required())
            kinds = "a table" if isinstance(node, str) else "text in quotes or a table"
            what, remedy = f"must be {kinds}, {found}", f"write {{ {needed} }}"
        else:
            what, remedy = f"must be a section, {found}", f"write [{_dotted(path)}] and its keys below it"
    else:
        what, remedy = details["msg"][:1].lower() + details["msg"][1:], found
    line = places.line_of(path) if path and kind != "missing" else places.line_of(path[:-1])
    return Problem(name, line, _dotted(path), _brief(what, 300), _brief(remedy, 300))


def _known(word: str, known: list[str]) -> str:
    guess = nearest(word, known)
    if guess:
        return f"did you mean `{guess}`? (keys here: {', '.join(known)})"
    return "the keys here are " + ", ".join(known)


def _usual(model: type[BaseModel], path: Path) -> str:
    """How the key looks with its default, as an example to follow."""
    if not path or isinstance(path[-1], int):
        return ""
    field = _model_at(model, path[:-1]).model_fields.get(path[-1])
    if field is None:
        return ""
    if field.default_factory is list:
        return f'write e.g. {path[-1]} = ["…"]'
    if field.is_required() or isinstance(field.default, BaseModel):
        return ""
    default = f'"{field.default}"' if isinstance(field.default, str) else f"{field.default}"
    return f"write e.g. {path[-1]} = {default}"


def _found(value: object) -> str:
    """A value of the file as it looks there, cut short."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date | datetime | time):
        return f"the time {value}"
    if isinstance(value, int) and value.bit_length() > 200:
        return "a huge number"
    return f"the text {_brief(repr(value), LONGEST_QUOTE)}" if isinstance(value, str) else str(value)


def _brief(text: str, most: int) -> str:
    """Safe to print, with the middle left out where it is long: the hint at its end must stay readable."""
    # Cut before cleaning as well, so that a megabyte costs no time.
    text = clean(text if len(text) <= 4 * most else text[: 2 * most] + text[-2 * most :])
    return text if len(text) <= most else f"{text[: most // 3]} … {text[-(most - most // 3) :]}"


def _dotted(path: Path) -> str:
    out = ""
    for step in path:
        if isinstance(step, int):
            out += f"[{step + 1}]"
            continue
        bare = re.fullmatch(r"[A-Za-z0-9_-]+", step)
        shown = _brief(step if bare else repr(step), LONGEST_QUOTE)
        out += f".{shown}" if out else shown
    return out


# ---- models


def _keys_at(model: type[BaseModel], path: Path) -> list[str]:
    """The keys that the model allows at `path`."""
    return sorted(_model_at(model, path).model_fields)


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel]:
    for step in path:
        if isinstance(step, str) and step in model.model_fields:
            model = _model_in(model.model_fields[step].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if _is_model(annotation):
        inner: type[BaseModel] = annotation
        return inner
    return next((found for arg in getattr(annotation, "__args__", ()) if (found := _model_in(arg))), None)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
