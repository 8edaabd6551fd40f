"""The FastAPI application that the tests serve, and uvicorn and Hypercorn serving it in this process."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import BackgroundTasks, Depends, FastAPI, File, Form, Request, UploadFile, WebSocket
from fastapi.responses import Response, StreamingResponse

LINES = 2000


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.done = asyncio.Queue()
    app.state.is_started = True
    yield
    app.state.is_started = False


app = FastAPI(lifespan=_lifespan)


async def _opened() -> AsyncIterator[list[str]]:
    """A dependency with something to clean up."""
    state = ["open"]
    yield state
    state[0] = "closed"


@app.get("/loop")
async def loop() -> dict[str, str]:
    return {"loop": type(asyncio.get_running_loop()).__module__}


@app.get("/client")
async def client(request: Request) -> dict[str, Any]:
    return {"scheme": request.url.scheme, "host": request.client.host if request.client else None}


@app.get("/dependency")
async def dependency(state: Annotated[list[str], Depends(_opened)]) -> str:
    return state[0]


@app.get("/blocking")
def blocking() -> str:
    """Run in a thread, since it is no coroutine."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return "in a thread"
    return "on the loop"


@app.post("/background")
async def background(name: str, tasks: BackgroundTasks) -> str:
    tasks.add_task(app.state.done.put, f"async {name}")
    tasks.add_task(app.state.done.put_nowait, f"sync {name}")
    return "later"


@app.get("/background")
async def wait_for_background() -> str:
    return str(await app.state.done.get())


@app.get("/lines")
async def lines() -> StreamingResponse:
    async def make() -> AsyncIterator[str]:
        for number in range(LINES):
            yield f"line {number}\n"
            if number % 100 == 0:
                await asyncio.sleep(0)

    return StreamingResponse(make(), media_type="text/plain")


@app.post("/upload")
async def upload(
    file: Annotated[UploadFile, File()], note: Annotated[str, Form()]
) -> dict[str, Any]:
    digest = hashlib.sha256()
    size = 0
    while part := await file.read(65536):
        digest.update(part)
        size += len(part)
    return {"name": file.filename, "note": note, "size": size, "sha256": digest.hexdigest()}


@app.post("/echo")
async def echo(request: Request) -> Response:
    """Takes the body as it comes, and sends it back."""
    parts = [part async for part in request.stream()]
    return Response(b"".join(parts), media_type="application/octet-stream")


@app.websocket("/ws")
async def websocket(websocket: WebSocket) -> None:
    await websocket.accept(subprotocol="echo")
    while (message := await websocket.receive())["type"] != "websocket.disconnect":
        if message.get("text") is not None:
            await websocket.send_text(message["text"])
        else:
            await websocket.send_bytes(message["bytes"])


@asynccontextmanager
async def served_by_uvicorn(
    *, path: Path | None = None, context: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[str]:
    """The URL at which uvicorn serves the application on the running loop, or on a Unix socket."""
    place: dict[str, Any] = {"uds": str(path)} if path else {"host": "127.0.0.1", "port": 0}
    config = uvicorn.Config(app, log_level="warning", **place, **options)
    config.load()
    config.ssl = context
    server = uvicorn.Server(config)
    # The test's own process hears signals.
    serving = asyncio.create_task(server._serve())
    while not server.started:
        if serving.done():
            serving.result()
        await asyncio.sleep(0.01)
    try:
        if path:
            yield "http://localhost"
        else:
            port = server.servers[0].sockets[0].getsockname()[1]
            yield f"{'https' if context else 'http'}://localhost:{port}"
    finally:
        server.should_exit = True
        await serving
