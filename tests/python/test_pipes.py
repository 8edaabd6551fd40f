"""Transports over pipes, FIFOs, sockets and terminals."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import tty

import pytest


class Recorder(asyncio.Protocol):
    """Keeps what it is told, and lets tests wait for it."""

    def __init__(self):
        self.transport = None
        self.received = bytearray()
        self.events = []
        self.lost = asyncio.get_running_loop().create_future()
        self._changed = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport
        self.events.append("made")

    def data_received(self, data):
        self.received += data
        self._changed.set()

    def eof_received(self):
        self.events.append("eof")

    def pause_writing(self):
        self.events.append("pause")

    def resume_writing(self):
        self.events.append("resume")
        self._changed.set()

    def connection_lost(self, exc):
        self.events.append("lost")
        self.lost.set_result(exc)

    async def until(self, condition):
        async with asyncio.timeout(10):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
def pipe():
    """The two ends of a pipe, as unbuffered file objects."""
    read, write = os.pipe()
    with open(read, "rb", buffering=0) as reader, open(write, "wb", buffering=0) as writer:
        yield reader, writer


@pytest.fixture
def terminal():
    """The two ends of a pseudo-terminal in raw mode."""
    master, slave = os.openpty()
    tty.setraw(slave)
    with open(master, "r+b", buffering=0) as near, open(slave, "r+b", buffering=0) as far:
        yield near, far


def test_reading(loop, pipe):
    reader, writer = pipe

    async def main():
        transport, protocol = await loop.connect_read_pipe(Recorder, reader)
        assert protocol.transport is transport
        assert isinstance(transport, asyncio.ReadTransport)
        assert transport.get_extra_info("pipe") is reader
        assert not os.get_blocking(reader.fileno())
        writer.write(b"one, ")
        await protocol.until(lambda: protocol.received == b"one, ")
        writer.write(b"two")
        await protocol.until(lambda: protocol.received == b"one, two")
        writer.close()
        assert await protocol.lost is None
        assert protocol.events == ["made", "eof", "lost"]
        assert reader.closed

    loop.run_until_complete(main())


def test_writing(loop, pipe):
    reader, writer = pipe

    async def main():
        transport, protocol = await loop.connect_write_pipe(Recorder, writer)
        assert isinstance(transport, asyncio.WriteTransport)
        with pytest.raises(NotImplementedError):
            transport.pause_reading()
        assert transport.can_write_eof()
        for data in (b"bytes ", bytearray(b"bytearray "), memoryview(b"memoryview"), b""):
            transport.write(data)
        assert transport.get_write_buffer_size() == 0
        transport.write_eof()
        assert transport.is_closing()
        assert await protocol.lost is None
        assert reader.read() == b"bytes bytearray memoryview"
        assert writer.closed
        assert protocol.events == ["made", "lost"]

    loop.run_until_complete(main())


@pytest.mark.parametrize("size", [70_000, 5_000_000])
def test_much_data(loop, pipe, size):
    reader, writer = pipe
    data = bytes(range(250)) * (size // 250)

    async def main():
        reading, receiver = await loop.connect_read_pipe(Recorder, reader)
        writing, sender = await loop.connect_write_pipe(Recorder, writer)
        writing.write(data)
        assert writing.get_write_buffer_size() > 0
        writing.close()
        async with asyncio.timeout(20):
            assert await sender.lost is None
            assert await receiver.lost is None
        assert receiver.received == data
        assert sender.events == ["made", *(["pause", "resume"] if size > 200_000 else []), "lost"]
        assert reading.is_closing()

    loop.run_until_complete(main())


def test_flow_control(loop, pipe):
    reader, writer = pipe

    async def main():
        transport, protocol = await loop.connect_write_pipe(Recorder, writer)
        transport.set_write_buffer_limits(high=100, low=10)
        assert transport.get_write_buffer_limits() == (10, 100)
        while not transport.get_write_buffer_size():
            transport.write(b"x" * 60)
        transport.write(b"x" * 100)
        assert protocol.events == ["made", "pause"]
        os.set_blocking(reader.fileno(), False)
        reader.read(200_000)
        await protocol.until(lambda: "resume" in protocol.events)
        assert transport.get_write_buffer_size() == 0
        transport.close()
        await protocol.lost

    loop.run_until_complete(main())


def test_pausing_and_resuming(loop, pipe):
    reader, writer = pipe

    async def main():
        transport, protocol = await loop.connect_read_pipe(Recorder, reader)
        assert transport.is_reading()
        transport.pause_reading()
        transport.pause_reading()
        assert not transport.is_reading()
        writer.write(b"data")
        for _ in range(5):
            await asyncio.sleep(0)
        assert protocol.received == b""
        transport.resume_reading()
        transport.resume_reading()
        await protocol.until(lambda: protocol.received == b"data")
        transport.close()
        assert await protocol.lost is None
        assert not transport.is_reading()

    loop.run_until_complete(main())


def test_a_reader_that_leaves_ends_the_writer(loop, pipe):
    reader, writer = pipe

    async def main():
        _, protocol = await loop.connect_write_pipe(Recorder, writer)
        reader.close()
        assert await protocol.lost is None

    loop.run_until_complete(main())


def test_a_reader_that_leaves_data_unread_is_an_error(loop, pipe):
    reader, writer = pipe

    async def main():
        transport, protocol = await loop.connect_write_pipe(Recorder, writer)
        transport.write(b"x" * 1_000_000)
        reader.close()
        assert isinstance(await protocol.lost, BrokenPipeError)
        transport.write(b"late")

    loop.run_until_complete(main())


def test_abort(loop, pipe):
    reader, writer = pipe

    async def main():
        transport, protocol = await loop.connect_write_pipe(Recorder, writer)
        transport.write(b"x" * 1_000_000)
        transport.abort()
        assert transport.get_write_buffer_size() == 0
        assert await protocol.lost is None
        assert len(reader.read()) < 1_000_000

    loop.run_until_complete(main())


def test_a_fifo(loop, tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)

    async def main():
        near = open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0)  # noqa: SIM115
        far = open(path, "wb", buffering=0)  # noqa: SIM115
        _, receiver = await loop.connect_read_pipe(Recorder, near)
        writing, sender = await loop.connect_write_pipe(Recorder, far)
        writing.write(b"data")
        writing.close()
        await sender.lost
        await receiver.lost
        assert receiver.received == b"data"

    loop.run_until_complete(main())


def test_a_socket(loop):
    async def main():
        near, far = socket.socketpair()
        with far:
            reading, receiver = await loop.connect_read_pipe(Recorder, near)
            far.sendall(b"data")
            await receiver.until(lambda: receiver.received == b"data")
            reading.close()
            await receiver.lost
            assert near.fileno() == -1

    loop.run_until_complete(main())


def test_a_terminal(loop, terminal):
    near, far = terminal

    async def main():
        _, receiver = await loop.connect_read_pipe(Recorder, near)
        writing, sender = await loop.connect_write_pipe(Recorder, far)
        writing.write(b"data")
        await receiver.until(lambda: receiver.received == b"data")
        writing.close()
        assert await sender.lost is None
        # Linux has an error for a terminal whose other side is gone, which nobody is told of.
        assert isinstance(await receiver.lost, OSError)

    loop.run_until_complete(main())


def test_both_directions_of_one_descriptor(loop, terminal):
    near, far = terminal

    async def main():
        duplicate = open(near.fileno(), "wb", buffering=0, closefd=False)  # noqa: SIM115
        reading, receiver = await loop.connect_read_pipe(Recorder, near)
        writing, sender = await loop.connect_write_pipe(Recorder, duplicate)
        writing.write(b"to the far side")
        assert far.read(100) == b"to the far side"
        far.write(b"to the near side")
        await receiver.until(lambda: receiver.received == b"to the near side")
        writing.close()
        await sender.lost
        reading.close()
        await receiver.lost

    loop.run_until_complete(main())


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("connect_read_pipe", "Pipe transport is for pipes/sockets only."),
        ("connect_write_pipe", "Pipe transport is only for pipes, sockets and character devices"),
    ],
)
def test_a_regular_file_is_refused(loop, tmp_path, method, message):
    with (tmp_path / "file").open("w+b") as file:

        async def main():
            with pytest.raises(ValueError, match=message):
                await getattr(loop, method)(Recorder, file)

        loop.run_until_complete(main())
        assert not file.closed


def test_writing_what_is_no_bytes(loop, pipe):
    _, writer = pipe

    async def main():
        transport, protocol = await loop.connect_write_pipe(Recorder, writer)
        with pytest.raises(AssertionError, match="'text'"):
            transport.write("text")
        transport.close()
        await protocol.lost

    loop.run_until_complete(main())


def test_what_the_protocol_raises_is_reported(loop, pipe):
    reader, writer = pipe
    reports = []
    loop.set_exception_handler(lambda _, context: reports.append(context))

    class Raises(Recorder):
        def data_received(self, data):
            super().data_received(data)
            raise ZeroDivisionError(data)

    async def main():
        transport, protocol = await loop.connect_read_pipe(Raises, reader)
        writer.write(b"data")
        await protocol.until(lambda: protocol.received)
        assert not transport.is_closing()
        transport.close()
        await protocol.lost

    loop.run_until_complete(main())
    [report] = reports
    assert isinstance(report["exception"], ZeroDivisionError)
    assert report["message"].startswith("Exception in callback")


def test_another_protocol(loop, pipe):
    reader, writer = pipe

    async def main():
        transport, first = await loop.connect_read_pipe(Recorder, reader)
        second = Recorder()
        transport.set_protocol(second)
        assert transport.get_protocol() is second
        writer.write(b"data")
        await second.until(lambda: second.received == b"data")
        writer.close()
        await second.lost
        assert first.events == ["made"]

    loop.run_until_complete(main())


@pytest.mark.parametrize("method", ["connect_read_pipe", "connect_write_pipe"])
def test_an_unclosed_transport_warns(loop_factory, pipe, method):
    end = pipe[method == "connect_write_pipe"]
    loop = loop_factory()
    loop.run_until_complete(getattr(loop, method)(asyncio.Protocol, end))
    with pytest.warns(ResourceWarning, match="unclosed transport"):
        loop.close()
        del loop
        gc.collect()
    assert end.closed


def test_repr(zloop_loop, pipe):
    reader, writer = pipe

    async def main():
        reading, receiver = await zloop_loop.connect_read_pipe(Recorder, reader)
        writing, sender = await zloop_loop.connect_write_pipe(Recorder, writer)
        descriptor = reader.fileno()
        assert repr(reading) == f"<ReadPipeTransport fd={descriptor} polling>"
        assert repr(writing) == f"<WritePipeTransport fd={writer.fileno()} idle bufsize=0>"
        reading.close()
        assert repr(reading) == f"<ReadPipeTransport closing fd={descriptor} idle>"
        writing.close()
        await receiver.lost
        await sender.lost
        assert repr(reading) == f"<ReadPipeTransport closed fd={descriptor} closed>"

    zloop_loop.run_until_complete(main())


@pytest.mark.skipif(sys.platform != "linux", reason="counts references as Linux builds do")
def test_transports_are_freed(zloop_loop, pipe):
    import weakref

    reader, writer = pipe

    async def main():
        reading, receiver = await zloop_loop.connect_read_pipe(Recorder, reader)
        writer.close()
        await receiver.lost
        return weakref.ref(reading)

    reference = zloop_loop.run_until_complete(main())
    gc.collect()
    assert reference() is None


def test_a_descriptor_that_cannot_be_waited_for_is_reported(zloop_loop):
    reports = []
    zloop_loop.set_exception_handler(lambda _, context: reports.append(context))

    async def main():
        with open("/dev/null", "rb") as pipe:
            transport, protocol = await zloop_loop.connect_read_pipe(asyncio.Protocol, pipe)
            await asyncio.sleep(0)
            transport.close()
            await asyncio.sleep(0)
        (report,) = reports
        assert report["message"] == "Cannot wait for the descriptor of a transport"
        assert isinstance(report["exception"], PermissionError)
        assert (report["transport"], report["protocol"]) == (transport, protocol)

    zloop_loop.run_until_complete(main())
