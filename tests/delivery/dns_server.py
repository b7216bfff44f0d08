"""A DNS server on this machine, over UDP, that answers for a few domains as it is told to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Zone = Mapping[str, str]  # domain → MX records, as in "10 mx.example.org., 20 …"; "", or one of these words
WORDS = {"nxdomain": dns.rcode.NXDOMAIN, "servfail": dns.rcode.SERVFAIL}


class DnsServer(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone, delay: float) -> None:
        self.zone, self.delay = zone, delay
        self.asked: Counter[str] = Counter()
        self.open = self.most_open = 0  # questions under way

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        domain = query.question[0].name.to_text(omit_final_dot=True).lower()
        self.asked[domain] += 1
        said = self.zone.get(domain, "nxdomain")
        if said == "silent":
            return
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        asyncio.get_running_loop().call_later(self.delay, self.answer, query, said, address)

    def answer(self, query: dns.message.Message, said: str, address: tuple[str, int]) -> None:
        self.open -= 1
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        if said in WORDS:
            reply.set_rcode(WORDS[said])
        elif said:
            records = [record.strip() for record in said.split(",")]
            reply.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "MX", *records))
        self.transport.sendto(reply.to_wire(), address)


@asynccontextmanager
async def dns_server(zone: Zone, delay: float = 0.0) -> AsyncIterator[tuple[DnsServer, dns.asyncresolver.Resolver]]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: DnsServer(zone, delay), local_addr=("127.0.0.1", 0)
    )
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = transport.get_extra_info("sockname")[1]
    try:
        yield server, resolver
    finally:
        transport.close()
