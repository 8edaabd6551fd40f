"""Tools that look into running tasks, from CPython 3.14 on."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.version_info < (3, 14), reason="new in CPython 3.14")


async def innermost(reached, go_on):
    reached.set()
    await go_on.wait()


async def outer(reached, go_on):
    async with asyncio.TaskGroup() as group:
        group.create_task(innermost(reached, go_on), name="inner task")


def test_capture_call_graph(loop):
    async def main():
        reached, go_on = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(outer(reached, go_on), name="outer task")
        await reached.wait()
        graph = asyncio.capture_call_graph(task)
        (inner,) = set(asyncio.all_tasks()) - {task, asyncio.current_task()}
        inner_graph = asyncio.capture_call_graph(inner)
        printed = io.StringIO()
        asyncio.print_call_graph(inner, file=printed)
        own = asyncio.format_call_graph()
        go_on.set()
        await task
        return task, inner, graph, inner_graph, printed.getvalue(), own

    task, inner, graph, inner_graph, printed, own = loop.run_until_complete(main())
    assert graph.future is task
    assert "outer" in [entry.frame.f_code.co_name for entry in graph.call_stack]
    assert inner_graph.future is inner
    assert "innermost" in [entry.frame.f_code.co_name for entry in inner_graph.call_stack]
    assert [waiting.future for waiting in inner_graph.awaited_by] == [task]
    assert "inner task" in printed
    assert "outer task" in printed
    assert "test_capture_call_graph" in own


WAITING = """
import asyncio
import sys
import conftest

async def innermost():
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)

async def main():
    async with asyncio.TaskGroup() as group:
        group.create_task(innermost(), name="inner task")

with asyncio.Runner(loop_factory=conftest.FACTORIES[sys.argv[1]]) as runner:
    runner.run(main())
"""


@pytest.mark.parametrize("command", ["ps", "pstree"])
def test_tasks_of_another_process(loop_factory, command):
    kind = "zloop" if loop_factory.__module__ == "zloop" else "asyncio"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", WAITING, kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    ) as process:
        try:
            assert process.stdout.readline() == b"ready\n"
            seen = subprocess.run(
                [sys.executable, "-m", "asyncio", command, str(process.pid)],
                capture_output=True,
                text=True,
                timeout=50,
                check=False,
            )
        finally:
            process.stdin.write(b"\n")
            process.stdin.close()
    if seen.returncode and "permission" in (seen.stdout + seen.stderr).lower():
        pytest.skip("may not look into another process")
    assert seen.returncode == 0, seen.stderr
    assert "inner task" in seen.stdout
    assert "innermost" in seen.stdout
    assert process.returncode == 0
