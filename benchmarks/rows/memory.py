"""What a connection costs that does nothing."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from pathlib import Path

from frame import CLIENTS, measured

# The first ones are not counted: they bring what a loop makes once.
WARM_UP = 500
CONNECTIONS = 10_000


@measured("memory per idle connection, of 10,000", unit="bytes", less_is_better=True, most_turns=1)
def memory_per_connection(loop: asyncio.AbstractEventLoop, seconds: float) -> float:
    _allow_descriptors(WARM_UP + CONNECTIONS + 100)
    open_ones: list[Idle] = []
    server = loop.run_until_complete(
        loop.create_server(lambda: Idle(open_ones), "127.0.0.1", 0, backlog=1024)
    )
    command = [sys.executable, str(CLIENTS / "idle.py")]
    command += [str(server.sockets[0].getsockname()[1]), str(WARM_UP), str(CONNECTIONS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as client:
        assert client.stdin is not None
        try:
            loop.run_until_complete(_count_to(WARM_UP, open_ones))
            before = _resident_bytes()
            client.stdin.write(b"\n")
            client.stdin.flush()
            loop.run_until_complete(_count_to(WARM_UP + CONNECTIONS, open_ones))
            return (_resident_bytes() - before) / CONNECTIONS
        finally:
            client.kill()


class Idle(asyncio.Protocol):
    """Keeps its transport, as protocols do."""

    def __init__(self, open_ones: list[Idle]) -> None:
        self._open_ones = open_ones

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._open_ones.append(self)


async def _count_to(count: int, open_ones: list[Idle]) -> None:
    while len(open_ones) < count:
        await asyncio.sleep(0.02)


def _resident_bytes() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _allow_descriptors(count: int) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        # Only root may raise the hard limit; others get an error that says so.
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(hard, count)))
