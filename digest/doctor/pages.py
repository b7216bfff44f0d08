"""Our pages, as a mailbox's own machines see them when a reader unsubscribes with one click (RFC 8058); and what
their answer says of the clock."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx2

from digest.dns import addresses
from digest.doctor.relay import no_network, root_of
from digest.doctor.result import Patient, Result, fail, ok, see, unknown, warn

PATIENCE = 4.5  # seconds for a connection, and for each piece of the answer
# Of subscriber 0, whom there is not: whatever is at the other end, nobody is unsubscribed.
NOBODY = f"0-{'0' * 32}"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
# Off by so much, signatures and logins start to fail; by so much, letters have wrong dates.
FAR, OFF = timedelta(minutes=5), timedelta(seconds=15)
SET_CLOCK = "let the system set it by NTP, for instance `timedatectl set-ntp true`"


async def pages(patient: Patient) -> list[Result]:
    base = patient.config.web.base_url
    if not base:
        why = "letters link to no pages of ours: `[web] base_url` is not set"
        remedy = "large mailboxes want one-click unsubscribing of who sends many letters"
        return [unknown("pages.post", why, remedy)]
    url = f"{base}/unsubscribe/{NOBODY}"
    host = urlsplit(url).hostname or ""
    if not await addresses(host):
        return [fail("pages.post", f"there is no machine called {host!r}", "check `[web] base_url` for a slip")]
    # The authorities that the system trusts, as receivers do; SSL_CERT_FILE names others.
    trusted = ssl.create_default_context()
    async with httpx2.AsyncClient(verify=trusted, timeout=PATIENCE, follow_redirects=False) as client:
        posted = await _asked(client, "POST", url)
        got = await _asked(client, "GET", url)
    return [judge_post(posted, url), judge_get(got), _clock(posted, patient.now(), host)]


async def _asked(client: httpx2.AsyncClient, method: str, url: str) -> httpx2.Response | Exception:
    try:
        # Only the head is looked at, and so much of the rest as tells what it is.
        async with client.stream(method, url, data=ONE_CLICK if method == "POST" else None) as answer:
            return answer
    except (httpx2.HTTPError, ssl.SSLError, OSError, ValueError) as error:
        return error


def judge_post(answer: httpx2.Response | Exception, url: str) -> Result:
    name = "pages.post"
    tried = f"POST {url}"
    if isinstance(answer, Exception):
        return _unreached(name, tried, answer)
    seen = f"{tried} → {answer.status_code} {answer.reason_phrase}".rstrip()
    at_once = "the page must take List-Unsubscribe=One-Click as it comes: no redirect, no login, no question"
    if answer.is_redirect or 300 <= answer.status_code < 400:
        return fail(name, f"{seen}, to {answer.headers.get('location', 'nowhere')}", at_once)
    if answer.status_code in (401, 403, 405, 407):
        return fail(name, seen, at_once)
    if answer.status_code == 429:
        return unknown(name, f"{seen}: asked too often", "try again later")
    if answer.status_code >= 500:
        return fail(name, seen, "whatever serves the pages is broken: look into its log")
    if answer.status_code < 300 and "html" in answer.headers.get("content-type", "").lower():
        return fail(name, f"{seen}: a page, for a token that nobody has; a login?", at_once)
    if urlsplit(url).scheme != "https":
        return warn(name, f"{seen}, but without TLS", "mailboxes only follow https: set `[web] base_url` to one")
    return ok(name, seen)


def judge_get(answer: httpx2.Response | Exception) -> Result:
    name = "pages.get"
    if isinstance(answer, Exception):
        return see(name, "pages.post")
    seen = f"GET → {answer.status_code} {answer.reason_phrase}".rstrip()
    if answer.status_code >= 500:
        return fail(name, seen, "whatever serves the pages is broken: look into its log")
    return ok(name, seen)


def _unreached(name: str, tried: str, error: Exception) -> Result:
    if no_network(error):
        return unknown(name, f"there is no way to {tried.partition(' ')[2]} from here: {root_of(error)}")
    seen = f"{tried} → {root_of(error)}"
    if isinstance(error, httpx2.TimeoutException):
        return fail(
            name, f"{tried} → no answer within {PATIENCE:g} s", "look what serves the pages, and the firewall"
        )
    if "SSL" in seen or "certificate" in seen.lower():
        return fail(name, seen, "mailboxes refuse it, too: mend the certificate, or the TLS, of the pages")
    return fail(name, seen, "start what serves the pages, or mend `[web] base_url`")


def _clock(answer: httpx2.Response | Exception, now: datetime, host: str) -> Result:
    name = "clock.web"
    said = "" if isinstance(answer, Exception) else answer.headers.get("date", "")
    try:
        theirs = parsedate_to_datetime(said)
    except ValueError:
        return unknown(name, "no https answer tells the time")
    theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
    return judge_clock(name, now - theirs, f"{host} says {said}")


def judge_clock(name: str, ahead: timedelta, said: str) -> Result:
    """`ahead` is how much later it is on this machine."""
    if abs(ahead) <= OFF:
        return ok(name, f"{said}; so it is here, within {OFF.seconds} s")
    seconds = round(abs(ahead).total_seconds())
    seen = f"{said}; this machine is {seconds:,} s {'ahead' if ahead > timedelta() else 'behind'}"
    return (fail if abs(ahead) > FAR else warn)(name, seen, SET_CLOCK)
