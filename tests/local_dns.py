"""A name server of our own, on real sockets: answers from a zone, is silent, or fails, as the test has it."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from digest.dns import Resolver

SILENT, BROKEN = "silent", "broken"  # in place of records: no answer at all; SERVFAIL
Zone = Mapping[tuple[str, str], Sequence[str] | str]


def text(value: str) -> str:
    """A TXT record as a zone file has it, in strings of at most 255 characters."""
    return " ".join(f'"{value[start : start + 255]}"' for start in range(0, len(value), 255))


class NameServer:
    """`with NameServer({("example.org", "A"): ["192.0.2.1"]}) as server:`. Texts are given as they are read.

    A name that the zone does not have does not exist; one of which it has other records has none of this kind.
    """

    def __init__(self, zone: Zone) -> None:
        self.zone = dict(zone)
        self.asked: list[tuple[str, str, str]] = []  # name, kind, "udp" or "tcp"

    def __enter__(self) -> NameServer:
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        self._threads = [threading.Thread(target=one, daemon=True) for one in (self._serve_udp, self._serve_tcp)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._udp, self._tcp):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def resolver(self, patience: float = 4.0) -> Resolver:
        return Resolver(["127.0.0.1"], self.port, patience)

    def _serve_udp(self) -> None:
        with suppress(OSError):
            while True:
                wire, peer = self._udp.recvfrom(4096)
                if not wire:  # shut down
                    return
                query = dns.message.from_wire(wire)
                answer = self._answer(query, "udp")
                if answer is None:
                    continue
                found = answer.to_wire()
                if len(found) > 512:
                    answer = dns.message.make_response(query)
                    answer.flags |= dns.flags.TC
                    found = answer.to_wire()
                self._udp.sendto(found, peer)

    def _serve_tcp(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._tcp.accept()
                with connection, suppress(OSError):
                    (length,) = struct.unpack("!H", connection.recv(2))
                    answer = self._answer(dns.message.from_wire(connection.recv(length)), "tcp")
                    if answer is not None:
                        found = answer.to_wire()
                        connection.sendall(struct.pack("!H", len(found)) + found)

    def _answer(self, query: dns.message.Message, how: str) -> dns.message.Message | None:
        (question,) = query.question
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind, how))
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        records = self.zone.get((name, kind), [])
        if records == SILENT:
            return None
        if records == BROKEN:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif records:
            lines = [text(one) if kind == "TXT" else one for one in records]
            answer.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", kind, lines))
        elif not any(one == name or one.endswith(f".{name}") for one, _ in self.zone):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer
