"""What a mail that came back is, as many servers write it; hostile ones raise nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from returned_mails import (
    LETTER,
    SENDER,
    complaint,
    crlf,
    exchange,
    exim,
    gmail,
    plain,
    postfix,
    qmail,
    report,
    sendmail,
    vacation,
)

from digest.delivery.bounces import MOST_BYTES, Mail, judged, read
from digest.letters.verp import Tag

ADA = LETTER.to
TAG = Tag("bounce", "1f-0123456789abcdef0123456789abcdef")


def severity(mail: Mail) -> str:
    assert mail.what == "report", mail
    return mail.report_on(ADA).severity


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (postfix("5.1.1", f"550 5.1.1 <{ADA}>: Recipient address rejected: User unknown"), "hard"),
        (postfix("5.2.2", "552 5.2.2 Mailbox full"), "soft"),
        (postfix("4.4.1", "connect to mx.reader.example[192.0.2.250]:25: Connection timed out"), "soft"),
        (postfix("4.4.1", "451 4.4.1 still no answer", action="delayed"), "ignored"),
        (postfix("2.1.5", "250 2.1.5 delivered", action="delivered"), "ignored"),
        (postfix("2.0.0", "relayed to a server without reports", action="relayed"), "ignored"),
        (postfix("5.7.1", "554 5.7.1 Service unavailable; client host blocked using a list"), "ignored"),
        (postfix("5.0.0", "550 no, thank you"), "refused"),
        (postfix("5.4.7", "delivery time expired"), "soft"),
        (postfix("5.3.4", "552 5.3.4 message size exceeds the limit"), "ignored"),
        (exchange("5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found by SMTP address lookup"), "hard"),
        (exchange("5.2.2", "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException"), "soft"),
        (exchange("5.7.515", "550 5.7.515 Access denied, the sender does not meet the required level"), "ignored"),
        (gmail("5.1.1", "550-5.1.1 The email account that you tried to reach does not exist."), "hard"),
        (gmail("4.2.2", "452-4.2.2 The recipient's inbox is out of storage space."), "soft"),
        (sendmail("5.1.1", "550 5.1.1 <ada>... User unknown"), "hard"),
        (sendmail("5.0.0", "550 Unknown user"), "hard"),
        (exim("all relevant MX records point to non-existent hosts"), "refused"),
        (exim('host mx.reader.example [192.0.2.250]\n    SMTP error: 550 5.1.1 "ada" unknown'), "hard"),
        (exim("SMTP error from remote mail server after RCPT TO: 550 User unknown"), "hard"),
        (qmail("Sorry, no mailbox here by that name. (#5.1.1)"), "hard"),
        (qmail("192.0.2.250 failed after I sent the message.\nRemote host said: 554 5.7.1 spam"), "ignored"),
        (qmail("user is over quota; Remote host said: 552 5.2.2 mailbox full"), "soft"),
    ],
)
def test_how_bad_it_is(data: bytes, expected: str) -> None:
    assert severity(read(data)) == expected


@pytest.mark.parametrize(
    "data",
    [
        postfix("5.1.1", "550 5.1.1 unknown"),
        exchange("5.1.10", "550 5.1.10 not found"),
        gmail("5.1.1", "550-5.1.1 no such account"),
        sendmail("5.1.1", "550 5.1.1 unknown"),
        exim("550 User unknown"),
        qmail("Sorry, no mailbox here by that name. (#5.1.1)"),
    ],
)
def test_whom_and_which_letter_it_is_about(data: bytes) -> None:
    mail = read(data)
    assert mail.tags == (TAG,)
    assert mail.message_ids == (LETTER.message_id,)
    assert ADA in mail.recipients
    assert mail.at == datetime(2026, 3, 15, 8, 30, tzinfo=UTC)
    other_way = read(data.replace(SENDER.encode(), b"postmaster@letters.example"), SENDER)
    assert other_way.tags == (TAG,), "the mail server may know the recipient where no header does"


def test_the_returned_letter_is_the_only_place_its_token_may_stand() -> None:
    assert read(postfix("5.1.1", "550 no", envelope=False)).tags == (TAG,)


FAILED = "Final-Recipient: rfc822; {}\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 unknown"
FINE = "Final-Recipient: rfc822; {}\nAction: delivered\nStatus: 2.1.5"
FULL = "Final-Recipient: rfc822; {}\nAction: failed\nStatus: 4.2.2\nDiagnostic-Code: smtp; 452 4.2.2 full"


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ((FAILED.format("other@reader.example"), FINE.format(ADA)), "ignored"),
        ((FAILED.format(ADA.upper()), FINE.format("other@reader.example")), "hard"),
        # Ada's mail is forwarded to others: as long as one of them can be reached, she is.
        ((FAILED.format("a@far.example"), FINE.format("b@far.example")), "ignored"),
        ((FAILED.format("a@far.example"), FULL.format("b@far.example")), "soft"),
        ((FAILED.format("a@far.example"), FAILED.format("b@far.example")), "hard"),
        (
            (f"Original-Recipient: rfc822;{ADA}\n" + FAILED.format("a@far.example"), FINE.format("b@x.example")),
            "hard",
        ),
    ],
)
def test_a_report_on_several_recipients(blocks: tuple[str, ...], expected: str) -> None:
    assert severity(read(report(*blocks))) == expected


def test_a_status_is_read_where_a_report_says_little() -> None:
    assert severity(read(report(f"Final-Recipient: rfc822; {ADA}\nStatus: 5.1.1 (bad address)"))) == "hard"
    assert severity(read(report(f"Final-Recipient: rfc822; {ADA}\nAction: failed"))) == "refused"
    assert severity(read(report(f"Final-Recipient: rfc822; {ADA}"))) == "ignored"


def test_a_report_that_is_encoded_is_read() -> None:
    data = postfix("5.1.1", "550 5.1.1 unknown").replace(b"\r\n", b"\n")
    head, _, rest = data.partition(b"Content-Type: message/delivery-status\n\n")
    fields, _, end = rest.partition(b"\n--B0UND\n")
    import base64

    for kind in (b"message/delivery-status", b"message/global-delivery-status"):
        coded = b"Content-Type: %s\nContent-Transfer-Encoding: base64\n\n%s" % (kind, base64.encodebytes(fields))
        plain = b"Content-Type: %s\n\n%s" % (kind, fields)
        for part in (coded, plain):
            assert severity(read(head + part + b"\n--B0UND\n" + end)) == "hard", part


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        ("5.1.1", "", "hard"),
        ("4.1.1", "", "soft"),
        ("", "", "refused"),
        ("5.0.0", "451 4.3.0 try later", "soft"),
        ("4.4.7", "550 5.1.1 unknown", "hard"),
        ("5.0.0", "id 12345 at 192.0.2.250 said nothing", "refused"),
    ],
)
def test_the_last_servers_word_stands_above_the_reports(status: str, said: str, expected: str) -> None:
    assert judged(status, said)[0] == expected


@pytest.mark.parametrize("redacted", [False, True])
def test_a_complaint(redacted: bool) -> None:
    mail = read(complaint(redacted=redacted))
    assert (mail.what, mail.detail) == ("complaint", "reported as abuse (by BigLoop/1.0)")
    assert mail.tags == (TAG,)
    assert mail.message_ids == (LETTER.message_id,)
    assert mail.recipients == (() if redacted else (ADA,))


def test_a_complaint_in_outlooks_manner() -> None:
    data = crlf(
        "From: <staff@big.example>\nTo: fbl@letters.example\nSubject: complaint about message from 192.0.2.9\n"
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=X\n\n--X\nContent-Type: message/rfc822\n\n"
        f"X-HmXmrOriginalRecipient: {ADA}\n{LETTER.head}\ntext\n--X--\n"
    )
    mail = read(data)
    assert (mail.what, mail.recipients, mail.tags) == ("complaint", (ADA,), (TAG,))


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure", "dmarc"])
def test_feedback_that_is_no_complaint(kind: str) -> None:
    assert read(complaint(kind)).what == "ignored"


@pytest.mark.parametrize(
    "data",
    [
        vacation(),
        vacation(more=""),  # known by its subject alone
        vacation(more="X-Autoreply: yes\n"),
        plain("Bea <bea@reader.example>", "Automatische Antwort: 3 papers", "Ich bin im Urlaub."),
        plain(
            "Ada <ada@reader.example>",
            "Read: 3 papers on bees",
            "",
            more="Content-Type: multipart/report; report-type=disposition-notification; boundary=x\n",
        ),
    ],
)
def test_answers_of_programs_are_ignored(data: bytes) -> None:
    assert read(data).what == "ignored"


def test_a_wish_to_unsubscribe() -> None:
    to = "Bounces+U1F-0123456789ABCDEF0123456789abcdef@letters.example"
    data = crlf(f"From: someone@else.example\nTo: <{to}>\nSubject: anything\n\n\n")
    assert read(data).what == "unsubscribe"
    assert read(data).tags == (Tag("unsubscribe-mail", TAG.token),)
    assert read(crlf("From: a@b.example\n\n"), to).what == "unsubscribe"


@pytest.mark.parametrize("subject", [f"unsubscribe {ADA}", "Unsubscribe ada%40reader.example"])
def test_an_unsigned_wish_names_whom_it_is_about_and_is_no_more_than_that(subject: str) -> None:
    mail = read(crlf(f"From: x@y.example\nTo: letters@letters.example\nSubject: {subject}\n\n\n"))
    assert (mail.what, mail.asks_for) == ("unknown", ADA)


def test_a_letter_of_a_person_is_not_a_bounce() -> None:
    mail = read(crlf(f"From: Bea <bea@reader.example>\nTo: {SENDER}\nSubject: Thank you\n\nA fine letter.\n"))
    assert (mail.what, mail.detail) == ("unknown", "from Bea <bea@reader.example>: “Thank you”")


def test_the_same_mail_has_the_same_identity_however_it_came() -> None:
    data = postfix("5.1.1", "550 no")
    assert read(data).identity == read(b"Received: from elsewhere\r\n" + data).identity
    assert read(data).identity != read(qmail("no")).identity
    assert read(b"a").identity != read(b"b").identity


# ---- hostile


def nested(depth: int) -> bytes:
    heads = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(depth))
    return f"From: MAILER-DAEMON@x.example\nSubject: failure\n{heads}Content-Type: text/plain\n\nx\n".encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 1000,
        b"\n" * 100_000,
        b"From: \xff\xfe\nSubject: =?bogus?q?=41?=\nContent-Type: text/plain; charset=nonsense\n\n\xff",
        b"Content-Type: multipart/report\n\n--\n--\n",
        b"Content-Type: message/delivery-status\n\nFinal-Recipient: \xff;\nAction:\nStatus: 9.9.9\n\n",
        b"Content-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n!!!!",
        b"Content-Type: message/feedback-report\n\nFeedback-Type: \n",
        b"Date: Mon, 99 Foo 99999 99:99:99 +9999\nSubject: x\n\n",
        b"Date: Fri, 31 Dec 9999 23:59:59 -2300\n\n",
        b"Content-Type: text/plain; charset*=x''y; charset*0=a\n\nfailure",
        nested(20),
        nested(5000),
        postfix("5.1.1", "550 5.1.1 " + "x" * 10_000_000),
        b"Subject: " + b"=?utf-8?q?=41?= " * 20_000 + b"\n\n",
        b"Received: x\n" * 50_000 + b"\n\n",
        b"From: MAILER-DAEMON\n\n" + b"<a@b.example>: 550 \n" * 50_000,
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 100_000,
        qmail("(" * 50_000),
    ],
    ids=lambda data: f"{len(data)} bytes",
)
def test_no_mail_is_too_strange(data: bytes) -> None:
    mail = read(data, "\udc80\0")
    assert mail.what in ("report", "ignored", "unknown", "complaint")
    assert len(mail.detail) <= 400
    assert mail.detail.isprintable()
    assert len(mail.identity) == 64


def test_only_the_start_of_a_huge_mail_is_read() -> None:
    start = postfix("5.1.1", "550 5.1.1 unknown")
    assert severity(read(start.replace(b"the text of", b"the text of" + b" bees\r\n" * 2_000_000))) == "hard"
    assert len(start) < MOST_BYTES


PIECES = st.sampled_from(
    [
        b"Content-Type: multipart/report; boundary=B\n\n",
        b"Content-Type: message/delivery-status\n\n",
        b"Content-Type: message/feedback-report\n\n",
        b"Content-Type: message/rfc822\n\n",
        b"Content-Type: text/plain; charset=utf-7\n",
        b"Content-Transfer-Encoding: base64\n",
        b"Content-Transfer-Encoding: x-uuencode\n",
        b"--B\n",
        b"--B--\n",
        b"\n",
        b"Final-Recipient: rfc822; ada@reader.example\n",
        b"Action: failed\nStatus: 5.1.1\n",
        b"Diagnostic-Code: smtp; 550 \n",
        b"Subject: Undeliverable\nFrom: MAILER-DAEMON\n",
        b"To: bounces+1f-0123456789abcdef0123456789abcdef@x\n",
        b"Hi. This is the qmail-send program\n<a@b.example>:\nno\n",
        b"Date: \0\n",
        b"\xff\x00\x80",
    ]
)


@given(st.lists(PIECES | st.binary(max_size=30), max_size=25).map(b"".join), st.text(max_size=40))
def test_nothing_is_raised_whatever_comes(data: bytes, recipient: str) -> None:
    mail = read(data, recipient)
    if mail.what == "report":
        assert mail.report_on(ADA).severity in ("hard", "soft", "refused", "ignored")
    assert mail.detail.isprintable()
