"""Datagrams sent back to where they came from."""

from __future__ import annotations

import asyncio

from frame import SOCKET_LOAD, Announcer, LoopFactory, run_service, served


class Echo(asyncio.DatagramProtocol):
    """Sends each datagram back."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._send = transport.sendto  # type: ignore[attr-defined]

    def datagram_received(self, data: bytes, address: object) -> None:
        self._send(data, address)


@served(
    "UDP echo 1 KiB",
    unit="datagrams/s",
    goal=1.1,
    client=(*SOCKET_LOAD, "datagrams", "1024", "16"),
)
def udp_echo(factory: LoopFactory, announce: Announcer) -> None:
    async def start(loop: asyncio.AbstractEventLoop) -> int:
        transport, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
        port: int = transport.get_extra_info("sockname")[1]
        return port

    run_service(factory, announce, start)
