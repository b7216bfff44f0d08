"""A folder of profile files → what they say, and what is wrong with each."""

from __future__ import annotations

import re
import stat
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from digest import tomlfile
from digest.errors import FileInvalid, Problem
from digest.library import profile_file
from digest.model import Subscriber
from digest.text import clean

LONGEST_HANDLE = 64
SUFFIX = ".toml"


@dataclass(frozen=True, slots=True)
class Reading:
    """What the profile files say."""

    subscribers: tuple[Subscriber, ...] = ()  # of the valid files, by handle
    problems: tuple[Problem, ...] = ()
    files: Mapping[str, Path] = field(default_factory=lambda: MappingProxyType({}))  # handle → file, valid or not
    # Handle of an invalid file → the address it holds, or "" where even that cannot be read.
    refused: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    unreadable: bool = False  # there is a folder, but it cannot be looked into: nobody's file is known to be gone


def read(folder: Path) -> Reading:
    """Every profile file directly in the folder. What is wrong is in `problems`; nothing is raised."""
    try:
        paths = sorted(path for path in folder.iterdir() if _is_meant(path))
    except FileNotFoundError:
        what, remedy = "no such folder", "run `digest init`, or name another folder in [edition] profiles"
        return Reading(problems=(Problem(shown(folder), None, "", what, remedy),))
    except OSError as error:
        what, remedy = error.strerror or str(error), "make it a readable folder"
        return Reading(problems=(Problem(shown(folder), None, "", what, remedy),), unreadable=True)
    found = [_File(path) for path in paths]
    _refuse_likenesses(found)
    _refuse_shared_addresses(found)
    return Reading(
        subscribers=tuple(one.subscriber for one in found if one.subscriber and not one.problems),
        problems=tuple(problem for one in found for problem in one.problems),
        files=MappingProxyType({one.handle: one.path for one in found}),
        refused=MappingProxyType({one.handle: one.address for one in found if one.problems}),
    )


def handle_problem(handle: str) -> str:
    """What is wrong with a handle, or ""."""
    if not handle:
        return "the name before .toml is empty — name the file e.g. alice.toml"
    if len(handle) > LONGEST_HANDLE:
        return f"the name has {len(handle)} characters — at most {LONGEST_HANDLE} before .toml"
    if handle[0] in "-.":
        return f"the name starts with {handle[0]!r} — start it with a letter or a digit"
    if not re.fullmatch(r"[\w.-]+", handle):
        return "the name holds other signs than letters, digits, - _ . — rename the file"
    return ""


class _File:
    """One profile file while the folder is being read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shown = shown(path)
        # Some file systems keep é as one character, some as two.
        self.handle = unicodedata.normalize("NFC", path.name[: -len(SUFFIX)])
        self.address, self.line = "", 0
        self.subscriber: Subscriber | None = None
        self.problems: list[Problem] = []
        if wrong := handle_problem(self.handle):
            self.handle = shown(self.handle)
            self.refuse("", *wrong.split(" — "))
        data = self._bytes()
        if data is None:
            return
        self.address, self.line = profile_file.address_in(data) or ("", 0)
        try:
            self.subscriber = profile_file.parse(data, self.shown, self.handle)
        except FileInvalid as error:
            self.problems += error.problems
            return
        if self.address != self.subscriber.address:
            self.address = self.subscriber.address
            self.line = tomlfile.line_of(data.decode("utf-8-sig"), ["address"]) or 0

    def refuse(self, key: str, what: str, remedy: str) -> None:
        self.problems.append(Problem(self.shown, self.line or None if key else None, key, what, remedy))

    def _bytes(self) -> bytes | None:
        try:
            status = self.path.stat()
            if not stat.S_ISREG(status.st_mode):  # a pipe would keep us waiting for ever
                what = "a folder" if stat.S_ISDIR(status.st_mode) else "not an ordinary file"
                self.refuse("", what, "move it elsewhere: only profile files end in .toml here")
                return None
            if status.st_size > tomlfile.MOST_BYTES:
                self.problems.append(tomlfile.too_large(self.shown, status.st_size))
                return None
            return self.path.read_bytes()
        except FileNotFoundError:
            self.refuse("", "a link to a file that is not there", "mend or remove the link")
        except OSError as error:
            self.refuse("", f"cannot be read: {error.strerror or error}", "make it a readable file")
        return None


def _is_meant(path: Path) -> bool:
    """Not a hidden file, nor what an editor leaves behind (`alice.toml~`, `.alice.toml.swp`, `~$alice.toml`)."""
    return path.suffix.lower() == SUFFIX and path.name[0] not in ".#~" and not path.stem.endswith("~")


def _refuse_likenesses(files: Iterable[_File]) -> None:
    """Alice.toml and alice.toml are one file on some machines and two on others."""
    for alike in _groups(files, lambda one: one.handle.casefold()):
        for one in alike:
            others = ", ".join(other.shown for other in alike[:4] if other is not one)
            one.refuse("", f"is the name of {others} but for capital letters", "rename one of them")


def _refuse_shared_addresses(files: Iterable[_File]) -> None:
    for sharing in _groups(files, lambda one: one.address.casefold()):
        for one in sharing:
            others = ", ".join(f"{o.shown}:{o.line}" if o.line else o.shown for o in sharing[:4] if o is not one)
            one.refuse("address", f"{one.address} is also the address in {others}", "one address, one file")


def _groups(files: Iterable[_File], key: Callable[[_File], str]) -> list[list[_File]]:
    groups: dict[str, list[_File]] = {}
    for one in files:
        groups.setdefault(key(one), []).append(one)
    return [group for name, group in groups.items() if name and len(group) > 1]


def shown(path: Path | str) -> str:
    """As the user would type it, if that is safe to print."""
    text = str(path)
    return text if text == clean(text) else ascii(text)[1:-1]
