"""Protocols of stream transports: changed ones, and buffered ones."""

from __future__ import annotations

import asyncio
import random

import pytest
from transport_support import MEGABYTE, BufferedRecorder, Recorder, connected, until


def test_set_protocol_mid_stream(loop):
    async def main():
        transport, first, peer = await connected()
        assert transport.get_protocol() is first
        await peer.send(b"one")
        await until(lambda: first.data)
        second = Recorder()
        second.calls.append("set")
        transport.set_protocol(second)
        assert transport.get_protocol() is second
        await peer.send(b"two")
        await until(lambda: second.data)
        buffered = BufferedRecorder()
        transport.set_protocol(buffered)
        await peer.send(b"three")
        await until(lambda: buffered.data)
        transport.set_protocol(second)
        peer.sock.close()
        assert await second.lost is None
        assert (first.data, second.data, buffered.data) == (b"one", b"two", b"three")
        assert first.calls == ["made", "data"]
        assert second.calls == ["set", "data", "eof", "lost"]
        assert buffered.sizes == {-1}

    loop.run_until_complete(main())


def test_set_protocol_inside_data_received(loop):
    class Handing(Recorder):
        def data_received(self, data):
            super().data_received(data)
            self.transport.set_protocol(self.next)

    async def main():
        transport, first, peer = await connected(Handing())
        first.next = second = Recorder()
        second.calls.append("set")
        await peer.send(b"one")
        await until(lambda: first.data)
        await peer.send(b"two")
        await until(lambda: second.data)
        transport.close()
        assert await second.lost is None
        assert not first.lost.done()
        peer.sock.close()

    loop.run_until_complete(main())


@pytest.mark.parametrize("size", [1, 7, 1000, 100_000])
def test_buffered_protocol(loop, size):
    async def main():
        protocol = BufferedRecorder(size)
        transport, _, peer = await connected(protocol)
        payload = random.Random(size).randbytes(min(size * 50, MEGABYTE))
        await peer.send(payload)
        peer.sock.close()
        assert await protocol.lost is None
        assert protocol.data == payload
        assert protocol.ended

    loop.run_until_complete(main())


@pytest.mark.parametrize(
    ("buffer", "error", "failed"),
    [
        (bytearray(), RuntimeError, "protocol.get_buffer() call failed"),
        (None, TypeError, "protocol.get_buffer() call failed"),
        (b"cannot be written", TypeError, "read error on socket transport"),
        ("text", TypeError, "read error on socket transport"),
        (memoryview(bytearray(10))[::2], TypeError, "read error"),
    ],
)
def test_wrong_buffers(loop, buffer, error, failed):
    reports = []
    loop.set_exception_handler(lambda _, context: reports.append(context))

    async def main():
        protocol = BufferedRecorder()
        protocol.buffer = buffer
        transport, _, peer = await connected(protocol)
        await peer.send(b"x")
        lost = await protocol.lost
        assert type(lost) is error
        if error is TypeError and buffer is not None:
            wanted = "recv_into() argument 1 must be read-write bytes-like object, not "
            assert str(lost) == wanted + type(buffer).__name__
        (report,) = reports
        assert report["message"].startswith("Fatal ")
        assert failed in report["message"]
        assert report["exception"] is lost
        assert report["transport"] is transport
        assert report["protocol"] is protocol
        peer.sock.close()

    loop.run_until_complete(main())


@pytest.mark.parametrize("end", ["close", "abort"])
def test_ending_inside_get_buffer(loop, end):
    class Ending(BufferedRecorder):
        def get_buffer(self, sizehint):
            getattr(self.transport, end)()
            return super().get_buffer(sizehint)

    async def main():
        protocol = Ending()
        transport, _, peer = await connected(protocol)
        protocol.transport = transport
        await peer.send(b"x")
        assert await protocol.lost is None
        assert not protocol.ended
        peer.sock.close()

    loop.run_until_complete(main())


def test_what_is_no_protocol_is_reported_by_its_class(loop, reports):
    async def main():
        transport, protocol, peer = await connected()
        transport.set_protocol(5)
        peer.sock.close()
        while len(reports) < 2:
            await asyncio.sleep(0)
        errors = [str(report["exception"]) for report in reports]
        assert errors == [
            "'int' object has no attribute 'eof_received'",
            "'int' object has no attribute 'connection_lost'",
        ]
        assert reports[1]["message"].startswith("Exception in callback ")

    loop.run_until_complete(main())
