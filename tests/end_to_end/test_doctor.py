"""`digest doctor` as a person calls it, with a name server and a mail server of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import dns.asyncresolver
import pytest
from aiosmtpd.controller import Controller
from command import Digest
from local_dns import SILENT, NameServer
from rich.console import Console
from test_delivery import Inbox, free_port, listen

from digest import clock
from digest.cli import common
from digest.doctor import examine
from digest.doctor.result import Check, Patient, Result, ok


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    """The name server of this machine, for the time of a test."""
    with NameServer({}) as server:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], server.port
        monkeypatch.setattr(dns.asyncresolver, "default_resolver", resolver)
        yield server


@pytest.fixture
def sending(digest: Digest, server: Controller) -> Digest:
    digest.write(
        "config.toml",
        '[letter]\nfrom_address = "letters@example.org"\n[delivery]\nkind = "smtp"\n'
        f'[delivery.smtp]\nhost = "127.0.0.1"\nport = {server.port}\ntls = "none"\n',
    )
    return digest


def verdicts(answer: list[dict[str, str]]) -> dict[str, str]:
    return {one["check"]: one["verdict"] for one in answer}


GOOD = {
    ("example.org", "TXT"): ["v=spf1 mx -all"],
    ("example.org", "MX"): ["10 mx.example.org."],
    ("mx.example.org", "A"): ["93.184.215.14"],
    ("_dmarc.example.org", "TXT"): ["v=DMARC1; p=none"],
}


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def server(inbox: Inbox) -> Iterator[Controller]:
    controller = listen(inbox, free_port())
    yield controller
    controller.stop()


def test_all_in_order_and_then_not(sending: Digest, names: NameServer, inbox: Inbox) -> None:
    names.zone |= GOOD
    sending.profile("alice")
    sending("profiles", "apply")
    answer = sending("doctor", "--json").json
    assert [one for one in answer if one["verdict"] == "fail"] == []
    found = verdicts(answer)
    good = ("spf.record", "spf.end", "spf.lookups", "dmarc.record", "replies.from", "relay.open", "store.database")
    assert {name: found[name] for name in good} == dict.fromkeys(good, "ok")
    assert {*answer[0]} == {"check", "area", "verdict", "seen", "remedy"}
    assert inbox.mails == []
    names.zone[("example.org", "TXT")] = []
    told = sending("doctor", code=1).out
    assert "  fail     record      example.org has no SPF record — " in told
    assert [*verdicts(sending("doctor", "--json", code=1).json)] == [*found], (
        "the names do not hang on the verdicts"
    )


def test_offline_asks_nobody(sending: Digest, names: NameServer) -> None:
    answer = sending("doctor", "--offline", "--json").json
    assert names.asked == []
    found = {one["check"]: one for one in answer}
    for name in ("spf.record", "dkim.key", "dmarc.record", "replies.from", "relay.open", "pages.post"):
        assert (found[name]["verdict"], found[name]["seen"]) == ("unknown", "not checked: --offline")
    assert {*found} == {*verdicts(sending("doctor", "--json", code=1).json)}
    assert found["files.config"]["verdict"] == found["software.packages"]["verdict"] == "ok"


def test_name_servers_that_are_silent_are_not_waited_for(sending: Digest, names: NameServer) -> None:
    names.zone |= {("example.org", kind): SILENT for kind in ("TXT", "MX", "A")}
    names.zone[("_dmarc.example.org", "TXT")] = SILENT
    answer = sending("doctor", "--json").json
    found = {one["check"]: one for one in answer}
    for name in ("spf.record", "dmarc.record", "replies.from"):
        assert found[name]["verdict"] == "unknown"
        assert "no name server answered for" in found[name]["seen"]
    assert found["relay.open"]["verdict"] == "ok"


def test_letters_in_a_maildir_need_no_sender_domain(digest: Digest, names: NameServer) -> None:
    told = digest("doctor").out
    assert names.asked == []
    assert told.count("letters are filed in a Maildir, and nobody asks who sent them") == 1


@pytest.mark.parametrize(
    ("text", "part"),
    [(None, "no such file"), ('[letter]\nfrom_addres = "x"\n', "config.toml:2"), ("[", "config.toml")],
)
def test_a_configuration_that_cannot_be_used(digest: Digest, text: str | None, part: str) -> None:
    if text is None:
        (digest.home / "config.toml").unlink()
    else:
        digest.write("config.toml", text)
    answer = digest("doctor", "--json", code=1).json
    assert answer[0]["check"] == "files.config"
    assert answer[0]["verdict"] == "fail"
    assert part in answer[0]["seen"]
    assert {one["verdict"] for one in answer[1:]} == {"unknown"}


def test_it_fits_a_terminal(sending: Digest, names: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    long = f"v=spf1 {' '.join(f'ip4:93.184.215.{i}' for i in range(50))} -all"
    names.zone |= GOOD | {("example.org", "TXT"): [long]}
    options = {"highlight": False, "markup": False, "soft_wrap": True}
    monkeypatch.setattr(common, "out", Console(width=80, force_terminal=True, color_system=None, **options))
    told = sending("doctor").out
    assert max(len(line.rstrip()) for line in told.splitlines()) <= 80
    assert long not in told
    assert "ip4:93.184.215.0" in told
    assert [one["seen"] for one in sending("doctor", "--json").json if one["check"] == "spf.record"] == [
        f"example.org: {long}"
    ]


# ---- the checks together


def examined(digest: Digest, *looks: Callable[[Patient], object]) -> list[Result]:
    checks = [Check((f"software.{i}",), look) for i, look in enumerate(looks)]  # type: ignore[arg-type]
    return asyncio.run(examine.examine(digest.home, checks=checks, now=clock.now))


def test_a_check_that_crashes_or_hangs_stops_no_other(digest: Digest, monkeypatch: pytest.MonkeyPatch) -> None:
    async def crashes(_: Patient) -> list[Result]:
        raise ZeroDivisionError("by nothing")

    async def hangs(_: Patient) -> list[Result]:
        await asyncio.sleep(3600)
        return []

    async def blocks(_: Patient) -> list[Result]:
        from digest.threads import in_thread

        await in_thread(lambda: time.sleep(60))
        return []

    async def works(_: Patient) -> list[Result]:
        return [ok("software.3", "well")]

    monkeypatch.setattr(examine, "PATIENCE", 0.2)
    found = examined(digest, crashes, hangs, blocks, works)
    assert [one.verdict.value for one in found] == ["unknown", "unknown", "unknown", "ok"]
    assert found[0].seen == "not checked: the check broke off: ZeroDivisionError: by nothing"
    assert "not done in 0.2 s" in found[1].seen
