"""What a relay may do wrong at each step of a conversation."""

from __future__ import annotations

from dataclasses import dataclass

CONNECTION_STEPS = ("banner", "EHLO", "STARTTLS", "AUTH")
STEPS = ("MAIL", "RCPT", "DATA", "body", "dot")


@dataclass(frozen=True, slots=True)
class Act:
    """What the relay does at a step in place of the usual."""

    say: str | None = None  # None: the usual answer, "": none
    end: str = ""  # "fin" or "rst": how it hangs up after that
    wait: float = 0.0  # seconds before it says anything
    more: str = ""  # said after the answer, unasked
    keep: bool = True  # at the dot: whether the message arrives


OUT_OF_PLACE = ("DATA", "250 2.0.0 fine")  # a step, and an answer that does not belong there
CUTS = (Act("", "fin"), Act("", "rst"))
SLOW = Act(wait=0.05)
LATE = Act(wait=1.7, end="fin")  # for a client that does not wait so long
GARBAGE = (
    Act("hello, is it me you are looking for?"),
    Act("999 what?"),
    Act("2\0 50 ok"),
    Act("", more="\x80\xff"),
)
BUSY = tuple(
    Act(f"{words}")
    for words in (
        "421 4.7.0 too many connections from you\r\n",
        "450 4.2.0 greylisted, try again in 4 minutes",
        "451-4.3.0 the database of users\r\n451-4.3.0 is away for a moment\r\n451 4.3.0 try later",
        "452 4.2.2 mailbox full",
        "451 no status code at all",
        "454 4.7.0 throttling: too many letters a second",
    )
)
FATAL = tuple(
    Act(words)
    for words in (
        "550 5.1.1 no such user",
        "550 no such user here",
        "552 5.2.2 over quota",
        "554-5.6.0 this mail\r\n554 5.6.0 is not wanted",
        "553 5.1.3 bad address",
    )
)
FAULTS: dict[str, tuple[Act, ...]] = {
    "banner": (
        *CUTS,
        SLOW,
        Act("421 4.3.2 too busy"),
        Act("220-many\r\n220-lines of\r\n220 welcome"),
        Act("HTTP/1.0 400 Bad Request", "fin"),
        Act("554 5.3.2 go away", "fin"),
    ),
    "EHLO": (*CUTS, SLOW, Act("421 4.3.2 shutting down", "fin"), Act("500 5.5.1 EHLO is not for me"), *GARBAGE[:2]),
    "STARTTLS": (*CUTS, SLOW, Act("454 4.7.0 not now"), Act(more="250 injected in the clear"), GARBAGE[0]),
    "AUTH": (
        *CUTS,
        SLOW,
        Act("454 4.7.0 the password server is away"),
        Act("535 5.7.8 never heard of you"),
        GARBAGE[0],
    ),
    "MAIL": (
        *CUTS,
        SLOW,
        *BUSY[2:],
        *GARBAGE,
        Act(more="250 and another"),
        Act("354 go on"),
        Act(wait=2.5, end="fin"),
    ),
    "RCPT": (
        *CUTS,
        SLOW,
        *BUSY,
        *FATAL,
        *GARBAGE,
        Act("251 2.1.5 user not local, will forward"),
        Act("250-several\r\n250 lines"),
        Act(more="250 and another"),
        LATE,
    ),
    "DATA": (
        *CUTS,
        SLOW,
        *BUSY,
        *FATAL[3:],
        *GARBAGE,
        Act(OUT_OF_PLACE[1], "fin"),
        Act(more="250 2.0.0 and queued as 1", end="fin"),
        Act("354-well\r\n354 go on"),
    ),
    "body": (
        *CUTS,
        *CUTS,
        Act("552 5.3.4 too large", "fin"),
        Act("421 4.3.2 shutting down", "fin"),
        Act("what?", "rst"),
    ),
    "dot": (
        *(Act(act.say, act.end, keep=keep) for act in CUTS for keep in (True, False)),
        *(Act(act.say, keep=False) for act in (*BUSY, *FATAL)),
        SLOW,
        Act("okay I think", "fin"),
        Act("okay I think", "fin", keep=False),
        Act("250-2.0.0 in\r\n250-2.0.0 several\r\n250 2.0.0 lines"),
        Act(end="fin"),
        Act(end="rst", wait=0.02),
        Act(more="421 4.7.0 enough for one connection", end="fin"),
        Act(more="250 2.0.0 and another"),
        Act("250"),
    ),
}
