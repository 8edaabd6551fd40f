"""Servers, and `asyncio.Server` on them."""

from __future__ import annotations

import asyncio
import errno
import logging
import re
import socket
import sys

import pytest

needs_3_13 = pytest.mark.skipif(sys.version_info < (3, 13), reason="new in Python 3.13")


class Greeter(asyncio.Protocol):
    """Greets, and remembers its transports in `made`."""

    made: list[asyncio.Transport]

    def __init__(self, made):
        self.made = made

    def connection_made(self, transport):
        self.made.append(transport)
        transport.write(b"hello")


async def greeted(address) -> None:
    """Connect, be greeted, and leave."""
    reader, writer = await asyncio.open_connection(*address[:2])
    assert await reader.readexactly(5) == b"hello"
    writer.close()
    await writer.wait_closed()


def server_on(loop, host="127.0.0.1", port=0, **options):
    made = []
    return loop.create_server(lambda: Greeter(made), host, port, **options)


def test_server_serves_and_closes(loop):
    async def main():
        server = await server_on(loop)
        assert isinstance(server, asyncio.Server)
        assert server.is_serving()
        assert server.get_loop() is loop
        (sock,) = server.sockets
        address = sock.getsockname()
        await asyncio.gather(*[greeted(address) for _ in range(20)])
        server.close()
        await server.wait_closed()
        assert not server.is_serving()
        assert server.sockets == ()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)

    loop.run_until_complete(main())


def test_server_may_start_later(loop):
    async def main():
        server = await server_on(loop, start_serving=False)
        assert not server.is_serving()
        await server.start_serving()
        await greeted(server.sockets[0].getsockname())
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())


def test_serving_until_cancelled(loop):
    async def main():
        server = await server_on(loop)
        serving = asyncio.create_task(server.serve_forever())
        await greeted(server.sockets[0].getsockname())
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert not server.is_serving()

    loop.run_until_complete(main())


def test_waiting_for_the_last_client(loop):
    async def main():
        made = []
        server = await loop.create_server(lambda: Greeter(made), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await reader.readexactly(5)
        server.close()
        waiting = asyncio.create_task(server.wait_closed())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not waiting.done()
        writer.close()
        await writer.wait_closed()
        await waiting

    loop.run_until_complete(main())


@needs_3_13
@pytest.mark.parametrize("end", ["close_clients", "abort_clients"])
def test_ending_all_clients(loop, end):
    async def main():
        made = []
        server = await loop.create_server(lambda: Greeter(made), "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        clients = [await asyncio.open_connection(*address) for _ in range(3)]
        for reader, _ in clients:
            await reader.readexactly(5)
        server.close()
        getattr(server, end)()
        await server.wait_closed()
        assert all(transport.is_closing() for transport in made)
        for reader, writer in clients:
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()

    loop.run_until_complete(main())


def test_several_hosts(loop):
    async def main():
        server = await server_on(loop, ["127.0.0.1", "127.0.0.2", "127.0.0.1"])
        addresses = [sock.getsockname() for sock in server.sockets]
        assert sorted(host for host, _ in addresses) == ["127.0.0.1", "127.0.0.2"]
        for address in addresses:
            await greeted(address)
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())


@pytest.mark.parametrize("host", [None, ""])
def test_all_addresses_of_both_families(loop, host):
    async def main():
        server = await server_on(loop, host)
        families = {sock.family for sock in server.sockets}
        assert socket.AF_INET in families
        for sock in server.sockets:
            if sock.family == socket.AF_INET6:
                assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            else:
                await greeted(("127.0.0.1", sock.getsockname()[1]))
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())


def test_given_socket(loop):
    async def main():
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        server = await loop.create_server(lambda: Greeter([]), sock=sock)
        assert sock.gettimeout() == 0
        await greeted(sock.getsockname())
        server.close()
        assert sock.fileno() == -1
        await server.wait_closed()

    loop.run_until_complete(main())


def test_socket_options(loop):
    async def main():
        server = await server_on(loop)
        (sock,) = server.sockets
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
        assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        server.close()
        server = await server_on(loop, reuse_address=False)
        (sock,) = server.sockets
        assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        server.close()

    loop.run_until_complete(main())


def test_reused_port(loop):
    async def main():
        first = await server_on(loop, reuse_port=True)
        port = first.sockets[0].getsockname()[1]
        second = await server_on(loop, port=port, reuse_port=True)
        await greeted(("127.0.0.1", port))
        first.close()
        second.close()
        await first.wait_closed()
        await second.wait_closed()

    loop.run_until_complete(main())


@needs_3_13
def test_keep_alive(loop):
    async def main():
        server = await server_on(loop, keep_alive=True)
        assert server.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        server.close()

    loop.run_until_complete(main())


def test_port_in_use(loop):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
        reason = "address already in use"
        if sys.version_info >= (3, 13):
            reason = f"[errno {errno.EADDRINUSE}] {reason}"
        expected = re.escape(f"error while attempting to bind on address {address!r}: {reason}")
        with pytest.raises(OSError, match=f"{expected}$") as raised:
            loop.run_until_complete(server_on(loop, *address))
        assert raised.value.errno == errno.EADDRINUSE


@needs_3_13
def test_no_address_to_bind(loop):
    expected = r"^could not bind on any address out of \[\('192\.0\.2\.1', 0\)\]$"
    with pytest.raises(OSError, match=expected):
        loop.run_until_complete(server_on(loop, "192.0.2.1"))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, "Neither host/port nor sock were specified"),
        ({"host": "h", "ssl": True}, TypeError, "ssl argument must be an SSLContext or None"),
        (
            {"host": "h", "ssl_handshake_timeout": 1},
            ValueError,
            "ssl_handshake_timeout is only meaningful with ssl",
        ),
        (
            {"host": "h", "ssl_shutdown_timeout": 1},
            ValueError,
            "ssl_shutdown_timeout is only meaningful with ssl",
        ),
    ],
)
def test_wrong_arguments(loop, options, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        loop.run_until_complete(loop.create_server(asyncio.Protocol, **options))


def test_wrong_sockets(loop):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram, socket.socket() as stream:
        message = r"^host/port and sock can not be specified at the same time$"
        with pytest.raises(ValueError, match=message):
            loop.run_until_complete(loop.create_server(asyncio.Protocol, "h", sock=stream))
        message = f"^{re.escape(f'A Stream Socket was expected, got {datagram!r}')}$"
        with pytest.raises(ValueError, match=message):
            loop.run_until_complete(loop.create_server(asyncio.Protocol, sock=datagram))
        message = f"^{re.escape(f'A UNIX Domain Stream Socket was expected, got {stream!r}')}$"
        with pytest.raises(ValueError, match=message):
            loop.run_until_complete(loop.create_unix_server(asyncio.Protocol, sock=stream))


def test_failing_factory_does_not_end_the_server(zloop_loop):
    failures = 2

    def make():
        nonlocal failures
        if failures:
            failures -= 1
            raise ZeroDivisionError
        return Greeter([])

    reports = []
    zloop_loop.set_debug(True)
    zloop_loop.set_exception_handler(lambda _, context: reports.append(context))

    async def main():
        server = await zloop_loop.create_server(make, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        for _ in range(2):
            reader, writer = await asyncio.open_connection(*address)
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
        await greeted(address)
        server.close()
        await server.wait_closed()

    zloop_loop.run_until_complete(main())
    message = "Error on transport creation for incoming connection"
    assert [report["message"] for report in reports] == [message, message]
    assert all(isinstance(report["exception"], ZeroDivisionError) for report in reports)


async def greeted_over(path) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    assert await reader.readexactly(5) == b"hello"
    writer.close()
    await writer.wait_closed()


def test_unix_server(loop, tmp_path):
    path = tmp_path / "socket"

    async def main():
        server = await loop.create_unix_server(lambda: Greeter([]), path)
        await greeted_over(path)
        server.close()
        await server.wait_closed()
        assert path.exists() == (sys.version_info < (3, 13))

    loop.run_until_complete(main())


def test_stale_unix_socket_is_replaced(loop, tmp_path):
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))

    async def main():
        server = await loop.create_unix_server(lambda: Greeter([]), str(path))
        await greeted_over(path)
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())


def test_file_in_the_unix_sockets_place(loop, tmp_path):
    path = tmp_path / "file"
    path.touch()
    message = re.escape(f"[Errno {errno.EADDRINUSE}] Address {str(path)!r} is already in use")
    with pytest.raises(OSError, match=f"^{message}$"):
        loop.run_until_complete(loop.create_unix_server(asyncio.Protocol, str(path)))
    assert path.exists()


@needs_3_13
def test_unix_sockets_file_may_stay(loop, tmp_path):
    path = tmp_path / "socket"

    async def main():
        server = await loop.create_unix_server(asyncio.Protocol, path, cleanup_socket=False)
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())
    assert path.exists()


@needs_3_13
def test_anothers_unix_socket_is_not_removed(loop, tmp_path):
    path = tmp_path / "socket"

    async def main():
        first = await loop.create_unix_server(asyncio.Protocol, path)
        second = await loop.create_unix_server(lambda: Greeter([]), path)
        first.close()
        await first.wait_closed()
        await greeted_over(path)
        second.close()
        await second.wait_closed()

    loop.run_until_complete(main())
    assert not path.exists()


def test_abstract_unix_socket(loop):
    path = "\0zloop-test-" + str(id(loop))

    async def main():
        server = await loop.create_unix_server(lambda: Greeter([]), path)
        await greeted_over(path)
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, "path was not specified, and no sock specified"),
        ({"path": "p", "ssl": True}, TypeError, "ssl argument must be an SSLContext or None"),
        (
            {"path": "p", "ssl_handshake_timeout": 1},
            ValueError,
            "ssl_handshake_timeout is only meaningful with ssl",
        ),
    ],
)
def test_wrong_unix_arguments(loop, options, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        loop.run_until_complete(loop.create_unix_server(asyncio.Protocol, **options))


def test_listening_socket_is_not_the_users_to_watch(zloop_loop):
    async def main():
        server = await server_on(zloop_loop)
        for _ in range(3):
            await greeted(server.sockets[0].getsockname())
        server.close()
        server.close()
        await server.wait_closed()

    zloop_loop.run_until_complete(main())


def test_debug_mode_logs_connections(loop, caplog):
    async def main():
        made = loop.create_future()

        class Made(asyncio.Protocol):
            def connection_made(self, transport):
                made.set_result(transport)

        server = await loop.create_server(Made, "127.0.0.1", 0)
        with socket.create_connection(server.sockets[0].getsockname()) as client:
            address = client.getsockname()
            (await made).abort()
            await asyncio.sleep(0)
        server.close()
        await server.wait_closed()
        return address

    loop.set_debug(True)
    with caplog.at_level(logging.DEBUG, "asyncio"):
        address = loop.run_until_complete(main())
    start = "<Server sockets="
    middle = f" got a new connection from {address!r}: <"
    logged = [text for text in caplog.messages if text.startswith(start) and middle in text]
    assert len(logged) == 1
