"""Which day a saved page stands for, and what is said when nobody can know."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.errors import PageDayUnclear
from digest.model import Page, StatedDay
from digest.sources.days import resolve_day

TODAY = date(2026, 6, 10)


def page(*stated: tuple[int, int, int | None, str]) -> Page:
    days = tuple(StatedDay(m, d, y, line, text) for line, (m, d, y, text) in enumerate(stated, 9))
    return Page("june.txt", days, (), (), ())


MAR_14 = (3, 14, None, "Mar 14")
FEB_29 = (2, 29, None, "Feb 29")


@pytest.mark.parametrize(
    ("stated", "today", "expected"),
    [
        (MAR_14, TODAY, date(2026, 3, 14)),
        ((6, 10, None, "Jun 10"), TODAY, date(2026, 6, 10)),
        ((6, 13, None, "Jun 13"), TODAY, date(2025, 6, 13)),
        ((12, 31, None, "Dec 31"), TODAY, date(2025, 12, 31)),
        (FEB_29, TODAY, date(2024, 2, 29)),
        (FEB_29, date(2024, 2, 29), date(2024, 2, 29)),
        (FEB_29, date(2103, 1, 1), date(2096, 2, 29)),
        ((3, 14, 2019, "March 14, 2019"), TODAY, date(2019, 3, 14)),
        ((6, 12, 2026, "2026-06-12"), TODAY, date(2026, 6, 12)),
    ],
)
def test_a_day_is_the_latest_that_is_not_in_the_future(
    stated: tuple[int, int, int | None, str], today: date, expected: date
) -> None:
    assert resolve_day(page(stated), today) == expected


def test_what_the_user_says_wins() -> None:
    said = date(2020, 1, 2)
    assert resolve_day(page(), TODAY, day=said) == said
    assert resolve_day(page(MAR_14, FEB_29), TODAY, day=said) == said
    assert resolve_day(page(MAR_14), TODAY, year=2023) == date(2023, 3, 14)
    assert resolve_day(page(FEB_29), TODAY, year=2020) == date(2020, 2, 29)


def test_a_date_with_its_year_completes_the_same_date_without() -> None:
    assert resolve_day(page(MAR_14, (3, 14, 2024, "14 March 2024")), TODAY) == date(2024, 3, 14)


@pytest.mark.parametrize(
    ("stated", "options", "said"),
    [
        ((), {}, ["june.txt", "no date", "--day YYYY-MM-DD."]),
        ((MAR_14, (3, 15, None, "Mar 15")), {}, ["two dates", "'Mar 14' on line 9", "'Mar 15' on line 10"]),
        (((6, 11, None, "Jun 11"),), {}, ["line 9 says 'Jun 11'", "2026-06-11", "2025-06-11", "--year YYYY"]),
        (((6, 12, None, "Jun 12"),), {}, ["2 days after today", "2025-06-12", "or its year with --year"]),
        ((FEB_29,), {"year": 2025}, ["'Feb 29'", "2025 has no such day", "--year"]),
        (((6, 13, 2026, "2026-06-13"),), {}, ["'2026-06-13'", "3 days after today, 2026-06-10"]),
        ((MAR_14,), {"year": 2027}, ["'Mar 14'", "in 2027", "after today"]),
        (((3, 14, 2024, "14 March 2024"),), {"year": 2025}, ["14 March 2024", "not in the year 2025"]),
        ((MAR_14,), {"day": date(2026, 6, 13)}, ["--day 2026-06-13", "3 days after today"]),
    ],
)
def test_an_unclear_day_is_explained(
    stated: tuple[tuple[int, int, int | None, str], ...], options: dict[str, object], said: list[str]
) -> None:
    with pytest.raises(PageDayUnclear) as caught:
        resolve_day(page(*stated), TODAY, **options)  # type: ignore[arg-type]
    for words in said:
        assert words in str(caught.value)


def test_new_year_eve_names_both_years() -> None:
    with pytest.raises(PageDayUnclear, match=r"2027-01-01.*2026-01-01"):
        resolve_day(page((1, 1, None, "Jan 1")), date(2026, 12, 31))


@given(st.dates(date(1904, 1, 1), date(2200, 1, 1)), st.dates(date(2000, 1, 1), date(2000, 12, 31)))
def test_an_inferred_day_is_never_after_today_nor_needlessly_old(today: date, stated: date) -> None:
    try:
        day = resolve_day(page((stated.month, stated.day, None, "a day")), today)
    except PageDayUnclear:
        return
    assert (day.month, day.day) == (stated.month, stated.day)
    assert today - timedelta(days=8 * 366) < day <= today
