"""Add to a profile file and leave all else in it as it is, comments included. Pure: bytes in, bytes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Array

from digest.errors import FileInvalid, Problem
from digest.library import profile_file
from digest.model import Interest

BOM = b"\xef\xbb\xbf"


def written(one: Interest) -> str:
    """An interest, or an author, as it stands in a profile file."""
    text = tomlkit.string(one.text).as_string()
    return text if one.kind == "author" or one.weight == 1 else f"{{ text = {text}, weight = {one.weight} }}"


def add(data: bytes, name: str, handle: str, new: Sequence[Interest]) -> bytes:
    """The file with these phrases in its `interests` and these authors in its `authors`.

    `name` is the file as messages should show it. Raises `FileInvalid` where the file is invalid, or would be.
    """
    before = profile_file.parse(data, name, handle)
    phrases = [one for one in new if one.kind == "phrase"]
    authors = [one for one in new if one.kind == "author"]
    mark = BOM if data.startswith(BOM) else b""
    text = data.removeprefix(BOM).decode()
    try:
        document = tomlkit.parse(text)
        for key, some in (("interests", phrases), ("authors", authors)):
            if some:
                _add(document, key, some)
        made = document.as_string()
    except (TOMLKitError, TypeError, ValueError) as error:
        raise _not_added(name, str(error)) from None
    # tomlkit ends the lines that it writes in its own way.
    if 0 < text.count("\r\n") == text.count("\n"):
        made = made.replace("\r\n", "\n").replace("\n", "\r\n")
    after = profile_file.parse(mark + made.encode(), name, handle)
    wanted = replace(
        before.profile,
        interests=(*before.profile.interests, *phrases),
        authors=(*before.profile.authors, *(one.text for one in authors)),
    )
    rest = iter(made)
    if after != replace(before, profile=wanted) or not all(sign in rest for sign in text):
        raise _not_added(name, "the rest of the file would change")
    return mark + made.encode()


def _add(document: tomlkit.TOMLDocument, key: str, new: Sequence[Interest]) -> None:
    there = document.get(key)
    if isinstance(there, AoT):
        for one in new:
            table = tomlkit.table()
            table.update({"text": one.text} if one.weight == 1 else {"text": one.text, "weight": one.weight})
            there.append(table)
    elif isinstance(there, Array) and len(there):
        for one in new:
            there.append(tomlkit.value(written(one)))
    else:
        kept = there.as_string()[1:-1].rstrip() if isinstance(there, Array) else ""  # nothing but comments
        lines = "".join(f"  {written(one)},\n" for one in new)
        document[key] = tomlkit.value(f"[{kept}\n{lines}]")


def _not_added(name: str, detail: str) -> FileInvalid:
    what = f"nothing could be added: {detail}"
    return FileInvalid([Problem(name, None, "", what, "write the lines into it by hand")])
