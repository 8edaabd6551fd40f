"""What the loop asks of the system while it is idle: nothing. tests/counts has the rest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest


def program(code: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code)]


def context_switches(pid: int) -> int:
    """How often the process's main thread has gone to sleep."""
    status = Path(f"/proc/{pid}/task/{pid}/status").read_text()
    found = re.search(r"^voluntary_ctxt_switches:\s+(\d+)$", status, re.MULTILINE)
    assert found is not None
    return int(found[1])


IDLE = """
    import asyncio, zloop

    async def main():
        loop = asyncio.get_running_loop()
        loop.call_later(3600, print)
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await loop.run_in_executor(None, print, "idle", True)
        for _ in range(10):
            await asyncio.sleep(0)
        print("ready", flush=True)
        await asyncio.Event().wait()

    zloop.run(main())
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="there is no /proc")
def test_idle_loop_does_not_wake_up():
    with subprocess.Popen(program(IDLE), stdout=subprocess.PIPE, text=True) as idle:
        try:
            assert "idle" in idle.stdout.readline()
            assert idle.stdout.readline() == "ready\n"
            # It prints before it sleeps; then it sleeps for good.
            before = -1
            for _ in range(200):
                now = context_switches(idle.pid)
                if now == before and sleeps(idle.pid):
                    break
                before = now
                subprocess.run(["sleep", "0.05"], check=True)
            else:
                pytest.fail("it never came to rest")
            subprocess.run(["sleep", "1"], check=True)
            assert context_switches(idle.pid) == before
        finally:
            idle.kill()


def sleeps(pid: int) -> bool:
    """Whether the process's main thread sleeps."""
    state = Path(f"/proc/{pid}/task/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "S"


LARGE_MESSAGES = """
    import asyncio, resource, socket, zloop

    SIZE, WARM, COUNTED = 100 * 1024, 50, 200

    class Peer(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport
            self.missing = SIZE

        def data_received(self, data):
            self.missing -= len(data)
            if self.missing == 0:
                self.missing = SIZE
                self.answer()
            self.transport.write(data)

        def answer(self):
            pass

    class First(Peer):
        def connection_made(self, transport):
            super().connection_made(transport)
            self.rounds, self.done = 0, asyncio.get_running_loop().create_future()

        def answer(self):
            self.rounds += 1
            if self.rounds == WARM:
                self.before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            elif self.rounds == WARM + COUNTED:
                after = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
                self.done.set_result((after - self.before) / COUNTED)
                self.transport.abort()

    async def main():
        loop = asyncio.get_running_loop()
        ends = socket.socketpair()
        await loop.connect_accepted_socket(Peer, ends[0])
        transport, first = await loop.connect_accepted_socket(First, ends[1])
        transport.write(bytes(SIZE))
        print(await first.done)

    zloop.run(main())
"""


def test_large_messages_are_not_read_into_pages_that_come_and_go():
    """Each new page costs a fault, and a message of 100 KiB would take 25 of them at each end."""
    result = subprocess.run(program(LARGE_MESSAGES), capture_output=True, text=True, check=True)
    assert float(result.stdout) < 5, result.stderr
