"""Flow control of stream transports."""

from __future__ import annotations

import asyncio
import sys

import pytest
from transport_support import (
    MEGABYTE,
    Peer,
    Recorder,
    connected,
    finished,
    small_pair,
    turns,
    until,
)


def test_limits(loop):
    async def main():
        transport, protocol, peer = await connected()
        assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
        transport.set_write_buffer_limits()
        assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
        transport.set_write_buffer_limits(1000)
        assert transport.get_write_buffer_limits() == (250, 1000)
        transport.set_write_buffer_limits(low=1000)
        assert transport.get_write_buffer_limits() == (1000, 4000)
        transport.set_write_buffer_limits(high=7, low=7)
        assert transport.get_write_buffer_limits() == (7, 7)
        transport.set_write_buffer_limits(high=0)
        assert transport.get_write_buffer_limits() == (0, 0)
        transport.set_write_buffer_limits(high=sys.maxsize)
        for high, low, told_low in ((1, 2, 2), (-1, None, -1), (-5, None, -2), (5, -1, -1)):
            message = rf"^high \({high}\) must be >= low \({told_low}\) must be >= 0$"
            with pytest.raises(ValueError, match=message):
                transport.set_write_buffer_limits(high=high, low=low)
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_limits_need_not_be_whole_numbers(loop):
    async def main():
        transport, protocol, peer = await connected(pair=small_pair)
        transport.set_write_buffer_limits(high=64 * 1024 * 1.5, low=1000.5)
        low, high = transport.get_write_buffer_limits()
        assert (int(low), high) == (1000, 98304)
        transport.set_write_buffer_limits(high=float("inf"), low=0)
        transport.write(b"x" * 1_000_000)
        assert protocol.calls == ["made"]
        transport.set_write_buffer_limits(high=10.5)
        assert protocol.calls == ["made", "pause"]
        for high in (-0.5, float("nan")):
            with pytest.raises(ValueError, match=rf"^high \({high}\) must be >= low"):
                transport.set_write_buffer_limits(high=high)
        with pytest.raises(TypeError, match=r"^'>=' not supported between instances of 'str' and"):
            transport.set_write_buffer_limits(low="x")
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_one_large_write_pauses_the_protocol_at_once(loop):
    """Several that are smaller may be gathered first, one is sent within the call as on asyncio."""

    async def main():
        transport, protocol, peer = await connected(pair=small_pair)
        transport.write(b"x" * 512 * 1024)
        assert protocol.calls == ["made", "pause"]
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


@pytest.mark.parametrize("high", [0, 1000, 100_000])
def test_protocol_is_paused_and_resumed_once(loop, high):
    async def main():
        transport, protocol, peer = await connected(pair=small_pair)
        transport.set_write_buffer_limits(high=high)
        low = transport.get_write_buffer_limits()[0]
        written = 0
        while "pause" not in protocol.calls:
            transport.write(b"x" * 1000)
            written += 1000
            paused = "pause" in protocol.calls
            assert paused == (transport.get_write_buffer_size() > high)
        transport.write(b"y" * 5000)
        assert protocol.calls == ["made", "pause"]
        while protocol.calls[-1] == "pause":
            assert transport.get_write_buffer_size() > low
            try:
                peer.sock.recv(1000)
            except BlockingIOError:
                await asyncio.sleep(0.001)
            await turns(3)
        assert transport.get_write_buffer_size() <= low
        assert protocol.calls == ["made", "pause", "resume"]
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_pause_comes_within_the_call_that_crosses_the_limit(loop):
    async def main():
        transport, protocol, peer = await connected(pair=small_pair)
        transport.set_write_buffer_limits(high=100)
        transport.write(b"x" * MEGABYTE)
        assert protocol.calls == ["made", "pause"]
        await finished(transport, protocol, peer)
        assert protocol.calls == ["made", "pause", "lost"]

    loop.run_until_complete(main())


def test_pause_by_asyncios_own_limits_comes_in_the_same_turn(loop):
    """What callbacks write is sent together; what does not fit by far is sent within the call."""

    async def main():
        transport, protocol, peer = await connected(pair=small_pair)
        transport.write(b"x" * 200_000)
        await asyncio.sleep(0)
        assert protocol.calls == ["made", "pause"]
        await finished(transport, protocol, peer)
        transport, protocol, peer = await connected(pair=small_pair)
        transport.write(b"x" * MEGABYTE)
        assert protocol.calls == ["made", "pause"]
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_lowering_the_limit_pauses(loop):
    async def main():
        transport, protocol, peer = await connected(pair=small_pair)
        transport.set_write_buffer_limits(high=2 * MEGABYTE)
        transport.write(b"x" * MEGABYTE)
        assert protocol.calls == ["made"]
        transport.set_write_buffer_limits(high=10)
        assert protocol.calls == ["made", "pause"]
        transport.set_write_buffer_limits(high=2 * MEGABYTE, low=2 * MEGABYTE)
        assert protocol.calls == ["made", "pause"]
        await peer.receive(1000)
        await until(lambda: protocol.calls == ["made", "pause", "resume"])
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_writing_in_resume_writing(loop):
    class Refilling(Recorder):
        rounds = 0

        def resume_writing(self):
            super().resume_writing()
            self.rounds += 1
            if self.rounds < 4:
                self.transport.write(b"%d" % self.rounds * 50_000)

    async def main():
        transport, protocol, peer = await connected(Refilling(), pair=small_pair)
        transport.set_write_buffer_limits(high=10_000)
        transport.write(b"0" * 50_000)
        expected = b"".join(b"%d" % number * 50_000 for number in range(4))
        assert await peer.receive(len(expected)) == expected
        assert protocol.calls == ["made", *["pause", "resume"] * 4]
        await finished(transport, protocol, peer)

    loop.run_until_complete(main())


def test_streams_wait_for_a_slow_reader(loop):
    async def main():
        ours, theirs = small_pair()
        reader, writer = await asyncio.open_connection(sock=ours)
        peer = Peer(theirs)

        async def produce():
            for number in range(200):
                writer.write(b"%04d" % number * 250)
                await writer.drain()

        producing = asyncio.create_task(produce())
        received = await peer.receive(200 * 1000)
        await producing
        assert received == b"".join(b"%04d" % number * 250 for number in range(200))
        writer.close()
        await writer.wait_closed()
        theirs.close()

    loop.run_until_complete(main())
