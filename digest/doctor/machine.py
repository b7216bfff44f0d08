"""The machine: room on its disks, and the software that Digest stands on."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from digest.config import Config
from digest.doctor.result import Patient, Result, fail, ok, unknown, warn
from digest.threads import in_thread

PACKAGE = "digest-letter"
FEW_BYTES, SCANT_BYTES = 1_000_000_000, 100_000_000
FEW_FILES, SCANT_FILES = 50_000, 2_000  # a Maildir takes one for each letter


@dataclass(frozen=True, slots=True)
class Room:
    """What is left on a disk for this user; `files` is None where it has no limit of its own."""

    free: int  # bytes
    files: int | None


async def disk(patient: Patient) -> list[Result]:
    return await in_thread(lambda: _disks(patient.config))


def _disks(config: Config) -> list[Result]:
    places = {"disk.home": config.home}
    prefix, _, name = config.store_url.partition("sqlite:///")
    if not prefix:
        places["disk.store"] = Path(name).parent
    if config.delivery.kind == "maildir":
        places["disk.maildir"] = config.path(config.delivery.maildir)
    results = []
    known: set[int] = set()
    for check, path in places.items():
        there = next((one for one in (path, *path.parents) if one.exists()), path)
        try:
            device = there.stat().st_dev
            if device not in known:
                known.add(device)
                results.append(judge_room(check, there, room(there)))
        except OSError as error:
            results.append(unknown(check, f"{there}: {error.strerror or error}"))
    return results


def room(path: Path) -> Room:
    """Raises OSError."""
    found = os.statvfs(path)
    return Room(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)


def judge_room(check: str, path: Path, left: Room) -> Result:
    files = "" if left.files is None else f", {left.files:,} more files"
    seen = f"{path}: {left.free / 1e9:,.1f} GB free{files}"
    number = FEW_FILES if left.files is None else left.files
    if left.free < SCANT_BYTES or number < SCANT_FILES:
        return fail(check, seen, "make room, before a letter cannot be recorded")
    if left.free < FEW_BYTES or number < FEW_FILES:
        return warn(check, seen, "make room soon")
    return ok(check, seen)


# ---- software


async def software(patient: Patient) -> list[Result]:
    return await in_thread(_software)


def _software() -> list[Result]:
    seen = f"Python {platform.python_version()}"
    try:
        needs = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return [
            unknown(
                "software.packages",
                f"{seen}; {PACKAGE} is not installed as a package, so nothing says what it needs",
            )
        ]
    return [judge_packages(needs, seen)]


def judge_packages(needs: Sequence[str], seen: str) -> Result:
    """Is each package there in a version that is new enough? Of extras only those count that are installed."""
    name = "software.packages"
    missing: list[str] = []
    older: list[str] = []
    optional: list[str] = []
    good = 0
    for one in map(Requirement, needs):
        extra = one.marker is not None and not one.marker.evaluate({"extra": ""})
        try:
            version = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            missing += [] if extra else [f"{one.name} is not installed"]
            continue
        if one.specifier.contains(version, prereleases=True):
            good += 1
        else:
            (optional if extra else older).append(f"{one.name} is {version}, {one.specifier} is needed")
    if wrong := [*missing, *older]:
        return fail(name, f"{seen}; {'; '.join(wrong)}", f"`pip install --upgrade {PACKAGE}` brings what it needs")
    if optional:
        return warn(name, f"{seen}; {'; '.join(optional)}", "upgrade what you use of it")
    return ok(name, f"{seen}; {good} packages are new enough")
