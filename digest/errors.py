"""One class for each way to fail. Its docstring is its message; the fields fill the braces.

`exit_code` is what the command line returns: 1 something was refused and the rest was done, 3 a file the user
wrote is wrong, 4 the store, 5 the mail, 6 a name that we do not know. (2 is a wrong call, said by the CLI itself.)
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from inspect import cleandoc


class DigestError(Exception):
    """{detail}"""

    exit_code = 1

    def __init__(self, **fields: object) -> None:
        self.fields = fields
        super().__init__(str(self))

    def __str__(self) -> str:
        template = " ".join(cleandoc(type(self).__doc__ or "").split("\n"))
        return template.format(**self.fields)


class ExtraMissing(DigestError):
    """{what} needs an extra that is not installed: pip install 'digest-letter[{extra}]'"""


class TooFewReaders(DigestError):
    """{where}: {number} readers can be measured, and fewer than {least} say nothing. A reader counts who is known
    by a like or a phrase and went on to like a paper that is to be ranked. Found: {found}"""


class PortTaken(DigestError):
    """port {port} of this machine cannot be used: {detail}. Name another with --port; 0 is any that is free."""


# ---- files the user wrote


class UserFileError(DigestError):
    """{path}: {detail}"""

    exit_code = 3


class CannotWrite(UserFileError):
    """{path}: cannot be written: {detail}. {remedy}."""


class ConfigMissing(UserFileError):
    """{path}: no such file. Run `digest init` here, or name the folder with --home."""


class FileInvalid(UserFileError):
    """{problems}"""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(problems="\n".join(str(p) for p in self.problems))


class Problem:
    """One thing wrong in a file: where, what, and the remedy."""

    def __init__(self, path: str, line: int | None, key: str, what: str, remedy: str = "") -> None:
        self.path, self.line, self.key, self.what, self.remedy = path, line, key, what, remedy

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        key = f"{self.key}: " if self.key else ""
        return f"{place}: {key}{self.what}" + (f" — {self.remedy}" if self.remedy else "")

    def as_dict(self) -> dict[str, object]:
        return {
            "path": self.path,
            "line": self.line,
            "key": self.key,
            "problem": self.what,
            "remedy": self.remedy,
        }


# ---- pages


class PageError(DigestError):
    """{path}: {detail}"""

    exit_code = 3


class PageUnreadable(PageError):
    """{path}: {detail}. {remedy}."""

    def __init__(
        self,
        *,
        path: object,
        detail: str,
        remedy: str = "Save the page as HTML or plain text in UTF-8, and ingest it again",
    ) -> None:
        super().__init__(path=path, detail=detail, remedy=remedy)


class PageDayUnclear(PageError):
    """{path}: {detail}. Say the day with --day YYYY-MM-DD{or_year}."""


# ---- sources


class SourceUnreadable(DigestError):
    """{source}: {detail}. {remedy}."""

    def __init__(
        self, *, source: object, detail: str, remedy: str = "Nothing was taken from it; it is asked again next time"
    ) -> None:
        super().__init__(source=source, detail=detail, remedy=remedy)


class NotSuppressed(DigestError):
    """{address}: it is not on the suppression list.{nearest} `digest suppressions` shows the list."""


# ---- sources


class FetchFailed(DigestError):
    """{url}: {detail}"""

    def __init__(self, *, url: str, detail: str, next_try: datetime | None = None) -> None:
        """`next_try`: before this moment the server does not want to be asked again; None: it said nothing."""
        self.url, self.detail, self.next_try = url, detail, next_try
        super().__init__(url=url, detail=detail)


class FetchStopped(FetchFailed):
    """{url}: {detail}"""


# ---- libraries of references


class LibraryUnreadable(DigestError):
    """{path}: {detail}. Give BibTeX, RIS, Zotero JSON, or a list of arXiv ids, DOIs and titles, one a line."""

    exit_code = 3


class NothingImported(DigestError):
    """{name}: nothing of {handle}'s came from a file of this name.{known}"""


# ---- the store


class StoreError(DigestError):
    """{detail}"""

    exit_code = 4


class StoreMissing(StoreError):
    """{url}: there is no store yet. Run `digest collect`, `digest ingest` or `digest profiles apply` first."""


class StoreLocked(StoreError):
    """{url}: another digest command holds the store. Nothing was changed; try again when it has ended."""


class StoreNewer(StoreError):
    """{url}: the store was written by a newer Digest (schema {found}). Upgrade Digest; nothing was changed."""


class StoreUnreachable(StoreError):
    """{url}: the store cannot be opened: {detail}. Check `[store] url` in the configuration."""


class NotRecorded(StoreError):
    """What became of {letters} could not be written down: {detail} Run `digest run` again when the store can be
    used: what can be asked is settled then, and the rest is held as uncertain, not sent again."""


class NotUncertain(DigestError):
    """letter {id}: {detail}. Nothing was changed; `digest outbox --state uncertain` lists those in doubt."""


# ---- the mail


class DeliveryError(DigestError):
    """{detail}"""

    exit_code = 5


class RelayUnusable(DeliveryError):
    """{where}: {detail}. {remedy}. Nobody is marked for it; what has not left waits for the next run."""


class DeliveryPaused(DeliveryError):
    """Delivery is paused by {by}: {reason}. `digest resume` lets it go on; letters wait until they expire."""


class DeliveryCancelled(DeliveryError):
    """The delivery was cancelled by the operator. What had not left is suppressed; `digest why` says so of each."""


class JournalUnusable(DeliveryError):
    """{path}: the journal of what has left cannot be written: {detail}. Make room, or let this user write there,
    and run `digest run` again; what had not left waits."""


class LeaseLost(DeliveryError):
    """Another run has taken over the letters of this one, as it had not been heard of for too long. What was under
    way is held as uncertain; the rest goes on there."""


class MailboxUnusable(DeliveryError):
    """{where}: {detail}. {remedy}. What was not stored stays unread in the mailbox."""


class NotMailable(DeliveryError):
    """{what} {value!r} cannot stand in a mail header. Only this letter is affected."""


class TemplateInvalid(UserFileError):
    """{path}: {detail}. `digest templates check` says all that is wrong; or set `letter.templates` to "". No letter
    was lost; they wait."""


# ---- names


class UnknownPaper(DigestError):
    """{name}: no such paper.{nearest}"""


class NoSuchPaper(UnknownPaper):
    """{name}: no such paper.{nearest}"""

    exit_code = 6


class AmbiguousPaper(DigestError):
    """{name}: this is part of {number} titles. Write more of one, or its key:{candidates}"""


class UnknownSubscriber(DigestError):
    """{name}: no such subscriber.{nearest} `digest status --subscribers` lists them."""

    exit_code = 6
