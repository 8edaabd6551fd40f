"""Connections that this side opens or takes over, and what their transports say."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import re
import socket
import struct
import sys
import warnings
from asyncio.trsock import TransportSocket

import pytest


class Recorder(asyncio.Protocol):
    """Remembers what it is told."""

    def __init__(self):
        self.transport = None
        self.data = b""
        self.events = []
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.events.append("made")

    def data_received(self, data):
        self.data += data

    def eof_received(self):
        self.events.append("eof")

    def connection_lost(self, exc):
        self.events.append("lost")
        self.lost.set_result(exc)


class Echo(asyncio.Protocol):
    """Sends back what comes."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


@contextlib.asynccontextmanager
async def echo_server(loop, host="127.0.0.1", **options):
    server = await loop.create_server(Echo, host, 0, **options)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()
        await server.wait_closed()


@contextlib.contextmanager
def refusing_address(host="127.0.0.1"):
    """An address that refuses connections for as long as the context lasts."""
    with socket.socket() as sock:
        sock.bind((host, 0))
        yield sock.getsockname()


def info(address, family=socket.AF_INET):
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address


def resolve_to(loop, addresses):
    async def getaddrinfo(*_, **__):
        return [info(address) for address in addresses]

    loop.getaddrinfo = getaddrinfo


def test_connection_goes_there_and_back(loop):
    async def main():
        async with echo_server(loop) as address:
            transport, protocol = await loop.create_connection(Recorder, *address)
            assert protocol.transport is transport
            assert protocol.events == ["made"]
            transport.write(b"hello")
            transport.write_eof()
            assert await protocol.lost is None
            assert protocol.data == b"hello"
            assert protocol.events == ["made", "eof", "lost"]
            assert transport.is_closing()

    loop.run_until_complete(main())


def test_extra_info(loop):
    async def main():
        async with echo_server(loop) as address:
            transport, protocol = await loop.create_connection(Recorder, *address)
            assert isinstance(transport, asyncio.Transport)
            sock = transport.get_extra_info("socket")
            assert isinstance(sock, TransportSocket)
            assert transport.get_extra_info("socket") is sock
            assert sock.family == socket.AF_INET
            assert sock.type == socket.SOCK_STREAM
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
            assert transport.get_extra_info("peername") == address
            assert transport.get_extra_info("sockname") == sock.getsockname()
            assert transport.get_extra_info("sslcontext") is None
            assert transport.get_extra_info("nonsense", "default") == "default"
            transport.close()
            await protocol.lost
            assert transport.get_extra_info("peername") == address

    loop.run_until_complete(main())


def test_repr_of_a_transport(loop):
    async def main():
        async with echo_server(loop) as address:
            transport, protocol = await loop.create_connection(Recorder, *address)
            fd = transport.get_extra_info("socket").fileno()
            name = type(transport).__name__
            text = f"<{name} fd={fd} read=polling write=<idle, bufsize=0>>"
            assert repr(transport) == text
            transport.pause_reading()
            assert repr(transport) == text.replace("polling", "idle")
            transport.close()
            assert repr(transport).startswith(f"<{name} closing fd={fd} ")
            await protocol.lost
            await asyncio.sleep(0)
            assert repr(transport).startswith(f"<{name} closed fd=")

    loop.run_until_complete(main())


def test_given_socket_is_taken_over(loop):
    async def main():
        async with echo_server(loop) as address:
            sock = socket.create_connection(address)
            transport, protocol = await loop.create_connection(Recorder, sock=sock)
            assert sock.gettimeout() == 0
            assert sock.fileno() != -1
            transport.close()
            await protocol.lost
            await asyncio.sleep(0)
            assert sock.fileno() == -1

    loop.run_until_complete(main())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "host and port was not specified and no sock specified"),
        ({"host": "h", "server_hostname": "h"}, "server_hostname is only meaningful with ssl"),
        ({"ssl": True}, "You must set server_hostname when using ssl without a host"),
        (
            {"host": "h", "ssl_handshake_timeout": 1},
            "ssl_handshake_timeout is only meaningful with ssl",
        ),
        (
            {"host": "h", "ssl_shutdown_timeout": 1},
            "ssl_shutdown_timeout is only meaningful with ssl",
        ),
    ],
)
def test_wrong_arguments(loop, options, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        loop.run_until_complete(loop.create_connection(asyncio.Protocol, **options))


def test_wrong_sockets(loop):
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram,
        socket.socket() as stream,
    ):
        message = r"^host/port and sock can not be specified at the same time$"
        with pytest.raises(ValueError, match=message):
            loop.run_until_complete(loop.create_connection(Recorder, "h", 1, sock=stream))
        message = f"^{re.escape(f'A Stream Socket was expected, got {datagram!r}')}$"
        with pytest.raises(ValueError, match=message):
            loop.run_until_complete(loop.create_connection(Recorder, sock=datagram))
        with pytest.raises(ValueError, match=message):
            loop.run_until_complete(loop.connect_accepted_socket(Recorder, datagram))
        message = f"^{re.escape(f'A UNIX Domain Stream Socket was expected, got {stream!r}')}$"
        with pytest.raises(ValueError, match=message):
            loop.run_until_complete(loop.create_unix_connection(Recorder, sock=stream))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no path and sock were specified"),
        ({"path": "p", "server_hostname": "h"}, "server_hostname is only meaningful with ssl"),
        ({"path": "p", "ssl": True}, "you have to pass server_hostname when using ssl"),
        (
            {"path": "p", "ssl_handshake_timeout": 1},
            "ssl_handshake_timeout is only meaningful with ssl",
        ),
    ],
)
def test_wrong_unix_arguments(loop, options, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        loop.run_until_complete(loop.create_unix_connection(asyncio.Protocol, **options))


def test_refused_connection(loop):
    with refusing_address() as address:
        message = re.escape(f"[Errno {errno.ECONNREFUSED}] Connect call failed {address}")
        with pytest.raises(ConnectionRefusedError, match=f"^{message}$"):
            loop.run_until_complete(loop.create_connection(asyncio.Protocol, *address))


@pytest.mark.parametrize("delay", [None, 0.25])
def test_several_refusals_are_told_together(loop, delay):
    with refusing_address() as first, refusing_address("127.0.0.2") as second:
        resolve_to(loop, [first, second])
        failures = [f"[Errno 111] Connect call failed {address}" for address in (first, second)]
        expected = re.escape(f"Multiple exceptions: {', '.join(failures)}")
        connecting = loop.create_connection(
            asyncio.Protocol, "a.name", 80, happy_eyeballs_delay=delay
        )
        with pytest.raises(OSError, match=f"^{expected}$"):
            loop.run_until_complete(connecting)

        connecting = loop.create_connection(
            asyncio.Protocol, "a.name", 80, happy_eyeballs_delay=delay, all_errors=True
        )
        with pytest.raises(ExceptionGroup, match=r"^create_connection failed") as raised:
            loop.run_until_complete(connecting)
        assert [str(error) for error in raised.value.exceptions] == failures


def test_refusals_that_look_the_same_are_told_once(loop):
    with refusing_address() as address:
        resolve_to(loop, [address, address])
        expected = re.escape(f"[Errno {errno.ECONNREFUSED}] Connect call failed {address}")
        with pytest.raises(ConnectionRefusedError, match=f"^{expected}$"):
            loop.run_until_complete(loop.create_connection(asyncio.Protocol, "a.name", 80))


def test_next_address_is_tried_after_a_refusal(loop):
    async def main():
        async with echo_server(loop) as address:
            with refusing_address() as refusing:
                resolve_to(loop, [refusing, address])
                transport, protocol = await loop.create_connection(Recorder, "a.name", 80)
                assert transport.get_extra_info("peername") == address
                transport.close()
                await protocol.lost

    loop.run_until_complete(main())


def test_name_without_addresses(loop):
    resolve_to(loop, [])
    with pytest.raises(OSError, match=r"^getaddrinfo\(\) returned empty list$"):
        loop.run_until_complete(loop.create_connection(asyncio.Protocol, "a.name", 80))


@pytest.mark.parametrize(
    ("interleave", "expected"),
    [
        (None, ["a", "b", "c", "x", "y"]),
        (1, ["a", "x", "b", "y", "c"]),
        (2, ["a", "b", "x", "c", "y"]),
        (3, ["a", "b", "c", "x", "y"]),
    ],
)
def test_interleaving(loop, interleave, expected):
    tried = []

    async def getaddrinfo(*_, **__):
        return [info((name, 1)) for name in "abc"] + [
            info((name, 1, 0, 0), socket.AF_INET6) for name in "xy"
        ]

    async def sock_connect(_, address):
        tried.append(address[0])
        raise OSError("refused")

    loop.getaddrinfo = getaddrinfo
    loop.sock_connect = sock_connect
    connecting = loop.create_connection(asyncio.Protocol, "a.name", 80, interleave=interleave)
    with pytest.raises(OSError, match="refused"):
        loop.run_until_complete(connecting)
    assert tried == expected


def hang_for(loop, hanging):
    """Have connecting to one address take forever; return what was tried."""
    tried = []
    connect = loop.sock_connect

    async def sock_connect(sock, address):
        tried.append(address)
        if address == hanging:
            await loop.create_future()
        await connect(sock, address)

    loop.sock_connect = sock_connect
    return tried


def test_slow_address_is_overtaken(loop):
    async def main():
        async with echo_server(loop) as address:
            slow = ("127.0.0.3", 1)
            resolve_to(loop, [slow, address])
            tried = hang_for(loop, slow)
            transport, protocol = await loop.create_connection(
                Recorder, "a.name", 80, happy_eyeballs_delay=0.01
            )
            assert tried == [slow, address]
            assert transport.get_extra_info("peername") == address
            transport.close()
            await protocol.lost

    loop.run_until_complete(main())


def test_failed_address_does_not_wait_for_the_delay(loop):
    async def main():
        async with echo_server(loop) as address:
            with refusing_address() as refusing:
                resolve_to(loop, [refusing, address])
                async with asyncio.timeout(30):
                    transport, protocol = await loop.create_connection(
                        Recorder, "a.name", 80, happy_eyeballs_delay=3600
                    )
                transport.close()
                await protocol.lost

    loop.run_until_complete(main())


def test_earlier_address_may_still_win(zloop_loop):
    loop = zloop_loop

    async def main():
        async with echo_server(loop) as address:
            hanging = ("127.0.0.3", 1)
            released = loop.create_future()
            connect = loop.sock_connect

            async def sock_connect(sock, target):
                if target == hanging:
                    released.set_result(None)
                    await loop.create_future()
                await released
                await connect(sock, target)

            loop.sock_connect = sock_connect
            resolve_to(loop, [address, hanging])
            transport, protocol = await loop.create_connection(
                Recorder, "a.name", 80, happy_eyeballs_delay=0.01
            )
            assert transport.get_extra_info("peername") == address
            transport.close()
            await protocol.lost

    loop.run_until_complete(main())


@pytest.mark.parametrize("delay", [None, 0.001])
def test_cancelled_connect_closes_its_sockets(loop, delay):
    async def main():
        addresses = [("127.0.0.3", 1), ("127.0.0.4", 1)]
        resolve_to(loop, addresses)
        trying = loop.create_future()

        async def sock_connect(_, address):
            if delay is None or address == addresses[-1]:
                trying.set_result(None)
            await loop.create_future()

        loop.sock_connect = sock_connect
        connecting = asyncio.create_task(
            loop.create_connection(asyncio.Protocol, "a.name", 80, happy_eyeballs_delay=delay)
        )
        await trying
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting

    loop.run_until_complete(main())


def test_race_with_eager_tasks(zloop_loop):
    zloop_loop.set_task_factory(asyncio.eager_task_factory)

    async def main():
        async with echo_server(zloop_loop) as address:
            with refusing_address() as refusing:
                resolve_to(zloop_loop, [refusing, address])
                transport, protocol = await zloop_loop.create_connection(
                    Recorder, "a.name", 80, happy_eyeballs_delay=0.01
                )
                transport.close()
                await protocol.lost

    zloop_loop.run_until_complete(main())


def test_local_address(loop):
    async def main():
        async with echo_server(loop) as address:
            transport, protocol = await loop.create_connection(
                Recorder, *address, local_addr=("127.0.0.2", 0)
            )
            assert transport.get_extra_info("sockname")[0] == "127.0.0.2"
            transport.close()
            await protocol.lost

    loop.run_until_complete(main())


def test_local_address_in_use(loop):
    with refusing_address() as address, socket.create_server(("127.0.0.1", 0)) as taken:
        connecting = loop.create_connection(
            asyncio.Protocol, *address, local_addr=taken.getsockname()
        )
        expected = re.escape(f"error while attempting to bind on address {taken.getsockname()!r}: ")
        with pytest.raises(OSError, match=f"{expected}.*address already in use$") as raised:
            loop.run_until_complete(connecting)
        assert raised.value.errno == errno.EADDRINUSE


def test_local_address_of_another_family(loop):
    with refusing_address() as address:

        async def getaddrinfo(host, port, **_):
            if host == "local":
                return [info(("::1", 0, 0, 0), socket.AF_INET6)]
            return [info(address)]

        loop.getaddrinfo = getaddrinfo
        connecting = loop.create_connection(asyncio.Protocol, "remote", 80, local_addr=("local", 0))
        expected = r"^no matching local address with family=.*AF_INET.* found$"
        with pytest.raises(OSError, match=expected):
            loop.run_until_complete(connecting)


def test_failing_factory_leaves_nothing_open(zloop_loop):
    def fail():
        raise ZeroDivisionError

    async def main():
        async with echo_server(zloop_loop) as address:
            with pytest.raises(ZeroDivisionError):
                await zloop_loop.create_connection(fail, *address)

    zloop_loop.run_until_complete(main())


def test_accepted_socket_is_served(loop):
    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            accepted, peer = listener.accept()
        with client:
            transport, _ = await loop.connect_accepted_socket(Echo, accepted)
            assert transport.get_extra_info("peername") == peer
            client.setblocking(False)
            await loop.sock_sendall(client, b"hello")
            assert await loop.sock_recv(client, 10) == b"hello"
            transport.close()
            assert await loop.sock_recv(client, 10) == b""

    loop.run_until_complete(main())


def test_unix_connection(loop, tmp_path):
    path = tmp_path / "socket"

    async def main():
        server = await loop.create_unix_server(Echo, path)
        transport, protocol = await loop.create_unix_connection(Recorder, path)
        assert transport.get_extra_info("peername") == str(path)
        transport.write(b"hello")
        transport.write_eof()
        await protocol.lost
        assert protocol.data == b"hello"
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())


def test_unix_connection_to_nowhere(loop, tmp_path):
    with pytest.raises(FileNotFoundError):
        loop.run_until_complete(
            loop.create_unix_connection(asyncio.Protocol, str(tmp_path / "nothing"))
        )


def test_peer_is_known_after_it_is_gone(loop):
    seen = []

    class Late(asyncio.Protocol):
        def connection_made(self, transport):
            seen.append(transport.get_extra_info("peername"))
            transport.abort()

    async def main():
        server = await loop.create_server(Late, "127.0.0.1", 0)
        client = socket.create_connection(server.sockets[0].getsockname())
        address = client.getsockname()
        # Linger of zero seconds: closing resets the connection, before it is accepted.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        async with asyncio.timeout(30):
            while not seen:
                await asyncio.sleep(0)
        assert seen == [address]
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())


def test_unclosed_transport_warns(loop_factory):
    loop = loop_factory()
    left, right = socket.socketpair()
    transport, _ = loop.run_until_complete(loop.create_connection(asyncio.Protocol, sock=left))
    loop.close()
    with right, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del transport, left, _
        gc.collect()
    messages = [str(warning.message) for warning in caught]
    assert [m for m in messages if m.startswith("unclosed transport <")], messages


def test_closed_socket_is_a_bad_descriptor(loop):
    async def main():
        sock = socket.socket()
        sock.close()
        with pytest.raises(OSError) as caught:
            await loop.connect_accepted_socket(asyncio.Protocol, sock)
        assert caught.value.errno == errno.EBADF


@pytest.fixture
def socket_without_connect(monkeypatch):
    """What programs do that allow connections to some hosts only."""

    def connect(self, address):
        raise PermissionError(f"no connection to {address[0]}")

    monkeypatch.setattr(socket.socket, "connect", connect)


def test_replaced_connect_is_called(loop, socket_without_connect):
    with pytest.raises(PermissionError, match="no connection to 127.0.0.1"):
        loop.run_until_complete(loop.create_connection(asyncio.Protocol, "127.0.0.1", 1))


def test_replaced_socket_class_is_used(loop, monkeypatch):
    class Refused(socket.socket):
        def __init__(self, *arguments, **keywords):
            raise PermissionError("no sockets here")

    async def main():
        monkeypatch.setattr(socket, "socket", Refused)
        await loop.create_connection(asyncio.Protocol, "127.0.0.1", 1)

    with pytest.raises(PermissionError, match="no sockets here"):
        loop.run_until_complete(main())


def test_connecting_is_audited(loop):
    address = ("127.0.0.1", 1)
    seen = []
    # A hook stays for as long as the process does.
    watching = True
    sys.addaudithook(lambda *event: seen.append(event) if watching else None)
    with pytest.raises(ConnectionRefusedError):
        loop.run_until_complete(loop.create_connection(asyncio.Protocol, *address))
    watching = False
    assert [arguments[1] for event, arguments in seen if event == "socket.connect"] == [address]


def test_connected_socket_made_when_asked_for(loop):
    async def main():
        async with echo_server(loop) as address:
            transport, protocol = await loop.create_connection(Recorder, *address)
            sock = transport.get_extra_info("socket")
            assert (sock.family, sock.type, sock.proto) == (
                socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
            )
            assert sock.gettimeout() == 0
            assert sock.getpeername() == transport.get_extra_info("peername") == address
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
            transport.close()
            await protocol.lost

    loop.run_until_complete(main())
