"""TLS connections between every pair of engines, by asyncio's loop and by zloop's."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from tls_support import (
    CA,
    CLIENT,
    ENGINES,
    LIMIT,
    SERVER,
    Echo,
    Recorder,
    client_context,
    server_context,
)

import zloop

VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


def run(loop, coroutine):
    return loop.run_until_complete(asyncio.wait_for(coroutine, LIMIT))


async def connected(server_side, client_side, server_hostname="localhost", protocol=Recorder):
    """A connected pair: the server, the served protocol and the client's."""
    loop = asyncio.get_running_loop()
    served = loop.create_future()

    def factory():
        made = Echo()
        served.set_result(made)
        return made

    server = await loop.create_server(factory, "127.0.0.1", 0, ssl=server_side)
    host, port = server.sockets[0].getsockname()
    _, client = await loop.create_connection(
        protocol, host, port, ssl=client_side, server_hostname=server_hostname
    )
    echo = await served
    await echo.made
    return server, echo, client


async def end(server, *protocols):
    for protocol in protocols:
        protocol.transport.close()
    for protocol in protocols:
        await protocol.lost
    server.close()


@pytest.fixture(params=ENGINES)
def server_engine(request):
    return ENGINES[request.param]


@pytest.fixture(params=ENGINES)
def client_engine(request):
    return ENGINES[request.param]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("size", [0, 1, 20_000, 1_000_000])
def test_bytes_go_both_ways(loop, server_engine, client_engine, version, size):
    server_side, client_side = server_context(server_engine), client_context(client_engine)
    client_side.minimum_version = client_side.maximum_version = VERSIONS[version]
    payload = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    async def main():
        server, served, client = await connected(server_side, client_side)
        client.transport.write(payload)
        while len(client.data) < size:
            await asyncio.sleep(0)
        assert bytes(client.data) == payload
        for side in served, client:
            assert side.transport.get_extra_info("ssl_object").version() == version
        client.transport.close()
        assert await client.lost is None
        assert await served.lost is None
        assert served.told == ["made", "eof", "lost"]
        server.close()

    run(loop, main())


def test_what_served_a_connection_is_what_the_context_says(
    zloop_loop, server_engine, client_engine
):
    server_side, client_side = server_context(server_engine), client_context(client_engine)

    async def main():
        server, served, client = await connected(server_side, client_side)
        for side, context in (served, server_side), (client, client_side):
            ssl_object = side.transport.get_extra_info("ssl_object")
            is_rustls = isinstance(context, zloop.SSLContext)
            assert (" by rustls" in repr(ssl_object)) is is_rustls
            assert isinstance(ssl_object, ssl.SSLObject) is not is_rustls
            assert ssl_object.context is context
            if is_rustls:
                assert context.engine.name == "rustls"
        await end(server, client, served)

    run(zloop_loop, main())


def test_extra_info_is_the_same_by_either_engine(loop, server_engine, client_engine):
    server_side, client_side = server_context(server_engine), client_context(client_engine)
    server_side.verify_mode = ssl.CERT_REQUIRED
    CA.configure_trust(server_side)
    CLIENT.configure_cert(client_side)
    for context in server_side, client_side:
        context.set_alpn_protocols(["h2", "http/1.1"])

    async def main():
        server, served, client = await connected(server_side, client_side)
        info = client.transport.get_extra_info
        ssl_object = info("ssl_object")
        assert info("sslcontext") is client_side
        assert info("compression") is None
        assert info("cipher") == ssl_object.cipher()
        assert info("peername") == server.sockets[0].getsockname()
        assert info("sockname") == served.transport.get_extra_info("peername")
        assert info("socket").fileno() > 0
        assert info("no such thing", 7) == 7
        assert ssl_object.selected_alpn_protocol() == "h2"
        assert ssl_object.server_hostname == "localhost"
        assert ssl_object.getpeercert(True) == ssl.PEM_cert_to_DER_cert(
            SERVER.cert_chain_pems[0].bytes().decode()
        )
        names = info("peercert")["subjectAltName"]
        assert names == (("DNS", "localhost"), ("IP Address", "127.0.0.1"))
        shown = served.transport.get_extra_info("peercert")
        assert shown["subjectAltName"] == (("email", "client@example.org"),)
        assert served.transport.get_extra_info("ssl_object").shared_ciphers()
        await end(server, client, served)

    run(loop, main())


def test_a_buffered_protocol_is_read_into(loop, server_engine, client_engine):
    class Buffered(Recorder, asyncio.BufferedProtocol):
        def get_buffer(self, sizehint):
            self.view = bytearray(1000)
            return memoryview(self.view)

        def buffer_updated(self, nbytes):
            self.data += self.view[:nbytes]

    async def main():
        server, served, client = await connected(
            server_context(server_engine), client_context(client_engine), protocol=Buffered
        )
        payload = b"0123456789" * 5000
        client.transport.write(payload)
        while len(client.data) < len(payload):
            await asyncio.sleep(0)
        assert bytes(client.data) == payload
        await end(server, client, served)

    run(loop, main())


def test_paused_reading_holds_back_and_loses_nothing(loop, server_engine, client_engine):
    async def main():
        server, served, client = await connected(
            server_context(server_engine), client_context(client_engine)
        )
        client.transport.pause_reading()
        assert not client.transport.is_reading()
        client.transport.write(b"x" * 3_000_000)
        while len(served.data) < 1_000_000:
            await asyncio.sleep(0)
        assert not client.data
        client.transport.resume_reading()
        while len(client.data) < 3_000_000:
            await asyncio.sleep(0)
        await end(server, client, served)

    run(loop, main())


def test_writing_pauses_and_goes_on(loop, server_engine, client_engine):
    class Producer(Recorder):
        def pause_writing(self):
            self.told.append("pause")

        def resume_writing(self):
            self.told.append("resume")

    async def main():
        server, served, client = await connected(
            server_context(server_engine), client_context(client_engine), protocol=Producer
        )
        served.transport.pause_reading()
        client.transport.set_write_buffer_limits(high=100_000)
        assert client.transport.get_write_buffer_limits() == (25_000, 100_000)
        while "pause" not in client.told:
            client.transport.write(b"x" * 500_000)
            await asyncio.sleep(0)
        assert client.transport.get_write_buffer_size() > 0
        client.transport.pause_reading()
        served.transport.resume_reading()
        client.transport.resume_reading()
        while "resume" not in client.told:
            await asyncio.sleep(0)
        client.transport.abort()
        served.transport.abort()
        await client.lost
        await served.lost
        server.close()

    run(loop, main())


def test_unix_sockets(loop, server_engine, client_engine, tmp_path):
    path = str(tmp_path / "socket")

    async def main():
        async def serve(reader, writer):
            writer.write(await reader.readline())
            await writer.drain()
            writer.close()

        server = await asyncio.start_unix_server(serve, path, ssl=server_context(server_engine))
        reader, writer = await asyncio.open_unix_connection(
            path, ssl=client_context(client_engine), server_hostname="localhost"
        )
        writer.write(b"hello\n")
        assert await reader.read() == b"hello\n"
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    run(loop, main())


def test_arguments_that_are_no_bytes_are_refused(loop, server_engine, client_engine):
    async def main():
        server, served, client = await connected(
            server_context(server_engine), client_context(client_engine)
        )
        with pytest.raises(TypeError, match="data: expecting a bytes-like instance, got str"):
            client.transport.write("text")
        with pytest.raises(NotImplementedError):
            client.transport.write_eof()
        assert not client.transport.can_write_eof()
        await end(server, client, served)

    run(loop, main())
