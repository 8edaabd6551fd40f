"""Peers that reset, and descriptors that are closed under a transport."""

from __future__ import annotations

import asyncio
import errno
import os

import pytest
from fault_support import Protocol, connected, reset, tcp_pair, turns


def test_reset_while_reading(loop, reports):
    async def main():
        protocol = Protocol()
        ours, theirs = tcp_pair()
        await loop.create_connection(lambda: protocol, sock=ours)
        reset(theirs)
        assert isinstance(await protocol.lost, ConnectionResetError)
        assert protocol.calls == ["connection_made", "connection_lost"]

    loop.run_until_complete(main())
    assert reports == []


def test_reset_while_paused(loop, reports):
    async def main():
        protocol = Protocol()
        ours, theirs = tcp_pair()
        transport, _ = await loop.create_connection(lambda: protocol, sock=ours)
        transport.pause_reading()
        reset(theirs)
        await turns(20)
        assert protocol.calls == ["connection_made"]
        transport.resume_reading()
        assert isinstance(await protocol.lost, ConnectionResetError)

    loop.run_until_complete(main())
    assert reports == []


def test_reset_while_writing(loop, reports):
    async def main():
        protocol = Protocol()
        ours, theirs = tcp_pair()
        transport, _ = await loop.create_connection(lambda: protocol, sock=ours)
        transport.pause_reading()
        transport.write(b"x" * 32_000_000)
        assert transport.get_write_buffer_size() > 0
        reset(theirs)
        lost = await protocol.lost
        assert isinstance(lost, ConnectionResetError | BrokenPipeError)
        assert transport.get_write_buffer_size() == 0
        assert protocol.calls == ["connection_made", "pause_writing", "connection_lost"]

    loop.run_until_complete(main())
    assert reports == []


def test_writing_to_one_who_is_gone(loop, reports):
    async def main():
        protocol = Protocol()
        transport, theirs = await connected(protocol)
        transport.pause_reading()
        theirs.close()
        transport.write(b"x")
        assert isinstance(await protocol.lost, BrokenPipeError)
        assert protocol.calls == ["connection_made", "connection_lost"]

    loop.run_until_complete(main())
    assert reports == []


def test_half_closing_after_a_reset(loop):
    async def main():
        protocol = Protocol()
        ours, theirs = tcp_pair()
        transport, _ = await loop.create_connection(lambda: protocol, sock=ours)
        transport.pause_reading()
        reset(theirs)
        await turns()
        with pytest.raises(OSError) as raised:
            transport.write_eof()
        assert raised.value.errno == errno.ENOTCONN
        transport.write_eof()
        with pytest.raises(RuntimeError, match=r"^Cannot call write\(\) after write_eof\(\)$"):
            transport.write(b"x")
        transport.abort()
        await protocol.lost

    loop.run_until_complete(main())


def test_descriptor_closed_under_its_transport(zloop_loop):
    reports = []
    zloop_loop.set_exception_handler(lambda _, context: reports.append(context))

    async def main():
        protocol = Protocol()
        transport, theirs = await connected(protocol)
        os.close(transport.get_extra_info("socket").fileno())
        transport.write(b"x")
        lost = await protocol.lost
        assert lost.errno == errno.EBADF
        theirs.close()
        await turns(2)

    zloop_loop.run_until_complete(main())
    # Closing the socket fails as well.
    assert [report["exception"].errno for report in reports] == [errno.EBADF]
    assert zloop_loop.run_until_complete(asyncio.sleep(0, "goes on")) == "goes on"
