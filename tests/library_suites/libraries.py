"""The libraries whose source distributions carry their tests, and how those are run.

That of websockets carries none, so tests/ecosystem alone is about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Library:
    """pytest's options for a suite, all its tests, and those that are about input and output."""

    options: Sequence[str]
    tests: Sequence[str]
    quick: Sequence[str]


LIBRARIES = {
    "anyio": Library(
        # uvloop and trio are not installed: their variants would only be skipped. And localhost is
        # no address of IPv6 everywhere.
        options=["-k", "not uvloop and not trio and not ipv6"],
        tests=["tests"],
        quick=[
            "tests/streams",
            *(
                f"tests/test_{name}.py"
                for name in ("sockets", "subprocesses", "signals", "from_thread", "eventloop")
            ),
        ],
    ),
    "aiohttp": Library(
        options=[
            *("-o", "addopts="),
            *("-m", "not dev_mode and not autobahn and not internal"),
            *("-p", "no:asyncio", "-p", "no:anyio"),
            *("--ignore", "tests/autobahn", "--ignore-glob", "tests/test_benchmarks*"),
        ],
        tests=["tests"],
        quick=[
            f"tests/test_{name}.py"
            for name in (
                "client_functional",
                "client_ws_functional",
                "connector",
                "proxy_functional",
                "web_functional",
                "web_sendfile_functional",
                "web_websocket_functional",
            )
        ],
    ),
}
