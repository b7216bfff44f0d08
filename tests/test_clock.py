"""Local slots and due instants, across zones and the hours that daylight saving skips or repeats."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest import clock


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_now_is_aware_and_whole() -> None:
    assert clock.now().tzinfo is UTC
    assert clock.now().microsecond == 0


@pytest.mark.parametrize(
    ("instant", "zone", "day"),
    [
        ("2026-03-03 23:59:59", "UTC", date(2026, 3, 3)),
        ("2026-03-03 10:00", "Pacific/Kiritimati", date(2026, 3, 4)),  # UTC+14
        ("2026-03-03 10:59", "Pacific/Pago_Pago", date(2026, 3, 2)),  # UTC−11
        ("2026-03-03 18:15", "Asia/Kathmandu", date(2026, 3, 4)),  # UTC+5:45
        ("2026-03-03 18:14", "Asia/Kathmandu", date(2026, 3, 3)),
    ],
)
def test_local_day(instant: str, zone: str, day: date) -> None:
    assert clock.local_day(utc(instant), zone) == day


def test_slots_of_a_week() -> None:
    week = [date(2026, 3, 2) + timedelta(n) for n in range(7)]  # Monday to Sunday
    assert [clock.is_slot("daily", day) for day in week] == [True] * 7
    assert [clock.is_slot("weekdays", day) for day in week] == [True] * 5 + [False] * 2
    for number, name in enumerate(clock.WEEKDAYS):
        assert [clock.is_slot(f"weekly:{name}", day) for day in week] == [n == number for n in range(7)]


def test_latest_and_next_slot() -> None:
    sunday = date(2026, 3, 8)
    assert clock.latest_slot("weekdays", sunday) == date(2026, 3, 6)
    assert clock.next_slot("weekdays", sunday) == date(2026, 3, 9)
    assert clock.latest_slot("weekly:sun", sunday) == sunday
    assert clock.next_slot("weekly:sun", sunday) == date(2026, 3, 15)
    assert clock.next_slot("daily", date(2026, 12, 31)) == date(2027, 1, 1)


@pytest.mark.parametrize(
    ("slot", "hour", "zone", "due"),
    [
        (date(2026, 3, 4), 7, "Asia/Kathmandu", "2026-03-04 01:15"),
        (date(2026, 3, 4), 7, "Pacific/Kiritimati", "2026-03-03 17:00"),
        (date(2026, 3, 4), 0, "UTC", "2026-03-04 00:00"),
        (date(2026, 3, 7), 7, "America/New_York", "2026-03-07 12:00"),  # the day before
        (date(2026, 3, 8), 7, "America/New_York", "2026-03-08 11:00"),  # and after the clock went forward
        (date(2026, 3, 8), 2, "America/New_York", "2026-03-08 07:00"),  # 2 h does not exist: it is 3 h then
        (date(2026, 3, 8), 3, "America/New_York", "2026-03-08 07:00"),
        (date(2026, 11, 1), 1, "America/New_York", "2026-11-01 05:00"),  # 1 h comes twice: the first
        (date(2026, 11, 1), 2, "America/New_York", "2026-11-01 07:00"),
        (date(2026, 3, 29), 2, "Europe/Berlin", "2026-03-29 01:00"),
        (date(2026, 10, 25), 2, "Europe/Berlin", "2026-10-25 00:00"),
        (date(2026, 4, 5), 2, "Australia/Lord_Howe", "2026-04-04 15:30"),  # back by half an hour at two
        (date(2024, 3, 30), 23, "America/Nuuk", "2024-03-31 01:00"),  # 23 h is midnight of the next day
    ],
)
def test_due_at(slot: date, hour: int, zone: str, due: str) -> None:
    assert clock.due_at(slot, hour, zone) == utc(due)


@pytest.mark.parametrize(
    ("cadence", "hour", "zone", "after", "due"),
    [
        ("daily", 7, "UTC", "2026-03-03 06:59:59", "2026-03-03 07:00"),
        ("daily", 7, "UTC", "2026-03-03 07:00", "2026-03-04 07:00"),  # strictly later
        ("daily", 7, "Pacific/Kiritimati", "2026-03-03 16:59", "2026-03-03 17:00"),
        ("daily", 0, "Asia/Kathmandu", "2026-03-03 18:14", "2026-03-03 18:15"),
        ("weekdays", 7, "UTC", "2026-03-06 08:00", "2026-03-09 07:00"),  # Friday → Monday
        ("weekly:wed", 7, "UTC", "2026-03-04 07:00", "2026-03-11 07:00"),
        ("weekly:mon", 7, "Pacific/Kiritimati", "2026-03-01 16:00", "2026-03-01 17:00"),  # their Monday, our Sunday
        ("daily", 2, "America/New_York", "2026-03-08 06:59", "2026-03-08 07:00"),  # in the hour that is skipped
        ("daily", 2, "America/New_York", "2026-03-08 07:00", "2026-03-09 06:00"),
        ("daily", 1, "America/New_York", "2026-11-01 05:30", "2026-11-02 06:00"),  # the second 1 h is not due again
        ("daily", 23, "America/Nuuk", "2024-03-31 00:59:59", "2024-03-31 01:00"),
        ("daily", 23, "America/Nuuk", "2024-03-31 01:00", "2024-04-01 00:00"),
    ],
)
def test_next_due_at(cadence: str, hour: int, zone: str, after: str, due: str) -> None:
    assert clock.next_due_at(cadence, hour, zone, after=utc(after)) == utc(due)


def test_a_day_that_a_country_skipped_is_due_with_the_next() -> None:
    # Samoa had no 30 December 2011.
    before = clock.due_at(date(2011, 12, 29), 7, "Pacific/Apia")
    at = clock.next_due_at("daily", 7, "Pacific/Apia", after=before)
    assert at == clock.due_at(date(2011, 12, 31), 7, "Pacific/Apia") == utc("2011-12-30 17:00")
    assert clock.due_slot("daily", 7, "Pacific/Apia", at) == date(2011, 12, 31)


ZONES = st.sampled_from(
    [
        "UTC",
        "Asia/Kathmandu",
        "Pacific/Kiritimati",
        "Pacific/Pago_Pago",
        "Pacific/Apia",
        "America/New_York",
        "America/Nuuk",
        "America/St_Johns",
        "Europe/Berlin",
        "Australia/Lord_Howe",
        "Africa/Cairo",
    ]
)
INSTANTS = st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(st.sampled_from(clock.CADENCES), st.integers(0, 23), ZONES, INSTANTS)
def test_the_next_due_instant_is_later_and_the_first(cadence: str, hour: int, zone: str, after: datetime) -> None:
    due = clock.next_due_at(cadence, hour, zone, after)
    assert due > after
    assert due.utcoffset() == timedelta(0)
    around = clock.local_day(after, zone)
    days = [around + timedelta(n) for n in range(-2, 10)]
    dues = [clock.due_at(day, hour, zone) for day in days if clock.is_slot(cadence, day)]
    assert due == min(one for one in dues if one > after)
    # Who is due is owed the slot that made them due, and not before.
    slot = clock.due_slot(cadence, hour, zone, due)
    assert clock.due_at(slot, hour, zone) == due
    assert clock.is_slot(cadence, slot)
    earlier = clock.due_slot(cadence, hour, zone, after)
    assert earlier < slot
    assert clock.due_at(earlier, hour, zone) <= after
    local = due.astimezone(ZoneInfo(zone))
    assert local.hour == hour or clock.due_at(slot, hour, zone).astimezone(ZoneInfo(zone)).hour != hour
