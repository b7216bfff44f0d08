"""What the linter says about a letter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a letter: the rule, what is wrong, where, and the remedy."""

    severity: Severity
    rule: str  # "contrast"
    message: str
    where: str  # "HTML line 34", "text line 3", "Subject"
    remedy: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.rule}: {self.where}: {self.message} — {self.remedy}"


def error(rule: str, where: str, message: str, remedy: str) -> Finding:
    return Finding(Severity.ERROR, rule, message, where, remedy)


def warning(rule: str, where: str, message: str, remedy: str) -> Finding:
    return Finding(Severity.WARNING, rule, message, where, remedy)


def once(findings: Iterable[Finding]) -> list[Finding]:
    """Errors first; what is said of many places is said once, with the first place and the number of the others."""
    places: dict[Finding, list[str]] = {}
    for one in findings:
        places.setdefault(replace(one, where=""), []).append(one.where)
    told = []
    for one, found in places.items():
        others = len(dict.fromkeys(found)) - 1
        told.append(replace(one, where=f"{found[0]} and {others} more" if others else found[0]))
    return sorted(told, key=lambda one: one.severity is not Severity.ERROR)
