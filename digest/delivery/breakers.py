"""When to stop by ourselves: complaints, bounces and refusals that mean that going on does harm.

Pure: outcomes in, a pause or nothing out. The rules stand as data in front.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from digest.model import LetterState, Outcome

WAITS = ("greylisted", "mailbox-full", "throttled", "closing")  # asked to wait: no failure of ours or the relay's
HARD = ("no-mailbox", "refused")  # kinds of reply that are a hard bounce given at once


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that may befall only a small part of a run's letters."""

    most: float  # the part of the letters; more pauses the run
    least: int  # but so few never do
    letters: int  # nor as long as the run has had so few
    what: str  # "{number}" of "{letters}" letters …
    remedy: str


# What large mailboxes hold against a sender is a rate, and one of 50 is no rate: hence the second and third column.
COMPLAINTS = Rule(
    0.001,
    3,
    20,
    "readers reported {number} of {letters} letters as unwanted ({part:.2%}; large mailboxes take {most:.1%} ill)",
    "Look who they are and how they came to get the letter",
)
BOUNCES = Rule(
    0.02,
    3,
    20,
    "{number} of {letters} letters went to addresses that take no mail ({part:.1%}, more than {most:.0%})",
    "Look where these addresses come from, with `digest outbox --state failed`",
)
IN_A_ROW = 20  # failures without a letter sent in between; at least twice what may be under way at once
ROW_WAIT = timedelta(minutes=15)  # what stops everything for a while often passes by itself
REPUTATION = 2  # replies of this kind from one provider: the first may be one recipient's own rule
FIRST_WAIT, LONGEST_WAIT = timedelta(hours=1), timedelta(hours=12)  # of a provider; each pause in a run doubles it


@dataclass(frozen=True, slots=True)
class Pause:
    """What must not go on."""

    scope: str  # "*": the whole run; "provider:google.com"
    reason: str  # plain words, with figures and the remedy
    until: timedelta | None  # from now; None: until somebody resumes it


@dataclass(frozen=True, slots=True)
class Figures:
    """A run so far, since it began or was last resumed. A deferred letter counts once it is settled."""

    sent: int = 0
    failed: int = 0  # all kinds, the hard ones too
    uncertain: int = 0
    hard: int = 0  # of those that failed: kinds in HARD
    bounced: int = 0  # hard bounces read back, of letters that count under `sent`
    complaints: int = 0
    in_a_row: int = 0  # failures since a letter was last sent
    reputation: Mapping[str, int] = field(default_factory=dict)  # provider → replies of this kind
    pauses: Mapping[str, int] = field(default_factory=dict)  # provider → how often it was paused for them


class Breakers:
    """Watches one run."""

    def __init__(self, earlier: Figures | None = None, in_flight: int = 1) -> None:
        """`earlier`: the run's figures where another process began it. `in_flight`: how many letters at most are
        under way at once, since all of them may fail for one cause."""
        earlier = earlier or Figures()
        self._sent = earlier.sent
        self._letters = earlier.sent + earlier.failed + earlier.uncertain
        self._hard = earlier.hard + earlier.bounced
        self._complaints = earlier.complaints
        self._in_a_row = earlier.in_a_row
        self._most_in_a_row = max(IN_A_ROW, 2 * in_flight)
        self._reputation = dict(earlier.reputation)
        self._pauses = dict(earlier.pauses)
        self._paused: set[str] = set()  # scopes

    def told(self, provider: str, outcome: Outcome) -> Pause | None:
        """What became of a letter; a pause that must begin now. A pause is told once, until it is `resumed`."""
        if outcome.state is not LetterState.DEFERRED:
            self._letters += 1
        if outcome.state is LetterState.SENT:
            self._sent += 1
            self._in_a_row = 0
            return None
        self._in_a_row += outcome.kind not in WAITS
        found = None
        if outcome.state is LetterState.FAILED and outcome.kind in HARD:
            self._hard += 1
            found = self._rate(BOUNCES, self._hard, self._letters)
        if outcome.kind == "reputation":
            self._reputation[provider] = self._reputation.get(provider, 0) + 1
        # What stops all goes first. What else is wrong comes up again when that is resumed.
        return found or self._row(outcome) or self._standing(provider, outcome)

    def bounced(self, number: int = 1) -> Pause | None:
        """So many letters of the run that had been taken came back as hard bounces."""
        self._hard += number
        return self._rate(BOUNCES, self._hard, self._letters)

    def complained(self, number: int = 1) -> Pause | None:
        """So many readers reported a letter of the run as unwanted."""
        self._complaints += number
        return self._rate(COMPLAINTS, self._complaints, self._sent)

    def resumed(self, scope: str = "*") -> None:
        """A pause is over, by time or by somebody: the run counts anew; a provider trips at its next such reply."""
        self._paused.discard(scope)
        if scope == "*":
            self._sent = self._letters = self._hard = self._complaints = self._in_a_row = 0

    def _rate(self, rule: Rule, number: int, letters: int) -> Pause | None:
        # The run's letters may be counted late, never so that more than all of them bounced.
        part = number / max(letters, number, 1)
        if "*" in self._paused or number < rule.least or letters < rule.letters or part <= rule.most:
            return None
        return self._stop(rule.what.format(number=number, letters=letters, part=part, most=rule.most), rule.remedy)

    def _row(self, outcome: Outcome) -> Pause | None:
        if "*" in self._paused or self._in_a_row < self._most_in_a_row:
            return None
        what = f"{self._in_a_row} letters in a row could not be sent, the last one with “{outcome.reply}”"
        return self._stop(what, "Look what they have in common, with `digest outbox`", ROW_WAIT)

    def _stop(self, what: str, remedy: str, until: timedelta | None = None) -> Pause:
        self._paused.add("*")
        return Pause("*", f"{what}. {remedy}", until)

    def _standing(self, provider: str, outcome: Outcome) -> Pause | None:
        scope, number = f"provider:{provider}", self._reputation.get(provider, 0)
        if outcome.kind != "reputation" or number < REPUTATION or scope in self._paused:
            return None
        self._paused.add(scope)
        before = self._pauses.get(provider, 0)
        self._pauses[provider] = before + 1
        wait = min(FIRST_WAIT * 2 ** min(before, 10), LONGEST_WAIT)
        reason = (
            f"{provider} refused {number} letters of this run by its policy, the last one with “{outcome.reply}”."
            " The addresses may be fine. Check SPF, DKIM and DMARC of the sender's domain, and whether the server"
            " is on a block list"
        )
        return Pause(scope, reason, wait)
