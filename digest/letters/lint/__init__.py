"""The linter: what inboxes, screen readers and tired eyes would hold against a letter."""

from __future__ import annotations

from digest.letters.compose import HTML_BUDGET
from digest.letters.lint import clients, eye, mail, markup, parity
from digest.letters.lint.finding import Finding, Severity, error, once
from digest.letters.lint.letter import LetterPage
from digest.letters.lint.mail import PARTS

__all__ = ["Finding", "Severity", "lint", "lint_html"]

LARGEST = 1_000_000  # bytes of HTML; what is larger is no letter, and is not looked at


def lint(message: bytes) -> list[Finding]:
    """What is wrong with a mail, errors first. Its lines must end as on the wire, in CRLF."""
    found, findings = mail.headers(message)
    findings += [*mail.wire(message), *mail.rules(found)]
    try:
        html, text, more = mail.parts(message)
    except RecursionError:
        html, text, more = "", "", [error("parts", "Content-Type", "parts in parts without end", PARTS)]
    findings += more
    if html:
        findings += _html(html, text)
    if text:
        findings += parity.unsubscribe(None, text)
    return once(findings)


def lint_html(html: str, text: str = "") -> list[Finding]:
    """What is wrong with the parts of a letter, errors first. Without a text part nothing is said about one."""
    return once([*_html(html, text), *parity.unsubscribe(None, text)])


def _html(html: str, text: str) -> list[Finding]:
    data = html.encode("utf-8", "replace")
    html, size = data.decode("utf-8"), len(data)  # a lone surrogate is no letter
    findings = []
    if size > HTML_BUDGET:
        what = f"the HTML has {size} bytes; Gmail cuts a letter off soon after {HTML_BUDGET}"
        findings.append(error("size", "HTML line 1", what, "Show fewer papers, or shorten the template"))
    if size > LARGEST:
        return findings
    try:
        findings += _page(LetterPage(html), text)
    except RecursionError:
        findings.append(error("nesting", "HTML line 1", "rules or selectors nested without end", "Write them flat"))
    return findings


def _page(page: LetterPage, text: str) -> list[Finding]:
    findings: list[Finding] = []
    for rule in (markup.structure, markup.direction, markup.images, markup.safety, markup.headings, markup.extras):
        findings += rule(page)
    findings += [*eye.sight(page), *eye.links(page), *clients.support(page), *parity.unsubscribe(page, "")]
    if text:
        findings += [*parity.lines(text, page), *parity.parity(page, text)]
    return findings
