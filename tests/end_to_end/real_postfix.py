"""A Postfix of our own: its configuration, queue, mailboxes and ports in a temporary folder, all gone at the end.

Postfix must be started by root. So it is looked after by a process of its own, this file as a program, which is
called with sudo where the tests are not root's. It stops Postfix and removes the folder when its standard input
ends, thus also when the tests are killed.
"""

from __future__ import annotations

import base64
import json
import os
import pwd
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SBIN = "/usr/sbin:/usr/local/sbin:/sbin"
PATIENCE = 20.0  # seconds for whatever must happen soon
ROOM = 60_000_000  # bytes; 1,300 letters take a third of it


@dataclass(frozen=True)
class Wishes:
    """What the Postfix is to do. Every reply is what a server says, code, enhanced status and words."""

    user: str
    password: str
    domains: Sequence[str]  # whose mail goes into Maildirs
    mailboxes: Mapping[str, str]  # address → Maildir below `mail`; anybody else in `domains` is refused at RCPT
    refused: Mapping[str, str] = field(default_factory=dict)  # address → reply at RCPT
    full: Sequence[str] = ()  # of `mailboxes`: those into which its delivery agent can put nothing
    far: str = ""  # a domain whose mail is passed on to another server, which …
    far_refused: Mapping[str, str] = field(default_factory=dict)  # … says so at RCPT
    most_bytes: int = 10_000_000  # of a letter


class Postfix:
    """A running Postfix, as the tests see it."""

    def __init__(self, wishes: Wishes) -> None:
        """Raises `Unavailable`, where none can be started here."""
        if shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:{SBIN}") is None:
            raise Unavailable("no postfix (Debian: postfix)")
        as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        if as_root and not _works([*as_root, "true"]):
            raise Unavailable("Postfix must be started by root, and there is no sudo without a password")
        command = [*as_root, sys.executable, "-B", __file__]  # no byte code that is root's
        self._keeper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            said = self._ask(asdict(wishes))
        except BaseException:
            self.stop()
            raise
        self.port: int = said["port"]
        self.folder = Path(said["folder"])
        self.mail = self.folder / "mail"
        self.ca_file = self.folder / "ca.pem"
        self.log = self.folder / "mail.log"

    def _ask(self, question: object) -> Any:
        assert self._keeper.stdin
        assert self._keeper.stdout
        self._keeper.stdin.write(json.dumps(question) + "\n")
        self._keeper.stdin.flush()
        answer = self._keeper.stdout.readline()
        assert answer, "Postfix could not be started; what its keeper says stands above"
        return json.loads(answer)

    def wait_until_empty(self) -> None:
        """Until all that it took is delivered or has come back."""
        deadline = time.monotonic() + PATIENCE
        # Twice: a report may be written between the look at the one queue and the next.
        while left := self._ask("queue") or self._ask("queue"):
            assert time.monotonic() < deadline, f"{left} mails are still in the queue\n{self.words()}"
            time.sleep(0.05)

    def halt(self) -> None:
        """As at a crash, or an upgrade: nobody says goodbye."""
        self._ask("halt")

    def start(self) -> None:
        """After `halt`."""
        self._ask("start")

    def words(self) -> str:
        """The end of its log."""
        return self.log.read_text("utf-8", "replace")[-3000:]

    def delivered(self, box: str) -> list[bytes]:
        """The mails in a Maildir that nobody has read yet."""
        return [file.read_bytes() for file in sorted((self.mail / box / "new").glob("*"))]

    def stop(self) -> None:
        with suppress(BrokenPipeError):
            self._keeper.communicate()


def _works(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


class Unavailable(Exception):
    """There can be no Postfix here."""


# ---- the keeper, as root

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
multi_instance_enable = no
myhostname = mail.example.org
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
fast_flush_domains =
smtpd_peername_lookup = no
disable_dns_lookups = yes
recipient_delimiter = +
in_flow_delay = 0s
message_size_limit = {most_bytes}
smtpd_tls_security_level = encrypt
smtpd_tls_chain_files = {folder}/server.pem
smtpd_tls_loglevel = 0
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {folder}/auth
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = check_recipient_access texthash:{folder}/refused
virtual_mailbox_domains = {domains}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = texthash:{folder}/mailboxes
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
transport_maps = texthash:{folder}/transport
"""
# No chroot: its folders would have to be filled first. `full` is a delivery agent, such as Dovecot's, with a quota.
MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{far_port} inet n - n - - smtpd
  -o myhostname=mx.far.example.org
  -o smtpd_tls_security_level=none
  -o smtpd_sasl_auth_enable=no
  -o {{ smtpd_relay_restrictions = check_recipient_access texthash:{folder}/far, reject }}
  -o smtpd_recipient_restrictions=
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
full unix - n n - - pipe
  user=nobody argv=/bin/sh -c {{ echo "5.2.2 The mailbox is full"; cat >/dev/null; exit 77 }}
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class _Keeper:
    def __init__(self, folder: Path, wishes: Wishes) -> None:
        self.folder = folder
        self.port, far_port = _free_ports(2)
        uid = int(os.environ.get("SUDO_UID", "0")) or pwd.getpwnam("nobody").pw_uid  # Postfix takes no root for it
        gid = pwd.getpwuid(uid).pw_gid
        values = {
            "folder": folder,
            "port": self.port,
            "far_port": far_port,
            "most_bytes": wishes.most_bytes,
            "domains": ", ".join(wishes.domains),
            "uid": uid,
            "gid": gid,
        }
        folder.chmod(0o755)  # its daemons are not root
        for name, owner in (("etc", 0), ("queue", 0), ("data", pwd.getpwnam("postfix").pw_uid), ("mail", uid)):
            (folder / name).mkdir()
            os.chown(folder / name, owner, -1)
        self._write("etc/main.cf", MAIN.format(**values))
        self._write("etc/master.cf", MASTER.format(**values))
        self._table("mailboxes", wishes.mailboxes)
        self._table("refused", wishes.refused)
        self._table("far", wishes.far_refused)
        passed_on = {wishes.far: f"smtp:[127.0.0.1]:{far_port}"} if wishes.far else {}
        self._table("transport", {**passed_on, **dict.fromkeys(wishes.full, "full:")})
        self._certify()
        self._logins = _Logins(str(folder / "auth"), wishes.user, wishes.password)
        (folder / "auth").chmod(0o666)
        threading.Thread(target=self._logins.serve_forever, daemon=True).start()

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, "utf-8")

    def _table(self, name: str, rows: Mapping[str, str]) -> None:
        self._write(name, "".join(f"{key} {value}\n" for key, value in rows.items()))

    def _certify(self) -> None:
        import trustme

        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.folder / "ca.pem"))
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
            str(self.folder / "server.pem")
        )

    def start(self) -> None:
        environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{SBIN}"}
        command = ["postfix", "-c", str(self.folder / "etc"), "start"]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                if connection.recv(4) == b"220 ":
                    return
            if time.monotonic() > deadline:
                raise TimeoutError("Postfix does not answer")
            time.sleep(0.02)

    def queue(self) -> int:
        """Mails that it took and that are neither delivered nor returned."""
        number = 0
        for name in ("maildrop", "incoming", "active", "deferred", "hold"):
            for folder, _, files in os.walk(self.folder / "queue" / name):
                for file in files:
                    with suppress(FileNotFoundError):
                        # One that is not yet whole, of which nobody was told that it was taken, cannot be executed.
                        number += bool(os.stat(f"{folder}/{file}").st_mode & 0o100)
        return number

    def stop(self) -> None:
        """All of its processes are one group, the one of its master."""
        with suppress(OSError, ValueError):
            group = int((self.folder / "queue/pid/master.pid").read_text())
            for how in (signal.SIGTERM, signal.SIGKILL):
                os.killpg(group, how)
                deadline = time.monotonic() + 3
                while _is_alive(group) and time.monotonic() < deadline:
                    time.sleep(0.02)


def _is_alive(group: int) -> bool:
    """Whether a process of a group runs. One that has ended may stay as a zombie, which holds nothing."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, its_group = stat.read_text("utf-8", "replace").rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                return True
    return False


def _free_ports(number: int) -> list[int]:
    with suppress(OSError):
        probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
        ports = [one.getsockname()[1] for one in probes]
        for one in probes:
            one.close()
        return ports
    raise SystemExit("no free port")


class _Logins(socketserver.ThreadingUnixStreamServer):
    """Tells Postfix whether a login is right, in the protocol of Dovecot's authentication service (version 1.1)."""

    daemon_threads = True

    def __init__(self, path: str, user: str, password: str) -> None:
        super().__init__(path, _Login)
        self.right = f"\0{user}\0{password}".encode()
        self.user = user


class _Login(socketserver.StreamRequestHandler):
    server: _Logins

    def handle(self) -> None:
        self.wfile.write(
            b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00112233445566778899aabbccddeeff\nDONE\n"
        )
        for line in self.rfile:
            command, *words = line.decode().rstrip("\n").split("\t")
            if command != "AUTH":
                continue  # its version and number
            resp = next((one.removeprefix("resp=") for one in words if one.startswith("resp=")), "")
            right = base64.b64decode(resp) == self.server.right and "secured" in words
            answer = f"OK\t{words[0]}\tuser={self.server.user}\n" if right else f"FAIL\t{words[0]}\n"
            self.wfile.write(answer.encode())


def _place() -> str:
    """Where the folder goes: into memory, where there is enough, as Postfix waits for the disk at each mail."""
    with suppress(OSError):
        if shutil.disk_usage("/dev/shm").free >= ROOM and os.access("/dev/shm", os.W_OK):
            return "/dev/shm"
    return "/tmp"


def keep() -> None:
    folder = Path(tempfile.mkdtemp(prefix="digest-postfix-", dir=_place()))
    keeper = None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the tests' affair: they close our standard input
    try:
        keeper = _Keeper(folder, Wishes(**json.loads(sys.stdin.readline())))
        keeper.start()
        print(json.dumps({"port": keeper.port, "folder": str(folder)}), flush=True)
        deeds = {"queue": keeper.queue, "halt": keeper.stop, "start": keeper.start}
        for question in map(json.loads, sys.stdin):
            print(json.dumps(deeds[question]()), flush=True)
    except BaseException:
        with suppress(OSError):
            print((folder / "mail.log").read_text()[-3000:], file=sys.stderr)
        raise
    finally:
        if keeper:
            keeper.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    keep()
