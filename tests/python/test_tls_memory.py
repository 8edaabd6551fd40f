"""Connections that came and went leave nothing behind, whether their handshake was completed or not.

ZLOOP_TLS_CONNECTIONS sets how many there are.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import socket
import struct
import sys
from pathlib import Path

import pytest
from tls_support import ENGINES, Recorder, client_context, server_context

COUNT = int(os.environ.get("ZLOOP_TLS_CONNECTIONS", "2000"))
BATCH = 50
LIMIT = 60 + COUNT / 20
RESET = struct.pack("ii", 1, 0)


class Allocated(ctypes.Structure):
    """glibc's `struct mallinfo2`."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def native_bytes():
    """The bytes that are allocated by C and Rust, where the C library can tell; else the memory."""
    if ask := getattr(ctypes.CDLL(None), "mallinfo2", None):
        ask.restype = Allocated
        told = ask()
        return told.uordblks + told.hblkhd
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def in_use():
    gc.collect()
    return sys.getallocatedblocks(), native_bytes()


async def complete(address, context):
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_connection(
        Recorder, *address, ssl=context, server_hostname="localhost"
    )
    transport.write(b"hello")
    transport.close()
    await client.lost


async def give_up(address, sent, resets):
    """Begin a handshake, and leave in the middle of it."""
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, address)
        if sent:
            await loop.sock_sendall(sock, sent)
        await asyncio.sleep(0)
        if resets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


@pytest.mark.timeout(LIMIT)
@pytest.mark.parametrize("engine", ENGINES)
def test_memory_stays_flat(zloop_loop, engine):
    server_side, client_side = (make(ENGINES[engine]) for make in (server_context, client_context))
    gone = 0

    class Served(Recorder):
        def connection_lost(self, exc):
            super().connection_lost(exc)
            nonlocal gone
            gone += 1

    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Served, "127.0.0.1", 0, ssl=server_side)
        address = server.sockets[0].getsockname()
        beginnings = [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50)]
        beginnings.append(b"GET / HTTP/1.1\r\n\r\n")

        async def visit(count):
            for _ in range(count // BATCH):
                halves = BATCH // 2
                await asyncio.gather(
                    *(complete(address, client_side) for _ in range(halves)),
                    *(
                        give_up(address, beginnings[number % 4], number % 2)
                        for number in range(halves)
                    ),
                )
            while gone % (BATCH // 2):
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.05)

        await visit(max(500, COUNT // 10))
        blocks, size = in_use()
        await visit(COUNT)
        more_blocks, more = in_use()
        more_blocks, more = more_blocks - blocks, more - size
        print(f"{COUNT} connections by {engine}: {more_blocks} more blocks, {more} more bytes")
        # A connection holds tens of thousands of bytes, and a hundred of blocks.
        assert more_blocks < COUNT
        assert more < 100_000 + 100 * COUNT
        server.close()

    zloop_loop.run_until_complete(asyncio.wait_for(main(), LIMIT))


class Hesitant(asyncio.BufferedProtocol):
    """Answers each buffer before it goes on, so that more has always come than was read."""

    def __init__(self, wanted):
        self.buffer = bytearray(16 * 1024)
        self.wanted = wanted
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport

    def get_buffer(self, sizehint):
        return self.buffer

    def buffer_updated(self, nbytes):
        self.wanted -= nbytes
        self.transport.pause_reading()
        self.transport.write(b"ack")
        if self.wanted > 0:
            asyncio.get_running_loop().call_later(0.0005, self.transport.resume_reading)
        elif not self.done.done():
            self.done.set_result(None)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_reader_that_always_leaves_something_holds_little(zloop_loop, engine):
    server_side, client_side = (make(ENGINES[engine]) for make in (server_context, client_context))
    megabyte = bytes(1024 * 1024)

    class Feeding(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            for _ in range(48):
                transport.write(megabyte)

    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Feeding, "127.0.0.1", 0, ssl=server_side)
        address = server.sockets[0].getsockname()
        transport, reader = await loop.create_connection(
            lambda: Hesitant(40 * len(megabyte)),
            *address,
            ssl=client_side,
            server_hostname="localhost",
        )
        await asyncio.wait_for(reader.done, LIMIT)
        held = in_use()[1]
        transport.abort()
        server.close()
        await server.wait_closed()
        return held

    before = in_use()[1]
    assert zloop_loop.run_until_complete(main()) - before < 16 * len(megabyte)
