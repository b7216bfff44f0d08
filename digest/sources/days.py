"""The day that a saved page stands for. Pure: today is passed in."""

from __future__ import annotations

from calendar import isleap
from datetime import date, timedelta

from digest.errors import PageDayUnclear
from digest.model import Page, StatedDay

# A page saved in a zone that is ahead of ours may carry tomorrow's date; more than that is a mistake.
AHEAD = timedelta(days=2)

_OR_YEAR = " or its year with --year YYYY"


def resolve_day(page: Page, today: date, day: date | None = None, year: int | None = None) -> date:
    """The day of `page`: `day` if given, else the one day that it states.

    A day without a year is in `year` if given, else in the latest year in which it does not lie after `today`.
    Raises PageDayUnclear if there is no day, more than one, or one that could be meant in two ways.
    """
    if day is not None:
        if day - today > AHEAD:
            raise _unclear(page, f"--day {day} lies {_days(day, today)} after today, {today}")
        return day
    stated = _only_day(page)
    printed = f"line {stated.line} says {stated.text!r}"
    if stated.year is not None:
        full = date(stated.year, stated.month, stated.day)
        if year is not None and year != stated.year:
            raise _unclear(page, f"{printed}, which is not in the year {year}")
        if full - today > AHEAD:
            raise _unclear(page, f"{printed}, which lies {_days(full, today)} after today, {today}")
        return full
    if year is not None:
        return _in_given_year(page, stated, year, today)
    return _latest(page, stated, today)


def _only_day(page: Page) -> StatedDay:
    if not page.stated_days:
        raise _unclear(page, "there is no date above its papers")
    # `Mar 14` and `March 14, 2025` agree; the one with a year says more.
    fullest = max(page.stated_days, key=lambda stated: stated.year is not None)
    for other in page.stated_days:
        agree = (other.month, other.day) == (fullest.month, fullest.day) and other.year in (None, fullest.year)
        if not agree:
            both = sorted((fullest, other), key=lambda stated: stated.line)
            listed = " and ".join(f"{stated.text!r} on line {stated.line}" for stated in both)
            raise _unclear(page, f"there are two dates on it, {listed}")
    return fullest


def _in_given_year(page: Page, stated: StatedDay, year: int, today: date) -> date:
    found = _dated(stated, year)
    printed = f"line {stated.line} says {stated.text!r}"
    if found is None:
        raise _unclear(page, f"{printed}, and {year} has no such day", _OR_YEAR)
    if found - today > AHEAD:
        raise _unclear(
            page, f"{printed}, which in {year} lies {_days(found, today)} after today, {today}", _OR_YEAR
        )
    return found


def _latest(page: Page, stated: StatedDay, today: date) -> date:
    # A year ahead, as on New Year's Eve `Jan 1` is tomorrow.
    for year in (today.year + 1, today.year):
        found = _dated(stated, year)
        if found and timedelta(0) < found - today <= AHEAD:
            before = next(d for y in range(year - 1, 0, -1) if (d := _dated(stated, y)))
            raise _unclear(
                page,
                f"line {stated.line} says {stated.text!r} without a year, which is either {found}, "
                f"{_days(found, today)} after today in this time zone, or {before}",
                _OR_YEAR,
            )
    for year in range(today.year, 0, -1):
        found = _dated(stated, year)
        if found and found <= today:
            return found
    raise _unclear(page, f"line {stated.line} says {stated.text!r}, which is no day", _OR_YEAR)


def _dated(stated: StatedDay, year: int) -> date | None:
    leap_day = (stated.month, stated.day) == (2, 29)
    if not 1 <= year <= 9999 or (leap_day and not isleap(year)):
        return None
    return date(year, stated.month, stated.day)


def _days(later: date, today: date) -> str:
    count = (later - today).days
    return "1 day" if count == 1 else f"{count} days"


def _unclear(page: Page, detail: str, or_year: str = "") -> PageDayUnclear:
    return PageDayUnclear(path=page.name, detail=detail, or_year=or_year)
