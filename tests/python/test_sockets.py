"""The `sock_*` coroutines."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl

import pytest


@pytest.fixture
def pair():
    """Two connected non-blocking stream sockets."""
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        right.setblocking(False)
        yield left, right


@pytest.fixture
def datagram_pair():
    """Two non-blocking datagram sockets that are bound, and not connected."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as left,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as right,
    ):
        for sock in (left, right):
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
        yield left, right


@pytest.fixture
def listener():
    """A non-blocking listening socket."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.setblocking(False)
        yield sock


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("waits", [False, True])
def test_recv(loop, pair, waits):
    left, right = pair

    async def main():
        receiving = asyncio.create_task(loop.sock_recv(left, 10))
        if waits:
            await turns(3)
        await loop.sock_sendall(right, b"hello")
        assert await receiving == b"hello"
        right.close()
        assert await loop.sock_recv(left, 10) == b""

    loop.run_until_complete(main())


@pytest.mark.parametrize("waits", [False, True])
def test_recv_into(loop, pair, waits):
    left, right = pair

    async def main():
        buffer = bytearray(10)
        receiving = asyncio.create_task(loop.sock_recv_into(left, buffer))
        if waits:
            await turns(3)
        await loop.sock_sendall(right, b"hello")
        assert await receiving == 5
        assert buffer[:5] == b"hello"

    loop.run_until_complete(main())


@pytest.mark.parametrize("waits", [False, True])
def test_datagrams(loop, datagram_pair, waits):
    left, right = datagram_pair

    async def main():
        receiving = asyncio.create_task(loop.sock_recvfrom(left, 100))
        if waits:
            await turns(3)
        assert await loop.sock_sendto(right, b"hello", left.getsockname()) == 5
        assert await receiving == (b"hello", right.getsockname())

        buffer = bytearray(100)
        receiving = asyncio.create_task(loop.sock_recvfrom_into(left, buffer))
        if waits:
            await turns(3)
        await loop.sock_sendto(right, b"again", left.getsockname())
        assert await receiving == (5, right.getsockname())
        assert buffer[:5] == b"again"

        receiving = asyncio.create_task(loop.sock_recvfrom_into(left, buffer, 2))
        await loop.sock_sendto(right, b"cut", left.getsockname())
        assert await receiving == (2, right.getsockname())

    loop.run_until_complete(main())


def test_sendall_of_more_than_fits(loop, pair):
    left, right = pair
    data = bytes(range(256)) * 8192

    async def receive():
        received = bytearray()
        while len(received) < len(data):
            received += await loop.sock_recv(left, 65536)
        return received

    async def main():
        receiving = asyncio.create_task(receive())
        await loop.sock_sendall(right, memoryview(data))
        assert await receiving == data

    loop.run_until_complete(main())


def test_sendall_counts_bytes_not_items(zloop_loop, pair):
    left, right = pair
    data = memoryview(bytes(1 << 21)).cast("I")

    async def receive():
        received = 0
        while received < data.nbytes:
            received += len(await zloop_loop.sock_recv(left, 65536))
        return received

    async def main():
        receiving = asyncio.create_task(receive())
        await zloop_loop.sock_sendall(right, data)
        assert await receiving == data.nbytes

    zloop_loop.run_until_complete(main())


def test_sendall_reports_a_lost_peer(loop, pair):
    left, right = pair

    async def main():
        sending = asyncio.create_task(loop.sock_sendall(right, bytes(1 << 22)))
        await turns(3)
        left.close()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            await sending

    loop.run_until_complete(main())


def test_connect_and_accept(loop, listener):
    async def main():
        with socket.socket() as client:
            client.setblocking(False)
            accepting = asyncio.create_task(loop.sock_accept(listener))
            await turns(2)
            await loop.sock_connect(client, listener.getsockname())
            served, address = await accepting
            with served:
                assert served.gettimeout() == 0
                assert address == client.getsockname()
                await loop.sock_sendall(client, b"hello")
                assert await loop.sock_recv(served, 10) == b"hello"

    loop.run_until_complete(main())


def test_connect_resolves_names(loop, listener):
    port = listener.getsockname()[1]

    async def main():
        with socket.socket() as client:
            client.setblocking(False)
            await loop.sock_connect(client, ("localhost", port))
            assert client.getpeername() == ("127.0.0.1", port)

    loop.run_until_complete(main())


def test_refused_connect(loop):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = closed.getsockname()

        async def main():
            with socket.socket() as client:
                client.setblocking(False)
                await loop.sock_connect(client, address)

        expected = re.escape(f"[Errno {errno.ECONNREFUSED}] Connect call failed {address}")
        with pytest.raises(ConnectionRefusedError, match=rf"^{expected}$"):
            loop.run_until_complete(main())


def test_unix_connect_to_a_full_backlog_is_no_success(zloop_loop, tmp_path):
    path = str(tmp_path / "socket")

    async def main():
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen(0)
            with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
                first.setblocking(False)
                second.setblocking(False)
                await zloop_loop.sock_connect(first, path)
                assert first.getpeername() == path
                with pytest.raises(BlockingIOError):
                    await zloop_loop.sock_connect(second, path)

    zloop_loop.run_until_complete(main())


@pytest.mark.parametrize("delay", range(6))
def test_cancelled_recv_loses_nothing(zloop_loop, pair, delay):
    left, right = pair

    async def main():
        receiving = asyncio.create_task(zloop_loop.sock_recv(left, 10))
        await turns(2)
        right.send(b"x")
        await turns(delay)
        receiving.cancel()
        (received,) = await asyncio.gather(receiving, return_exceptions=True)
        if isinstance(received, asyncio.CancelledError):
            received = await zloop_loop.sock_recv(left, 10)
        assert received == b"x"

    zloop_loop.run_until_complete(main())


@pytest.mark.parametrize("delay", range(6))
def test_cancelled_accept_loses_nothing(zloop_loop, listener, delay):
    async def main():
        accepting = asyncio.create_task(zloop_loop.sock_accept(listener))
        await turns(2)
        with socket.create_connection(listener.getsockname()) as client:
            await turns(delay)
            accepting.cancel()
            (accepted,) = await asyncio.gather(accepting, return_exceptions=True)
            if isinstance(accepted, asyncio.CancelledError):
                accepted = await zloop_loop.sock_accept(listener)
            served, address = accepted
            with served:
                assert address == client.getsockname()

    zloop_loop.run_until_complete(main())


def test_cancelled_operation_stops_watching(loop, pair):
    left, right = pair

    async def main():
        receiving = asyncio.create_task(loop.sock_recv(left, 10))
        await turns(3)
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)
        assert not loop.remove_reader(left)
        sending = asyncio.create_task(loop.sock_sendall(right, bytes(1 << 22)))
        await turns(3)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        assert not loop.remove_writer(right)

    loop.run_until_complete(main())


def test_a_reader_takes_the_place_of_an_operation(loop, pair):
    left, right = pair
    called = []

    async def main():
        receiving = asyncio.create_task(loop.sock_recv(left, 10))
        await turns(3)
        loop.add_reader(left, lambda: called.append(left.recv(10)))
        right.send(b"x")
        while not called:
            await asyncio.sleep(0)
        await turns(3)
        assert not receiving.done()
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)
        assert loop.remove_reader(left)

    loop.run_until_complete(main())
    assert called == [b"x"]


def test_operations_wait_for_each_side_of_a_socket(loop, pair):
    left, right = pair
    size = 1 << 22

    async def main():
        sending = asyncio.create_task(loop.sock_sendall(left, bytes(size)))
        receiving = asyncio.create_task(loop.sock_recv(left, 10))
        await turns(3)
        await loop.sock_sendall(right, b"x")
        assert await receiving == b"x"
        assert not sending.done()
        received = 0
        while received < size:
            received += len(await loop.sock_recv(right, 65536))
        await sending

    loop.run_until_complete(main())


def test_operations_wait_by_the_loops_own_futures(loop, pair):
    left, right = pair
    made = []

    class Loop(type(loop)):
        def create_future(self):
            made.append(super().create_future())
            return made[-1]

    async def main():
        receiving = asyncio.create_task(asyncio.get_running_loop().sock_recv(left, 10))
        await turns(3)
        assert len(made) == 1
        right.send(b"x")
        assert await receiving == b"x"
        assert made[0].done()

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(main())


class DeafFuture(asyncio.Future):
    def set_result(self, result):
        raise ValueError("deaf")


def test_a_future_that_cannot_be_woken_is_reported(loop, pair):
    left, right = pair
    reports = []

    class Loop(type(loop)):
        def create_future(self):
            return DeafFuture(loop=self)

    async def main():
        running = asyncio.get_running_loop()
        running.set_exception_handler(lambda _, context: reports.append(context))
        receiving = asyncio.create_task(running.sock_recv(left, 10))
        await turns(3)
        right.send(b"x")
        while not reports:
            await asyncio.sleep(0)
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)
        assert not running.remove_reader(left)
        # Else the loop's end waits for another one.
        del Loop.create_future

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(main())
    assert str(reports[0]["exception"]) == "deaf"
    assert reports[0]["message"].startswith("Exception in callback ")


def test_the_last_of_two_operations_is_told(loop, pair):
    left, right = pair

    async def main():
        first = asyncio.create_task(loop.sock_recv(left, 10))
        await turns(3)
        second = asyncio.create_task(loop.sock_recv(left, 10))
        await turns(3)
        right.send(b"x")
        assert await second == b"x"
        assert not first.done()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        third = asyncio.create_task(loop.sock_recv(left, 10))
        await turns(3)
        right.send(b"y")
        assert await third == b"y"

    loop.run_until_complete(main())


@pytest.mark.parametrize("waits_before_close", [False, True])
def test_an_operation_may_outlive_its_loop(zloop_loop, pair, waits_before_close):
    left, _ = pair

    async def main():
        receiving = zloop_loop.sock_recv(left, 10)
        if waits_before_close:
            receiving.send(None)
        return receiving

    receiving = zloop_loop.run_until_complete(main())
    zloop_loop.close()
    receiving.close()


def operations(loop, sock):
    return [
        lambda: loop.sock_recv(sock, 1),
        lambda: loop.sock_recv_into(sock, bytearray(1)),
        lambda: loop.sock_recvfrom(sock, 1),
        lambda: loop.sock_recvfrom_into(sock, bytearray(1)),
        lambda: loop.sock_sendall(sock, b"x"),
        lambda: loop.sock_sendto(sock, b"x", ("127.0.0.1", 9)),
        lambda: loop.sock_connect(sock, ("127.0.0.1", 9)),
        lambda: loop.sock_accept(sock),
    ]


def test_debug_mode_refuses_blocking_sockets(loop):
    loop.set_debug(True)
    with socket.socket() as blocking:
        for operation in operations(loop, blocking):
            with pytest.raises(ValueError, match=r"^the socket must be non-blocking$"):
                loop.run_until_complete(operation())


def test_tls_sockets_are_refused(loop):
    context = ssl.create_default_context()
    context.check_hostname = False
    with context.wrap_socket(socket.socket()) as sock:
        for operation in operations(loop, sock):
            with pytest.raises(TypeError, match=r"^Socket cannot be of type SSLSocket$"):
                loop.run_until_complete(operation())


def test_transports_socket_is_refused(loop, pair):
    left, _ = pair

    async def main():
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=left)
        with pytest.raises(RuntimeError, match=r"^File descriptor .* is used by transport <"):
            await loop.sock_recv(left, 1)
        transport.close()
        await turns(2)

    loop.run_until_complete(main())
