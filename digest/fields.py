"""What the keys of a user's files may hold: the checks that configuration and profiles share."""

from __future__ import annotations

import re
from typing import Annotated
from zoneinfo import ZoneInfo

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, ConfigDict

from digest import tomlfile


def check_zone(name: str) -> str:
    """An IANA time zone's name, or a ValueError that names the nearest one."""
    from zoneinfo import available_timezones

    try:
        # Beside its zones a machine may keep copies of them under names, and with leap seconds, of its own.
        if (
            name not in ("", "localtime")
            and name not in ("posixrules", "Factory")
            and not name.startswith(("posix/", "right/"))
        ):
            ZoneInfo(name)
            return name
    except (KeyError, ValueError, OSError):
        pass
    zones = sorted(available_timezones())
    lower = {zone.lower(): zone for zone in zones} | {zone.rsplit("/", 1)[-1].lower(): zone for zone in zones}
    guess = tomlfile.nearest(name.replace(" ", "_"), list(lower))
    hint = f"did you mean {lower[guess]!r}?" if guess else "use an IANA name such as 'Europe/Berlin' or 'UTC'"
    raise ValueError(f"unknown time zone {name!r} — {hint}")


def check_address(address: str) -> str:
    """A bare mail address, normalised, or a ValueError that says what is wrong with it."""
    if any(c in address for c in "\r\n\0"):
        raise ValueError("the address holds a line break — write the bare address on one line")
    if "<" in address or ">" in address:
        raise ValueError("only the bare address belongs here — put the display name under `name`")
    if "=?" in address:
        raise ValueError(
            f"{address!r} holds '=?', which mail programs take for an encoded word — use another address"
        )
    # One person on a laptop writes to me@localhost, which the library takes for a slip.
    local, at, domain = address.rpartition("@")
    on_this_machine = domain.lower() == "localhost"
    try:
        found = validate_email(
            f"{local}{at}test" if on_this_machine else address,
            check_deliverability=False,
            allow_smtputf8=False,
            test_environment=True,
        )
    except EmailNotValidError as error:
        raise ValueError(
            f"{address!r} is not a mail address: {str(error).rstrip('.')} — write e.g. 'me@example.org'"
        ) from None
    return f"{local}@localhost" if on_this_machine else found.ascii_email or found.normalized


def check_selector(selector: str) -> str:
    """A DKIM selector, in lower case: labels as a host name has them; or a ValueError that says what is wrong."""
    label = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
    if len(selector) > 100 or not re.fullmatch(rf"{label}(?:\.{label})*", selector.lower()):
        raise ValueError(f"{selector!r} is not a selector — write letters, digits and hyphens, as in 'digest-2026'")
    return selector.lower()


def check_domain(name: str) -> str:
    """A domain name, normalised as that of an address is."""
    try:
        domain = check_address(f"x@{name}").partition("@")[2]
    except ValueError:
        domain = ""
    if "." not in domain and domain != "localhost":
        raise ValueError(f"{name!r} is not the domain of an address — write e.g. 'example.org'")
    return domain


def one_line(text: str) -> str:
    if any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in text):
        raise ValueError("control characters are not allowed here — write it on one line")
    return text.strip()


Address = Annotated[str, AfterValidator(check_address)]
Zone = Annotated[str, AfterValidator(check_zone)]
OneLine = Annotated[str, AfterValidator(one_line)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
