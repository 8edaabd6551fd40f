"""Watching descriptors: `add_reader`, `add_writer`, their removal, and descriptors that go away."""

from __future__ import annotations

import asyncio
import contextvars
import os
import re
import socket

import pytest

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.fixture
def pair():
    """Two connected sockets."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def run_for_a_while(loop: asyncio.AbstractEventLoop) -> None:
    """Run several turns, each of which looks at the descriptors."""
    for _ in range(5):
        loop.call_soon(loop.stop)
        loop.run_forever()


def nothing() -> None:
    """Be a callback."""


def test_what_watched_a_closed_descriptor_may_use_the_loop_when_it_goes(zloop_loop):
    loop = zloop_loop
    freed = []

    class Watching:
        def ready(self):
            pass

        def __del__(self):
            loop.call_soon(freed.append, loop.is_closed())

    async def main():
        left, right = socket.socketpair()
        near, far = socket.socketpair()
        number = left.fileno()
        loop.add_reader(number, Watching().ready)
        left.close()
        again = socket.socket(fileno=os.dup2(near.fileno(), number))
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=again)
        await asyncio.sleep(0)
        assert freed == [False]
        transport.close()
        await asyncio.sleep(0)
        for sock in (right, near, far):
            sock.close()

    loop.run_until_complete(main())


def test_reader_is_called_while_there_is_data(loop, pair):
    ours, theirs = pair
    got = []

    def read(*arguments):
        got.append((arguments, ours.recv(1)))
        if len(got) == 3:
            loop.stop()

    assert loop.add_reader(ours, read, "a", "b") is None
    theirs.send(b"xyz")
    loop.run_forever()
    assert got == [(("a", "b"), b"x"), (("a", "b"), b"y"), (("a", "b"), b"z")]
    run_for_a_while(loop)
    assert len(got) == 3
    assert loop.remove_reader(ours)
    theirs.send(b"more")
    run_for_a_while(loop)
    assert len(got) == 3


def test_writer_is_called_while_there_is_room(loop, pair):
    ours, _ = pair
    calls = []
    assert loop.add_writer(ours.fileno(), calls.append, 1) is None
    run_for_a_while(loop)
    assert calls == [1] * 5
    assert loop.remove_writer(ours.fileno())
    run_for_a_while(loop)
    assert calls == [1] * 5


def test_removal_says_whether_there_was_one(loop, pair):
    ours, theirs = pair
    loop.add_reader(ours, nothing)
    loop.add_writer(ours, nothing)
    assert loop.remove_reader(ours)
    assert not loop.remove_reader(ours)
    assert loop.remove_writer(ours)
    assert not loop.remove_writer(ours)
    assert not loop.remove_reader(theirs)
    assert not loop.remove_writer(theirs)


@pytest.mark.parametrize("side", ["reader", "writer"])
def test_socket_that_was_closed_while_watched_is_found_again(loop, pair, side):
    ours, theirs = pair
    add, remove = getattr(loop, f"add_{side}"), getattr(loop, f"remove_{side}")
    add(ours, nothing)
    ours.close()
    assert remove(ours)
    with pytest.raises(ValueError, match="Invalid file descriptor: -1"):
        remove(ours)
    theirs.close()
    with pytest.raises(ValueError, match="Invalid file descriptor: -1"):
        remove(theirs)


def test_each_side_of_a_closed_socket_is_found_again(zloop_loop, pair):
    ours, _ = pair
    zloop_loop.add_reader(ours, nothing)
    zloop_loop.add_writer(ours, nothing)
    ours.close()
    assert zloop_loop.remove_reader(ours)
    assert not zloop_loop.remove_reader(ours)
    assert zloop_loop.remove_writer(ours)


def test_closed_socket_is_not_taken_for_the_next_of_its_number(zloop_loop, pair):
    ours, theirs = pair
    number = ours.fileno()
    zloop_loop.add_reader(ours, nothing)
    ours.close()
    calls = []
    with socket.socket(fileno=os.dup(theirs.fileno())) as next_one:
        assert next_one.fileno() == number
        zloop_loop.add_writer(next_one, calls.append, 1)
        with pytest.raises(ValueError, match="Invalid file descriptor: -1"):
            zloop_loop.remove_reader(ours)
        run_for_a_while(zloop_loop)
        assert calls
        assert zloop_loop.remove_writer(next_one)


def test_closed_loop_finds_no_closed_socket(loop):
    ours, theirs = socket.socketpair()
    loop.add_reader(ours, nothing)
    ours.close()
    theirs.close()
    loop.close()
    assert not loop.remove_reader(ours)


@pytest.mark.parametrize("method", ["add_reader", "add_writer"])
def test_arguments_by_name(loop, pair, method):
    sock, _ = pair
    with pytest.raises(TypeError):
        getattr(loop, method)(sock, fd=sock, callback=print)
    with pytest.raises(TypeError):
        getattr(loop, method)(sock, callbacks=print)
    called = []
    watch = {"add_reader": loop.add_reader, "add_writer": loop.add_writer}[method]
    watch(callback=lambda *arguments: called.append(arguments), fd=sock)
    watch(sock, callback=lambda *arguments: called.append(arguments) or loop.stop())
    sock.shutdown(socket.SHUT_RDWR)
    loop.run_forever()
    assert called == [()]
    assert getattr(loop, method.replace("add", "remove"))(fd=sock)


def test_both_directions_of_one_descriptor(loop, pair):
    ours, theirs = pair
    order = []

    def read():
        order.append("reader")
        ours.recv(10)

    loop.add_reader(ours, read)
    loop.add_writer(ours, order.append, "writer")
    theirs.send(b"x")
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert order == ["reader", "writer"]
    loop.remove_writer(ours)
    theirs.send(b"x")
    run_for_a_while(loop)
    assert order == ["reader", "writer", "reader"]
    loop.remove_reader(ours)


def test_newer_callback_replaces_the_older(loop, pair):
    ours, theirs = pair
    calls = []
    loop.add_reader(ours, calls.append, "old")
    loop.add_reader(ours, lambda: (calls.append("new"), ours.recv(10)))
    loop.add_writer(ours, calls.append, "old writer")
    loop.add_writer(ours, lambda: loop.remove_writer(ours))
    theirs.send(b"x")
    run_for_a_while(loop)
    assert calls == ["new"]
    loop.remove_reader(ours)


def test_removal_inside_the_batch_holds_at_once(loop, pair):
    ours, theirs = pair
    calls = []

    def read(mine, other):
        calls.append(mine)
        loop.remove_reader(mine)
        loop.remove_reader(other)

    loop.add_reader(ours, read, ours, theirs)
    loop.add_reader(theirs, read, theirs, ours)
    ours.send(b"x")
    theirs.send(b"x")
    run_for_a_while(loop)
    assert len(calls) == 1


def test_failing_reader_stays_registered(loop, pair):
    ours, theirs = pair
    reports = []
    loop.set_exception_handler(lambda _, context: reports.append(context))

    def read():
        ours.recv(1)
        raise ZeroDivisionError

    loop.add_reader(ours, read)
    theirs.send(b"xy")
    run_for_a_while(loop)
    assert [type(report["exception"]) for report in reports] == [ZeroDivisionError] * 2
    assert all("Exception in callback" in report["message"] for report in reports)
    assert all(
        isinstance(report["handle"].get_context(), contextvars.Context) for report in reports
    )
    loop.remove_reader(ours)


def test_readers_run_in_the_context_of_their_registration(loop, pair):
    ours, theirs = pair
    seen = []

    def read():
        ours.recv(1)
        seen.append(variable.get())
        variable.set("kept between calls")

    variable.set("at registration")
    loop.add_reader(ours, read)
    variable.set("later")
    theirs.send(b"xy")
    run_for_a_while(loop)
    assert seen == ["at registration", "kept between calls"]
    loop.remove_reader(ours)


def test_hangup_calls_both(loop, pair):
    ours, theirs = pair
    calls = set()
    loop.add_reader(ours, calls.add, "reader")
    loop.add_writer(ours, calls.add, "writer")
    theirs.close()
    run_for_a_while(loop)
    assert calls == {"reader", "writer"}
    loop.remove_reader(ours)
    loop.remove_writer(ours)


@pytest.mark.parametrize("method", ["add_reader", "add_writer"])
def test_invalid_files(loop, method):
    add = getattr(loop, method)
    with pytest.raises(ValueError, match=r"^Invalid file descriptor: -1$"):
        add(-1, nothing)
    for wrong in ("x", None, 1.5, object):
        message = f"^{re.escape(f'Invalid file object: {wrong!r}')}$"
        with pytest.raises(ValueError, match=message):
            add(wrong, nothing)
    with socket.socket() as closed:
        pass
    with pytest.raises(ValueError, match=r"^Invalid file descriptor: -1$"):
        add(closed, nothing)
    with pytest.raises(OverflowError):
        add(2**40, nothing)
    with pytest.raises(TypeError):
        add(0)
    with pytest.raises(TypeError):
        add()


@pytest.mark.parametrize("method", ["remove_reader", "remove_writer"])
def test_removing_invalid_files(loop, method):
    remove = getattr(loop, method)
    with pytest.raises(ValueError, match=r"^Invalid file descriptor: -1$"):
        remove(-1)
    with pytest.raises(ValueError, match=r"^Invalid file object: 'x'$"):
        remove("x")
    with pytest.raises(TypeError):
        remove()


def test_fileno_that_raises(loop):
    class Broken:
        def fileno(self):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        loop.add_reader(Broken(), nothing)


def test_numbers_without_a_file(loop):
    with socket.socket() as sock:
        number = sock.fileno()
    with pytest.raises(OSError, match="Bad file descriptor"):
        loop.add_reader(number, nothing)
    assert not loop.remove_reader(number)
    with socket.socket() as sock:
        loop.add_reader(sock, nothing)
        assert loop.remove_reader(sock)


def test_regular_files_are_refused_and_forgotten(loop, tmp_path):
    path = tmp_path / "file"
    path.touch()
    with path.open() as file:
        for _ in range(2):
            with pytest.raises(PermissionError):
                loop.add_reader(file, nothing)
        assert not loop.remove_reader(file)


def test_descriptor_closed_under_its_reader(zloop_loop):
    run_for_a_while(zloop_loop)  # The loop's own descriptors shall not take the number.
    ours, theirs = socket.socketpair()
    number = ours.fileno()
    calls = []
    with theirs:
        zloop_loop.add_reader(ours, calls.append, 1)
        zloop_loop.add_writer(ours, calls.append, 2)
        ours.close()
        run_for_a_while(zloop_loop)
        assert calls == []
        assert zloop_loop.remove_writer(number)
        assert zloop_loop.remove_reader(number)
        assert not zloop_loop.remove_reader(number)


def test_reused_number_after_removal(loop):
    for _ in range(3):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours, theirs:
            got = []
            loop.add_reader(ours, lambda sock=ours, got=got: got.append(sock.recv(10)))
            theirs.send(b"x")
            run_for_a_while(loop)
            assert got == [b"x"]
            loop.remove_reader(ours)


@pytest.mark.parametrize("same_direction", [True, False])
def test_reused_number_without_removal(zloop_loop, same_direction):
    """A watcher of a descriptor that was closed must not hide the one that has its number now."""
    calls = []
    closed = socket.socket()
    number = closed.fileno()
    if same_direction:
        zloop_loop.add_reader(closed, calls.append, "stale")
    else:
        zloop_loop.add_writer(closed, calls.append, "stale")
    closed.close()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reused = ours if ours.fileno() == number else theirs
        other = theirs if reused is ours else ours
        assert reused.fileno() == number
        zloop_loop.add_reader(reused, lambda: calls.append(reused.recv(10)))
        other.send(b"x")
        run_for_a_while(zloop_loop)
        assert b"x" in calls
        zloop_loop.remove_reader(number)
        zloop_loop.remove_writer(number)


def test_event_for_a_number_that_was_reused_in_the_batch_is_dropped(loop):
    """The first callback closes the second's descriptor and opens another with its number."""
    first, first_peer = socket.socketpair()
    second, second_peer = socket.socketpair()
    calls = []
    opened = []

    def close_second():
        first.recv(10)
        number = second.fileno()
        loop.remove_reader(second)
        second.close()
        opened.extend(socket.socketpair())
        reused = [sock for sock in opened if sock.fileno() == number]
        assert reused
        loop.add_reader(reused[0], calls.append, "reused")

    with first, first_peer, second, second_peer:
        loop.add_reader(first, close_second)
        loop.add_reader(second, calls.append, "second")
        first_peer.send(b"x")
        second_peer.send(b"x")
        run_for_a_while(loop)
        assert "reused" not in calls
        loop.remove_reader(first)
        for sock in opened:
            loop.remove_reader(sock)
            sock.close()


@pytest.mark.parametrize("method", ["add_reader", "add_writer", "remove_reader", "remove_writer"])
def test_transports_descriptors_are_refused(loop, method):
    async def main():
        ours, theirs = socket.socketpair()
        with theirs:
            transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
            arguments = (nothing,) if method.startswith("add") else ()
            number = ours.fileno()
            for file in (number, ours, transport.get_extra_info("socket")):
                message = rf"^File descriptor .*{number}.* is used by transport <"
                with pytest.raises(RuntimeError, match=message):
                    getattr(loop, method)(file, *arguments)
            transport.close()
            getattr(loop, method)(number, *arguments)
            loop.remove_reader(number)
            loop.remove_writer(number)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    loop.run_until_complete(main())


def test_reader_of_a_closing_transport_loses_none_of_its_data(loop, pair):
    ours, theirs = pair
    data = b"x" * 1_000_000

    async def main():
        lost = loop.create_future()

        class Protocol(asyncio.Protocol):
            def connection_lost(self, exc):
                lost.set_result(exc)

        transport, _ = await loop.create_connection(Protocol, sock=ours)
        transport.write(data)
        transport.close()
        told = loop.create_future()
        loop.add_reader(ours, lambda: told.set_result(ours.recv(1)))
        theirs.send(b"x")
        async with asyncio.timeout(30):
            assert await told == b"x"
            assert loop.remove_reader(ours)
            received = bytearray()
            while len(received) < len(data):
                received += await loop.sock_recv(theirs, len(data))
            assert await lost is None
            assert await loop.sock_recv(theirs, 1) == b""
        assert received == data
        assert ours.fileno() == -1

    loop.run_until_complete(main())


def test_reader_of_a_closing_datagram_transport_loses_none_of_its_data(loop, tmp_path):
    path = str(tmp_path / "socket")
    ours, theirs = (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2))
    theirs.bind(path)
    theirs.setblocking(False)
    count = 2000

    async def main():
        lost = loop.create_future()

        class Protocol(asyncio.DatagramProtocol):
            def connection_lost(self, exc):
                lost.set_result(exc)

        transport, _ = await loop.create_datagram_endpoint(Protocol, sock=ours)
        for number in range(count):
            transport.sendto(b"%d" % number, path)
        assert transport.get_write_buffer_size() > 0
        transport.close()
        loop.add_reader(ours.fileno(), nothing)
        async with asyncio.timeout(30):
            received = [int(await loop.sock_recv(theirs, 100)) for _ in range(count)]
            assert await lost is None
        assert received == list(range(count))
        assert ours.fileno() == -1

    with theirs:
        loop.run_until_complete(main())


def test_pipes_can_be_watched(loop):
    reading, writing = os.pipe()
    try:
        got = []
        loop.add_reader(reading, lambda: (got.append(os.read(reading, 10)), loop.stop()))
        os.write(writing, b"through a pipe"[:10])
        loop.run_forever()
        assert got == [b"through a "]
        loop.remove_reader(reading)
    finally:
        os.close(reading)
        os.close(writing)


def test_many_descriptors_at_once(loop):
    pairs = [socket.socketpair() for _ in range(300)]
    seen = set()

    def read(number):
        pairs[number][0].recv(10)
        seen.add(number)

    for number, (ours, theirs) in enumerate(pairs):
        loop.add_reader(ours, read, number)
        theirs.send(b"x")
    while len(seen) < len(pairs):
        run_for_a_while(loop)
    for ours, theirs in pairs:
        assert loop.remove_reader(ours)
        ours.close()
        theirs.close()


def test_watchers_may_stay_when_the_loop_is_closed(loop, pair):
    ours, _ = pair
    loop.add_reader(ours, nothing)
    loop.close()
    assert not loop.remove_reader(ours)


def test_debug_mode_shows_a_reader_that_removed_itself(loop, pair, caplog):
    ours, theirs = pair

    def callback():
        loop.remove_reader(ours)

    loop.set_debug(True)
    loop.slow_callback_duration = 0
    assert loop.add_reader(ours, callback) is None
    assert loop.add_writer(ours, loop.remove_writer, ours) is None
    theirs.send(b"x")
    run_for_a_while(loop)
    name = callback.__qualname__.replace(".", r"\.")
    shown = rf"^Executing <Handle cancelled {name}\(\) at \S+ created at \S+> took "
    assert any(re.match(shown, message) for message in caplog.messages)
