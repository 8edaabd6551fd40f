"""What goes wrong: protocols that raise, full processes, peers that reset, misuse, forks."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import errno
import gc
import os
import pickle
import re
import resource
import socket
import sys
import threading

import pytest

import zloop
from zloop import _transport, _zloop


class Protocol(asyncio.Protocol):
    """A protocol that remembers what it was told, and fails where it is asked to."""

    def __init__(self, fails_in=None, error=ZeroDivisionError):
        self.fails_in = fails_in
        self.error = error
        self.calls: list[str] = []
        self.transport = None
        self.lost = asyncio.get_running_loop().create_future()

    def called(self, name):
        self.calls.append(name)
        if name == self.fails_in:
            self.fails_in = None
            raise self.error("on purpose")

    def connection_made(self, transport):
        self.transport = transport
        self.called("connection_made")

    def data_received(self, data):
        self.called("data_received")

    def eof_received(self):
        self.called("eof_received")

    def pause_writing(self):
        self.called("pause_writing")

    def resume_writing(self):
        self.called("resume_writing")

    def connection_lost(self, exc):
        self.lost.set_result(exc)
        self.called("connection_lost")


class Buffered(Protocol, asyncio.BufferedProtocol):
    """The same, with a buffer of its own."""

    def get_buffer(self, sizehint):
        self.called("get_buffer")
        return bytearray(100)

    def buffer_updated(self, nbytes):
        self.called("buffer_updated")


@pytest.fixture
def reports(loop):
    """What the exception handler was told."""
    told: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: told.append(context))
    return told


async def connected(protocol):
    """Make a transport over one end of a pair; return it with the other end."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    transport, _ = await asyncio.get_running_loop().create_connection(lambda: protocol, sock=ours)
    return transport, theirs


def tcp_pair():
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    return one, other


def reset(sock):
    """Close in a way that the other end sees as a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


async def until(condition):
    """Wait for what happens in the end; the test's time limit says when it does not."""
    while not condition():
        await asyncio.sleep(0.001)


async def turns(count=5):
    for _ in range(count):
        await asyncio.sleep(0)


async def exercise(protocol):
    """Have every method of the protocol called."""
    transport, theirs = await connected(protocol)
    theirs.send(b"x")
    await until(lambda: protocol.lost.done() or protocol.calls[-1] in RECEIVED)
    if not transport.is_closing():
        transport.set_write_buffer_limits(high=10)
        transport.write(b"x" * 100_000)
        received = 0
        while received < 100_000:
            received += len(await asyncio.get_running_loop().sock_recv(theirs, 100_000))
    theirs.close()
    return transport


RECEIVED = {"data_received", "buffer_updated"}


# Protocols that raise


def test_nothing_fails(loop, reports):
    async def main():
        protocol = Protocol()
        await exercise(protocol)
        assert await protocol.lost is None
        assert protocol.calls == [
            "connection_made",
            "data_received",
            "pause_writing",
            "resume_writing",
            "eof_received",
            "connection_lost",
        ]
        await turns(1)

    loop.run_until_complete(main())
    assert reports == []


@pytest.mark.parametrize(
    ("method", "made_by", "message"),
    [
        ("data_received", Protocol, "Fatal error: protocol.data_received() call failed."),
        ("eof_received", Protocol, "Fatal error: protocol.eof_received() call failed."),
        ("get_buffer", Buffered, "Fatal error: protocol.get_buffer() call failed."),
        ("buffer_updated", Buffered, "Fatal error: protocol.buffer_updated() call failed."),
    ],
)
@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError, GeneratorExit])
def test_failures_that_end_the_connection(loop, reports, method, made_by, message, error):
    async def main():
        protocol = made_by(fails_in=method, error=error)
        transport = await exercise(protocol)
        lost = await protocol.lost
        assert isinstance(lost, error)
        assert protocol.calls[-2:] == [method, "connection_lost"]
        await turns(1)
        (report,) = reports
        assert report == {
            "message": message,
            "exception": lost,
            "transport": transport,
            "protocol": protocol,
        }

    loop.run_until_complete(main())


def test_oserror_from_the_protocol_is_not_reported(loop, reports):
    async def main():
        protocol = Protocol(fails_in="data_received", error=ConnectionError)
        await exercise(protocol)
        assert isinstance(await protocol.lost, ConnectionError)
        await turns(1)

    loop.run_until_complete(main())
    assert reports == []


@pytest.mark.parametrize("method", ["pause_writing", "resume_writing"])
def test_failures_of_flow_control_are_reported_alone(loop, reports, method):
    async def main():
        protocol = Protocol(fails_in=method)
        transport = await exercise(protocol)
        assert await protocol.lost is None
        assert protocol.calls[-2:] == ["eof_received", "connection_lost"]
        await turns(1)
        (report,) = reports
        assert report["message"] == f"protocol.{method}() failed"
        assert isinstance(report["exception"], ZeroDivisionError)
        assert report["transport"] is transport
        assert report["protocol"] is protocol

    loop.run_until_complete(main())


@pytest.mark.parametrize("method", ["connection_made", "connection_lost"])
def test_failures_at_the_begin_and_the_end_are_reported_alone(loop, reports, method):
    async def main():
        protocol = Protocol(fails_in=method)
        await exercise(protocol)
        assert await protocol.lost is None
        await turns(1)
        assert protocol.calls[0] == "connection_made"
        assert protocol.calls[-1] == "connection_lost"
        assert "data_received" in protocol.calls
        (report,) = reports
        assert report["message"].startswith("Exception in callback ")
        assert isinstance(report["exception"], ZeroDivisionError)

    loop.run_until_complete(main())


METHODS = ["connection_made", "data_received", "eof_received", "connection_lost"]
BUFFERED_METHODS = ["get_buffer", "buffer_updated"]


@pytest.mark.parametrize("fatal", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("method", [*METHODS, *BUFFERED_METHODS])
def test_fatal_exceptions_leave_the_loop(loop, reports, method, fatal):
    async def begin():
        made_by = Buffered if method in BUFFERED_METHODS else Protocol
        return made_by(fails_in=method, error=fatal)

    protocol = loop.run_until_complete(begin())
    exercising = loop.create_task(exercise(protocol))
    with pytest.raises(fatal, match="on purpose"):
        loop.run_forever()
    assert reports == []
    # The loop and the connection go on.
    loop.run_until_complete(asyncio.wait_for(exercising, 30))
    assert loop.run_until_complete(asyncio.wait_for(finish(protocol), 30)) is None
    assert reports == []


async def finish(protocol):
    protocol.transport.abort()
    lost = await protocol.lost
    await turns(1)
    return lost


@pytest.mark.parametrize("fatal", [KeyboardInterrupt, SystemExit])
def test_fatal_exception_of_pause_writing_leaves_write(loop, fatal):
    async def main():
        protocol = Protocol(fails_in="pause_writing", error=fatal)
        transport, theirs = await connected(protocol)
        caught = []
        try:
            transport.write(b"x" * 1_000_000)
        except BaseException as error:
            caught.append(type(error))
        transport.abort()
        await protocol.lost
        theirs.close()
        assert caught == [fatal]

    loop.run_until_complete(main())


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_factory_of_a_client_raises(zloop_loop, error):
    def fail():
        raise error("on purpose")

    async def main():
        with socket.create_server(("127.0.0.1", 0)) as server:
            await zloop_loop.create_connection(fail, *server.getsockname())

    with pytest.raises(error):
        zloop_loop.run_until_complete(main())


@pytest.mark.parametrize("fatal", [KeyboardInterrupt, SystemExit])
def test_fatal_exception_of_a_servers_factory_leaves_the_loop(zloop_loop, fatal):
    def make():
        if not failed:
            failed.append(True)
            raise fatal("on purpose")
        return Protocol()

    failed = []
    server = zloop_loop.run_until_complete(zloop_loop.create_server(make, "127.0.0.1", 0))
    address = server.sockets[0].getsockname()
    with socket.create_connection(address) as client:
        with pytest.raises(fatal, match="on purpose"):
            zloop_loop.run_forever()
        client.settimeout(30)
        assert client.recv(1) == b""

    async def greet():
        reader, writer = await asyncio.open_connection(*address)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    zloop_loop.run_until_complete(greet())


# Resources


@pytest.fixture
def few_descriptors():
    """Let the process open no more than it has open now."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    filler = []

    def fill(spare):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(limits[0], 512), limits[1]))
        while True:
            try:
                filler.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                break
        for _ in range(spare):
            os.close(filler.pop())

    def empty():
        while filler:
            os.close(filler.pop())

    fill.empty = empty
    yield fill
    empty()
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_out_of_descriptors_while_accepting(loop, reports, few_descriptors):
    async def main():
        made = []

        def make():
            made.append(Protocol())
            return made[-1]

        server = await loop.create_server(make, "127.0.0.1", 0)
        (sock,) = server.sockets
        clients = [socket.socket() for _ in range(3)]
        few_descriptors(spare=1)
        for client in clients:
            client.setblocking(False)
            client.connect_ex(sock.getsockname())
        await until(lambda: reports)
        assert len(made) == 1
        report = reports[0]
        assert report["message"] == "socket.accept() out of system resource"
        assert report["exception"].errno == errno.EMFILE
        assert report["socket"].fileno() == sock.fileno()
        assert type(report["socket"]) is asyncio.trsock.TransportSocket
        few_descriptors.empty()
        await until(lambda: len(made) == 3)
        for client in clients:
            client.close()
        for protocol in made:
            await protocol.lost
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())


def test_server_closed_while_out_of_descriptors(loop, reports, few_descriptors):
    async def main():
        server = await loop.create_server(Protocol, "127.0.0.1", 0)
        with socket.socket() as client:
            few_descriptors(spare=0)
            client.setblocking(False)
            client.connect_ex(server.sockets[0].getsockname())
            await until(lambda: reports)
            server.close()
            few_descriptors.empty()
            await server.wait_closed()
            await turns()

    loop.run_until_complete(main())


def test_no_spinning_while_out_of_descriptors(zloop_loop, few_descriptors):
    reports = []
    zloop_loop.set_exception_handler(lambda _, context: reports.append(context))

    async def main():
        server = await zloop_loop.create_server(Protocol, "127.0.0.1", 0)
        with socket.socket() as client:
            few_descriptors(spare=0)
            client.setblocking(False)
            client.connect_ex(server.sockets[0].getsockname())
            await until(lambda: reports)
            for _ in range(20):
                await asyncio.sleep(0.001)
            assert len(reports) <= 2
            few_descriptors.empty()
            server.close()
            await server.wait_closed()

    zloop_loop.run_until_complete(main())


def test_no_descriptors_for_a_loop(few_descriptors):
    few_descriptors(spare=0)
    try:
        with pytest.raises(OSError) as raised:
            zloop.new_event_loop()
        assert raised.value.errno == errno.EMFILE
    finally:
        few_descriptors.empty()


# Servers


def test_server_closed_with_connections_waiting(loop):
    async def main():
        made = []
        server = await loop.create_server(lambda: made.append(1) or Protocol(), "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        clients = [socket.create_connection(address) for _ in range(5)]
        server.close()
        await turns(10)
        await asyncio.wait_for(server.wait_closed(), 30)
        for client in clients:
            client.settimeout(30)
            with pytest.raises(ConnectionError):
                if client.recv(1) == b"":
                    raise ConnectionResetError
            client.close()
        assert made == []

    loop.run_until_complete(main())


def test_server_closed_by_its_factory(zloop_loop):
    async def main():
        protocols = []

        def make():
            server.close()
            protocols.append(Protocol())
            return protocols[-1]

        server = await zloop_loop.create_server(make, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        clients = [socket.create_connection(address) for _ in range(3)]
        await until(lambda: protocols)
        await turns(10)
        assert not server.is_serving()
        for client in clients:
            client.close()
        for protocol in protocols:
            if protocol.transport is not None:
                await protocol.lost

    zloop_loop.run_until_complete(main())


def test_closing_everything_twice(loop):
    async def main():
        server = await loop.create_server(Protocol, "127.0.0.1", 0)
        protocol = Protocol()
        transport, _ = await loop.create_connection(
            lambda: protocol, *server.sockets[0].getsockname()
        )
        transport.close()
        transport.close()
        transport.abort()
        await protocol.lost
        await turns(2)
        transport.close()
        transport.abort()
        assert transport.is_closing()
        server.close()
        server.close()
        await server.wait_closed()
        await server.wait_closed()

    loop.run_until_complete(main())
    loop.close()
    loop.close()


# Peers that reset


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
        with contextlib.suppress(OSError):  # asyncio lets the system's ENOTCONN through.
            transport.write_eof()
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


# Re-entrancy


@pytest.mark.parametrize("method", METHODS)
def test_callbacks_cannot_close_or_run_the_loop(zloop_loop, method):
    errors = []

    class Meddling(Protocol):
        def called(self, name):
            super().called(name)
            if name != method:
                return
            for meddle in (zloop_loop.close, zloop_loop.run_forever, lambda: other.run_forever()):
                try:
                    meddle()
                except RuntimeError as error:
                    errors.append(str(error))

    other = type(zloop_loop)()

    async def main():
        protocol = Meddling()
        await exercise(protocol)
        assert await protocol.lost is None
        await turns(1)

    zloop_loop.run_until_complete(main())
    other.close()
    assert errors == [
        "Cannot close a running event loop",
        "This event loop is already running",
        "Cannot run the event loop while another loop is running",
    ]


def test_stopping_from_callbacks(loop):
    class Stopping(Protocol):
        def called(self, name):
            super().called(name)
            loop.stop()

    async def begin():
        protocol = Stopping()
        transport, theirs = await connected(protocol)
        return protocol, theirs

    task = loop.create_task(begin())
    task.add_done_callback(lambda _: loop.stop())
    while not task.done():
        loop.run_forever()
    protocol, theirs = task.result()
    theirs.send(b"x")
    theirs.close()
    for _ in range(20):
        if not protocol.lost.done():
            loop.run_forever()
    assert protocol.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]


def test_another_loop_may_run_in_another_thread(loop):
    results = []

    def in_thread():
        with asyncio.Runner(loop_factory=type(loop)) as runner:
            results.append(runner.run(asyncio.sleep(0.001, "other")))

    thread = threading.Thread(target=in_thread)

    async def main():
        thread.start()
        while thread.is_alive():
            await asyncio.sleep(0.001)

    loop.run_until_complete(main())
    assert results == ["other"]


def test_running_loop_is_protected_from_other_threads(loop):
    errors = []

    def in_thread():
        for meddle in (loop.close, loop.run_forever):
            try:
                meddle()
            except RuntimeError as error:
                errors.append(str(error))
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=in_thread)
    loop.call_soon(thread.start)
    loop.run_forever()
    thread.join()
    assert errors == ["Cannot close a running event loop", "This event loop is already running"]


def test_destructors_that_use_the_loop(loop):
    """Objects that die with a callback, a timer or a reader may call the loop again."""
    calls = []

    class Calling:
        def __call__(self):
            pass

        def __del__(self):
            loop.call_soon(calls.append, 1)
            loop.call_later(0, calls.append, 1).cancel()
            loop.remove_reader(reading.fileno())

    reading, writing = socket.socketpair()
    with reading, writing:
        loop.call_soon(Calling())
        loop.call_soon(Calling()).cancel()
        loop.call_later(0, Calling())
        loop.call_later(0, Calling()).cancel()
        loop.add_reader(reading, Calling())
        loop.add_reader(reading, Calling())
        loop.add_writer(reading, Calling())
        loop.remove_writer(reading)
        loop.remove_reader(reading)
        loop.call_later(0.002, loop.stop)
        loop.run_forever()
        loop.call_soon(loop.stop)
        loop.run_forever()
    assert len(calls) == 7


def test_destructors_that_use_a_loop_that_closes(loop):
    errors = []

    class Calling:
        def __call__(self):
            pass

        def __del__(self):
            try:
                loop.call_soon(print)
            except RuntimeError as error:
                errors.append(str(error))

    loop.call_soon(Calling())
    loop.call_later(100, Calling())
    reading, writing = socket.socketpair()
    with reading, writing:
        loop.add_reader(reading, Calling())
        loop.close()
    gc.collect()
    assert set(errors) <= {"Event loop is closed"}
    assert loop.is_closed()


# Misuse


def test_transport_of_a_closed_loop(zloop_loop):
    protocol = zloop_loop.run_until_complete(made_protocol())
    transport, theirs = zloop_loop.run_until_complete(connected(protocol))
    zloop_loop.close()
    with pytest.raises(RuntimeError, match=r"^Event loop is closed$"):
        transport.close()
    assert transport.is_closing()
    transport.close()
    transport.write(b"x")
    assert "closing" in repr(transport)
    theirs.close()
    protocol.transport = None
    with pytest.warns(ResourceWarning, match="unclosed transport"):
        del transport
        gc.collect()


async def made_protocol():
    return Protocol()


@pytest.mark.parametrize(
    "use",
    [
        lambda transport: transport.write(b"x"),
        lambda transport: transport.writelines([]),
        lambda transport: transport.write_eof(),
        lambda transport: transport.pause_reading(),
        lambda transport: transport.resume_reading(),
        lambda transport: transport.is_reading(),
        lambda transport: transport.close(),
        lambda transport: transport.abort(),
        lambda transport: transport.get_write_buffer_size(),
        lambda transport: transport.get_write_buffer_limits(),
        lambda transport: transport.get_extra_info("peername"),
        lambda transport: transport.can_write_eof(),
        lambda transport: repr(transport),
        lambda transport: transport.get_protocol(),
    ],
)
def test_finished_transport_can_be_used(loop, use):
    async def main():
        protocol = Protocol()
        transport, theirs = await connected(protocol)
        transport.abort()
        await protocol.lost
        await turns(2)
        use(transport)
        theirs.close()

    loop.run_until_complete(main())


NATIVE = [
    zloop.Loop,
    _zloop.Handle,
    _zloop.TimerHandle,
    _zloop.EventLoop,
    _zloop.StreamTransport,
    _zloop.DatagramTransport,
    _zloop.ReadPipeTransport,
    _zloop.WritePipeTransport,
    _transport.StreamTransport,
]


@pytest.mark.parametrize("native", NATIVE)
def test_instances_cannot_be_made_without_their_native_part(native):
    with pytest.raises(TypeError):
        object.__new__(native)
    for base in native.__mro__[1:]:
        if base.__new__ is not native.__new__:
            with pytest.raises(TypeError):
                base.__new__(native)


@pytest.mark.parametrize("native", [each for each in NATIVE if not issubclass(each, NATIVE[3])])
def test_callers_cannot_make_native_parts(native):
    with pytest.raises(TypeError):
        native()
    with pytest.raises(TypeError):
        native.__new__(native)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_loop_that_was_not_initialized():
    raw = _zloop.EventLoop.__new__(zloop.Loop)
    raw.call_soon(print)
    assert raw.is_closed() is False
    raw._close_native()
    assert raw.is_closed()
    bare = _zloop.EventLoop()
    bare.call_soon(bare.stop)
    bare._run()
    bare._close_native()
    with pytest.raises(RuntimeError, match="closed"):
        bare._run()


def test_methods_of_one_class_refuse_instances_of_another(zloop_loop):
    handle = zloop_loop.call_soon(print)
    timer = zloop_loop.call_later(10, print)
    for method, wrong in [
        (_zloop.Handle.cancel, timer),
        (_zloop.TimerHandle.cancel, handle),
        (_zloop.EventLoop.call_soon, handle),
        (_zloop.StreamTransport.write, zloop_loop),
    ]:
        with pytest.raises(TypeError):
            method(wrong, b"")
    handle.cancel()
    timer.cancel()


def test_native_objects_are_not_copied(zloop_loop):
    handle = zloop_loop.call_soon(print)
    timer = zloop_loop.call_later(10, print)
    for each in (handle, timer, zloop_loop):
        for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError):
                duplicate(each)
    timer.cancel()


def test_asyncios_constructor_does_no_harm_to_a_timer_handle(zloop_loop):
    timer = zloop_loop.call_later(10, print)
    with pytest.raises((TypeError, AttributeError)):
        asyncio.TimerHandle.__init__(timer, 5.0, print, (), zloop_loop)
    timer.cancel()
    assert timer.cancelled()


def test_handles_can_be_run_by_hand(loop):
    calls = []
    handle = loop.call_soon(calls.append, 1)
    handle._run()
    assert calls == [1]
    handle.cancel()


def test_wrong_use_of_the_private_engine(zloop_loop):
    for use in (
        lambda: zloop_loop._make_socket_transport(None, None),
        lambda: zloop_loop._make_socket_transport(socket, asyncio.Protocol()),
        lambda: zloop_loop._start_accepting(5, Protocol, None, 100),
        lambda: zloop_loop._stop_accepting(object()),
        lambda: zloop_loop._make_socket_transport(),
    ):
        with pytest.raises((TypeError, AttributeError)):
            use()


# Forks


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fork_in_a_running_loop(loop):
    """The child may run a loop of its own; the parent's goes on."""

    async def work():
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        theirs.send(b"x")
        assert await reader.readexactly(1) == b"x"
        writer.close()
        await writer.wait_closed()
        theirs.close()
        return 7

    async def main():
        child = os.fork()
        if child == 0:
            status = 1
            try:
                assert asyncio._get_running_loop() is None
                with asyncio.Runner(loop_factory=type(loop)) as runner:
                    status = runner.run(work())
            finally:
                os._exit(status)
        await work()
        await asyncio.sleep(0.001)
        _, status = await loop.run_in_executor(None, os.waitpid, child, 0)
        assert os.waitstatus_to_exitcode(status) == 7
        assert await work() == 7

    loop.run_until_complete(asyncio.wait_for(main(), 50))


def test_message_of_a_port_in_use(loop):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
        message = re.escape(f"error while attempting to bind on address {address!r}: ")
        with pytest.raises(OSError, match=message) as raised:
            loop.run_until_complete(loop.create_server(Protocol, *address))
        assert raised.value.errno == errno.EADDRINUSE
    server = loop.run_until_complete(loop.create_server(Protocol, *address))
    server.close()
    loop.run_until_complete(server.wait_closed())
    assert sys.exc_info() == (None, None, None)
