"""`start_tls` in an exchange that is under way, on both sides and by both engines."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest
from tls_support import ENGINES, LIMIT, STRANGER, Recorder, client_context, server_context

import zloop


def run(loop, coroutine):
    return loop.run_until_complete(asyncio.wait_for(coroutine, LIMIT))


@pytest.fixture(params=ENGINES)
def server_engine(request):
    return ENGINES[request.param]


@pytest.fixture(params=ENGINES)
def client_engine(request):
    return ENGINES[request.param]


def test_as_smtp_does(loop, server_engine, client_engine):
    """Lines, then STARTTLS, then lines again, by streams."""

    async def main():
        heard = []

        async def serve(reader, writer):
            writer.write(b"220 ready\r\n")
            while (line := await reader.readline()) != b"QUIT\r\n":
                heard.append((line, writer.get_extra_info("ssl_object") is not None))
                if line == b"STARTTLS\r\n":
                    writer.write(b"220 go ahead\r\n")
                    await writer.start_tls(server_context(server_engine))
                else:
                    writer.write(b"250 fine\r\n")
            writer.write(b"221 bye\r\n")
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())

        async def say(line, answer):
            writer.write(line)
            assert await reader.readline() == answer

        assert await reader.readline() == b"220 ready\r\n"
        await say(b"EHLO me\r\n", b"250 fine\r\n")
        await say(b"STARTTLS\r\n", b"220 go ahead\r\n")
        context = client_context(client_engine)
        await writer.start_tls(context, server_hostname="localhost")
        assert writer.get_extra_info("sslcontext") is context
        await say(b"EHLO me\r\n", b"250 fine\r\n")
        await say(b"QUIT\r\n", b"221 bye\r\n")
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        assert heard == [
            (b"EHLO me\r\n", False),
            (b"STARTTLS\r\n", False),
            (b"EHLO me\r\n", True),
        ]

    run(loop, main())


class Postgres(Recorder):
    """Answers a request for TLS by one letter, and goes on in TLS."""

    REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)

    def __init__(self, context):
        super().__init__()
        self.context = context
        self.upgraded = asyncio.get_running_loop().create_future()

    def data_received(self, data):
        super().data_received(data)
        if self.data == self.REQUEST:
            self.data.clear()
            self.transport.write(b"S")
            self.task = asyncio.create_task(self.upgrade())
        elif self.upgraded.done():
            self.transport.write(data)

    async def upgrade(self):
        loop = asyncio.get_running_loop()
        self.transport = await loop.start_tls(self.transport, self, self.context, server_side=True)
        self.upgraded.set_result(None)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_as_postgresql_does(loop, server_engine, client_engine, kind, tmp_path):
    """A request of some bytes, an answer of one, then TLS with the same protocols."""

    async def main():
        running = asyncio.get_running_loop()
        served = []

        def factory():
            served.append(Postgres(server_context(server_engine)))
            return served[0]

        if kind == "unix":
            path = str(tmp_path / "socket")
            server = await running.create_unix_server(factory, path)
            plain, client = await running.create_unix_connection(Recorder, path)
        else:
            server = await running.create_server(factory, "127.0.0.1", 0)
            address = server.sockets[0].getsockname()
            plain, client = await running.create_connection(Recorder, *address)
        plain.write(Postgres.REQUEST)
        while client.data != b"S":
            await asyncio.sleep(0)
        client.data.clear()
        context = client_context(client_engine)
        tls = await running.start_tls(plain, client, context, server_hostname="localhost")
        assert tls.get_protocol() is client
        await served[0].upgraded
        tls.write(b"x" * 200_000)
        while len(client.data) < 200_000:
            await asyncio.sleep(0)
        tls.close()
        assert await client.lost is None
        assert await served[0].lost is None
        assert client.told.count("lost") == 1
        assert served[0].told == ["made", "eof", "lost"]
        server.close()

    run(loop, main())


def test_with_writing_paused_on_both_sides(loop, server_engine, client_engine):
    """Megabytes of plaintext are on their way in both directions when TLS begins."""
    size = 6_000_000

    async def main():
        done = asyncio.get_running_loop().create_future()
        is_ready = asyncio.Event()
        if isinstance(loop, zloop.Loop):
            # asyncio's loop loses a ClientHello that came with the last of the plaintext.
            is_ready.set()

        async def serve(reader, writer):
            writer.write(b"s" * size)
            assert await reader.readexactly(size) == b"c" * size
            is_ready.set()
            await writer.start_tls(server_context(server_engine))
            writer.write(await reader.readline())
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            done.set_result(None)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"c" * size)
        assert await reader.readexactly(size) == b"s" * size
        await is_ready.wait()
        await writer.start_tls(client_context(client_engine), server_hostname="localhost")
        writer.write(b"hello\n")
        await writer.drain()
        assert await reader.readline() == b"hello\n"
        writer.close()
        await writer.wait_closed()
        await done
        server.close()

    run(loop, main())


class Pausing(Recorder):
    """Notes, too, when it is to pause writing and to go on."""

    def pause_writing(self):
        self.told.append("pause")

    def resume_writing(self):
        self.told.append("resume")


@pytest.mark.parametrize("is_same", [True, False], ids=["same protocol", "another protocol"])
def test_who_was_told_to_pause_is_told_to_go_on(zloop_loop, server_engine, client_engine, is_same):
    loop, size = zloop_loop, 6_000_000

    async def main():
        begun = asyncio.Event()

        async def serve(reader, writer):
            await begun.wait()
            assert await reader.readexactly(size) == b"c" * size
            await writer.start_tls(server_context(server_engine))
            writer.write(await reader.readline())
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        transport, before = await loop.create_connection(Pausing, *address)
        transport.write(b"c" * size)
        assert before.told == ["made", "pause"]
        after = before if is_same else Pausing()
        context = client_context(client_engine)
        starting = loop.start_tls(transport, after, context, server_hostname="localhost")
        started = loop.create_task(starting)
        await asyncio.sleep(0.01)
        begun.set()
        tls = await started
        tls.write(b"hello\n")
        await after.lost
        assert after.data == b"hello\n"
        assert before.told[:2] == ["made", "pause"]
        assert after.told.count("resume") == (1 if is_same else 0)
        server.close()

    run(loop, main())


def test_a_failure_closes_the_connection(loop, server_engine, client_engine):
    async def main():
        done = asyncio.get_running_loop().create_future()

        async def serve(reader, writer):
            assert await reader.readline() == b"STARTTLS\n"
            writer.write(b"ok\n")
            try:
                await writer.start_tls(server_context(server_engine, STRANGER))
                # In TLS 1.3 a server is done before it knows what the client thinks of it.
                await reader.read()
            except (ssl.SSLError, ConnectionError):
                pass
            writer.close()
            done.set_result(None)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"ok\n"
        with pytest.raises(ssl.SSLCertVerificationError):
            await writer.start_tls(client_context(client_engine), server_hostname="localhost")
        assert writer.transport.is_closing()
        await done
        server.close()

    run(loop, main())


@pytest.mark.parametrize("engine", ENGINES)
def test_transport_that_was_closed_before_gives_none(loop, engine):
    context = client_context(ENGINES[engine])

    async def main():
        running = asyncio.get_running_loop()
        server = await running.create_server(asyncio.Protocol, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        plain, protocol = await running.create_connection(asyncio.Protocol, host, port)
        plain.close()
        options = {"server_hostname": "localhost"}
        assert await running.start_tls(plain, protocol, context, **options) is None
        server.close()

    loop.run_until_complete(asyncio.wait_for(main(), LIMIT))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_handshake_that_times_out_ends_the_connection_for_its_protocol_too(zloop_loop, engine):
    class Plain(asyncio.Protocol):
        def __init__(self):
            self.lost = zloop_loop.create_future()

        def connection_lost(self, exc):
            self.lost.set_result(exc)

    async def main():
        ours, silent = socket.socketpair()
        transport, protocol = await zloop_loop.create_connection(Plain, sock=ours)
        with pytest.raises(ConnectionAbortedError) as caught:
            await zloop_loop.start_tls(
                transport,
                protocol,
                client_context(ENGINES[engine]),
                server_hostname="localhost",
                ssl_handshake_timeout=0.01,
            )
        assert await protocol.lost is caught.value
        silent.close()

    run(zloop_loop, main())
