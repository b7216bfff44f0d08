"""Mails as servers send them back, in the manner of several kinds of them; all names and words are invented."""

from __future__ import annotations

from dataclasses import dataclass

SENDER = "bounces+1f-0123456789abcdef0123456789abcdef@letters.example"


@dataclass(frozen=True)
class Original:
    """The letter that comes back."""

    sender: str = SENDER  # on its envelope
    to: str = "ada@reader.example"
    message_id: str = "<0123456789012345678901234567890123456789@letters.example>"
    leave: str = ""  # its List-Unsubscribe

    @property
    def head(self) -> str:
        leave = f"List-Unsubscribe: <{self.leave}>\n" if self.leave else ""
        return (
            f"Return-Path: <{self.sender}>\nFrom: Trending papers <letters@letters.example>\nTo: {self.to}\n"
            f"Subject: 3 papers on bees\nMessage-ID: {self.message_id}\n{leave}"
        )


LETTER = Original()
DATE = "Sun, 15 Mar 2026 09:30:00 +0100"


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode("utf-8")


def report(
    *recipients: str,
    letter: Original = LETTER,
    sender: str = "MAILER-DAEMON@mx.reader.example (Mail Delivery System)",
    subject: str = "Undelivered Mail Returned to Sender",
    words: str = "This is the mail system at mx.reader.example. Your message was not delivered.",
    returned: str = "message/rfc822",
    date: str = DATE,
    envelope: bool = True,
    more: str = "",
) -> bytes:
    """A report as RFC 3464 has it; each of `recipients` is the fields of one."""
    blocks = "\n".join(f"{one.strip()}\n" for one in recipients)
    to = letter.sender if envelope else "postmaster@letters.example"
    return crlf(
        f"Return-Path: <>\nX-Original-To: {to}\nDelivered-To: {to}\nDate: {date}\nFrom: {sender}\n"
        f"Subject: {subject}\n"
        f"To: {to}\nAuto-Submitted: auto-replied\nMessage-Id: <77AA11{len(blocks)}@mx.reader.example>\n{more}"
        'MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status;\n\tboundary="B0UND"\n\n'
        "A MIME mail.\n\n--B0UND\nContent-Description: Notification\nContent-Type: text/plain; charset=utf-8\n\n"
        f"{words}\n\n--B0UND\nContent-Type: message/delivery-status\n\n"
        "Reporting-MTA: dns; mx.reader.example\nX-Queue-ID: 77AA11\n"
        "Arrival-Date: Sun, 15 Mar 2026 07:00:09 +0100\n\n"
        f"{blocks}\n--B0UND\nContent-Type: {returned}\n\n{letter.head}\n"
        + ("Hello Ada,\nthe text of a letter.\n" if returned == "message/rfc822" else "")
        + "\n--B0UND--\n"
    )


def postfix(status: str, said: str, action: str = "failed", letter: Original = LETTER, **more: object) -> bytes:
    fields = (
        f"Final-Recipient: rfc822; {letter.to}\nOriginal-Recipient: rfc822;{letter.to}\nAction: {action}\n"
        f"Status: {status}\nRemote-MTA: dns; mx.reader.example\nDiagnostic-Code: smtp; {said}"
    )
    return report(fields, letter=letter, **more)  # type: ignore[arg-type]


def exchange(status: str, said: str, letter: Original = LETTER, **more: object) -> bytes:
    """Microsoft 365: no Original-Recipient, a folded diagnostic, the headers alone come back."""
    folded = said.replace(" ", "\n\t", 1)
    fields = (
        f"Final-Recipient: rfc822;{letter.to}\nAction: failed\nStatus: {status}\n"
        f"Diagnostic-Code: smtp;{folded}\nX-Display-Name: Ada"
    )
    return report(
        fields,
        letter=letter,
        sender='"Microsoft Outlook" <MicrosoftExchange329e71ec88ae@reader.example>',
        subject="Undeliverable: 3 papers on bees",
        returned="text/rfc822-headers",
        **more,  # type: ignore[arg-type]
    )


def gmail(status: str, said: str, letter: Original = LETTER, **more: object) -> bytes:
    fields = (
        f"Final-Recipient: rfc822; {letter.to}\nAction: failed\nStatus: {status}\n"
        f"Remote-MTA: dns; mx.reader.example. (192.0.2.250, the server for the domain reader.example.)\n"
        f"Diagnostic-Code: smtp; {said}\nLast-Attempt-Date: Sun, 15 Mar 2026 01:30:00 -0700 (PDT)"
    )
    return report(
        fields,
        letter=letter,
        sender="Mail Delivery Subsystem <mailer-daemon@googlemail.example>",
        subject="Delivery Status Notification (Failure)",
        more=f"X-Failed-Recipients: {letter.to}\n",
        **more,  # type: ignore[arg-type]
    )


def sendmail(status: str, said: str, letter: Original = LETTER) -> bytes:
    fields = (
        f"Final-Recipient: RFC822; {letter.to}\nX-Actual-Recipient: RFC822; {letter.to.upper()}\nAction: failed\n"
        f"Status: {status}\nDiagnostic-Code: SMTP; {said}\nLast-Attempt-Date: Sun, 15 Mar 2026 09:29:58 +0100"
    )
    return report(
        fields,
        letter=letter,
        sender="Mail Delivery Subsystem <MAILER-DAEMON@mx.reader.example>",
        subject="Returned mail: see transcript for details",
        words=f"   ----- The following addresses had permanent errors -----\n<{letter.to}>\n    (reason: {said})",
        returned="text/rfc822-headers",
    )


def plain(sender: str, subject: str, body: str, letter: Original = LETTER, more: str = "") -> bytes:
    return crlf(
        f"Return-Path: <>\nDelivered-To: {letter.sender}\nFrom: {sender}\nTo: {letter.sender}\nSubject: {subject}\n"
        f"Date: {DATE}\nMessage-ID: <p1@mx.reader.example>\n{more}\n{body}\n"
    )


def exim(said: str, letter: Original = LETTER) -> bytes:
    """Exim before it wrote reports."""
    return plain(
        "Mail Delivery System <Mailer-Daemon@mx.reader.example>",
        "Mail delivery failed: returning message to sender",
        "This message was created automatically by mail delivery software.\n\n"
        "A message that you sent could not be delivered to one or more of its\nrecipients. "
        "This is a permanent error. The following address(es) failed:\n\n"
        f"  {letter.to}\n    {said}\n\n"
        "------ This is a copy of the message, including all the headers. ------\n\n"
        f"{letter.head}\nthe text of a letter\n",
        letter,
        f"X-Failed-Recipients: {letter.to}\nAuto-Submitted: auto-replied\n",
    )


def qmail(said: str, letter: Original = LETTER) -> bytes:
    return plain(
        "MAILER-DAEMON@mx.reader.example",
        "failure notice",
        "Hi. This is the qmail-send program at mx.reader.example.\n"
        "I'm afraid I wasn't able to deliver your message to the following addresses.\n"
        "This is a permanent error; I've given up. Sorry it didn't work out.\n\n"
        f"<{letter.to}>:\n{said}\n\n--- Below this line is a copy of the message.\n\n{letter.head}\nthe text\n",
        letter,
    )


def complaint(
    kind: str = "abuse", letter: Original = LETTER, *, redacted: bool = False, to: str = "fbl@letters.example"
) -> bytes:
    """RFC 5965; `redacted`: the address is left out, and of the letter the headers alone are there."""
    shown = "" if redacted else f"Original-Rcpt-To: {letter.to}\n"
    head = letter.head.replace(f"To: {letter.to}", "To: redacted@redacted.invalid") if redacted else letter.head
    returned = "text/rfc822-headers" if redacted else "message/rfc822"
    return crlf(
        f"From: <feedback@big.example>\nTo: {to}\nDate: {DATE}\nSubject: FW: 3 papers on bees\n"
        "Message-ID: <arf1@big.example>\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=feedback-report; boundary=ARF\n\n"
        "--ARF\nContent-Type: text/plain\n\nThis is an abuse report for a mail from 192.0.2.9.\n\n"
        f"--ARF\nContent-Type: message/feedback-report\n\nFeedback-Type: {kind}\nUser-Agent: BigLoop/1.0\n"
        "Version: 1\n"
        f"Source-IP: 192.0.2.9\n{shown}\n"
        f"--ARF\nContent-Type: {returned}\n\n{head}\n{'' if redacted else 'the text'}\n--ARF--\n"
    )


def vacation(letter: Original = LETTER, more: str = "Auto-Submitted: auto-replied (vacation)\n") -> bytes:
    return plain(
        "Ada <ada@reader.example>",
        "Out of the office: 3 papers on bees",
        "I am away. The user unknown@reader.example reads my mail; host said: 550 no such user here.\n",
        letter,
        more,
    )
