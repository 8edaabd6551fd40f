"""What a loop counts and measures of itself."""

import asyncio
import functools
import os
import socket
import threading
import time

import pytest
from conftest import closing
from tls_support import client_context, server_context

import zloop

PAYLOAD = b"x" * 100_000


@pytest.fixture
def loop():
    with closing(zloop.new_event_loop()) as made:
        yield made


def difference(before, after):
    """The counters that grew, and by how much."""
    grown = {}
    for name, old, new in zip(zloop.Metrics._fields, before, after, strict=True):
        if isinstance(new, int) and new != old:
            grown[name] = new - old
    return grown


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def test_a_new_loop_has_counted_nothing(loop):
    metrics = loop.metrics()
    assert metrics == zloop.Metrics(*[0] * 10, *[None] * 4)
    with pytest.raises(AttributeError):
        metrics.turns = 1


def test_turns_and_callbacks(loop):
    def chain(left):
        if left:
            loop.call_soon(chain, left - 1)
        else:
            loop.stop()

    loop.call_soon(chain, 9)
    loop.run_forever()
    metrics = loop.metrics()
    assert metrics.callbacks == 10
    assert metrics.turns == 10
    assert 1 <= metrics.polls <= 10


def test_what_waits(loop):
    timers = [loop.call_later(3600, print) for _ in range(3)]
    loop.call_soon(print)
    assert (loop.metrics().timers, loop.metrics().ready) == (3, 1)
    timers[0].cancel()
    assert loop.metrics().timers == 2


def test_what_a_fatal_exception_left_was_not_run(loop):
    def fail():
        raise SystemExit

    for callback in (int, fail, int, int):
        loop.call_soon(callback)
    with pytest.raises(SystemExit):
        loop.run_forever()
    assert (loop.metrics().callbacks, loop.metrics().ready) == (2, 2)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_connections_and_bytes_of_streams(loop, tls):
    async def main():
        context = server_context() if tls else None
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
        before = loop.metrics()
        reader, writer = await asyncio.open_connection(
            *server.sockets[0].getsockname(),
            ssl=client_context() if tls else None,
            server_hostname="localhost" if tls else None,
        )
        writer.write(PAYLOAD)
        assert await reader.readexactly(len(PAYLOAD)) == PAYLOAD
        during = difference(before, loop.metrics())
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return during, loop.metrics()

    during, after = loop.run_until_complete(main())
    assert during["connections"] == during["connections_made"] == 2
    for name in ("bytes_received", "bytes_sent"):
        if tls:
            assert 2 * len(PAYLOAD) < during[name] < 3 * len(PAYLOAD)
        else:
            assert during[name] == 2 * len(PAYLOAD)
    assert (after.connections, after.connections_made) == (0, 2)


def test_bytes_of_a_buffered_protocol(loop):
    class Buffered(asyncio.BufferedProtocol):
        def get_buffer(self, sizehint):
            self.buffer = bytearray(16)
            return self.buffer

        def buffer_updated(self, nbytes):
            received.set_result(bytes(self.buffer[:nbytes]))

    async def main():
        near, far = socket.socketpair()
        transport, _ = await loop.create_connection(Buffered, sock=near)
        far.send(b"hello")
        assert await received == b"hello"
        transport.close()
        await asyncio.sleep(0)
        far.close()

    received = loop.create_future()
    loop.run_until_complete(main())
    assert loop.metrics().bytes_received == 5


def test_bytes_of_sendfile(loop, tmp_path):
    async def main():
        near, far = socket.socketpair()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=near)
        far.setblocking(False)
        with path.open("rb") as file:
            sending = asyncio.create_task(loop.sendfile(transport, file))
            received = 0
            while received < len(PAYLOAD):
                received += len(await loop.sock_recv(far, 65536))
            assert await sending == len(PAYLOAD)
        transport.close()
        await asyncio.sleep(0)
        far.close()

    path = tmp_path / "file"
    path.write_bytes(PAYLOAD)
    loop.run_until_complete(main())
    assert loop.metrics().bytes_sent == len(PAYLOAD)


def test_bytes_of_datagrams(loop):
    class Counting(asyncio.DatagramProtocol):
        def datagram_received(self, data, addr):
            self.left -= 1
            if not self.left:
                all_there.set_result(None)

    async def main():
        receiver, protocol = await loop.create_datagram_endpoint(
            Counting, local_addr=("127.0.0.1", 0)
        )
        protocol.left = 20
        sender, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=receiver.get_extra_info("sockname")
        )
        for _ in range(20):
            sender.sendto(b"0123456789")
        await all_there
        sender.close()
        receiver.close()
        await asyncio.sleep(0)

    all_there = loop.create_future()
    loop.run_until_complete(main())
    metrics = loop.metrics()
    assert (metrics.bytes_sent, metrics.bytes_received, metrics.connections) == (200, 200, 0)


def test_bytes_of_pipes(loop):
    async def main():
        reading, writing = os.pipe()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        source, _ = await loop.connect_read_pipe(lambda: protocol, os.fdopen(reading, "rb", 0))
        sink, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(writing, "wb", 0))
        sink.write(PAYLOAD)
        sink.close()
        assert await reader.read() == PAYLOAD
        source.close()
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    metrics = loop.metrics()
    assert metrics.bytes_sent == metrics.bytes_received == len(PAYLOAD)


def test_registered_descriptors(loop):
    near, far = socket.socketpair()
    with near, far:
        loop.add_reader(near, print)
        loop.add_writer(far, print)
        assert loop.metrics().descriptors == 2
        loop.remove_writer(far)
        assert loop.metrics().descriptors == 1
        loop.remove_reader(near)


def test_times_are_there_only_when_asked_for(loop):
    async def main():
        await asyncio.sleep(0.01)

    loop.run_until_complete(main())
    assert loop.metrics().poll_seconds is None
    assert loop.metrics().longest_callback is None
    loop.set_metrics_timing(True)
    loop.run_until_complete(main())
    metrics = loop.metrics()
    assert metrics.poll_seconds > 0.005
    assert metrics.callback_seconds >= metrics.longest_callback_seconds > 0
    loop.set_metrics_timing(True)
    assert loop.metrics().poll_seconds == loop.metrics().callback_seconds == 0
    assert loop.metrics().longest_callback is None
    loop.set_metrics_timing(False)
    loop.run_until_complete(main())
    assert loop.metrics().callback_seconds is None


@pytest.mark.parametrize("debug", [False, True])
def test_the_longest_callback_and_its_name(loop, debug):
    def sleep(seconds):
        time.sleep(seconds)

    loop.set_debug(debug)
    loop.slow_callback_duration = 10
    loop.set_metrics_timing(True)
    loop.call_soon(sleep, 0.001)
    loop.call_soon(functools.partial(sleep, 0.05))
    loop.call_soon(sleep, 0.002)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    metrics = loop.metrics()
    assert metrics.longest_callback.endswith(
        "test_the_longest_callback_and_its_name.<locals>.sleep"
    )
    assert metrics.longest_callback_seconds >= 0.05
    assert metrics.callback_seconds >= 0.053


async def _sleep_hard():
    time.sleep(0.05)


class SlowProtocol(asyncio.Protocol):
    def data_received(self, data):
        time.sleep(0.05)
        asyncio.get_running_loop().stop()


def test_a_task_is_named_with_its_coroutine(loop):
    loop.set_metrics_timing(True)
    loop.run_until_complete(loop.create_task(_sleep_hard(), name="hard"))
    assert loop.metrics().longest_callback == "hard: _sleep_hard"


def test_a_transport_is_named_by_its_protocol(loop):
    near, far = socket.socketpair()
    with far:
        coroutine = loop.create_connection(SlowProtocol, sock=near)
        transport, _ = loop.run_until_complete(coroutine)
        loop.set_metrics_timing(True)
        far.send(b"x")
        loop.run_forever()
        transport.abort()
        loop.run_until_complete(asyncio.sleep(0))
    assert loop.metrics().longest_callback == "SlowProtocol"


class Odd:
    """A callback that says nothing of itself."""

    def __getattr__(self, name):
        raise RuntimeError("no name")

    def __call__(self):
        time.sleep(0.05)


def test_a_name_that_cannot_be_had_does_no_harm(loop, monkeypatch):
    raised = []
    monkeypatch.setattr("sys.unraisablehook", lambda report: raised.append(report.exc_value))
    loop.set_metrics_timing(True)
    loop.call_soon(Odd())
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert [str(error) for error in raised] == ["no name"]
    assert loop.metrics().longest_callback_seconds >= 0.05


def test_any_thread_may_ask_and_a_closed_loop_too(loop):
    def ask():
        answers.append(loop.metrics())
        loop.call_soon_threadsafe(loop.stop)

    answers = []
    thread = threading.Thread(target=ask)
    loop.call_later(0, thread.start)
    loop.run_forever()
    thread.join()
    assert answers[0].turns > 0
    loop.close()
    assert loop.metrics().turns >= answers[0].turns
    assert loop.metrics().descriptors == 0


def test_timing_does_not_keep_what_it_names(loop):
    class Callback:
        def __call__(self):
            time.sleep(0.01)

        def __del__(self):
            gone.append(True)

    gone = []
    loop.set_metrics_timing(True)
    loop.call_soon(Callback())
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert gone == [True]
    assert "Callback" in loop.metrics().longest_callback
