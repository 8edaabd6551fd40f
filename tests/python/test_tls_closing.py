"""How TLS connections end, and what goes wrong on the way, by both engines."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import re
import socket
import ssl
import struct
import threading

import pytest
from tls_support import ENGINES, LIMIT, Echo, Recorder, client_context, peer, server_context


def run(loop, coroutine):
    return loop.run_until_complete(asyncio.wait_for(coroutine, LIMIT))


@pytest.fixture(params=ENGINES)
def engine(request):
    return ENGINES[request.param]


async def connect(address, context, **options):
    loop = asyncio.get_running_loop()
    return await loop.create_connection(
        Recorder, *address, ssl=context, server_hostname="localhost", **options
    )


def accept(sock):
    """The server's side of a handshake."""
    return server_context().wrap_socket(sock, server_side=True, suppress_ragged_eofs=False)


def test_data_before_a_clean_end_is_delivered(loop, engine):
    def talk(sock):
        with accept(sock) as tls:
            tls.sendall(b"x" * 300_000)
            tls.unwrap().close()

    async def main(address):
        _, client = await connect(address, client_context(engine))
        assert await client.lost is None
        assert len(client.data) == 300_000
        assert client.told == ["made", "eof", "lost"]

    with peer(talk) as address:
        run(loop, main(address))


def test_data_before_the_transports_end_alone_is_delivered(loop, engine):
    def talk(sock):
        tls = accept(sock)
        tls.sendall(b"x" * 300_000)
        tls.shutdown(socket.SHUT_WR)
        assert tls.recv(100) == b"", "a peer that sent no close_notify gets none"
        tls.close()

    async def main(address):
        transport, client = await connect(address, client_context(engine))
        transport.pause_reading()
        await asyncio.sleep(0.05)
        transport.resume_reading()
        assert await client.lost is None
        assert len(client.data) == 300_000
        assert client.told == ["made", "eof", "lost"]

    with peer(talk) as address:
        run(loop, main(address))


def test_a_reset_is_told(loop, engine):
    def talk(sock):
        tls = accept(sock)
        tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        tls.close()

    async def main(address):
        _, client = await connect(address, client_context(engine))
        assert isinstance(await client.lost, ConnectionResetError)
        assert client.told == ["made", "lost"]

    with peer(talk) as address:
        run(loop, main(address))


def test_who_writes_until_the_transport_closes_hears_of_a_reset(loop, engine):
    is_asyncio = type(loop).__module__.startswith("asyncio")
    if is_asyncio and not hasattr(asyncio.sslproto.SSLProtocol, "_is_transport_closing"):
        pytest.skip("asyncio tells it since 3.12.8 and 3.13.1")
    gone = threading.Event()

    def talk(sock):
        tls = accept(sock)
        tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        tls.close()
        gone.set()

    async def main(address):
        transport, client = await connect(address, client_context(engine))
        assert gone.wait(LIMIT)
        # Without a turn of the loop, only a write that fails tells that the peer is gone.
        for _ in range(100):
            transport.write(b"x" * 1000)
        assert transport.is_closing()
        assert isinstance(await client.lost, OSError)

    with peer(talk) as address:
        run(loop, main(address))


def test_what_was_written_is_sent_before_the_end(loop, engine):
    received = []

    def talk(sock):
        with accept(sock) as tls:
            while data := tls.recv(65536):
                received.append(len(data))
            tls.unwrap().close()

    async def main(address):
        transport, client = await connect(address, client_context(engine))
        for _ in range(8):
            transport.write(b"x" * 1_000_000)
        transport.close()
        transport.write(b"lost")
        assert transport.is_closing()
        assert await client.lost is None
        assert sum(received) == 8_000_000

    with peer(talk) as address:
        run(loop, main(address))


def test_abort_drops_what_waits(loop, engine):
    def talk(sock):
        tls = accept(sock)
        assert tls.recv(1) == b"x"
        with pytest.raises((ssl.SSLError, OSError)):
            while tls.recv(65536):
                pass
            raise ssl.SSLError("the end was clean")
        tls.close()

    async def main(address):
        transport, client = await connect(address, client_context(engine))
        transport.write(b"x" * 10_000_000)
        transport.abort()
        assert await client.lost is None
        assert client.told == ["made", "lost"]

    with peer(talk) as address:
        run(loop, main(address))


def test_a_silent_peer_ends_the_handshake_in_time(loop, engine):
    def talk(sock):
        while sock.recv(65536):
            pass

    async def main(address):
        message = "SSL handshake is taking longer than 0.1 seconds: aborting the connection"
        with pytest.raises(ConnectionAbortedError, match=re.escape(message)):
            await connect(address, client_context(engine), ssl_handshake_timeout=0.1)

    with peer(talk) as address:
        run(loop, main(address))


def test_a_silent_peer_ends_closing_in_time(loop, engine):
    def talk(sock):
        tls = accept(sock)
        while tls.recv(65536):
            pass
        while socket.socket.recv(tls, 65536):
            pass
        tls.close()

    async def main(address):
        transport, client = await connect(address, client_context(engine), ssl_shutdown_timeout=0.1)
        transport.close()
        error = await client.lost
        assert isinstance(error, TimeoutError)
        assert str(error) == "SSL shutdown timed out"

    with peer(talk) as address:
        run(loop, main(address))


def test_a_peer_that_leaves_during_the_handshake(loop, engine):
    def talk(sock):
        sock.recv(65536)

    async def main(address):
        with pytest.raises(ConnectionResetError):
            await connect(address, client_context(engine))

    with peer(talk) as address:
        run(loop, main(address))


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x00" * 100,
        b"\x16\x03\x01\x00\x05hello",
        b"",
    ],
    ids=["http", "zeros", "record", "nothing"],
)
def test_a_client_that_speaks_no_tls(loop, engine, sent):
    async def main():
        made = []
        running = asyncio.get_running_loop()

        def factory():
            made.append(Recorder())
            return made[0]

        server = await running.create_server(factory, "127.0.0.1", 0, ssl=server_context(engine))
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(sent)
        writer.write_eof()
        try:
            await reader.read()
        except ConnectionResetError:
            pass
        writer.close()
        assert made[0].told == []
        server.close()

    run(loop, main())


def test_a_client_cut_off_at_every_byte_of_its_handshake(loop, engine):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()

    async def main():
        running = asyncio.get_running_loop()
        made = []

        def factory():
            made.append(Recorder())
            return made[-1]

        server = await running.create_server(factory, "127.0.0.1", 0, ssl=server_context(engine))
        address = server.sockets[0].getsockname()
        for length in range(0, len(hello), 7):
            _, writer = await asyncio.open_connection(*address)
            writer.write(hello[:length])
            writer.close()
            await writer.wait_closed()
        while len(made) < len(range(0, len(hello), 7)):
            await asyncio.sleep(0)
        server.close()
        while any(task is not asyncio.current_task() for task in asyncio.all_tasks()):
            await asyncio.sleep(0.01)
        assert all(protocol.told == [] for protocol in made)

    run(loop, main())
    gc.collect()


@pytest.mark.parametrize("waits", [False, True], ids=["plain", "writing paused"])
def test_start_tls_in_a_conversation_under_way(loop, engine, waits):
    size = 2_000_000 if waits else 10

    def talk(sock):
        sock.sendall(b"ready\n")
        received = 0
        while received < size:
            received += len(sock.recv(min(65536, size - received)))
        with accept(sock) as tls:
            assert tls.recv(5) == b"hello"
            tls.sendall(b"world")
            tls.unwrap().close()

    async def main(address):
        reader, writer = await asyncio.open_connection(*address)
        assert await reader.readline() == b"ready\n"
        writer.write(b"x" * size)
        context = client_context(engine)
        await writer.start_tls(context, server_hostname="localhost")
        assert writer.get_extra_info("sslcontext") is context
        writer.write(b"hello")
        await writer.drain()
        assert await reader.read() == b"world"
        writer.close()
        await writer.wait_closed()

    with peer(talk) as address:
        run(loop, main(address))


def test_start_tls_of_a_server_that_has_read_the_clients_first_bytes(zloop_loop, engine):
    async def main():
        done = asyncio.get_running_loop().create_future()

        async def serve(reader, writer):
            assert await reader.readline() == b"STARTTLS\n"
            await asyncio.sleep(0.05)
            await writer.start_tls(server_context(engine))
            writer.write(await reader.readline())
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            done.set_result(None)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        # The client does not wait for an answer: its ClientHello follows at once.
        writer.write(b"STARTTLS\n")
        await writer.start_tls(client_context(), server_hostname="localhost")
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        writer.close()
        await writer.wait_closed()
        await done
        server.close()

    run(zloop_loop, main())


def test_tls_in_tls(loop, engine):
    """As to an HTTPS server through an HTTPS proxy."""

    async def main():
        running = asyncio.get_running_loop()
        inner = await running.create_server(Echo, "127.0.0.1", 0, ssl=server_context())

        async def relay(source, target):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
            target.close()

        async def proxy(reader, writer):
            onward = await asyncio.open_connection(*inner.sockets[0].getsockname())
            await asyncio.gather(relay(reader, onward[1]), relay(onward[0], writer))

        outer = await asyncio.start_server(proxy, "127.0.0.1", 0, ssl=server_context(engine))
        reader, writer = await asyncio.open_connection(
            *outer.sockets[0].getsockname(), ssl=client_context(engine), server_hostname="localhost"
        )
        await writer.start_tls(client_context(engine), server_hostname="localhost")
        payload = b"0123456789" * 30_000
        writer.write(payload)
        assert await reader.readexactly(len(payload)) == payload
        writer.close()
        await writer.wait_closed()
        inner.close()
        outer.close()
        while any(task is not asyncio.current_task() for task in asyncio.all_tasks()):
            await asyncio.sleep(0.01)

    run(loop, main())


def test_a_large_write_to_a_lost_connection_is_one_write(loop, engine, caplog):
    gone = threading.Event()

    def talk(sock):
        tls = accept(sock)
        tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        tls.close()
        gone.set()

    async def main(address):
        transport, client = await connect(address, client_context(engine))
        assert gone.wait(LIMIT)
        transport.write(bytes(8 * 1024 * 1024))
        assert isinstance(await client.lost, ConnectionResetError)

    with peer(talk) as address:
        run(loop, main(address))
    assert "socket.send() raised exception." not in caplog.messages


def test_nobody_is_told_to_go_on_writing_after_an_abort(loop, engine):
    class Aborting(Recorder):
        def data_received(self, data):
            self.transport.write(bytes(12 * 1024 * 1024))
            self.transport.abort()
            self.told.append("aborted")

        def pause_writing(self):
            self.told.append("pause")

        def resume_writing(self):
            self.told.append("resume")

    def talk(sock):
        with contextlib.suppress(OSError), accept(sock) as tls:
            tls.sendall(b"?")
            tls.recv(1)

    async def main(address):
        _, client = await asyncio.get_running_loop().create_connection(
            Aborting, *address, ssl=client_context(engine), server_hostname="localhost"
        )
        await client.lost
        assert client.told[client.told.index("aborted") :] == ["aborted", "lost"]

    with peer(talk) as address:
        run(loop, main(address))
