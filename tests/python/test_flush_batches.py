"""Many transports that write in one batch of callbacks: what they wrote is sent at once."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import textwrap
from contextlib import suppress

import pytest
from fault_support import reset
from kernel_support import has_io_uring
from transport_support import MEGABYTE, Recorder, accepted, receive, turns

COUNT = 40


@pytest.mark.parametrize("count", [1, 3, 4, 5, 40, 300])
@pytest.mark.parametrize("chunks", [1, 3])
def test_each_gets_what_was_written_to_it(loop, count, chunks):
    async def main():
        async with accepted(count) as (protocols, peers):
            for size in (1, 1000, 5000):
                for number, protocol in enumerate(protocols):
                    for chunk in range(chunks):
                        protocol.transport.write(bytes([number % 251, chunk]) * size)
                await turns(1)
                for number, peer in enumerate(peers):
                    wanted = b"".join(
                        bytes([number % 251, chunk]) * size for chunk in range(chunks)
                    )
                    assert receive(peer, len(wanted)) == wanted

    loop.run_until_complete(main())


def test_what_does_not_fit_follows(loop):
    """Some peers read nothing for a while, and others are written more than is sent at once."""

    async def main():
        async with accepted(COUNT) as (protocols, peers):
            size = 8 * MEGABYTE
            for protocol in protocols[:5]:
                protocol.transport.write(bytes(size))
            await turns()
            for number, protocol in enumerate(protocols):
                protocol.transport.write(bytes([number]) * 50_000)
            await turns()
            for number, peer in enumerate(peers):
                behind = size if number < 5 else 0
                received = await asyncio.to_thread(receive, peer, behind + 50_000)
                assert received == bytes(behind) + bytes([number]) * 50_000

    loop.run_until_complete(main())


@pytest.mark.parametrize("way", ["close", "reset"])
def test_peers_that_are_gone_are_lost(loop, way):
    async def main():
        async with accepted(COUNT) as (protocols, peers):
            for peer in peers[::2]:
                if way == "reset":
                    reset(peer)
                peer.close()
            for protocol in protocols:
                protocol.transport.write(b"answer")
            for peer in peers[1::2]:
                assert await asyncio.to_thread(receive, peer, 6) == b"answer"
            for protocol in protocols[::2]:
                protocol.transport.write(b"more")
                await protocol.lost

    loop.run_until_complete(main())


def test_closing_ends_once_all_is_sent(loop):
    async def main():
        async with accepted(COUNT) as (protocols, peers):
            for number, protocol in enumerate(protocols):
                protocol.transport.write(bytes([number]) * 1000)
                protocol.transport.close()
            for number, peer in enumerate(peers):
                assert await asyncio.to_thread(receive, peer, 2000) == bytes([number]) * 1000
            assert [await protocol.lost for protocol in protocols] == [None] * COUNT

    loop.run_until_complete(main())


def test_a_protocol_may_touch_the_others_while_they_are_sent(loop):
    """Being told to pause, it writes to one, closes another, and aborts a third."""
    protocols: list[Recorder] = []

    class Meddling(Recorder):
        met = False

        def pause_writing(self):
            if not self.met:
                self.met = True
                protocols[10].transport.write(b"!" * 100)
                protocols[11].transport.close()
                protocols[12].transport.abort()

    async def main():
        async with accepted(COUNT, Meddling) as (made, peers):
            protocols.extend(made)
            for protocol in protocols[:5]:
                protocol.transport.set_write_buffer_limits(high=0)
            for protocol in protocols:
                protocol.transport.write(b"x" * 1000)
            # What cannot be sent at once is what tells to pause.
            protocols[0].transport.write(bytes(8 * MEGABYTE))
            assert await asyncio.to_thread(receive, peers[9], 1000) == b"x" * 1000
            meant = b"x" * 1000 + b"!" * 100
            assert await asyncio.to_thread(receive, peers[10], 1100) == meant
            assert await asyncio.to_thread(receive, peers[11], 2000) == b"x" * 1000
            await protocols[12].lost
            await asyncio.to_thread(receive, peers[0], 1000 + 8 * MEGABYTE)

    loop.run_until_complete(main())


def fill(transport):
    """Leave a transport's socket no room."""
    number = os.dup(transport.get_extra_info("socket").fileno())
    with socket.socket(fileno=number) as copy:
        copy.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                copy.send(b"z" * 65536)


class Meeting(Recorder):
    """Calls back once it is told to pause."""

    meet = None

    def pause_writing(self):
        if self.meet is not None:
            meet, self.meet = self.meet, None
            meet()


def test_a_file_waits_for_what_is_written_within_the_batch(zloop_loop, tmp_path):
    """A protocol that is told of its send writes to another one, and sends a file over it."""
    path = tmp_path / "file"
    path.write_bytes(b"F" * 300_000)

    async def main():
        async with accepted(8, Meeting) as (protocols, peers):
            fill(protocols[0].transport)
            other = protocols[6].transport
            sending = []

            def meet():
                other.write(b"W" * 8_000_000)
                send = zloop_loop.sendfile(other, file, 0)
                sending.append(asyncio.Task(send, loop=zloop_loop, eager_start=True))

            protocols[0].meet = meet
            with path.open("rb") as file:
                protocols[0].transport.write(bytes(400_000))
                for protocol in protocols[1:]:
                    protocol.transport.write(b"b" * 101)
                received = await asyncio.to_thread(receive, peers[6], 8_300_101)
                await sending[0]
            assert received == b"b" * 101 + b"W" * 8_000_000 + b"F" * 300_000
            for protocol in protocols:
                protocol.transport.abort()

    zloop_loop.run_until_complete(main())


@pytest.mark.parametrize("way", ["write", "close"])
def test_the_first_error_is_told(zloop_loop, way):
    """A protocol that is told of its send writes to, or closes, another one, whose send failed."""

    async def main():
        async with accepted(8, Meeting) as (protocols, peers):
            fill(protocols[0].transport)
            other = protocols[6].transport
            ways = {"write": lambda: other.write(bytes(600_000)), "close": other.close}
            protocols[0].meet = ways[way]
            reset(peers[6])
            protocols[0].transport.write(bytes(400_000))
            for protocol in protocols[1:]:
                protocol.transport.write(b"b" * 101)
            assert isinstance(await protocols[6].lost, ConnectionResetError)
            for protocol in protocols:
                protocol.transport.abort()

    zloop_loop.run_until_complete(main())


PROGRAM = textwrap.dedent("""
    import asyncio, os, zloop

    COUNT = 20

    class Echo(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            self.transport.write(data)

    async def exchange(streams):
        for _, writer in streams:
            writer.write(b"hello")
        return [await reader.readexactly(5) for reader, _ in streams]

    async def begin():
        server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        streams = [await asyncio.open_connection(*address) for _ in range(COUNT)]
        return server, streams

    async def end(server, streams):
        for _, writer in streams:
            writer.close()
        server.close()

    with asyncio.Runner(loop_factory=zloop.new_event_loop) as runner:
        server, streams = runner.run(begin())
        for _ in range(3):
            assert runner.run(exchange(streams)) == [b"hello"] * COUNT
        links = {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                 if os.path.islink(f"/proc/self/fd/{fd}")}
        print("rings:", sum("io_uring" in link for link in links), flush=True)
        if (child := os.fork()) == 0:
            done = runner.run(exchange(streams)) == [b"hello"] * COUNT
            os._exit(0 if done else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert runner.run(exchange(streams)) == [b"hello"] * COUNT
        runner.run(end(server, streams))
""")


@pytest.mark.parametrize(("setting", "allowed"), [("0", False), ("1", True), (None, True)])
def test_a_ring_is_made_where_it_may_be(setting, allowed):
    environment = {name: value for name, value in os.environ.items() if name != "ZLOOP_IO_URING"}
    if setting is not None:
        environment["ZLOOP_IO_URING"] = setting
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"rings: {int(allowed and has_io_uring())}\n"
