"""Reading by stream transports: pausing, the end, half-closed connections."""

from __future__ import annotations

import socket

import pytest
from transport_support import (
    MEGABYTE,
    Recorder,
    connected,
    finished,
    small_pair,
    tcp_pair,
    turns,
    until,
)


def test_pausing_and_resuming(loop):
    async def main():
        transport, protocol, peer = await connected()
        assert transport.is_reading()
        transport.pause_reading()
        transport.pause_reading()
        assert not transport.is_reading()
        await peer.send(b"held back")
        await turns()
        assert protocol.data == b""
        transport.resume_reading()
        transport.resume_reading()
        assert transport.is_reading()
        await until(lambda: protocol.data)
        assert protocol.data == b"held back"
        await finished(transport, protocol, peer)
        assert not transport.is_reading()
        transport.pause_reading()
        transport.resume_reading()

    loop.run_until_complete(main())


def test_pausing_in_connection_made(loop):
    class Reluctant(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.pause_reading()

    async def main():
        transport, protocol, peer = await connected(Reluctant())
        await peer.send(b"x")
        await turns()
        assert protocol.data == b""
        transport.resume_reading()
        await until(lambda: protocol.data)
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_pausing_in_data_received(loop):
    class Sipping(Recorder):
        def data_received(self, data):
            super().data_received(data)
            self.transport.pause_reading()

    async def main():
        transport, protocol, peer = await connected(Sipping(), pair=tcp_pair)
        await peer.send(b"x" * 10)
        await until(lambda: protocol.data)
        await peer.send(b"y" * 10)
        await turns()
        assert len(protocol.data) == 10
        transport.resume_reading()
        await until(lambda: len(protocol.data) == 20)
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_end_is_told_after_what_came_before(loop):
    async def main():
        transport, protocol, peer = await connected()
        transport.pause_reading()
        await peer.send(b"farewell")
        peer.sock.close()
        await turns()
        assert protocol.calls == ["made"]
        transport.resume_reading()
        assert await protocol.lost is None
        assert protocol.calls == ["made", "data", "eof", "lost"]
        assert protocol.data == b"farewell"

    loop.run_until_complete(main())


def test_half_closed_by_the_peer(loop):
    async def main():
        transport, protocol, peer = await connected(Recorder(keep_open=True))
        peer.sock.shutdown(socket.SHUT_WR)
        await until(lambda: "eof" in protocol.calls)
        await turns(20)
        assert protocol.calls == ["made", "eof"]
        assert not transport.is_closing()
        transport.write(b"x" * MEGABYTE)
        assert len(await peer.receive(MEGABYTE)) == MEGABYTE
        transport.close()
        assert await protocol.lost is None
        assert protocol.calls[-1] == "lost"
        assert await peer.receive(1) == b""
        peer.sock.close()

    loop.run_until_complete(main())


def test_half_closed_by_us(loop):
    async def main():
        transport, protocol, peer = await connected(pair=small_pair)
        assert transport.can_write_eof()
        transport.write(b"x" * MEGABYTE)
        transport.write_eof()
        transport.write_eof()
        for write in (lambda: transport.write(b"y"), lambda: transport.write(b"")):
            with pytest.raises(RuntimeError, match=r"^Cannot call write\(\) after write_eof\(\)$"):
                write()
        with pytest.raises(RuntimeError, match=r"^Cannot call writelines\(\) after write_eof\(\)$"):
            transport.writelines([b"y"])
        assert len(await peer.receive_all()) == MEGABYTE
        await peer.send(b"an answer")
        await until(lambda: protocol.data)
        assert protocol.data == b"an answer"
        assert not transport.is_closing()
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_ending_with_nothing_to_send(loop):
    async def main():
        transport, protocol, peer = await connected()
        transport.write_eof()
        assert await peer.receive(1) == b""
        await finished(transport, protocol, peer)
        transport.write_eof()

    loop.run_until_complete(main())
