"""What the loop asks of the system: nothing while idle, little for each request."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

STRACE = shutil.which("strace")

SERVER = """
    import asyncio, zloop

    class Web(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            # Head and body apart, as HTTP servers write them.
            self.transport.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n")
            self.transport.write(b"ok")

    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Web, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, input)

    zloop.run(main())
"""

CLIENTS = """
    import asyncio, sys

    REQUEST = b"GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n"

    async def client(port, rounds):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(rounds):
            writer.write(REQUEST)
            await reader.readuntil(b"ok")
        writer.close()
        await writer.wait_closed()

    async def main(port, clients, rounds):
        await asyncio.gather(*[client(port, rounds) for _ in range(clients)])

    asyncio.run(main(*map(int, sys.argv[1:])))
"""


def program(code: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code)]


def traced(code: str, summary: Path) -> list[str]:
    """The command that runs a program and counts the system calls of all its threads."""
    assert STRACE is not None
    return [STRACE, "-f", "-c", "-o", str(summary), *program(code)]


def counts(summary: Path) -> dict[str, int]:
    """How often each system call was made, by strace's own table."""
    rows = re.findall(
        r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", summary.read_text(), re.MULTILINE
    )
    return {name: int(calls) for calls, name in rows if name != "total"}


@pytest.fixture
def strace(tmp_path):
    """Skip where no process may be traced."""
    if STRACE is None:
        pytest.skip("strace is not installed")
    probe = tmp_path / "probe"
    tried = subprocess.run(
        [STRACE, "-f", "-c", "-o", str(probe), sys.executable, "-c", ""],
        capture_output=True,
        text=True,
        timeout=60,
    )
    if tried.returncode != 0 or not counts(probe):
        pytest.skip(f"processes cannot be traced here: {tried.stderr.strip()}")


def test_keep_alive_requests(strace, tmp_path):
    """One read and one write for each request; the wait is shared by those that came together."""
    clients, few, many = 64, 5, 105
    totals = []
    for rounds in (few, many):
        summary = tmp_path / f"summary {rounds}"
        server = subprocess.Popen(
            traced(SERVER, summary), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with server:
            port = server.stdout.readline().strip()
            arguments = [port, str(clients), str(rounds)]
            subprocess.run([*program(CLIENTS), *arguments], check=True, timeout=50)
            server.stdin.write("\n")
        assert server.returncode == 0
        totals.append(counts(summary))
    requests = clients * (many - few)
    # What starting, connecting and ending cost is in both.
    difference = {
        name: (calls - totals[0].get(name, 0)) / requests for name, calls in totals[1].items()
    }
    each = {name: calls for name, calls in difference.items() if calls > 0.001}
    assert sum(each.values()) <= 2.1, each


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
