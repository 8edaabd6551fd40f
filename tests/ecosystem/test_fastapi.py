"""FastAPI under uvicorn: background tasks, streaming, uploads, WebSockets, dependencies, threads."""

import asyncio
import hashlib
import os
from contextlib import asynccontextmanager

import httpx
import pytest
import websockets
from services.asgi import LINES, app, served_by_uvicorn


@asynccontextmanager
async def asked(**options):
    async with served_by_uvicorn(**options) as url:
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            yield client


async def test_lifespan_dependencies_and_threads():
    async with asked() as client:
        assert app.state.is_started
        assert (await client.get("/loop")).json() == {"loop": "zloop"}
        assert (await client.get("/dependency")).json() == "open"
        answers = await asyncio.gather(*(client.get("/blocking") for _ in range(50)))
        assert {answer.json() for answer in answers} == {"in a thread"}
    assert not app.state.is_started


async def test_background_tasks_run_after_the_answer():
    async with asked() as client:
        assert (await client.post("/background?name=one")).json() == "later"
        assert (await client.get("/background")).json() == "async one"
        assert (await client.get("/background")).json() == "sync one"


@pytest.mark.parametrize("http", ["h11", "httptools"])
async def test_streaming_response(http):
    async with asked(http=http) as client:
        async with client.stream("GET", "/lines") as response:
            assert "content-length" not in response.headers
            received = [line async for line in response.aiter_lines()]
        assert received == [f"line {number}" for number in range(LINES)]


async def test_stream_that_the_client_leaves_does_not_disturb_others():
    async with asked() as client:
        for _ in range(5):
            async with client.stream("GET", "/lines") as response:
                assert await anext(response.aiter_lines()) == "line 0"
        assert len((await client.get("/lines")).text.splitlines()) == LINES


async def test_uploads():
    async def upload(client, number):
        content = os.urandom(500_000 + number)
        answer = await client.post(
            "/upload", files={"file": (f"{number}.bin", content)}, data={"note": f"ü {number}"}
        )
        assert answer.json() == {
            "name": f"{number}.bin",
            "note": f"ü {number}",
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }

    async with asked() as client:
        await asyncio.gather(*(upload(client, number) for number in range(10)))


@pytest.mark.parametrize("implementation", ["websockets-sansio", "wsproto"])
async def test_websockets(implementation):
    async def talk(url, number):
        async with websockets.connect(url, subprotocols=["echo"], max_size=None) as websocket:
            for message in (f"text {number}", os.urandom(100_000), "ü" * 50_000):
                await websocket.send(message)
                assert await websocket.recv() == message

    async with served_by_uvicorn(ws=implementation) as url:
        url = url.replace("http", "ws") + "/ws"
        await asyncio.gather(*(talk(url, number) for number in range(20)))
