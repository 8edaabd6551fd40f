"""Subprocesses."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
from asyncio.subprocess import DEVNULL, PIPE, STDOUT

import pytest

import zloop._child

SLEEP = ("sleep", "1000")
CAT = ("cat",)


def run(loop, coroutine):
    async def limited():
        async with asyncio.timeout(50):
            return await coroutine

    return loop.run_until_complete(limited())


@pytest.mark.parametrize("code", [0, 3, 255])
def test_return_code(loop, code):
    async def main():
        # It is held until it was looked at.
        process = await asyncio.create_subprocess_shell(f"read line; exit {code}", stdin=PIPE)
        assert process.returncode is None
        process.stdin.write(b"go on\n")
        assert await process.wait() == code
        assert process.returncode == code

    run(loop, main())


def test_communicate(loop):
    async def main():
        process = await asyncio.create_subprocess_shell(
            "tr a-z A-Z; echo problem >&2", stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        assert await process.communicate(b"hello") == (b"HELLO", b"problem\n")
        assert process.returncode == 0

    run(loop, main())


def test_much_data_both_ways(loop):
    data = bytes(range(256)) * 20_000

    async def main():
        process = await asyncio.create_subprocess_exec(*CAT, stdin=PIPE, stdout=PIPE)
        output, errors = await process.communicate(data)
        assert output == data
        assert errors is None

    run(loop, main())


def test_streams(loop):
    async def main():
        process = await asyncio.create_subprocess_exec(*CAT, stdin=PIPE, stdout=PIPE)
        for line in (b"one\n", b"two\n"):
            process.stdin.write(line)
            await process.stdin.drain()
            assert await process.stdout.readline() == line
        process.stdin.close()
        await process.stdin.wait_closed()
        assert await process.stdout.read() == b""
        assert await process.wait() == 0

    run(loop, main())


def test_errors_with_the_output(loop):
    async def main():
        process = await asyncio.create_subprocess_shell(
            "echo output; echo problem >&2", stdout=PIPE, stderr=STDOUT
        )
        assert await process.communicate() == (b"output\nproblem\n", None)

    run(loop, main())


def test_popen_keywords(loop, tmp_path):
    async def main():
        process = await asyncio.create_subprocess_shell(
            "pwd; echo $ANSWER; cut -d ' ' -f 6 /proc/$$/stat; umask",
            stdout=PIPE,
            cwd=tmp_path,
            env={"ANSWER": "42", "PATH": os.environ["PATH"]},
            start_new_session=True,
            umask=0o027,
        )
        output, _ = await process.communicate()
        folder, answer, session, mask = output.decode().split()
        assert folder == str(tmp_path)
        assert answer == "42"
        assert int(session) == process.pid
        assert int(mask, 8) == 0o027

    run(loop, main())


def test_descriptors_to_pass_on(loop):
    read, write = os.pipe()
    with open(read, "rb") as reader, open(write, "wb", buffering=0) as writer:

        async def main():
            process = await asyncio.create_subprocess_shell(
                f"echo passed >/proc/self/fd/{write}", pass_fds=[write]
            )
            assert await process.wait() == 0

        run(loop, main())
        writer.close()
        assert reader.read() == b"passed\n"


@pytest.mark.parametrize(
    ("how", "options", "message"),
    [
        ("exec", {"universal_newlines": True}, "universal_newlines must be False"),
        ("exec", {"shell": True}, "shell must be False"),
        ("exec", {"bufsize": 4096}, "bufsize must be 0"),
        ("exec", {"text": True}, "text must be False"),
        ("exec", {"encoding": "utf-8"}, "encoding must be None"),
        ("exec", {"errors": "strict"}, "errors must be None"),
        ("shell", {"universal_newlines": True}, "universal_newlines must be False"),
        ("shell", {"shell": False}, "shell must be True"),
        ("shell", {"bufsize": 4096}, "bufsize must be 0"),
        ("shell", {"text": True}, "text must be False"),
        ("shell", {"encoding": "utf-8"}, "encoding must be None"),
        ("shell", {"errors": "strict"}, "errors must be None"),
    ],
)
def test_wrong_arguments(loop, how, options, message):
    start = loop.subprocess_exec if how == "exec" else loop.subprocess_shell
    with pytest.raises(ValueError, match=message):
        run(loop, start(asyncio.SubprocessProtocol, "true", **options))


@pytest.mark.parametrize("how", ["exec", "shell"])
def test_the_buffers_size_is_an_integer(loop, how):
    start = loop.subprocess_exec if how == "exec" else loop.subprocess_shell
    with pytest.raises(TypeError, match="bufsize must be an integer"):
        run(loop, start(asyncio.SubprocessProtocol, "true", bufsize=0.0))


def test_a_shell_command_is_a_string(loop):
    with pytest.raises(ValueError, match="cmd must be a string"):
        run(loop, loop.subprocess_shell(asyncio.SubprocessProtocol, ["true"]))


def test_a_missing_program(loop):
    async def main():
        with pytest.raises(FileNotFoundError):
            await asyncio.create_subprocess_exec(
                "/no/such/program", stdin=PIPE, stdout=PIPE, stderr=PIPE
            )

    run(loop, main())


@pytest.mark.parametrize(
    ("method", "arguments", "expected"),
    [
        ("kill", (), signal.SIGKILL),
        ("terminate", (), signal.SIGTERM),
        ("send_signal", (signal.SIGHUP,), signal.SIGHUP),
    ],
)
def test_signals(loop, method, arguments, expected):
    async def main():
        process = await asyncio.create_subprocess_exec(*SLEEP)
        getattr(process, method)(*arguments)
        assert await process.wait() == -expected

    run(loop, main())


def test_signals_after_the_end_raise_or_do_nothing(loop):
    async def main():
        process = await asyncio.create_subprocess_exec("true")
        await process.wait()
        await asyncio.sleep(0)
        with pytest.raises(ProcessLookupError):
            process.kill()

    run(loop, main())


def test_signals_never_reach_a_process_that_took_the_number(zloop_loop):
    """A pidfd stays with the child, whatever its number stands for."""

    async def main():
        process = await asyncio.create_subprocess_exec(*SLEEP)
        transport = process._transport
        # As if the child had ended, and this very process had its number now.
        transport._proc.pid = os.getpid()
        process.kill()
        assert await process.wait() == -signal.SIGKILL

    run(zloop_loop, main())


def test_who_has_the_popen_object_signals_the_child(loop):
    async def main():
        process = await asyncio.create_subprocess_exec(*SLEEP)
        process._transport.get_extra_info("subprocess").terminate()
        assert await process.wait() == -signal.SIGTERM

    run(loop, main())


class Recorder(asyncio.SubprocessProtocol):
    def __init__(self):
        self.events = []
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.events.append("made")

    def pipe_data_received(self, fd, data):
        self.events.append((fd, data))

    def pipe_connection_lost(self, fd, exc):
        self.events.append((fd, "lost"))

    def process_exited(self):
        self.events.append("exited")

    def connection_lost(self, exc):
        self.events.append("lost")
        self.lost.set_result(exc)


def test_order_of_events(loop):
    async def main():
        transport, protocol = await loop.subprocess_shell(
            Recorder, "echo output; echo problem >&2", stdin=PIPE
        )
        assert isinstance(transport, asyncio.SubprocessTransport)
        assert transport.get_pid() == transport.get_extra_info("subprocess").pid
        assert transport.get_pipe_transport(0) is not None
        assert transport.get_pipe_transport(3) is None
        assert await protocol.lost is None
        events = protocol.events
        assert events[0] == "made"
        assert events[-1] == "lost"
        assert sorted(map(str, events[1:-1])) == sorted(
            map(
                str,
                [(1, b"output\n"), (2, b"problem\n"), *[(n, "lost") for n in range(3)], "exited"],
            )
        )
        for number, data in ((1, b"output\n"), (2, b"problem\n")):
            assert events.index((number, data)) < events.index((number, "lost"))
        assert transport.get_returncode() == 0
        transport.close()

    run(loop, main())


def test_closing_kills(loop):
    async def main():
        transport, protocol = await loop.subprocess_exec(Recorder, *SLEEP)
        transport.close()
        assert transport.is_closing()
        await protocol.lost
        assert transport.get_returncode() == -signal.SIGKILL

    run(loop, main())


def test_cancelled_wait(loop):
    async def main():
        process = await asyncio.create_subprocess_exec(*SLEEP)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process.wait(), 0)
        process.kill()
        assert await process.wait() == -signal.SIGKILL

    run(loop, main())


def test_cancelled_spawn_leaves_nothing(zloop_loop):
    async def main():
        before = _children()
        for turns in range(12):
            task = asyncio.create_task(
                asyncio.create_subprocess_exec(*SLEEP, stdin=PIPE, stdout=PIPE, stderr=PIPE)
            )
            for _ in range(turns):
                await asyncio.sleep(0)
            if task.done():
                process = task.result()
                process.kill()
                await process.communicate()
                continue
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert _children() == before

    run(zloop_loop, main())


def _children():
    task = f"/proc/self/task/{threading.get_native_id()}/children"
    with open(task) as children:
        return set(children.read().split())


def test_a_child_that_somebody_else_has_reaped(loop, caplog):
    async def main():
        process = await asyncio.create_subprocess_exec(*SLEEP)
        os.kill(process.pid, signal.SIGKILL)
        os.waitpid(process.pid, 0)
        with caplog.at_level(logging.WARNING, "asyncio"):
            assert await process.wait() == 255

    run(loop, main())
    assert "exit status already read" in caplog.text


def test_a_child_that_its_popen_object_has_reaped(zloop_loop):
    async def main():
        process = await asyncio.create_subprocess_shell("exit 7")
        process._transport.get_extra_info("subprocess").wait()
        assert await process.wait() == 7

    run(zloop_loop, main())


def test_without_pidfds(zloop_loop, monkeypatch):
    def refuse(pid, flags=0):
        raise PermissionError

    monkeypatch.setattr(os, "pidfd_open", refuse)

    async def main():
        process = await asyncio.create_subprocess_shell("exit 7", stdout=PIPE)
        assert await process.communicate() == (b"", None)
        assert process.returncode == 7
        process = await asyncio.create_subprocess_exec(*SLEEP)
        process.kill()
        assert await process.wait() == -signal.SIGKILL

    run(zloop_loop, main())


def test_neither_threads_nor_signal_handlers(zloop_loop):
    handler = signal.getsignal(signal.SIGCHLD)

    async def main():
        threads = threading.active_count()
        process = await asyncio.create_subprocess_exec(*SLEEP)
        assert threading.active_count() == threads
        assert signal.getsignal(signal.SIGCHLD) is handler
        process.kill()
        await process.wait()

    run(zloop_loop, main())


def test_on_another_thread(loop_factory):
    results = []

    async def main():
        process = await asyncio.create_subprocess_shell("echo $((6 * 7))", stdout=PIPE)
        results.append((await process.communicate())[0])

    def on_thread():
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(main())

    thread = threading.Thread(target=on_thread)
    thread.start()
    thread.join()
    assert results == [b"42\n"]


def test_a_thousand_children_at_once(zloop_loop):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 5000
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip("the system allows too few descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))

    async def main():
        processes = [
            await asyncio.create_subprocess_exec(*CAT, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
            for _ in range(1000)
        ]
        outputs = await asyncio.gather(
            *[process.communicate(b"%d" % number) for number, process in enumerate(processes)]
        )
        assert [output for output, _ in outputs] == [b"%d" % number for number in range(1000)]
        assert {process.returncode for process in processes} == {0}

    try:
        run(zloop_loop, main())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_an_unclosed_transport_warns(zloop_loop):
    async def main():
        transport, _ = await zloop_loop.subprocess_exec(
            asyncio.SubprocessProtocol, *SLEEP, stdin=None, stdout=None, stderr=None
        )
        return transport.get_extra_info("subprocess")

    process = run(zloop_loop, main())
    with pytest.warns(ResourceWarning, match="unclosed transport <SubprocessTransport pid="):
        zloop_loop.close()
        gc.collect()
    assert process.wait() == -signal.SIGKILL


def test_debug_messages_have_no_arguments(loop, caplog):
    loop.set_debug(True)

    async def main():
        process = await asyncio.create_subprocess_exec(
            "true", "--password=secret", stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
        )
        await process.communicate()

    with caplog.at_level(logging.DEBUG, "asyncio"):
        run(loop, main())
    assert "execute program 'true' stdin=-3 stdout=stderr=<pipe>" in caplog.messages
    assert "secret" not in caplog.text


def test_repr(zloop_loop):
    async def main():
        process = await asyncio.create_subprocess_exec(*SLEEP, stdin=DEVNULL)
        transport = process._transport
        assert repr(transport) == f"<SubprocessTransport pid={process.pid} running>"
        process.kill()
        await process.wait()
        assert "returncode=-9" in repr(transport)

    run(zloop_loop, main())


@pytest.mark.parametrize(
    ("command", "expected"), [("exit 5", 5), ("kill -TERM $$", -signal.SIGTERM)]
)
def test_return_codes_are_those_of_subprocess(command, expected):
    with subprocess.Popen(command, shell=True) as process:
        result = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert zloop._child.return_code(result) == expected
    assert process.returncode == expected
    assert sys.exc_info() == (None, None, None)
