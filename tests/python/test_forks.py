"""Forks in the process of a running loop."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys

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


SERVING = """
import asyncio, os, signal, sys
import conftest

async def echo(reader, writer):
    try:
        while data := await reader.read(100):
            writer.write(data)
    except asyncio.CancelledError:
        pass  # Streams of 3.12 report it.
    writer.close()

async def main():
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, print, "the parent got the signal of the child")
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    ours, theirs = os.pipe()
    told = loop.create_future()
    loop.add_reader(ours, lambda: told.done() or told.set_result(None))

    async def use():
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"

    await use()
    child = os.fork()
    if child == 0:
        IN_CHILD
    _, status = await loop.run_in_executor(None, os.waitpid, child, 0)
    async with asyncio.timeout(30):
        await use()
        assert not told.done()
        os.write(theirs, b"x")
        await told
        loop.remove_reader(ours)
        again = await asyncio.open_connection(*server.sockets[0].getsockname())
        again[1].close()
        writer.close()
        await asyncio.sleep(0.001)
        server.close()
    print("undisturbed", os.waitstatus_to_exitcode(status))

with asyncio.Runner(loop_factory=conftest.FACTORIES[sys.argv[1]]) as runner:
    runner.run(main())
"""


def undisturbed_by(in_child, kind):
    """Run a loop whose process forks; return what it and its child wrote."""
    program = SERVING.replace("IN_CHILD", in_child)
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, kind],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in run.stderr, run.stderr
    return run.stdout.splitlines()


@pytest.mark.parametrize("kind", ["asyncio", "zloop"])
def test_a_child_that_leaves_its_parents_loop_alone(kind):
    in_child = (
        "loop.stop(); loop.call_soon(print, 1); loop.call_soon_threadsafe(print, 2); os._exit(7)"
    )
    assert undisturbed_by(in_child, kind) == ["undisturbed 7"]


@pytest.mark.parametrize(
    "in_child",
    [
        "writer.transport.abort(); server.close(); loop.remove_reader(ours); os._exit(7)",
        "loop.add_reader(theirs, print); loop.add_writer(ours, print); os._exit(7)",
        "os.close(ours); writer.get_extra_info('socket')._sock.close(); os._exit(7)",
        "os.kill(os.getpid(), signal.SIGUSR1); os._exit(7)",
        pytest.param(
            "sys.exit(7)",
            marks=pytest.mark.skipif(
                sys.version_info >= (3, 14),
                reason="a task refuses to end where its loop is not the running one, on any loop",
            ),
        ),
    ],
)
def test_a_child_that_uses_its_parents_loop(in_child):
    """asyncio's child would act on what the parent waits on."""
    assert undisturbed_by(in_child, "zloop") == ["undisturbed 7"]


OUTCOMES = """
outcomes = []
        for use in (asyncio.get_running_loop, loop.run_forever):
            try:
                outcomes.append(use())
            except Exception as error:
                outcomes.append((type(error).__name__, str(error)))
        try:
            await asyncio.sleep(0.001)
        except RuntimeError as error:
            outcomes.append(str(error))
        outcomes.append(loop.is_closed())
        print(outcomes, flush=True)
        os._exit(7)
"""


def test_errors_in_a_child_are_asyncios():
    expected, found = (undisturbed_by(OUTCOMES.strip(), kind) for kind in ("asyncio", "zloop"))
    assert found == expected
    assert "no running event loop" in found[0]
    assert "This event loop is already running" in found[0]
    assert found[-1] == "undisturbed 7"
