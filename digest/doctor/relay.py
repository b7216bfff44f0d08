"""The mail server that letters are handed to: does it take them, how well is the line kept, what does it offer?"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

import aiosmtplib
from cryptography import x509

from digest import config as configuration
from digest.config import SmtpConfig
from digest.delivery.replies import clean_reply
from digest.delivery.smtp import Smtp
from digest.dns import own_name
from digest.doctor.result import Patient, Result, Verdict, fail, ok, route_of, unknown, warn
from digest.errors import FileInvalid, RelayUnusable

PATIENCE = 4.5  # seconds for one reply
ENOUGH_DAYS = 14  # that a certificate should have left
LEAST_SIZE = 200_000  # bytes; a letter has up to about half of it
NO_NETWORK = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)
WANTED = {
    "pipelining": "without PIPELINING every letter costs three more round trips",
    "8bitmime": "without 8BITMIME it is an old server",
    "enhancedstatuscodes": "without ENHANCEDSTATUSCODES its refusals can only be told apart by their words",
}


@dataclass(frozen=True, slots=True)
class Line:
    """What the server shows to whoever connects."""

    offers: dict[str, str]  # extension, in lower case → what it says of it
    methods: tuple[str, ...]  # to log in
    tls: tuple[str, str] | None  # version, cipher
    certificate: bytes  # DER; empty without TLS


def no_network(error: BaseException) -> bool:
    """Did the packets not even leave, or nobody know the way?"""
    return any(
        isinstance(one, OSError)
        and (one.errno in NO_NETWORK or any(f"[Errno {number}]" in str(one) for number in NO_NETWORK))
        for one in _causes(error)
    )


def root_of(error: BaseException) -> str:
    """The words of the system, below those of the libraries."""
    words = [str(one) for one in _causes(error) if isinstance(one, OSError) and str(one)]
    return clean_reply(words[-1] if words else str(error) or type(error).__name__)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what led to it, and the errors that it is made of."""
    while error is not None:
        yield error
        for one in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
            yield from _causes(one)
        error = error.__cause__ or error.__context__


async def relay(patient: Patient) -> list[Result]:
    smtp = patient.config.delivery.smtp
    route = await route_of(patient)
    if not route.relay:
        remedy = "check `host` under [delivery.smtp] for a slip"
        return [fail("relay.open", f"there is no machine called {smtp.host!r}", remedy)]
    hurried = smtp.model_copy(update={"timeout_seconds": min(smtp.timeout_seconds, PATIENCE)})
    name = await own_name()
    opened, line = await asyncio.gather(_opened(patient, hurried, name), _line(hurried, name))
    if isinstance(line, str) and opened.verdict is not Verdict.OK:
        return [opened]  # for the same reason
    local = all(ip_address(one.partition("%")[0]).is_loopback for one in route.relay)
    return [opened, *judge(line, smtp, local, patient.now())]


async def _opened(patient: Patient, smtp: SmtpConfig, hostname: str) -> Result:
    """Exactly as a run opens it: whatever is wrong, login included, would stop the run, too."""
    name = "relay.open"
    try:
        password = configuration.password(smtp, patient.config.home) if smtp.user else None
    except FileInvalid as error:
        return unknown(name, error.problems[0].what, error.problems[0].remedy)
    transport = Smtp(smtp, password, hostname, home=patient.config.home)
    try:
        await transport.open()
    except RelayUnusable as error:
        if no_network(error):
            return unknown(name, f"there is no way to {smtp.host} from here: {error.fields['detail']}")
        return fail(name, f"{error.fields['where']}: {error.fields['detail']}", str(error.fields["remedy"]))
    finally:
        await transport.close()
    how = f"logged in as {smtp.user}" if smtp.user else "without a login"
    return ok(name, f"{transport.name} answers, {how}")


async def _line(smtp: SmtpConfig, hostname: str) -> Line | str:
    """A look that tells nothing and checks nothing, so that a bad certificate is shown, too; or what stops it."""
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    client = aiosmtplib.SMTP(
        hostname=smtp.host,
        port=smtp.port,
        local_hostname=hostname,
        timeout=smtp.timeout_seconds,
        use_tls=smtp.tls == "implicit",
        start_tls=False,
        tls_context=anyone,
    )
    try:
        await client.connect()
        await client.ehlo()
        if smtp.tls == "starttls":
            if not client.supports_extension("starttls"):
                return f"{smtp.host} does not offer STARTTLS"
            await client.starttls(server_hostname=smtp.host)
            await client.ehlo()
        secured = client.get_transport_info("ssl_object")
        tls, certificate = None, b""
        if isinstance(secured, ssl.SSLObject):
            tls = (str(secured.version()), (secured.cipher() or ("",))[0])
            certificate = secured.getpeercert(binary_form=True) or b""
        return Line(dict(client.esmtp_extensions), tuple(client.server_auth_methods), tls, certificate)
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        return root_of(error)
    finally:
        with suppress(aiosmtplib.SMTPException, OSError):
            if client.is_connected:
                await asyncio.wait_for(client.quit(), 1)
        client.close()


# ---- judging


def judge(line: Line | str, smtp: SmtpConfig, local: bool, now: datetime) -> list[Result]:
    if isinstance(line, str):
        return [unknown(name, line) for name in ("relay.tls", "relay.certificate", "relay.features")]
    return [_tls(line, smtp, local), _certificate(line, smtp, now), _features(line)]


def _tls(line: Line, smtp: SmtpConfig, local: bool) -> Result:
    name = "relay.tls"
    if line.tls is None:
        if local:
            return ok(name, "none; the letters do not leave this machine on their way to the server")
        offered = " although it offers STARTTLS" if "starttls" in line.offers else ""
        return warn(
            name,
            f"none{offered}: everybody on the way can read the letters",
            'set `tls = "starttls"` or `tls = "implicit"` under [delivery.smtp]',
        )
    version, cipher = line.tls
    if version not in ("TLSv1.2", "TLSv1.3"):
        return fail(name, f"{version}, {cipher}", "ask who runs the server for TLS 1.2 or newer")
    return ok(name, f"{version}, {cipher}")


def _certificate(line: Line, smtp: SmtpConfig, now: datetime) -> Result:
    name = "relay.certificate"
    if not line.certificate:
        return unknown(name, "there is none without TLS")
    certificate = x509.load_der_x509_certificate(line.certificate)
    until, since = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    names = names_of(certificate)
    seen = f"for {', '.join(names) or 'no name'}, valid until {until:%Y-%m-%d %H:%M} UTC"
    renew = "it must be renewed by who runs the server"
    if not any(matches(smtp.host, one) for one in names):
        return fail(name, f"{seen}: not for {smtp.host}", "set `host` under [delivery.smtp] to a name in it")
    if now > until:
        return fail(name, f"{seen}: it has run out", renew)
    if now < since:
        return fail(name, f"{seen}: only from {since:%Y-%m-%d %H:%M} UTC on", "check this machine's clock")
    left = (until - now).days
    if left < ENOUGH_DAYS:
        return warn(name, f"{seen}: {left} days left", renew)
    return ok(name, f"{seen}: {left} days left")


def names_of(certificate: x509.Certificate) -> list[str]:
    """The names and addresses that a certificate is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [
        *found.get_values_for_type(x509.DNSName),
        *map(str, found.get_values_for_type(x509.IPAddress)),
    ]


def matches(host: str, name: str) -> bool:
    """RFC 6125: a star stands for one whole label, the first."""
    host, name = host.lower().rstrip("."), name.lower()
    return host == name or (name.startswith("*.") and host.partition(".")[2] == name[2:])


def _features(line: Line) -> Result:
    name = "relay.features"
    said = [f"{key} {value}".strip().upper() for key, value in sorted(line.offers.items()) if key != "auth"]
    methods = f"AUTH {' '.join(sorted(one.upper() for one in line.methods))}" if line.methods else "no AUTH"
    seen = ", ".join([*said, methods])
    lacks = [why for key, why in WANTED.items() if key not in line.offers]
    size = line.offers.get("size", "").strip()
    if size.isdecimal() and 0 < int(size[:15]) < LEAST_SIZE:
        lacks.append(f"it takes letters of {size} bytes at most, and ours have up to 100,000 and more")
    if lacks:
        return warn(name, seen, f"{'; '.join(lacks)}. Ask who runs the server, or live with it")
    return ok(name, seen)
