"""HTTP served by uvicorn and by aiohttp, loaded by wrk."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from frame import Announcer, LoopFactory, run_service, served

Send = Callable[[dict[str, Any]], Awaitable[None]]

App = Callable[[dict[str, Any], object, Send], Awaitable[None]]


def answering(body: bytes) -> App:
    """The shortest ASGI app that there is."""
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    end = {"type": "http.response.body", "body": body}

    async def app(scope: dict[str, Any], receive: object, send: Send) -> None:
        await send(start)
        await send(end)

    return app


@served("uvicorn plaintext", unit="requests/s", goal=1.1, client=("http_load.py", "64"))
def uvicorn_plaintext(factory: LoopFactory, announce: Announcer) -> None:
    serve_by_uvicorn(answering(b"Hello, world!"), factory, announce)


@served("uvicorn 10 KiB", unit="requests/s", goal=1.1, client=("http_load.py", "64"))
def uvicorn_ten_kib(factory: LoopFactory, announce: Announcer) -> None:
    serve_by_uvicorn(answering(bytes(10 * 1024)), factory, announce)


@served("FastAPI JSON", unit="requests/s", goal=1.1, client=("http_load.py", "64"))
def fastapi_json(factory: LoopFactory, announce: Announcer) -> None:
    from fastapi import FastAPI

    async def hello(name: str = "world") -> dict[str, str]:
        return {"message": f"Hello, {name}!"}

    app = FastAPI()
    app.add_api_route("/", hello)
    serve_by_uvicorn(app, factory, announce)


@served("aiohttp server", unit="requests/s", goal=1.1, client=("http_load.py", "64"))
def aiohttp_server(factory: LoopFactory, announce: Announcer) -> None:
    from aiohttp import web

    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="Hello, world!")

    async def start(loop: asyncio.AbstractEventLoop) -> int:
        app = web.Application()
        app.router.add_get("/", hello)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        port: int = runner.addresses[0][1]
        return port

    run_service(factory, announce, start)


def serve_by_uvicorn(
    app: object, factory: LoopFactory, announce: Announcer, **settings: Any
) -> None:
    """Serves an app without logs, until the process is ended."""
    import uvicorn

    config = uvicorn.Config(app, access_log=False, log_level="error", lifespan="off", **settings)
    # Named as TCP, as uvicorn's own is: asyncio turns Nagle's algorithm off only where it is.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    announce(listener.getsockname()[1])
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(uvicorn.Server(config).serve(sockets=[listener]))
