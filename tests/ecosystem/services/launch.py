"""Starts a server as people deploy it, with the example's application, and asks it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from .process import PATIENCE

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
APPLICATION = Path(__file__).parent / "deployed"
SCRIPTS = Path(sys.executable).parent
PYTHONPATH = (APPLICATION, EXAMPLES / "deployment")


@asynccontextmanager
async def launched(
    command: Sequence[str | Path],
    log: Path,
    *,
    path: Sequence[Path] = PYTHONPATH,
    **options: Any,
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Runs a server; fails with what it wrote if the block fails, or it does not end well."""
    inherited = os.environ.get("PYTHONPATH", "")
    folders = os.pathsep.join(filter(None, [*map(str, path), inherited]))
    environment = {**os.environ, "PYTHONPATH": folders}
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(map(str, command)), env=environment, stdout=output, stderr=output, **options
        )
    try:
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        status = await asyncio.to_thread(process.wait, PATIENCE)
        # uvicorn ends by the signal that ended it.
        assert status in (0, -signal.SIGTERM), status
    except BaseException:
        print(log.read_text())
        raise
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


async def processes_that_answer(client: httpx.AsyncClient, at_least: int) -> set[int]:
    """Asks, on new connections, until so many processes have answered, each on a zloop loop."""
    seen: set[int] = set()
    while len(seen) < at_least:
        with contextlib.suppress(httpx.TransportError):
            answer = (await client.get("/", headers={"Connection": "close"})).json()
            assert answer["loop"] == "zloop"
            seen.add(answer["process"])
            continue
        await asyncio.sleep(0.05)
    return seen
