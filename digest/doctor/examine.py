"""All checks at once: none stops another, and none is waited for longer than it is worth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from digest import clock
from digest import config as configuration
from digest.config import FILE_NAME
from digest.dns import Dns, Resolver, Unanswered, own_address
from digest.doctor import domain, files, machine, pages, relay, spf, store
from digest.doctor.result import AREAS, Check, Patient, Result, fail, see, unknown
from digest.errors import DigestError, FileInvalid, Problem

PATIENCE = 12.0  # seconds for a whole check; its single steps have less

# In the order in which they are told.
CHECKS = (
    Check(("files.config", "files.home", "files.templates", "files.secret", "files.password"), files.files),
    Check(("spf.record", "spf.end", "spf.lookups", "spf.relay"), spf.look, network=True, mail=True),
    Check(("dkim.key",), domain.dkim, network=True, mail=True),
    Check(("dmarc.record", "dmarc.dkim", "dmarc.spf"), domain.dmarc, network=True, mail=True),
    Check(("reverse.name",), domain.reverse, network=True, mail=True),
    Check(("replies.from",), domain.replies, network=True, mail=True),
    Check(("relay.open", "relay.tls", "relay.certificate", "relay.features"), relay.relay, network=True, mail=True),
    Check(("pages.post", "pages.get", "clock.web"), pages.pages, network=True),
    Check(store.NAMES, store.store),
    Check(("disk.home",), machine.disk),
    Check(("software.packages",), machine.software),
)


async def examine(
    home: Path,
    *,
    offline: bool = False,
    dns: Dns | None = None,
    own_address: Callable[[], str] = own_address,
    now: Callable[[], datetime] = clock.now,
    checks: Sequence[Check] = CHECKS,
) -> list[Result]:
    """Every result, grouped by area. Changes nothing, and takes less than 15 seconds."""
    try:
        config = configuration.load(home)
    except DigestError as error:
        if isinstance(error, FileInvalid):
            found = [fail("files.config", _place(one), one.remedy) for one in error.problems]
        else:
            found = [fail("files.config", str(error), "")]
        why = f"{FILE_NAME} cannot be used"
        rest = [name for one in checks for name in one.names if name != "files.config"]
        return [*found, *(unknown(name, why) for name in rest)]
    patient = Patient(config, dns or Resolver(), now, own_address, offline)
    groups = await asyncio.gather(*(_one(check, patient) for check in checks))
    results = [result for group in groups for result in group]
    order = list(AREAS.values())
    return sorted(results, key=lambda one: order.index(one.area))


def _place(problem: Problem) -> str:
    return str(Problem(problem.path, problem.line, problem.key, problem.what))


async def _one(check: Check, patient: Patient) -> Sequence[Result]:
    first, *others = check.names
    if check.mail and not patient.sends:
        why = "letters are filed in a Maildir, and nobody asks who sent them"
        found: Sequence[Result] = [unknown(first, why, 'set `kind = "smtp"` under [delivery] to send them')]
    elif check.network and patient.offline:
        found = [unknown(first, "--offline")]
    else:
        try:
            found = await asyncio.wait_for(check.look(patient), PATIENCE)
        except TimeoutError:
            found = [unknown(first, f"it was not done in {PATIENCE:g} s")]
        except Unanswered as error:
            found = [unknown(first, str(error))]
        except Exception as error:  # a fault of the check's own says nothing of the others
            found = [unknown(first, f"the check broke off: {type(error).__name__}: {error}")]
    told = {one.check for one in found}
    found = [*found, *(see(name, first) for name in others if name not in told)]
    place = {name: i for i, name in enumerate(check.names)}
    return sorted(found, key=lambda one: place.get(one.check, len(place)))
