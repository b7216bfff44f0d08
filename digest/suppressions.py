"""The suppression list as a file: CSV or bare addresses in, CSV out."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from datetime import datetime

from digest.errors import Problem
from digest.fields import check_address
from digest.store.suppressions import REASONS, Reason, Suppression, hash_of

COLUMNS = ("address", "reason", "detail", "at", "source", "address_hash")
# What a spreadsheet takes for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def read(data: bytes, name: str, source: str, now: datetime) -> tuple[list[Suppression], list[Problem]]:
    """The addresses of a list, and what is wrong with the lines that have none.

    Either a line of names first, of which `address` or `address_hash` must be one (also `email`); or an address at
    the start of each line. Blank lines, and those that start with `#`, are left out.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return [], [Problem(name, line, "", "not UTF-8 text", "save the file as UTF-8")]
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    found: dict[str, Suppression] = {}
    problems: list[Problem] = []
    columns: list[str] | None = None
    rows = csv.reader(io.StringIO(text.replace("\0", "\ufffd"), newline=""), delimiter=delimiter)
    line = 0
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            return list(found.values()), problems
        except csv.Error as error:
            problems.append(Problem(name, rows.line_num, "", f"not CSV: {error}", "write one address a line"))
            continue
        line, start = rows.line_num, line + 1
        if not any(map(str.strip, cells)) or cells[0].lstrip().startswith("#"):
            continue
        if columns is None:
            head = [re.sub(r"[ -]", "_", cell.strip().lower()) for cell in cells]
            columns = ["address" if one in ("email", "e_mail", "mail") else one for one in head]
            if "address" in columns or "address_hash" in columns:
                continue
            columns = ["address"]
        try:
            one = _entry(dict(zip(columns, map(_plain, cells), strict=False)), source, now)
            found.setdefault(one.address_hash, one)
        except ValueError as error:
            what, _, remedy = str(error).partition(" — ")
            problems.append(Problem(name, start, "", what[:300], remedy or "mend the line, and import it again"))


def write(entries: Sequence[Suppression]) -> str:
    """The list as CSV, with nothing in it that a spreadsheet would calculate."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in entries:
        row = (one.address, one.reason, one.detail, one.at.isoformat(), one.source, one.address_hash)
        writer.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in row])
    return out.getvalue()


def entry(address: str, reason: str, now: datetime, source: str) -> Suppression:
    """An address that somebody wants on the list, for one of `REASONS` or in words of their own. Raises ValueError
    for what is no address."""
    address = check_address(address)
    known = next((one for one in REASONS if one == reason.strip().lower()), None)
    return Suppression(hash_of(address), address, known or "manual", "" if known else reason.strip(), now, source)


def _entry(row: dict[str, str], source: str, now: datetime) -> Suppression:
    address, digest = row.get("address", "").strip(), row.get("address_hash", "").strip().lower()
    if digest and not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise ValueError(f"{digest[:80]!r} is no hash of an address — write the 64 digits of its SHA-256")
    if address:
        made = entry(address, row.get("reason", ""), now, source)
        if digest and digest != made.address_hash:
            raise ValueError(f"the hash is not that of {address} — remove one of the two")
    elif digest:
        reason: Reason = next((one for one in REASONS if one == row.get("reason", "").strip()), "manual")
        made = Suppression(digest, "", reason, "", now, source)
    else:
        raise ValueError("there is no address — write one, or remove the line")
    detail, at = " ".join(row.get("detail", "").split()) or made.detail, made.at
    if said := row.get("at", "").strip():
        try:
            at = datetime.fromisoformat(said)
        except ValueError:
            raise ValueError(f"{said[:80]!r} is no time — write it as 2026-03-14T07:00:00+00:00") from None
        at = at if at.tzinfo else at.replace(tzinfo=now.tzinfo)
    return Suppression(made.address_hash, made.address, made.reason, detail, min(at, now), source)


def _plain(cell: str) -> str:
    """A cell without the mark that `write` puts before what looks like a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in _FORMULA else cell
