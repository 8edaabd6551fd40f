"""nginx as a proxy, by HTTPS, in front of uvicorn on a Unix socket."""

import asyncio
import os

import httpx
import pytest
import websockets
from services.asgi import LINES, served_by_uvicorn


@pytest.fixture
def behind_nginx(nginx):
    return served_by_uvicorn(path=nginx.application_socket, forwarded_allow_ips="*")


@pytest.mark.parametrize("http", ["h11", "httptools"])
async def test_requests_come_through(nginx, certificates, http):
    served = served_by_uvicorn(path=nginx.application_socket, http=http, forwarded_allow_ips="*")
    verify = certificates.client_context("rustls")
    async with served, httpx.AsyncClient(verify=verify, base_url=nginx.url, timeout=30) as client:
        assert (await client.get("/loop")).json() == {"loop": "zloop"}
        assert (await client.get("/client")).json() == {"scheme": "https", "host": "127.0.0.1"}
        body = os.urandom(3_000_000)
        assert (await client.post("/echo", content=body)).content == body
        answers = await asyncio.gather(*(client.get("/lines") for _ in range(20)))
        expected = "".join(f"line {number}\n" for number in range(LINES))
        assert [answer.text for answer in answers] == [expected] * 20


async def test_websocket_comes_through(nginx, certificates, behind_nginx):
    url = f"wss://localhost:{nginx.port}/ws"
    async with behind_nginx:
        connection = websockets.connect(
            url, ssl=certificates.client_context("rustls"), subprotocols=["echo"], max_size=None
        )
        async with connection as websocket:
            for message in ("text", b"bytes", "ü" * 300_000, os.urandom(700_000)):
                await websocket.send(message)
                assert await websocket.recv() == message


async def test_gateway_error_when_nobody_serves(nginx, certificates):
    nginx.application_socket.unlink(missing_ok=True)
    async with httpx.AsyncClient(verify=certificates.client_context("ssl")) as client:
        assert (await client.get(f"{nginx.url}/loop")).status_code == 502
