"""When a letter may leave: limits of the configuration, and what servers make us learn (AIMD).

Pure: no I/O, and the clock is passed in. `now` is monotonic seconds; the wall clock only dates the saved state.

A refusal of kind "closing" or "throttled" halves how many connections are used, and "throttled" the rate as well;
calm brings both back step by step. Whom it concerns: "closing" and code 454 are the relay's own words. Any other
"throttled" is taken for the recipient's provider, unless a second provider says so within a minute: then the relay
is the one who says it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from digest.config import DeliveryConfig, PaceConfig, ProviderConfig
from digest.model import LetterState, Outcome

EVENT_SECONDS = 5.0  # refusals within so long have one cause: letters that were under way together
STEP_SECONDS = 10.0  # between two steps back up, and
STEP_LETTERS = 10  # so many sent
STEPS = 16  # from nothing to the full measure
HOLD_SECONDS = 15.0  # for a throttling that names no time; doubles each time until a step up
MOST_HOLD_SECONDS = 600.0
LEAST_RATE = 0.1  # per second; throttling alone goes no lower
FORGET_SECONDS = 3600.0  # what was learned so long ago says nothing any more
RELAY_SECONDS = 60.0  # two providers within so long: it is the relay
SLOTS = 60  # a window is counted in so many parts, so that it slides
RATE_SECONDS = 5.0  # over which the rate is observed
NEVER = -math.inf

State = dict[str, Any]  # as JSON has it


class Pace:
    """Says when a letter to a provider may leave. `provider` is a name from `Providers`.

    Take a parcel only if `wait` is 0.0, and then say `left` at once; every `left` is followed by one `told` or one
    `back`. All are cheap: without limits and never throttled, `wait`, `left` and `told` cost under 1.5 µs together.
    """

    def __init__(
        self,
        config: DeliveryConfig,
        saved: Mapping[str, object],
        now: float,
        wall: datetime,
        connections: int | None = None,
    ) -> None:
        """`saved` is what `saved()` gave, scope → state; what is broken in it or unknown is ignored.

        `connections` is the most of them that the transport can use; None: `delivery.smtp.connections`.
        """
        self._config = config
        self._most = max(1, config.smtp.connections if connections is None else connections)
        self._relay = _Scope(config.pace, self._most, now)
        self._scopes: dict[str, _Scope] = {}  # of providers that have limits or have throttled us
        self._each = _limited(config.provider("default"))  # then every provider has a scope
        self._room = 4096  # scopes, before those that have nothing to remember are dropped
        self._under_way: dict[str, int] = {}
        self._throttled = ("", NEVER)  # which provider did it last, and when
        self._now = now
        self.changed = False  # there is something to save since `saved` was last called
        for name, limits in config.providers.items():
            if name != "default" and (_limited(limits) or self._each):
                self._scope(name)
        for key, state in saved.items():
            scope, _, name = key.partition(":")
            if key == "*":
                self._relay.restore(state, now, wall)
            elif scope == "provider" and name:
                known = self._scopes.get(name)
                one = known or _Scope(config.provider(name), self._most, now)
                one.restore(state, now, wall)
                if known is None and not one.idle(now):
                    self._scopes[name] = one

    def wait(self, provider: str, now: float) -> float:
        """Seconds until one more letter may leave to the provider; 0.0: now. Consumes nothing.

        `math.inf`: as many letters are under way to it as may be; ask again after a `told` or `back`.
        """
        self._now = now
        relay = self._relay
        wait = 0.0 if relay.free else relay.wait(now)
        scope = self._scopes.get(provider)
        if scope is None:
            if not self._each:
                return wait
            scope = self._scope(provider)
        if scope.free:
            return wait
        if scope.narrow and self._under_way.get(provider, 0) >= scope.allowed:
            return math.inf
        return max(wait, scope.wait(now))

    def left(self, provider: str, now: float) -> None:
        """A letter is taken to leave now: it counts."""
        self._now = now
        self._under_way[provider] = self._under_way.get(provider, 0) + 1
        relay = self._relay
        relay.left(now)
        scope = self._scopes.get(provider)
        if scope is None and self._each:
            scope = self._scope(provider)
        if scope is not None:
            scope.left(now)
            if scope.limited:
                self.changed = True
        if relay.limited:
            self.changed = True

    def back(self, provider: str, now: float) -> None:
        """A letter that was `left` did not leave after all. It stays counted: the server may have counted it."""
        self._now = now
        self._over(provider)

    def told(self, provider: str, outcome: Outcome, now: float) -> None:
        """What became of a letter that was `left`."""
        under_way = self._over(provider)
        if outcome.state is LetterState.SENT:
            if not self._relay.calm and self._relay.went_well(now):
                self.changed = True
            scope = self._scopes.get(provider)
            if scope is not None and not scope.calm and scope.went_well(now):
                self.changed = True
        elif outcome.kind in ("closing", "throttled"):
            self._refused(provider, outcome, now, under_way)

    @property
    def connections(self) -> int:
        """How many connections to the relay may be open now: from 1 to the configured number."""
        return self._relay.allowed

    def saved(self, wall: datetime) -> dict[str, State]:
        """What must outlive a restart, as JSON: scope ("*", "provider:google.com") → state.

        It replaces all that was saved before: a scope that is missing has nothing to remember. Clears `changed`.
        It looks at every scope, so call it every few seconds, not for every letter.
        """
        # Times are told from the last call on: the true now is later, so nothing is forgotten too early.
        scopes = {"*": self._relay} | {f"provider:{name}": scope for name, scope in self._scopes.items()}
        states = {key: scope.state(self._now, wall) for key, scope in scopes.items() if not scope.idle(self._now)}
        self.changed = False
        return states

    def _over(self, provider: str) -> int:
        """One letter fewer is under way; how many there were."""
        number = self._under_way.get(provider, 0)
        if number > 1:
            self._under_way[provider] = number - 1
        elif number:
            del self._under_way[provider]
        return number

    def _refused(self, provider: str, outcome: Outcome, now: float, under_way: int) -> None:
        self._now = now
        self.changed = True
        rate = outcome.kind == "throttled"
        asked = outcome.wait.total_seconds() if outcome.wait is not None else 0.0
        if not rate or outcome.reply.startswith("454"):
            self._relay.refused(now, self._most, asked, rate)
            return
        self._scope(provider).refused(now, max(1, under_way), asked, rate)
        before, at = self._throttled
        if before != provider and now - at <= RELAY_SECONDS:
            self._relay.refused(now, self._most, asked, rate)
        self._throttled = (provider, now)

    def _scope(self, name: str) -> _Scope:
        scope = self._scopes.get(name)
        if scope is None:
            if len(self._scopes) >= self._room:
                kept = self._under_way.keys() | self._config.providers.keys()
                self._scopes = {n: s for n, s in self._scopes.items() if n in kept or not s.idle(self._now)}
                self._room = max(4096, 2 * len(self._scopes))
            scope = self._scopes[name] = _Scope(self._config.provider(name), self._most, self._now)
        return scope


def _limited(limits: ProviderConfig) -> bool:
    return bool(limits.per_second or limits.per_window or limits.connections)


class _Scope:
    """The relay, or one provider: its limits, what is used of them, and what it made us learn."""

    __slots__ = (
        "aim",
        "allowed",
        "calm",
        "ceiling",
        "count",
        "counted",
        "event",
        "free",
        "good",
        "hold",
        "limited",
        "narrow",
        "next",
        "observed",
        "own",
        "per_second",
        "per_window",
        "rate",
        "since",
        "slack",
        "slots",
        "step",
        "strikes",
        "used",
        "window",
    )

    def __init__(self, limits: PaceConfig, most: int, now: float) -> None:
        connections = limits.connections if isinstance(limits, ProviderConfig) else 0
        self.own = 0 < connections < most
        self.ceiling = self.allowed = connections if self.own else most
        self.per_second = self.rate = self.aim = limits.per_second  # configured; in force; to climb back to
        self.per_window, self.window = limits.per_window, limits.window_minutes * 60.0
        self.limited = bool(limits.per_window)
        self.slots: deque[tuple[float, int]] = deque()  # end of a part of the window, letters in it
        self.used = 0  # their sum
        self.next = NEVER  # when the bucket is full again (the "theoretical arrival time" of GCRA), less one letter
        self.hold = NEVER
        self.strikes, self.event = 0, NEVER
        self.step, self.good = now, 0
        self.count, self.counted, self.since, self.observed = 0, 0, now, 0.0
        self._settle()

    def _settle(self) -> None:
        """Bring what the fast paths look at in line with the rest."""
        self.slack = max(0.0, 1.0 - 1.0 / self.rate) if self.rate else 0.0  # a second's burst
        self.narrow = self.own or self.allowed < self.ceiling
        self.calm = self.allowed == self.ceiling and self.rate == self.per_second and not self.strikes
        self.free = not (self.rate or self.per_window or self.narrow or self.hold > NEVER)

    def _forget(self, now: float) -> None:
        if not self.calm and now - self.step > FORGET_SECONDS:
            self.allowed, self.rate, self.aim, self.strikes = self.ceiling, self.per_second, self.per_second, 0
            self._settle()

    def wait(self, now: float) -> float:
        self._forget(now)
        wait = 0.0
        if self.hold > NEVER:
            wait = self.hold - now
            if wait <= 0.0:
                self.hold = NEVER
                self._settle()
        if self.rate:
            wait = max(wait, self.next - self.slack - now)
        if self.used and self.used >= self.per_window:
            self._slide(now)
            if self.used >= self.per_window:
                wait = max(wait, self.slots[0][0] + self.window - now)
        return wait if wait > 1e-6 else 0.0

    def left(self, now: float) -> None:
        self.count += 1
        if now - self.since >= RATE_SECONDS:
            self.observed = (self.count - self.counted) / (now - self.since)
            self.counted, self.since = self.count, now
        if self.rate:
            self.next = max(self.next, now) + 1.0 / self.rate
        if self.limited:
            self.used += 1
            if self.slots and self.slots[-1][0] > now:
                end, number = self.slots[-1]
                self.slots[-1] = (end, number + 1)
            else:
                self._slide(now)
                self.slots.append((now + self.window / SLOTS, 1))

    def refused(self, now: float, under_way: int, asked: float, rate: bool) -> None:
        """`under_way`: letters, this one too. `asked`: seconds to wait; 0: none. `rate`: it is what is too high."""
        hold = asked
        if now - self.event >= EVENT_SECONDS:
            self.event = self.step = now
            self.good = 0
            self.allowed = max(1, min(self.allowed, under_way) // 2)
            if rate:
                # Without a limit so far, what it was too much of is the rate that we had.
                seen = max(self.observed, (self.count - self.counted) / max(now - self.since, 1.0))
                least = min(self.per_second or LEAST_RATE, LEAST_RATE)
                if usual := self.rate or seen:
                    self.rate = max(usual / 2, least)
                    self.aim = max(self.aim, usual, self.rate)
                hold = asked or HOLD_SECONDS * 2 ** min(self.strikes, 10)
            self.strikes += 1
        if hold > 0.0:
            self.hold = max(self.hold, now + min(hold, MOST_HOLD_SECONDS))
        self._settle()

    def went_well(self, now: float) -> bool:
        """A letter was sent; whether that was one step up."""
        self.good += 1
        if self.good < STEP_LETTERS or now - self.step < STEP_SECONDS:
            return False
        self.step, self.good, self.strikes = now, 0, 0
        self.allowed = min(self.ceiling, self.allowed + max(1, self.ceiling // STEPS))
        if self.rate != self.per_second:
            self.rate += self.aim / STEPS
            if self.rate >= self.aim:
                self.rate = self.aim = self.per_second
        self._settle()
        return True

    def _slide(self, now: float) -> None:
        while self.slots and self.slots[0][0] + self.window <= now:
            self.used -= self.slots.popleft()[1]

    # ---- over a restart

    def idle(self, now: float) -> bool:
        """Nothing to remember."""
        self._slide(now)
        self._forget(now)
        return self.calm and not self.used and self.hold <= now and self.next <= now

    def state(self, now: float, wall: datetime) -> State:
        """Times in seconds from `at`, rounded up."""
        state: State = {"at": wall.isoformat()}
        if self.slots:
            state["used"] = [[_up(end - now), number] for end, number in self.slots]
        if self.hold > now:
            state["hold"] = _up(self.hold - now)
        if self.next > now:
            state["next"] = _up(self.next - now)
        if not self.calm:
            state |= {"allowed": self.allowed, "rate": self.rate, "aim": self.aim, "strikes": self.strikes}
        return state

    def restore(self, state: object, now: float, wall: datetime) -> None:
        """Take over what `state` gave, in whatever state it is."""
        if not isinstance(state, dict):
            return
        try:
            # A clock that was put back tells nothing of the time between.
            past = max(0.0, (wall - datetime.fromisoformat(state["at"])).total_seconds())
        except (KeyError, TypeError, ValueError, OverflowError):
            return
        used = state.get("used")
        if self.limited and isinstance(used, list):
            pairs = [pair for pair in used[: 4 * SLOTS] if isinstance(pair, list) and len(pair) == 2]
            parts = [(_number(end, self.window / SLOTS), _number(number, 1e9)) for end, number in pairs]
            kept = sorted((now + end - past, int(n)) for end, n in parts if end is not None and n and n >= 1)
            self.slots, self.used = deque(kept), sum(n for _, n in kept)
            self._slide(now)
        if hold := _number(state.get("hold"), MOST_HOLD_SECONDS):
            self.hold = now + hold - past if hold > past else NEVER
        if past <= FORGET_SECONDS:
            allowed, strikes = _number(state.get("allowed"), self.ceiling), _number(state.get("strikes"), 100)
            rate, aim = _number(state.get("rate"), 1e6), _number(state.get("aim"), 1e6)
            self.allowed = max(1, int(allowed)) if allowed else self.ceiling
            self.strikes = max(0, int(strikes or 0))
            if rate and aim and 0 < rate <= (self.per_second or aim):
                self.rate, self.aim = rate, self.per_second or aim
        if self.rate and (until := _number(state.get("next"), 1.0 + 1.0 / self.rate)):
            self.next = now + until - past
        self._settle()


def _up(seconds: float) -> float:
    return math.ceil(seconds * 1000) / 1000


def _number(value: object, most: float) -> float | None:
    """A plain number, cut to `most`; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    return float(max(-1e9, min(value, most)))
