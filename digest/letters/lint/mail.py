"""The mail around a letter: its headers, lines and parts, as servers and inboxes judge them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import parsedate_to_datetime

from digest.letters.lint.finding import Finding, error
from digest.letters.subject import LIMIT, shorten

ONCE = ("From", "To", "Subject", "Date", "Message-ID")
LONGEST = 998  # bytes of a line, RFC 5322
PARTS = "Make it multipart/alternative: text/plain first, then text/html"
ONE_CLICK = "List-Unsubscribe=One-Click"
_HEADER = re.compile(r"([!-9;-~]+):[ \t]?(.*)", re.DOTALL)
_ID = re.compile(r"<[^<>@\s]+@([^<>@\s]+)>")
_ADDRESS = re.compile(r"[^<>@\s,;:\"]+@([^<>@\s,;:\"]+)")

Headers = dict[str, list[str]]


def wire(mail: bytes) -> Iterator[Finding]:
    """Bytes and lines."""
    lines = mail.split(b"\n")
    ends = [number for number, line in enumerate(lines[:-1], 1) if not line.endswith(b"\r")]
    stray = [number for number, line in enumerate(lines, 1) if b"\r" in line.removesuffix(b"\r")]
    for number in [*ends, *stray][:1]:
        yield error("crlf", f"mail line {number}", "a line does not end in CRLF", "End every line so")
    for number, line in enumerate(lines, 1):
        if len(line.rstrip(b"\r")) > LONGEST:
            yield error("line-length", f"mail line {number}", f"a line of {len(line)} bytes", f"At most {LONGEST}")
    head, _, body = mail.replace(b"\r\n", b"\n").partition(b"\n\n")
    if not head.isascii():
        name = next(line for line in head.split(b"\n") if not line.isascii()).split(b":")[0]
        where = name.decode("ascii", "replace")[:40]
        yield error("ascii", where, "a header holds more than ASCII", "Encode it (RFC 2047)")
    if not body.isascii():
        number = 2 + head.count(b"\n") + next(i for i, one in enumerate(body.split(b"\n"), 1) if not one.isascii())
        yield error(
            "8-bit", f"mail line {number}", "the body is not ASCII", "Encode it as quoted-printable or base64"
        )


def headers(mail: bytes) -> tuple[Headers, list[Finding]]:
    """Name in lower case → values, folds kept; and the lines that are none."""
    head = mail.replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode("latin-1")
    found: Headers = defaultdict(list)
    findings = []
    # A fold is a line end before a blank.
    for number, line in enumerate(re.split(r"\n(?![ \t])", head), 1):
        if match := _HEADER.fullmatch(line):
            found[match[1].lower()].append(match[2])
        else:
            what = f"“{shorten(line, 40)}” is no header"
            findings.append(error("header", f"header {number}", what, "Write “Name: value”"))
    return found, findings


def rules(found: Headers) -> Iterator[Finding]:
    for name in ONCE:
        values = found.get(name.lower(), [])
        if len(values) != 1 or not values[0].strip():
            stands = "is empty" if len(values) == 1 else f"stands {len(values)} times"
            yield error("header", name, f"the header {stands}", "Write it once")
    for name, why in (("bcc", "shows every reader who else gets it"), ("auto-submitted", "marks it as no letter")):
        if found.get(name):
            yield error(name, name.title(), f"a letter has this header, which {why}", "Leave it out")
    yield from _identity(found)
    yield from _subject(found)
    yield from _list(found)


def _identity(found: Headers) -> Iterator[Finding]:
    sender = _ADDRESS.search(_first(found, "from").rpartition("<")[2])
    identity = _ID.fullmatch(_first(found, "message-id").strip())
    if found.get("from") and not sender:
        yield error("header", "From", "there is no address in it", "Write “Name <address>”")
    if found.get("message-id") and not identity:
        yield error("message-id", "Message-ID", "it is not <something@domain>", "Write it so, on one line")
    elif identity and sender and identity[1].lower() != sender[1].lower():
        what = f"its domain is {identity[1]}, and that of From is {sender[1]}"
        yield error("message-id", "Message-ID", what, "Use the sender's domain")
    if found.get("date"):
        try:
            parsedate_to_datetime(_first(found, "date"))
        except ValueError:
            yield error("header", "Date", "it is no date", "Write it as RFC 5322 has it")


def _subject(found: Headers) -> Iterator[Finding]:
    if not found.get("subject"):
        return
    line = decoded(_first(found, "subject"))
    if len(line) > LIMIT:
        yield error(
            "subject", "Subject", f"it has {len(line)} characters", f"At most {LIMIT}; inboxes cut it earlier"
        )
    if re.search(r"[\x00-\x1f\x7f]", line) or "\ufffd" in line:
        yield error("subject", "Subject", "it decodes to what is no text", "Write one line of text")


def _list(found: Headers) -> Iterator[Finding]:
    name = "List-Unsubscribe"
    values = found.get(name.lower(), [])
    if len(values) != 1:
        yield error("list-unsubscribe", name, f"the header stands {len(values)} times", "Write it once")
    for value in values[:1]:
        urls = re.findall(r"<([^>]*)>", value)
        if "\n" in value or "=?" in value:
            yield error(
                "list-unsubscribe", name, "it is folded or encoded, so clients do not see it", "One plain line"
            )
        if not any(url.lower().startswith("mailto:") for url in urls):
            yield error("list-unsubscribe", name, "it has no mailto", "Add <mailto:address?subject=unsubscribe>")
        if any(not url.lower().startswith(("mailto:", "https://")) for url in urls):
            yield error("list-unsubscribe", name, "it has what is neither mailto nor https", "Use https")
        web = any(url.lower().startswith("https://") for url in urls)
        post = [one.strip() for one in found.get("list-unsubscribe-post", [])]
        if web and post != [ONE_CLICK]:
            yield error(
                "one-click", f"{name}-Post", f"it is not exactly {ONE_CLICK}", "Inboxes ask for it with https"
            )
        if post and not web:
            yield error(
                "one-click", f"{name}-Post", "it stands without an https URL", "Add the URL, or leave it out"
            )
    ids = found.get("list-id", [])
    if len(ids) != 1 or not re.search(r"<[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+>\s*$", ids[0]):
        yield error("list-id", "List-Id", "it does not stand there once as “Name <list.domain>”", "Write it so")


def parts(mail: bytes) -> tuple[str, str, list[Finding]]:
    """The HTML and the text of a mail, and what is wrong with how they are put together. Lines end in LF."""
    message = message_from_bytes(mail, policy=policy.compat32)
    leaves = [one for one in message.walk() if not one.is_multipart()]
    kinds = [one.get_content_type() for one in leaves]
    findings = []
    if message.get_content_type() != "multipart/alternative" or kinds != ["text/plain", "text/html"]:
        what = f"the mail is {message.get_content_type()} of {', '.join(kinds) or 'nothing'}"
        findings.append(error("parts", "Content-Type", what, PARTS))
    bodies = {"text/html": "", "text/plain": ""}
    for kind, leaf in reversed(list(zip(kinds, leaves, strict=True))):
        encoding = str(leaf.get("Content-Transfer-Encoding", "7bit")).strip().lower()
        if encoding in ("8bit", "binary"):
            findings.append(error("8-bit", f"the {kind} part", f"it is sent as {encoding}", "Encode it"))
        if kind in bodies:
            bodies[kind], fault = _text(leaf)
            if fault:
                findings.append(error("charset", f"the {kind} part", fault, "Write it in UTF-8, and say so"))
    return bodies["text/html"], bodies["text/plain"], findings


def decoded(value: str) -> str:
    """A header's value as an inbox shows it."""
    flat = re.sub(r"\n[ \t]", " ", value).strip()
    try:
        pieces = decode_header(flat)
        return "".join(
            one if isinstance(one, str) else one.decode(kind or "ascii", "replace") for one, kind in pieces
        )
    except (ValueError, LookupError, HeaderParseError):  # an encoded word that is none
        return flat


def _first(found: Headers, name: str) -> str:
    return next(iter(found.get(name, [])), "")


def _text(leaf: Message) -> tuple[str, str]:
    data = leaf.get_payload(decode=True)
    charset = leaf.get_content_charset() or "us-ascii"
    assert isinstance(data, bytes)
    fault = "" if charset == "utf-8" or data.isascii() else f"its charset is {charset}"
    try:
        text = data.decode(charset)
    except (UnicodeDecodeError, LookupError):
        text, fault = data.decode("utf-8", "replace"), f"it is not the {charset} that it says it is"
    return text.replace("\r\n", "\n"), fault
