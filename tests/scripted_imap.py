"""A small IMAP server on a real socket: mails with flags, and another answer to a command where a test wants it."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from base64 import b64decode
from dataclasses import dataclass, field
from types import TracebackType

DROP = b""  # hang up


@dataclass
class ScriptedImap:
    """`with ScriptedImap([b"mail", …]) as server:`; `answers["FETCH"]` replaces what it says to a command."""

    mails: list[bytes]
    tls: ssl.SSLContext | None = None
    implicit: bool = False
    password: str = "sesame"
    seen: set[int] = field(default_factory=set)  # UIDs: a mail's place, and a hundred
    answers: dict[str, bytes] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    port: int = 0

    def __enter__(self) -> ScriptedImap:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                if self.implicit:
                    assert self.tls
                    connection = self.tls.wrap_socket(connection, server_side=True)
                self._talk(connection)
        except OSError:
            pass  # the client hung up, or did not trust us

    def _talk(self, connection: socket.socket) -> None:
        connection.sendall(self.answers.get("GREETING", b"* OK scripted\r\n"))
        lines = connection.makefile("rb")
        while line := lines.readline():
            tag, _, rest = line.strip().partition(b" ")
            if rest == b"AUTHENTICATE PLAIN":
                connection.sendall(b"+ \r\n")
                rest = b"LOGIN " + b64decode(lines.readline()).replace(b"\0", b" ")
            words = rest.decode("utf-8", "replace").removeprefix("UID ")
            self.commands.append(words)
            verb = words.split(" ")[0].upper()
            if verb in self.answers:
                if self.answers[verb] == DROP:
                    return
                connection.sendall(self.answers[verb].replace(b"TAG", tag))
                continue
            connection.sendall(self._answer(verb, words) + tag + b" " + self._ending(verb, words) + b"\r\n")
            if verb == "LOGOUT":
                return
            if verb == "STARTTLS":
                assert self.tls
                connection = self.tls.wrap_socket(connection, server_side=True)
                lines = connection.makefile("rb")

    def _answer(self, verb: str, words: str) -> bytes:
        uids = range(100, 100 + len(self.mails))
        if verb == "CAPABILITY":
            return b"* CAPABILITY IMAP4rev1" + (b" STARTTLS" if self.tls else b"") + b"\r\n"
        if verb == "SELECT":
            return b"* %d EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n" % len(self.mails)
        if verb == "SEARCH":
            return b"* SEARCH " + " ".join(str(one) for one in uids if one not in self.seen).encode() + b"\r\n"
        if verb == "FETCH":
            uid, most = map(int, re.findall(r"FETCH (\d+) \(BODY.PEEK\[\]<0\.(\d+)>\)", words)[0])
            if uid not in uids:
                return b""
            data = self.mails[uid - 100][:most]
            return b"* %d FETCH (UID %d BODY[]<0> {%d}\r\n%s)\r\n" % (uid - 99, uid, len(data), data)
        if verb == "STORE":
            self.seen.add(int(words.split(" ")[1]))
        return b""

    def _ending(self, verb: str, words: str) -> bytes:
        if verb == "LOGIN" and self.password not in words:
            return b"NO [AUTHENTICATIONFAILED] wrong password"
        return b"OK done"
