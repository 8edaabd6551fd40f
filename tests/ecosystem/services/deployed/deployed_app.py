"""A small ASGI application that says which process answers, at once or after a while."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers with the loop's module and the process; /slow takes its time."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(0.3)
    name = type(asyncio.get_running_loop()).__module__
    body = json.dumps({"loop": name, "process": os.getpid()}).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
