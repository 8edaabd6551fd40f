"""Runs single tests in forks of this process, which has everything imported already."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import json
import os
import selectors
import shutil
import signal
import sys
import tempfile
import time
import traceback
import unittest
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, NoReturn

from selection import TestName

PASSED = "passed"
SKIPPED = "skipped"
FAILED = "failed"
HUNG = "hung"
CRASHED = "crashed"


@dataclass(frozen=True)
class Outcome:
    """What came of one run of a test."""

    name: TestName
    result: str
    seconds: float
    detail: str
    output: str

    @property
    def is_good(self) -> bool:
        return self.result in (PASSED, SKIPPED)


@dataclass
class _Running:
    name: TestName
    pid: int
    report: int
    output: IO[bytes]
    folder: str
    started: float
    deadline: float


def run_tests(
    names: Iterable[TestName],
    *,
    workers: int,
    limit: float,
    reported: Callable[[Outcome], None],
) -> list[Outcome]:
    """Runs each test in a process of its own, some at once, and kills what outlives its limit."""
    waiting = iter(names)
    running: dict[int, _Running] = {}
    outcomes: list[Outcome] = []
    gc.collect()
    gc.freeze()
    with selectors.DefaultSelector() as selector:
        while True:
            for name in _take(waiting, workers - len(running)):
                started = _start(name, limit)
                running[started.report] = started
                selector.register(started.report, selectors.EVENT_READ)
            if not running:
                return outcomes
            now = time.monotonic()
            soonest = min(test.deadline for test in running.values())
            ready = {key.fd for key, _ in selector.select(max(0.0, soonest - now))}
            now = time.monotonic()
            for test in list(running.values()):
                if test.report in ready or now >= test.deadline:
                    selector.unregister(test.report)
                    del running[test.report]
                    outcome = _finish(test, hung=test.report not in ready)
                    outcomes.append(outcome)
                    reported(outcome)


def _take(names: Iterator[TestName], count: int) -> Iterator[TestName]:
    for _ in range(count):
        name = next(names, None)
        if name is None:
            return
        yield name


def _start(name: TestName, limit: float) -> _Running:
    report, reported = os.pipe()
    output = tempfile.TemporaryFile()  # noqa: SIM115 (closed by _finish)
    folder = tempfile.mkdtemp(prefix="conformance-")
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        # Tests name their files after the process that imported them, which is the same for all.
        os.chdir(folder)
        _child(name, reported, output, limit)
    os.close(reported)
    now = time.monotonic()
    return _Running(name, pid, report, output, folder, now, now + limit)


def _finish(test: _Running, *, hung: bool) -> Outcome:
    """Collects the result of a test whose process ended or is to be ended."""
    report = b"" if hung else _read_all(test.report)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(test.pid, signal.SIGKILL)
    _, status = os.waitpid(test.pid, 0)
    os.close(test.report)
    shutil.rmtree(test.folder, ignore_errors=True)
    test.output.seek(0)
    output = test.output.read().decode(errors="replace")
    test.output.close()
    seconds = time.monotonic() - test.started
    if hung:
        return Outcome(test.name, HUNG, seconds, f"still running after {seconds:.0f} s", output)
    if not report:
        return Outcome(test.name, CRASHED, seconds, _describe(status), output)
    result, detail = json.loads(report)
    return Outcome(test.name, result, seconds, detail, output)


def _describe(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exited with status {os.waitstatus_to_exitcode(status)} before its report"


def _read_all(descriptor: int) -> bytes:
    """Reads the one report that the child writes; a test's own children may keep the pipe open."""
    return os.read(descriptor, 1 << 20)


def _child(name: TestName, reported: int, output: IO[bytes], limit: float) -> NoReturn:
    os.setsid()
    # It is ignored in what a shell starts in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.set_inheritable(reported, False)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    faulthandler.enable()
    faulthandler.dump_traceback_later(limit * 0.9, exit=False)
    try:
        report = _run(name)
    except BaseException:
        report = (FAILED, traceback.format_exc())
    sys.stdout.flush()
    sys.stderr.flush()
    result, detail = report
    os.write(reported, json.dumps((result, detail[-16_000:])).encode())
    os._exit(0)


def _run(name: TestName) -> tuple[str, str]:
    result = unittest.TestResult()
    unittest.TestSuite([name.load()]).run(result)
    gc.collect()
    problems = [text for _, text in (*result.errors, *result.failures)]
    problems += ["unexpected success"] * len(result.unexpectedSuccesses)
    if problems:
        return FAILED, "\n".join(problems)
    if result.skipped:
        return SKIPPED, result.skipped[0][1]
    if result.testsRun == 0:
        return FAILED, "the test did not run"
    return PASSED, ""
