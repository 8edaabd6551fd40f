"""A FastAPI app that says which event loop serves it."""

from __future__ import annotations

import asyncio
import hashlib
import platform
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse

PAGE = Path(__file__).parent / "page.html"

PATTERN = bytes(range(256)) * 256
"""What downloads repeat."""

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


@app.get("/download")
async def download(size: Annotated[int, Query(ge=0, le=2**30)] = 1_000_000) -> StreamingResponse:
    """So many bytes, 64 KiB at a time."""
    headers = {"Content-Length": str(size), "Content-Disposition": "attachment; filename=pattern"}
    return StreamingResponse(_pattern(size), headers=headers, media_type="application/octet-stream")


async def _pattern(size: int) -> AsyncIterator[bytes]:
    for start in range(0, size, len(PATTERN)):
        yield PATTERN[: size - start]


@app.post("/upload")
async def upload(request: Request) -> dict[str, int | str]:
    """How many bytes came, and their SHA-256; nothing is kept."""
    digest = hashlib.sha256()
    size = 0
    async for chunk in request.stream():
        digest.update(chunk)
        size += len(chunk)
    return {"size": size, "sha256": digest.hexdigest()}


@app.get("/metrics")
async def metrics() -> dict[str, Any]:
    """What the loop has counted, if it is one that counts."""
    counted = _metrics()
    if counted is None:
        raise HTTPException(404, "this loop does not count")
    return counted


def _metrics() -> dict[str, Any] | None:
    measure = getattr(asyncio.get_running_loop(), "metrics", None)
    return None if measure is None else measure()._asdict()


_watchers = 0


@app.websocket("/ws/metrics")
async def watch_metrics(websocket: WebSocket) -> None:
    """Sends what the loop counts, twice a second; times are taken while somebody watches."""
    global _watchers
    await websocket.accept()
    if _metrics() is None:
        await websocket.close()
        return
    loop: Any = asyncio.get_running_loop()
    _watchers += 1
    if _watchers == 1:
        loop.set_metrics_timing(True)
    try:
        while True:
            await websocket.send_json({"time": loop.time(), **(_metrics() or {})})
            await asyncio.sleep(0.5)
    except WebSocketDisconnect:
        return
    finally:
        _watchers -= 1
        if _watchers == 0:
            loop.set_metrics_timing(False)


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
