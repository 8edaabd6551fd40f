"""A FastAPI app that says which event loop serves it."""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse

PAGE = Path(__file__).parent / "page.html"

app = FastAPI(title="zloop example")


@app.get("/", include_in_schema=False)
async def page() -> FileResponse:
    """A page that shows the loop's name and talks to the WebSocket."""
    return FileResponse(PAGE)


@app.get("/loop")
async def loop() -> dict[str, str]:
    """The package that the running event loop comes from."""
    return {"loop": type(asyncio.get_running_loop()).__module__.partition(".")[0]}


@app.get("/plaintext", response_class=PlainTextResponse)
async def plaintext() -> str:
    """The shortest answer that there is."""
    return "Hello, world!"


@app.get("/json")
async def json(name: str = "world") -> dict[str, str | float]:
    """A small JSON object, made for each request."""
    return {
        "message": f"Hello, {name}!",
        "loop_time": asyncio.get_running_loop().time(),
        "python": platform.python_version(),
    }


@app.get("/stream")
async def stream(count: int = 10) -> StreamingResponse:
    """Some lines, a tenth of a second apart, sent as they are made."""
    return StreamingResponse(_ticks(min(count, 100)), media_type="text/plain")


async def _ticks(count: int) -> AsyncIterator[str]:
    started = time.monotonic()
    for number in range(1, count + 1):
        yield f"{number} of {count} after {time.monotonic() - started:.3f} s\n"
        await asyncio.sleep(0.1)


@app.websocket("/ws")
async def echo(websocket: WebSocket) -> None:
    """Sends back each message, text as text and bytes as bytes."""
    await websocket.accept()
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("text") is not None:
                await websocket.send_text(message["text"])
            else:
                await websocket.send_bytes(message["bytes"])
    except WebSocketDisconnect:
        return
