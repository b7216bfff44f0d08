"""Breakers: what stops a run by itself, at which figure, and what it says."""

from __future__ import annotations

from datetime import timedelta

import pytest

from digest.delivery.breakers import Breakers, Figures, Pause
from digest.model import LetterState, Outcome

SENT = Outcome(LetterState.SENT, "250 ok", kind="accepted")
BUSY = Outcome(LetterState.DEFERRED, "451 busy", kind="busy")
LOST = Outcome(LetterState.DEFERRED, "the server hung up", kind="lost")
UNCERTAIN = Outcome(LetterState.UNCERTAIN, "no answer", kind="unknown-fate")
NOBODY = Outcome(LetterState.FAILED, "550 5.1.1 no such user", kind="no-mailbox")
REFUSED = Outcome(LetterState.FAILED, "554 no", kind="refused")
TOO_LARGE = Outcome(LetterState.FAILED, "552 5.3.4 too large", kind="too-large")
POLICY = Outcome(LetterState.FAILED, "550 5.7.1 we do not want it", kind="reputation")


def told(breakers: Breakers, *outcomes: Outcome, provider: str = "google.com") -> list[Pause]:
    return [pause for outcome in outcomes if (pause := breakers.told(provider, outcome))]


@pytest.mark.parametrize(
    ("sent", "outcome", "number", "stops"),
    [
        (1000, NOBODY, 20, False),  # 20 of 1020 are below 2 %
        (1000, NOBODY, 21, True),
        (100, NOBODY, 2, False),  # two of a hundred are, and are few
        (100, NOBODY, 3, True),
        (100, REFUSED, 3, True),
        (16, NOBODY, 3, False),  # 3 of 19 letters are too few to tell
        (17, NOBODY, 3, True),
        (49, NOBODY, 1, False),
        (100, TOO_LARGE, 19, False),  # says nothing of the address
        (100, POLICY, 1, False),
        (100, BUSY, 19, False),
    ],
)
def test_hard_bounces_stop_a_run_at_two_per_cent(sent: int, outcome: Outcome, number: int, stops: bool) -> None:
    breakers = Breakers()
    first = (number - 1) // 2
    assert told(breakers, *[SENT] * (sent - 1), *[outcome] * first, SENT, *[outcome] * (number - 1 - first)) == []
    assert [pause.scope for pause in told(breakers, outcome)] == ["*"] * stops


def test_bounces_that_come_back_later_count_with_those_at_once() -> None:
    breakers = Breakers(Figures(sent=98, failed=2, hard=2))
    assert breakers.bounced(0) is None
    pause = breakers.bounced()
    assert pause is not None
    assert pause.scope == "*"
    assert "3 of 100 letters" in pause.reason
    assert "3.0%" in pause.reason
    assert pause.until is None


@pytest.mark.parametrize(
    ("sent", "complaints", "stops"),
    [
        (50, 1, False),
        (50, 2, False),
        (50, 3, True),
        (3000, 3, False),
        (2999, 3, True),
        (19, 3, False),
        (0, 3, False),
    ],
)
def test_complaints_stop_a_run_at_one_in_a_thousand(sent: int, complaints: int, stops: bool) -> None:
    pause = Breakers(Figures(sent=sent)).complained(complaints)
    assert (pause is not None) == stops
    if pause:
        assert f"{complaints} of {sent} letters" in pause.reason
        assert "0.1%" in pause.reason


@pytest.mark.parametrize("outcome", [BUSY, LOST, UNCERTAIN, TOO_LARGE])
def test_twenty_failures_in_a_row_stop_a_run(outcome: Outcome) -> None:
    breakers = Breakers()
    assert told(breakers, *[outcome] * 19, SENT, *[outcome] * 19) == []
    (pause,) = told(breakers, outcome)
    assert (pause.scope, pause.until) == ("*", timedelta(minutes=15))
    assert "20 letters in a row" in pause.reason
    assert outcome.reply in pause.reason


def test_who_is_asked_to_wait_has_not_failed() -> None:
    later = [Outcome(LetterState.DEFERRED, "451 later", kind=kind) for kind in ("greylisted", "mailbox-full")]
    assert told(Breakers(), *later * 40) == []


def test_what_fails_at_once_on_all_connections_is_not_yet_a_row() -> None:
    breakers = Breakers(in_flight=64)
    assert told(breakers, *[LOST] * 127) == []
    assert len(told(breakers, LOST)) == 1


def test_a_row_goes_on_where_another_process_left_off() -> None:
    assert len(told(Breakers(Figures(in_a_row=19)), LOST)) == 1


def test_a_pause_is_told_once_until_it_is_resumed() -> None:
    breakers = Breakers()
    assert len(told(breakers, *[LOST] * 60)) == 1, "what was under way ends after the pause"
    breakers.resumed()
    assert told(breakers, *[LOST] * 19) == []
    assert len(told(breakers, LOST)) == 1


def test_who_resumes_a_run_with_many_bounces_has_decided_and_it_counts_anew() -> None:
    breakers = Breakers()
    assert len(told(breakers, *[SENT] * 50, *[NOBODY] * 5)) == 1
    breakers.resumed()
    assert told(breakers, *[SENT] * 20, NOBODY, NOBODY) == []
    assert len(told(breakers, NOBODY)) == 1


def test_the_second_reply_about_our_standing_pauses_that_provider_alone() -> None:
    breakers = Breakers()
    assert told(breakers, SENT, POLICY, SENT) == []
    assert told(breakers, POLICY, SENT, provider="example.org") == []
    (pause,) = told(breakers, POLICY)
    assert (pause.scope, pause.until) == ("provider:google.com", timedelta(hours=1))
    for words in ("google.com", "2 letters of this run", POLICY.reply, "SPF"):
        assert words in pause.reason
    assert told(breakers, POLICY, POLICY) == [], "what was under way when it was paused"
    (other,) = told(breakers, POLICY, provider="example.org")
    assert other.scope == "provider:example.org"


def test_a_provider_that_does_not_relent_is_paused_for_twice_as_long_up_to_twelve_hours() -> None:
    breakers, hours = Breakers(Figures(reputation={"google.com": 2}, pauses={"google.com": 1})), []
    for _ in range(5):
        (pause,) = told(breakers, SENT, POLICY, SENT)
        assert pause.until is not None
        hours.append(pause.until // timedelta(hours=1))
        breakers.resumed("provider:google.com")
    assert hours == [2, 4, 8, 12, 12]


def test_a_reason_is_one_plain_line() -> None:
    breakers = Breakers(Figures(sent=5000))
    pauses = [
        breakers.complained(9),
        *told(Breakers(), *[LOST] * 20),
        *told(Breakers(), POLICY, POLICY),
        Breakers(Figures(sent=100)).bounced(5),
    ]
    assert len(pauses) == 4
    for pause in pauses:
        assert pause is not None
        assert pause.reason.isprintable()
        assert pause.reason.rstrip(".") == pause.reason
