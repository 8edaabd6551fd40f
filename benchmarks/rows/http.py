"""HTTP served by uvicorn, loaded by wrk."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from frame import LoopFactory, PortAnnouncer, served

Send = Callable[[dict[str, Any]], Awaitable[None]]

BODY = b"Hello, world!"
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(BODY))],
}
END = {"type": "http.response.body", "body": BODY}


async def plaintext(scope: dict[str, Any], receive: object, send: Send) -> None:
    """The shortest ASGI app."""
    await send(START)
    await send(END)


@served("uvicorn plaintext", unit="requests/s", client=("http_load.py", "64"))
def uvicorn_plaintext(factory: LoopFactory, announce: PortAnnouncer) -> None:
    serve_by_uvicorn(plaintext, factory, announce)


def serve_by_uvicorn(app: object, factory: LoopFactory, announce: PortAnnouncer) -> None:
    """Serves an app without logs, until the process is ended."""
    import uvicorn

    config = uvicorn.Config(app, access_log=False, log_level="error", lifespan="off")
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    announce(listener.getsockname()[1])
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(uvicorn.Server(config).serve(sockets=[listener]))
