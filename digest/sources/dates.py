"""The day that a source writes beside a paper. Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, tzinfo
from email.utils import parsedate_to_datetime

_NAMES = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_MONTHS = {name: number for number, name in enumerate(_NAMES.split("|"), 1)}
_MONTH = rf"({_NAMES})[a-z]{{0,6}}\.?"
_ISO = re.compile(r"\s*([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})(?![0-9])")
_DAY_MONTH = re.compile(
    rf"\s*(?:[a-z]{{2,9}}\.?,?\s{{1,3}})?([0-9]{{1,2}})[\s-]{{1,3}}{_MONTH}[\s,-]{{1,3}}([0-9]{{4}}|[0-9]{{2}})(?![0-9])",
    re.IGNORECASE,
)
# `March 14, 2026`, and C's `Sat Mar 14 07:00:00 2026`
_MONTH_DAY = re.compile(
    rf"\s*(?:[a-z]{{2,9}}\.?,?\s{{1,3}})?{_MONTH}\s{{1,3}}([0-9]{{1,2}}),?\s{{1,3}}(?:[0-9:]{{4,8}}\s(?:[a-z]{{1,5}}\s)?)?"
    r"([0-9]{4})(?![0-9])",
    re.IGNORECASE,
)


def day_in(text: str) -> date | None:
    """The day that a date or a time starts with, in its own time zone; None if it is no day.

    ISO 8601 (also unpadded: `2026-6-3`), the mails' `Wed, 31 Dec 2025 00:00:00 -0500`, `March 14, 2026`.
    """
    if found := _ISO.match(text):
        return _day(int(found[1]), int(found[3]), int(found[4]))
    if found := _DAY_MONTH.match(text):
        year = int(found[3])
        if len(found[3]) == 2:
            year += 1900 if year >= 70 else 2000
        return _day(year, _MONTHS[found[2].lower()], int(found[1]))
    if found := _MONTH_DAY.match(text):
        return _day(int(found[3]), _MONTHS[found[1].lower()], int(found[2]))
    return None


def utc_day(text: str, zone: tzinfo = UTC) -> date | None:
    """As `day_in`, and of a time with an offset the day in UTC, or in `zone`."""
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            at = read(text.strip())
            return at.astimezone(zone).date() if at.tzinfo else at.date()
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return day_in(text)


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
