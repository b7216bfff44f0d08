"""A mailbox over IMAP, as bounces wait in it: read, marked as seen, never deleted."""

from __future__ import annotations

import contextlib
import imaplib
import re
import ssl
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

from digest.config import ImapConfig
from digest.delivery.bounces import MOST_BYTES
from digest.delivery.replies import clean_reply
from digest.errors import MailboxUnusable

TIMEOUT_SECONDS = 30.0
PARTING_SECONDS = 1.0  # a server that hangs need not hear that we go


class Mailbox:
    """The unread mails of one folder. Raises `MailboxUnusable` for whatever goes wrong."""

    def __init__(self, config: ImapConfig, password: str, home: Path) -> None:
        self._config, self._password, self._home = config, password, home

    def unread(self) -> Iterator[tuple[str, bytes, Unread]]:
        """(UID, the mail's bytes up to `MOST_BYTES`, what marks it as seen), oldest first.

        A mail is only marked once its caller says so, so that one that could not be stored is read again.
        """
        with self._opened() as connection:
            for uid in self._uids(connection):
                with self._explained("a mail could not be fetched"):
                    # PEEK: to read must not mark; and a huge mail must not fill the memory.
                    answer = connection.uid("FETCH", uid, f"(BODY.PEEK[]<0.{MOST_BYTES}>)")
                data = next((part[1] for part in answer[1] if isinstance(part, tuple) and len(part) > 1), None)
                if answer[0] == "OK" and isinstance(data, bytes):
                    yield uid, data, Unread(self, connection, uid)
                # else somebody has deleted or moved it meanwhile

    def mark(self, connection: imaplib.IMAP4, uid: str) -> None:
        with self._explained("a mail could not be marked as seen"):
            answer, told = connection.uid("STORE", uid, "+FLAGS.SILENT", r"(\Seen)")
        if answer != "OK":
            raise self._unusable(f"a mail could not be marked as seen: {_words(told)}", "It may be read-only")

    def _uids(self, connection: imaplib.IMAP4) -> list[str]:
        with self._explained("its folder could not be opened"):
            answer, told = connection.select(f'"{_folder(self._config.folder)}"')
        if answer != "OK":
            remedy = "Check `folder` under [bounces.imap]"
            raise self._unusable(f"no folder {self._config.folder!r}: {_words(told)}", remedy)
        with self._explained("it could not be searched"):
            answer, told = connection.uid("SEARCH", "UNSEEN")
        if answer != "OK":
            raise self._unusable(f"it could not be searched: {_words(told)}", "Try again")
        text = b" ".join(one for one in told if isinstance(one, bytes)).decode("ascii", "replace")
        return [one for one in text.split() if one.isdigit()]

    @contextlib.contextmanager
    def _opened(self) -> Iterator[imaplib.IMAP4]:
        how = self._config
        with self._explained("it cannot be reached", "Check `host`, `port` and `tls` under [bounces.imap]"):
            if how.tls == "implicit":
                connection: imaplib.IMAP4 = imaplib.IMAP4_SSL(
                    how.host, how.port, ssl_context=self._context(), timeout=TIMEOUT_SECONDS
                )
            else:
                connection = imaplib.IMAP4(how.host, how.port, timeout=TIMEOUT_SECONDS)
        try:
            if how.tls == "starttls":
                with self._explained("no encrypted connection", "Check `tls` under [bounces.imap]"):
                    connection.starttls(self._context())
            remedy = "Check `user` and the password under [bounces.imap]; many providers want an app password"
            with self._explained("the login was refused", remedy):
                if f"{how.user}{self._password}".isascii():
                    connection.login(how.user, self._password)
                else:  # of which LOGIN knows nothing
                    plain = f"\0{how.user}\0{self._password}".encode()
                    connection.authenticate("PLAIN", lambda _: plain)
            yield connection
        finally:
            with contextlib.suppress(Exception):
                connection.socket().settimeout(PARTING_SECONDS)
                connection.logout()

    def _context(self) -> ssl.SSLContext:
        authorities = self._config.ca_file and str(self._home / Path(self._config.ca_file).expanduser())
        try:
            return ssl.create_default_context(cafile=authorities or None)
        except OSError as error:
            what = f"cannot read the certificates in {authorities}: {error.strerror or error}"
            raise self._unusable(what, "Check `ca_file` under [bounces.imap]") from None

    @contextlib.contextmanager
    def _explained(
        self, what: str, remedy: str = "Try again; if it keeps on, the server's log says why"
    ) -> Iterator[None]:
        try:
            yield
        except (imaplib.IMAP4.error, OSError, ValueError) as error:
            # What cannot be encoded, or be a certificate's, may be the password.
            told = "" if isinstance(error, ValueError) and not isinstance(error, OSError) else _words(error.args)
            raise self._unusable(f"{what}: {told or type(error).__name__}", remedy) from error

    def _unusable(self, detail: str, remedy: str) -> MailboxUnusable:
        return MailboxUnusable(where=f"imap {self._config.host}:{self._config.port}", detail=detail, remedy=remedy)


class Unread:
    """A mail that is not marked yet."""

    def __init__(self, box: Mailbox, connection: imaplib.IMAP4, uid: str) -> None:
        self._box, self._connection, self._uid = box, connection, uid

    def seen(self) -> None:
        self._box.mark(self._connection, self._uid)


def _folder(name: str) -> str:
    """A folder's name as it stands between quotes: RFC 3501 has an UTF-7 of its own."""

    def coded(run: re.Match[str]) -> str:
        return f"&{b64encode(run[0].encode('utf-16-be', 'replace')).decode().rstrip('=').replace('/', ',')}-"

    coded_name = re.sub(r"[^\x20-\x7e]+", coded, name.replace("&", "&-"))
    return re.sub(r'(["\\])', r"\\\1", coded_name)


def _words(told: object) -> str:
    """What a server, or the system, said."""
    many = told if isinstance(told, list | tuple) else [told]
    texts = [one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in many if one]
    return clean_reply(" ".join(texts)).rstrip(".")
