"""TOML that a person wrote → a checked value, or problems that name the file, the line, the key and the remedy.

Used for `config.toml` and for profiles, so that both complain in one voice.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Sequence
from typing import Any, TypeVar

import tomlkit
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from digest.errors import FileInvalid, Problem

M = TypeVar("M", bound=BaseModel)
Path = Sequence[str | int]


def load(data: bytes, name: str, model: type[M]) -> M:
    """Parse and check. `name` is the file as the user would type it; raises `FileInvalid` with every problem."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise FileInvalid([Problem(name, line, "", "not UTF-8 text", "save the file as UTF-8")]) from None
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileInvalid([_syntax(name, text, str(error))]) from None
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        problems = [_explain(name, text, model, tree, details) for details in error.errors()]
        # A union reports each branch that did not fit: one line a place is enough.
        unique = {(p.line, p.key): p for p in reversed(problems)}
        raise FileInvalid(sorted(unique.values(), key=lambda p: (p.line or 0, p.key))) from None


def line_of(text: str, path: Path) -> int | None:
    """The line on which the value at `path` stands, or None where the file does not hold it.

    tomllib keeps no positions, so the value is replaced by a mark in a format-preserving tree and the mark's line
    is counted in what that tree prints.
    """
    mark = "digest-line-mark"
    for depth in range(len(path), 0, -1):
        document: Any = tomlkit.parse(text)
        node = document
        try:
            for step in path[: depth - 1]:
                node = node[step]
            child = node[path[depth - 1]]
            if isinstance(child, tomlkit.items.Table | tomlkit.items.AoT):
                return _header_line(text, path[:depth])
            node[path[depth - 1]] = mark
        except (KeyError, IndexError, TypeError, tomlkit.exceptions.TOMLKitError):
            continue
        printed = tomlkit.dumps(document)
        return printed[: printed.index(mark)].count("\n") + 1
    return None


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The known word that `word` most likely was meant to be."""
    found = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    if found:
        return found[0]
    return next((k for k in known if word.lower() in k or k in word.lower()), None)


def _header_line(text: str, path: Path) -> int | None:
    names = [str(step) for step in path if isinstance(step, str)]
    index = next((step for step in reversed(path) if isinstance(step, int)), 0)
    header = re.compile(r"^\s*\[\[?\s*" + r"\s*\.\s*".join(f"[\"']?{re.escape(n)}[\"']?" for n in names))
    lines = [number for number, line in enumerate(text.splitlines(), 1) if header.match(line)]
    return lines[min(index, len(lines) - 1)] if lines else None


def _syntax(name: str, text: str, message: str) -> Problem:
    found = re.search(r"\(at line (\d+), column \d+\)", message)
    line = int(found[1]) if found else text.count("\n") + 1
    what = re.sub(r"\s*\(at .*\)$", "", message)
    remedy = "write text in quotes, lists in [brackets], and each key once"
    return Problem(name, line, "", f"not valid TOML: {what}", remedy)


def _explain(name: str, text: str, model: type[BaseModel], tree: Any, details: ErrorDetails) -> Problem:
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
    key = _dotted(path)
    what, remedy = details["msg"], ""
    if details["type"] == "extra_forbidden":
        known = _keys_at(model, path[:-1])
        guess = nearest(str(path[-1]), known)
        what = "unknown key"
        remedy = f"did you mean `{guess}`?" if guess else "the keys here are " + ", ".join(known)
        if guess:
            remedy += f" (keys here: {', '.join(known)})"
    elif details["type"] == "missing":
        what, remedy = "missing", "add this key"
    elif details["type"] == "value_error":
        what, _, remedy = str(details["ctx"]["error"]).partition(" — ")
    else:
        what = what[0].lower() + what[1:]
        shown = repr(node) if not isinstance(node, dict | list) else "a " + type(node).__name__
        remedy = f"found {shown[:80]}" if details["type"] != "missing" else ""
    return Problem(name, line_of(text, path) if path else None, key, what, remedy)


def _dotted(path: Path) -> str:
    out = ""
    for step in path:
        out += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if out else str(step)
    return out


def _keys_at(model: type[BaseModel], path: Path) -> list[str]:
    """The keys that the model allows at `path`."""
    current: Any = model
    for step in path:
        if isinstance(step, int) or not _is_model(current):
            continue
        annotation = current.model_fields[step].annotation
        current = next((a for a in _walk(annotation) if _is_model(a)), current)
    return sorted(current.model_fields)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _walk(annotation: Any) -> list[Any]:
    return [annotation, *(a for arg in getattr(annotation, "__args__", ()) for a in _walk(arg))]
