"""Pace: limits are kept whatever happens, also over a restart, and what servers say about it is heeded."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.config import DeliveryConfig, PaceConfig, ProviderConfig, SmtpConfig
from digest.delivery.pace import Pace
from digest.model import LetterState, Outcome

WALL = datetime(2026, 3, 2, 7, tzinfo=UTC)
SENT = Outcome(LetterState.SENT, "250 ok", kind="accepted")
CLOSING = Outcome(LetterState.DEFERRED, "421 4.7.0 too many connections", kind="closing")
SLOWER = Outcome(LetterState.DEFERRED, "454 4.7.0 Throttling failure", kind="throttled")
THEIRS = Outcome(LetterState.DEFERRED, "450 4.7.1 rate limited", kind="throttled")
GREY = Outcome(LetterState.DEFERRED, "451 greylisted", kind="greylisted", wait=timedelta(minutes=5))
LOST = Outcome(LetterState.DEFERRED, "the server hung up", kind="lost")
OUTCOMES = (SENT, CLOSING, SLOWER, THEIRS, GREY, LOST)


def delivery(connections: int = 8, **limits: float) -> DeliveryConfig:
    return DeliveryConfig(smtp=SmtpConfig(connections=connections), pace=PaceConfig(**limits))


def of_google(**limits: float) -> DeliveryConfig:
    return DeliveryConfig(smtp=SmtpConfig(connections=8), providers={"google.com": ProviderConfig(**limits)})


class Sender:
    """Sends whenever it may. Its monotonic clock starts anew at a restart, as a machine's does when it boots."""

    def __init__(self, config: DeliveryConfig, most: int = 200) -> None:
        self.config, self.most = config, most
        self.time, self.base = 0.0, 1000.0  # since the start of the test; of the monotonic clock
        self.left: list[float] = []
        self.pace = Pace(config, {}, self.now, self.wall)

    @property
    def now(self) -> float:
        return self.base + self.time

    @property
    def wall(self) -> datetime:
        return WALL + timedelta(seconds=self.time)

    def restart(self, away: float = 0.0) -> None:
        saved = json.loads(json.dumps(self.pace.saved(self.wall)))
        assert not self.pace.changed
        self.time += away
        self.base = 5.0 - self.time
        self.pace = Pace(self.config, saved, self.now, self.wall)

    def send(self, provider: str = "google.com", outcome: Outcome | None = SENT, most: int = 1) -> int:
        """As many letters as may leave now, `most` at most; how many those were. None: given back."""
        for number in range(most):
            if len(self.left) == self.most or self.pace.wait(provider, self.now) > 0:
                return number
            self.pace.left(provider, self.now)
            self.left.append(self.time)
            if outcome is None:
                self.pace.back(provider, self.now)
            else:
                self.pace.told(provider, outcome, self.now)
        return most

    def calm(self, seconds: float) -> None:
        """A letter each half second, where it may leave."""
        for _ in range(int(2 * seconds)):
            self.time += 0.5
            self.send()


# Pauses between 20 ms and half an hour, in milliseconds; letters at a time; what becomes of them; a restart before.
STEPS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 2000), st.integers(0, 120_000), st.integers(0, 2_000_000)),
        st.integers(1, 30),
        st.sampled_from((*OUTCOMES, None)),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)
Steps = list[tuple[int, int, Outcome | None, bool]]


def play(sender: Sender, steps: Steps, outcomes: Callable[[Outcome | None], Outcome | None]) -> None:
    for milliseconds, most, outcome, restart in steps:
        sender.time += milliseconds / 1000
        if restart:
            sender.restart()
        sender.send(outcome=outcomes(outcome), most=most)


def most_within(times: Iterable[float], seconds: float) -> int:
    times = list(times)
    return max((sum(start <= one < start + seconds for one in times) for start in times), default=0)


@given(STEPS, st.integers(1, 12), st.integers(1, 30), st.booleans())
def test_no_window_ever_has_more_letters_than_it_may(steps: Steps, most: int, minutes: int, whole: bool) -> None:
    limits = {"per_window": most, "window_minutes": minutes}
    sender = Sender(delivery(**limits) if whole else of_google(**limits))
    play(sender, steps, lambda outcome: outcome)
    # A hair less than the window: 60 seconds of floating-point time are not always 60.
    assert most_within(sender.left, 60 * minutes - 1e-6) <= most


@given(STEPS, st.floats(0.05, 40), st.booleans())
def test_no_time_has_more_letters_than_the_rate_and_one_burst(steps: Steps, rate: float, whole: bool) -> None:
    sender = Sender(delivery(per_second=rate) if whole else of_google(per_second=rate))
    play(sender, steps, lambda outcome: outcome)
    for first, start in enumerate(sender.left):
        for number, end in enumerate(sender.left[first:], 1):
            assert number <= rate * (end - start) + max(1.0, rate) + 1e-3


@given(st.integers(1, 40), st.integers(1, 30))
def test_a_window_is_used_up_and_after_the_wait_the_next_letter_leaves(most: int, minutes: int) -> None:
    sender = Sender(delivery(per_window=most, window_minutes=minutes))
    for _ in range(3):
        assert sender.send(most=most + 1) == most
        wait = sender.pace.wait("google.com", sender.now)
        assert 60 * minutes <= wait <= 61 * minutes + 1e-3
        sender.time += wait + 1e-6


def test_who_asks_all_the_time_gets_no_more_than_the_window_has() -> None:
    sender = Sender(delivery(per_window=3, window_minutes=1))
    for _ in range(1200):
        sender.time += 0.25
        sender.send(most=1 + int(sender.time) % 2)
    assert most_within(sender.left, 60 - 1e-6) == 3
    assert len(sender.left) >= 12


def test_a_rate_is_used_up() -> None:
    sender = Sender(delivery(per_second=10), most=1000)
    while sender.time < 20:
        sender.send(most=100)
        sender.time += max(sender.pace.wait("google.com", sender.now), 1e-5)
    assert 205 <= len(sender.left) <= 210


def test_a_rate_below_one_letter_a_second_still_lets_the_first_leave_at_once() -> None:
    sender = Sender(delivery(per_second=0.1))
    assert sender.send(most=5) == 1
    assert sender.pace.wait("google.com", sender.now) == pytest.approx(10)


def test_to_ask_consumes_nothing() -> None:
    sender = Sender(delivery(per_second=1, per_window=1))
    assert [sender.pace.wait("google.com", sender.now) for _ in range(5)] == [0.0] * 5


@given(STEPS, st.integers(1, 64), st.integers(0, 12))
def test_connections_stay_within_their_bounds(steps: Steps, connections: int, own: int) -> None:
    config = DeliveryConfig(
        smtp=SmtpConfig(connections=connections), providers={"default": ProviderConfig(connections=own)}
    )
    sender = Sender(config)
    for milliseconds, most, outcome, restart in steps:
        sender.time += milliseconds / 1000
        if restart:
            sender.restart()
        under_way = 0
        for _ in range(most):
            if sender.pace.wait("a.org", sender.now) > 0:
                break
            sender.pace.left("a.org", sender.now)
            under_way += 1
        assert under_way <= (own if 0 < own < connections else most)
        for _ in range(under_way):
            sender.pace.told("a.org", outcome or SENT, sender.now)
            assert 1 <= sender.pace.connections <= connections
        wait = sender.pace.wait("a.org", sender.now)
        assert wait <= 600, "nothing is under way, so there is an end to every wait"


def test_as_many_letters_to_a_provider_are_under_way_as_may_be_and_others_are_not_held_up() -> None:
    pace = Sender(of_google(connections=2)).pace
    for _ in range(2):
        assert pace.wait("google.com", 1000) == 0
        pace.left("google.com", 1000)
    assert pace.wait("google.com", 1000) == math.inf
    assert pace.wait("example.org", 1000) == 0
    pace.told("google.com", SENT, 1001)
    assert pace.wait("google.com", 1001) == 0
    pace.left("google.com", 1001)
    assert pace.wait("google.com", 1001) == math.inf
    pace.back("google.com", 1002)
    assert pace.wait("google.com", 1002) == 0


def test_limits_for_each_provider_are_each_ones_own() -> None:
    config = DeliveryConfig(
        providers={"default": ProviderConfig(per_window=2), "google.com": ProviderConfig(per_window=3)}
    )
    sender = Sender(config)
    assert [sender.send(name, most=9) for name in ("google.com", "a.org", "b.org", "a.org")] == [3, 2, 2, 0]


def test_a_million_domains_with_limits_are_not_all_remembered() -> None:
    sender = Sender(DeliveryConfig(providers={"default": ProviderConfig(per_second=5, connections=2)}), most=20_000)
    for number in range(12_000):
        sender.time += 0.25
        assert sender.send(f"{number}.example") == 1
    assert len(sender.pace._scopes) < 5000


def test_a_configured_limit_holds_after_thousands_of_providers_have_throttled_us() -> None:
    sender = Sender(of_google(per_window=2), most=50_000)
    for number in range(9000):
        sender.time += 4000
        sender.send(f"{number}.example", THEIRS)
    assert sender.send("google.com", most=9) == 2


# ---- what servers say


@pytest.mark.parametrize(("outcome", "hold"), [(CLOSING, 0.0), (SLOWER, 15.0)])
def test_a_relay_that_has_enough_gets_half_the_connections(outcome: Outcome, hold: float) -> None:
    sender = Sender(delivery(connections=8))
    sender.send(outcome=outcome)
    assert sender.pace.connections == 4
    assert sender.pace.wait("example.org", sender.now) == pytest.approx(hold)
    assert sender.pace.changed


def test_one_burst_of_refusals_is_one_event() -> None:
    pace = Sender(delivery(connections=16)).pace
    for number in range(16):
        pace.left(f"{number}.org", 1000)
    for number in range(16):
        pace.told(f"{number}.org", CLOSING, 1000 + number / 10)
    assert pace.connections == 8
    pace.told("a.org", CLOSING, 1006)
    assert pace.connections == 4


def test_connections_come_back_slowly_and_only_in_calm() -> None:
    sender = Sender(delivery(connections=8), most=10_000)
    sender.send(outcome=CLOSING)
    sender.calm(9)
    assert sender.pace.connections == 4
    sender.calm(2)
    assert sender.pace.connections == 5
    sender.time += 1800
    sender.send()
    assert sender.pace.connections == 5, "half an hour without letters tells nothing"
    sender.calm(60)
    assert sender.pace.connections == 8


def test_what_a_server_said_an_hour_ago_is_forgotten() -> None:
    sender = Sender(delivery())
    sender.send(outcome=SLOWER)
    sender.send("example.org", outcome=THEIRS)
    sender.time += 3599
    assert sender.pace.wait("google.com", sender.now) == 0
    assert sender.pace.connections == 4
    sender.time += 2
    assert sender.pace.wait("google.com", sender.now) == 0
    assert sender.pace.connections == 8
    assert sender.pace.saved(sender.wall) == {}


@pytest.mark.parametrize(("asked", "held"), [(4, 240.0), (0.5, 30.0), (600, 600.0)])
def test_a_wait_that_the_server_asks_for_is_kept_up_to_ten_minutes(asked: float, held: float) -> None:
    for outcome in (CLOSING, SLOWER):
        sender = Sender(delivery())
        words = Outcome(outcome.state, outcome.reply, kind=outcome.kind, wait=timedelta(minutes=asked))
        sender.send(outcome=words)
        assert sender.pace.wait("google.com", sender.now) == pytest.approx(held)
        sender.time += held + 1
        assert sender.pace.wait("google.com", sender.now) == 0


def test_a_throttling_that_does_not_end_is_given_ever_more_time() -> None:
    sender, waits = Sender(delivery()), []
    for _ in range(8):
        sender.send(outcome=SLOWER)
        waits.append(sender.pace.wait("google.com", sender.now))
        sender.time += waits[-1] + 1e-3
    assert waits == pytest.approx([15, 30, 60, 120, 240, 480, 600, 600])


def test_a_throttled_rate_is_halved_and_climbs_back_to_what_is_configured() -> None:
    sender = Sender(delivery(per_second=10), most=100_000)
    sender.send(outcome=SLOWER)
    sender.time += 16

    def in_a_second() -> int:
        before = len(sender.left)
        for _ in range(100):
            sender.time += 0.01
            sender.send(most=20)
        return len(sender.left) - before

    in_a_second()
    assert 5 <= in_a_second() <= 6
    for _ in range(60):
        in_a_second()
    assert 7 <= in_a_second() <= 9
    for _ in range(60):
        in_a_second()
    assert in_a_second() == 10


def test_a_rate_that_nobody_configured_is_halved_too_and_free_again_after_a_while() -> None:
    sender = Sender(delivery(), most=100_000)
    for _ in range(200):
        sender.time += 0.05
        sender.send()
    sender.send(outcome=SLOWER)
    sender.time += 16
    assert sender.send(most=1000) < 20, "20 a second were too many"
    sender.calm(300)
    assert sender.send(most=1000) == 1000


def test_who_sends_little_is_not_slowed_to_nothing() -> None:
    sender = Sender(delivery())
    for _ in range(3):
        sender.time += 3000
        sender.send(outcome=SLOWER)
    sender.time += 600
    sender.send()
    assert sender.pace.wait("google.com", sender.now) <= 10


def test_a_throttling_provider_holds_up_nobody_else() -> None:
    sender = Sender(delivery())
    sender.send("google.com", THEIRS)
    assert sender.pace.wait("google.com", sender.now) == pytest.approx(15)
    assert sender.pace.wait("example.org", sender.now) == 0
    assert sender.pace.connections == 8


def test_a_second_provider_with_the_same_words_says_that_it_is_the_relay() -> None:
    sender = Sender(delivery())
    sender.send("google.com", THEIRS)
    sender.time += 20
    sender.send("google.com", THEIRS)
    assert sender.pace.connections == 8
    sender.send("example.org", THEIRS)
    assert sender.pace.connections == 4
    assert sender.pace.wait("example.com", sender.now) == pytest.approx(15)


@pytest.mark.parametrize("outcome", [GREY, LOST, SENT])
def test_what_is_not_about_the_pace_changes_nothing(outcome: Outcome) -> None:
    sender = Sender(delivery())
    sender.send(outcome=outcome)
    assert (sender.pace.connections, sender.pace.changed) == (8, False)
    assert sender.pace.wait("google.com", sender.now) == 0
    assert sender.pace.saved(WALL) == {}


# ---- over a restart


@given(STEPS, st.floats(0, 4000))
def test_a_restart_goes_on_where_the_run_stopped(steps: Steps, away: float) -> None:
    config = DeliveryConfig(
        smtp=SmtpConfig(connections=8),
        pace=PaceConfig(per_second=3, per_window=40),
        providers={"google.com": ProviderConfig(per_window=20, connections=5)},
    )
    sender = Sender(config)
    play(sender, steps, lambda outcome: outcome)
    before, connections = sender.pace, sender.pace.connections
    for provider in ("google.com", "example.org"):
        before.wait(provider, sender.now)
    then = sender.now + away
    sender.restart(away)
    for provider in ("google.com", "example.org"):
        wait = before.wait(provider, then)
        if away <= 3600:
            assert wait - 1e-6 <= sender.pace.wait(provider, sender.now) <= wait + 0.002
        elif away >= 3700:
            assert sender.pace.wait(provider, sender.now) == 0
    assert sender.pace.connections == (connections if away <= 3600 else 8)


def test_a_throttled_provider_without_limits_is_remembered() -> None:
    sender = Sender(delivery())
    sender.send(outcome=THEIRS)
    sender.restart(away=5)
    assert sender.pace.wait("google.com", sender.now) == pytest.approx(10, abs=0.01)
    assert sender.pace.wait("example.org", sender.now) == 0


def test_a_rate_that_was_learned_holds_after_a_restart() -> None:
    sender = Sender(delivery())
    for _ in range(10):
        sender.time += 1
        sender.send()
    sender.send(outcome=SLOWER)
    sender.time += 15.001
    assert sender.send(most=9) == 1
    wait = sender.pace.wait("google.com", sender.now)
    assert wait > 0.5
    sender.restart()
    assert sender.pace.wait("google.com", sender.now) == pytest.approx(wait, abs=0.01)


def test_a_clock_that_was_put_back_frees_no_window_early() -> None:
    sender = Sender(delivery(per_window=1))
    sender.send()
    pace = Pace(sender.config, sender.pace.saved(WALL), 50.0, WALL - timedelta(days=400))
    assert 3600 <= pace.wait("google.com", 50.0) <= 3661


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just(10**400)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)
PARTS = ("used", "hold", "next", "allowed", "rate", "aim", "strikes")
BROKEN = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {"at": st.one_of(st.just(WALL.isoformat()), st.just("2026-03-02T07:00:00"), st.text(), JSON)},
        optional={
            part: st.one_of(JSON, st.lists(st.lists(st.one_of(st.integers(), st.floats()), max_size=3)))
            for part in PARTS
        },
    ),
)


@given(
    st.dictionaries(
        st.sampled_from(("*", "provider:google.com", "provider:a.org", "provider:", "x", "")), BROKEN, max_size=4
    )
)
def test_broken_state_is_no_worse_than_none(saved: dict[str, object]) -> None:
    config = DeliveryConfig(
        pace=PaceConfig(per_second=2, per_window=5), providers={"google.com": ProviderConfig(per_window=3)}
    )
    pace = Pace(config, saved, 1000.0, WALL)
    assert 1 <= pace.connections <= 4
    now = 1000.0
    for provider in ("google.com", "a.org"):
        for _ in range(6):
            wait = pace.wait(provider, now)
            assert 0 <= wait <= 4000, "a letter can leave in the end"
            now += wait + 1e-3
            pace.left(provider, now)
            pace.told(provider, SENT, now)
    json.dumps(pace.saved(WALL), allow_nan=False)
