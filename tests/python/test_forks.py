"""Forks in the process of a running loop."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fork_in_a_running_loop(loop):
    """The child may run a loop of its own; the parent's goes on."""

    async def work():
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        theirs.send(b"x")
        assert await reader.readexactly(1) == b"x"
        writer.close()
        await writer.wait_closed()
        theirs.close()
        return 7

    async def main():
        child = os.fork()
        if child == 0:
            status = 1
            try:
                assert asyncio._get_running_loop() is None
                with asyncio.Runner(loop_factory=type(loop)) as runner:
                    status = runner.run(work())
            finally:
                os._exit(status)
        await work()
        await asyncio.sleep(0.001)
        _, status = await loop.run_in_executor(None, os.waitpid, child, 0)
        assert os.waitstatus_to_exitcode(status) == 7
        assert await work() == 7

    loop.run_until_complete(asyncio.wait_for(main(), 50))
