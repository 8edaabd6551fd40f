"""aiohttp's client and server: JSON, streams, uploads, WebSockets, cookies, TLS with both engines."""

import asyncio
import io
import os
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from services.certificates import assert_engine

LARGE = os.urandom(1 << 16) * 50


async def loop_name(request):
    return web.json_response({"loop": type(asyncio.get_running_loop()).__module__})


async def echo(request):
    response = web.StreamResponse()
    await response.prepare(request)
    async for part in request.content.iter_any():
        await response.write(part)
    await response.write_eof()
    return response


async def upload(request):
    sizes = {}
    async for part in await request.multipart():
        sizes[part.name] = len(await part.read())
    return web.json_response(sizes)


async def websocket(request):
    answer = web.WebSocketResponse(max_msg_size=0)
    await answer.prepare(request)
    async for message in answer:
        if message.type is aiohttp.WSMsgType.TEXT:
            await answer.send_str(message.data)
        else:
            await answer.send_bytes(message.data)
    return answer


@asynccontextmanager
async def served(folder, *, path=None, context=None):
    app = web.Application(client_max_size=1 << 26)
    app.add_routes(
        [
            web.get("/loop", loop_name),
            web.post("/echo", echo),
            web.post("/upload", upload),
            web.get("/ws", websocket),
            web.static("/files", folder),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    if path:
        site = web.UnixSite(runner, path, ssl_context=context)
    else:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        if path:
            yield "http://localhost"
        else:
            port = runner.addresses[0][1]
            yield f"{'https' if context else 'http'}://localhost:{port}"
    finally:
        await runner.cleanup()


async def test_tls_with_each_engine(tmp_path, certificates, engine):
    (tmp_path / "large").write_bytes(LARGE)
    context = certificates.client_context(engine)
    async with (
        served(tmp_path, context=certificates.server_context(engine)) as url,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
    ):
        async with session.get(f"{url}/loop") as response:
            assert await response.json() == {"loop": "zloop"}
        async with session.get(f"{url}/files/large") as response:
            assert_engine(response.connection.transport.get_extra_info("ssl_object"), engine)
            assert await response.read() == LARGE
        async with session.post(f"{url}/echo", data=io.BytesIO(LARGE)) as response:
            assert await response.read() == LARGE


async def test_client_against_nginx(nginx, certificates, engine):
    path = nginx.files / "for-aiohttp"
    path.write_bytes(LARGE)
    path.chmod(0o644)
    connector = aiohttp.TCPConnector(ssl=certificates.client_context(engine), limit=5)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def fetch():
            async with session.get(f"{nginx.url}/files/for-aiohttp") as response:
                return await response.read()

        assert await asyncio.gather(*(fetch() for _ in range(10))) == [LARGE] * 10


async def test_static_file_is_sent_by_sendfile(tmp_path):
    (tmp_path / "large").write_bytes(LARGE)
    async with served(tmp_path) as url, aiohttp.ClientSession() as session:
        async with session.get(f"{url}/files/large") as response:
            assert await response.read() == LARGE
        headers = {"Range": "bytes=70000-1999999"}
        async with session.get(f"{url}/files/large", headers=headers) as response:
            assert response.status == 206
            assert await response.read() == LARGE[70_000:2_000_000]


async def test_uploads(tmp_path):
    async with served(tmp_path) as url, aiohttp.ClientSession() as session:

        async def send(number):
            form = aiohttp.FormData()
            form.add_field("small", "x" * number)
            form.add_field("large", io.BytesIO(LARGE), filename="large")
            async with session.post(f"{url}/upload", data=form) as response:
                return await response.json()

        sizes = await asyncio.gather(*(send(number) for number in range(1, 6)))
        assert sizes == [{"small": number, "large": len(LARGE)} for number in range(1, 6)]


async def test_websockets_over_a_unix_socket(tmp_path):
    path = str(tmp_path / "socket")
    connector = aiohttp.UnixConnector(path=path)
    async with (
        served(tmp_path, path=path) as url,
        aiohttp.ClientSession(connector=connector) as session,
    ):

        async def talk(number):
            async with session.ws_connect(f"{url}/ws", max_msg_size=0, compress=15) as client:
                for message in (f"text {number}", "ü" * 100_000):
                    await client.send_str(message)
                    assert await client.receive_str() == message
                await client.send_bytes(LARGE[:500_000])
                assert await client.receive_bytes() == LARGE[:500_000]

        await asyncio.gather(*(talk(number) for number in range(20)))


async def test_client_that_gives_up_does_not_disturb_others(tmp_path):
    async with served(tmp_path) as url, aiohttp.ClientSession() as session:

        async def never():
            yield b"start"
            await asyncio.sleep(600)

        timeout = aiohttp.ClientTimeout(total=0.05)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with session.post(f"{url}/echo", data=never(), timeout=timeout) as response:
                    await response.read()
        async with session.get(f"{url}/loop") as response:
            assert response.status == 200


async def test_refused_connection_is_told(tmp_path):
    async with served(tmp_path) as url:
        pass
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError, match="Connect call failed"):
            await session.get(f"{url}/loop")
