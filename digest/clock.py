"""The only place that asks the time, and the arithmetic of local due dates.

A *slot* is a subscriber's local due date. A slot's *due instant* is that date at the subscriber's hour in the
subscriber's zone, as UTC. An hour that daylight saving skips or repeats resolves as PEP 495 says with fold=0.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CADENCES = ("daily", "weekdays", *(f"weekly:{day}" for day in WEEKDAYS))


def now() -> datetime:
    """The present, aware, UTC, without fractions of a second (stores and mail headers keep none)."""
    return datetime.now(UTC).replace(microsecond=0)


def local_day(instant: datetime, zone: str) -> date:
    return instant.astimezone(ZoneInfo(zone)).date()


def machine_day(instant: datetime) -> date:
    """The day of `instant` on this machine's own calendar."""
    return instant.astimezone().date()


def is_slot(cadence: str, day: date) -> bool:
    """Does `cadence` fall on `day`?"""
    if cadence == "daily":
        return True
    if cadence == "weekdays":
        return day.weekday() < 5
    return cadence == f"weekly:{WEEKDAYS[day.weekday()]}"


def latest_slot(cadence: str, day: date) -> date:
    """The last slot on or before `day`."""
    while not is_slot(cadence, day):
        day -= timedelta(days=1)
    return day


def next_slot(cadence: str, day: date) -> date:
    """The first slot after `day`."""
    day += timedelta(days=1)
    while not is_slot(cadence, day):
        day += timedelta(days=1)
    return day


def due_at(slot: date, hour: int, zone: str) -> datetime:
    return datetime.combine(slot, time(hour), ZoneInfo(zone)).astimezone(UTC)


def next_due_at(cadence: str, hour: int, zone: str, after: datetime) -> datetime:
    """The first due instant later than `after`."""
    slot = latest_slot(cadence, local_day(after, zone))
    while (instant := due_at(slot, hour, zone)) <= after:
        slot = next_slot(cadence, slot)
    return instant


def due_slot(cadence: str, hour: int, zone: str, now: datetime) -> date:
    """The last slot whose due instant is not later than `now`: what a subscriber is owed who is due."""
    slot = latest_slot(cadence, local_day(now, zone))
    while due_at(slot, hour, zone) > now:
        slot = latest_slot(cadence, slot - timedelta(days=1))
    return slot
