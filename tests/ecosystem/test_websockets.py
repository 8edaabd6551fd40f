"""websockets' own server and client: messages, broadcast, fragments, TLS, closing, keepalive."""

import asyncio
import os

import pytest
import websockets
from services.certificates import assert_engine
from websockets.asyncio.client import connect, unix_connect
from websockets.asyncio.server import broadcast, serve, unix_serve


async def echo(websocket):
    async for message in websocket:
        await websocket.send(message)


def url_of(server, scheme="ws"):
    port = server.sockets[0].getsockname()[1]
    return f"{scheme}://localhost:{port}/"


async def test_messages_come_back(certificates, engine):
    context = certificates.server_context(engine)
    async with serve(echo, "127.0.0.1", 0, ssl=context, max_size=None) as server:
        url = url_of(server, "wss")
        async with connect(url, ssl=certificates.client_context(engine), max_size=None) as client:
            assert_engine(client.transport.get_extra_info("ssl_object"), engine)
            for message in ("", "text", b"\0\xff", "ü" * 500_000, os.urandom(2_000_000)):
                await client.send(message)
                assert await client.recv() == message


async def test_fragments_and_streams(tmp_path):
    path = str(tmp_path / "socket")
    async with unix_serve(echo, path):
        async with unix_connect(path) as client:

            async def parts():
                for number in range(100):
                    yield f"{number},"

            await client.send(parts())
            received = [part async for part in client.recv_streaming()]
            assert "".join(received) == "".join(f"{number}," for number in range(100))


async def test_broadcast_reaches_everyone():
    async with serve(echo, "127.0.0.1", 0) as server:
        clients = [await connect(url_of(server)) for _ in range(50)]
        while len(server.connections) < 50:
            await asyncio.sleep(0.01)
        for number in range(20):
            broadcast(server.connections, str(number))
        for client in clients:
            assert [await client.recv() for _ in range(20)] == [str(n) for n in range(20)]
        await asyncio.gather(*(client.close() for client in clients))


async def test_slow_reader_holds_the_writer_back():
    sent = 0

    async def flood(websocket):
        nonlocal sent
        for _ in range(200):
            await websocket.send(b"x" * 100_000)
            sent += 1

    async with serve(flood, "127.0.0.1", 0, compression=None) as server:
        async with connect(url_of(server), max_queue=1, compression=None) as client:
            await asyncio.sleep(0.3)
            assert sent < 200
            received = [len(await client.recv()) for _ in range(200)]
            assert received == [100_000] * 200


async def test_closing_tells_why():
    async def close(websocket):
        await websocket.close(4001, "enough")

    async with serve(close, "127.0.0.1", 0) as server:
        async with connect(url_of(server)) as client:
            with pytest.raises(websockets.ConnectionClosedError) as closed:
                await client.recv()
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "enough")


async def test_keepalive_finds_a_peer_that_is_gone():
    async def silent(reader, writer):
        request = await reader.readuntil(b"\r\n\r\n")
        key = next(
            line for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
        )
        accept = websockets.utils.accept_key(key.split(b": ")[1].decode())
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n"
        )
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        options = {"ping_interval": 0.05, "ping_timeout": 0.05, "close_timeout": 0.05}
        async with connect(url_of(server), **options) as client:
            with pytest.raises(websockets.ConnectionClosedError, match="keepalive ping timeout"):
                await client.recv()
