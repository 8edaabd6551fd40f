"""Counts what a row's operation takes on each loop: instructions by valgrind, and system calls by strace.

Seconds vary with the machine and with who else is on it; these counts hardly do. They are those of the loop's
process, the interpreter's and the program's among them, which are the same on every loop. Of what the kernel
does, only the number of calls is counted.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from frame import CLIENTS, CORES, COUNTED, Row
from runner import Entrant, Failed, child_command, entered

TOOLS = ("valgrind", "callgrind_control", "strace")

# Seconds that a process may take for what it does under valgrind.
PATIENCE = 90.0
# Seconds between two looks at whether a process still works.
MOMENT = 0.05

# What is counted is the difference of few and many: batches of a measured row, or operations of a served one
# by its unit. The latter are multiples of how many connections or datagrams at a time a row has.
BATCHES = (1, 4)
OPERATIONS = {
    "messages": (200, 1000),
    "datagrams": (320, 1600),
    "connections": (40, 200),
    "requests": (128, 640),
    "GB": (50, 250),
}
# Megabytes without TLS, where they take little.
BULK = (100, 500)

# The same hashes each time, and so the same collisions in dictionaries.
STEADY = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
# One core, as far as the rows know: so no process is pinned to it.
SURROUNDINGS = {**os.environ, **STEADY, COUNTED: "1", CORES: "0"}

# In a line of strace's, behind the thread's number: the beginning of a call, and whom it started.
CALL = re.compile(r"\w+\(")
STARTED = re.compile(r"^(?:v?fork|clone3?)\(.*= (\d+)$")


@dataclass(frozen=True)
class Counts:
    """What one operation takes."""

    instructions: float
    system_calls: float


def missing_tools() -> list[str]:
    """Those programs that count and are not installed."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def can_be_counted(row: Row) -> bool:
    """Whether a row is made of operations: not what starting takes, and not memory."""
    return row.launch is None and not row.less_is_better


def operation(row: Row) -> str:
    """What is counted, in the singular: a message, or a megabyte."""
    unit = row.unit.removesuffix("/s")
    if unit in ("GB", "MB"):
        return "MB"
    return unit.removesuffix("es") if unit.endswith("sses") else unit.removesuffix("s")


def few_and_many(row: Row) -> tuple[int, int]:
    """How many operations, or batches of them, are counted."""
    if row.serve is None:
        return BATCHES
    if row.client[0] == "bulk.py":
        return BULK
    return OPERATIONS[row.unit.removesuffix("/s")]


def count(row: Row, factory: str) -> Counts:
    """The counts of one loop; raises Failed if it cannot run the row, or be watched."""
    return Counts(_instructions(row, factory), _system_calls(row, factory))


def _instructions(row: Row, factory: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        reached_by = f"--vgdb-prefix={folder}/vgdb"
        options = [
            "--quiet",
            "--tool=callgrind",
            "--instr-atstart=no",
            f"--callgrind-out-file={out}",
        ]
        watched = ["valgrind", *options, reached_by, *child_command(row, factory)]
        with entered(row, watched, SURROUNDINGS) as entrant:

            def segment(number: int) -> tuple[int, int]:
                with _doing(row, entrant, number) as done:
                    _control(entrant.pid, reached_by, "--dump")
                return done, _newest(out)

            entrant.start(PATIENCE)
            # What is done for the first time takes longer, and is compiled by valgrind besides.
            with _doing(row, entrant, few_and_many(row)[0]):
                _control(entrant.pid, reached_by, "--instr=on")
            return _per_operation(row, segment)


def _system_calls(row: Row, factory: str) -> float:
    """Without valgrind, under which asking for the time is one."""
    command = child_command(row, factory)
    with (
        tempfile.TemporaryDirectory() as folder,
        entered(row, command, SURROUNDINGS) as entrant,
    ):
        trace = Path(folder) / "trace"

        def segment(number: int) -> tuple[int, int]:
            with _tracing(entrant.pid, trace) as end, _doing(row, entrant, number) as done:
                end()
            return done, calls_of_threads(trace.read_text())

        entrant.start(PATIENCE)
        with _doing(row, entrant, few_and_many(row)[0]):
            pass
        return _per_operation(row, segment)


def _per_operation(row: Row, segment: Callable[[int], tuple[int, int]]) -> float:
    """The difference of two segments: what connecting takes is in both."""
    (fewer, less), (more, total) = (segment(number) for number in few_and_many(row))
    return (total - less) / (more - fewer)


@contextmanager
def _doing(row: Row, entrant: Entrant, number: int) -> Iterator[int]:
    """Has the loop do so many operations, or batches; in the block it has done them, and its clients wait."""
    if row.serve is None:
        yield round(entrant.ask(number, PATIENCE))
        return
    command = [sys.executable, str(CLIENTS / "exact.py"), entrant.address, str(number)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*command, *row.client], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as client:
        try:
            assert client.stdout is not None
            assert client.stderr is not None
            if not select.select([client.stdout], [], [], PATIENCE)[0]:
                raise Failed(f"no end after {PATIENCE:.0f} s")
            if not client.stdout.readline():
                raise entrant.failure(client.stderr.read())
            _settle(entrant.pid)
            yield number
            client.communicate("\n", PATIENCE)
        finally:
            client.kill()
    _settle(entrant.pid)


def _settle(process: int) -> None:
    """Waits until a process has nothing more to do."""
    before = -1
    while (now := _time_spent(process)) != before:
        before = now
        time.sleep(MOMENT)


def _time_spent(process: int) -> int:
    """The processor time of a process's threads, in nanoseconds."""
    threads = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads)


def _control(process: int, *order: str) -> None:
    """Tells callgrind to begin, or to write down what it has counted since the last time."""
    command = ["callgrind_control", *order, str(process)]
    finished = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    if finished.returncode != 0 or "Error" in finished.stdout:
        raise Failed(f"{' '.join(command)}: {(finished.stderr or finished.stdout).strip()}")


def _newest(out: Path) -> int:
    """The instructions in the newest of callgrind's files."""
    files = sorted(out.parent.glob("out.*"), key=lambda path: int(path.suffix[1:]))
    total = re.search(r"^totals: (\d+)", files[-1].read_text(), re.MULTILINE) if files else None
    if total is None:
        raise Failed("callgrind wrote nothing")
    return int(total[1])


@contextmanager
def _tracing(process: int, trace: Path) -> Iterator[Callable[[], None]]:
    """Writes down a process's system calls, until what it yields is called: then the file is whole."""
    command = ["strace", "--follow-forks", f"--output={trace}", f"--attach={process}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        attached = tracer.stderr.readline()
        if "attached" not in attached:
            raise Failed(attached.strip())
        # It says which threads it follows, and nobody need listen.
        listener = threading.Thread(target=tracer.stderr.read)
        listener.start()

        def end() -> None:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(PATIENCE)

        try:
            yield end
        finally:
            tracer.kill()
            listener.join()


def calls_of_threads(trace: str) -> int:
    """How many calls in a trace are the process's, its threads' among them: not those of what it started."""
    calls: Counter[str] = Counter()
    unfinished: dict[str, str] = {}
    # Who started whom, and whether as a thread. Often the first calls of who was started come before this.
    started: list[tuple[str, str, bool]] = []
    for line in trace.splitlines():
        thread, _, what = line.partition(" ")
        what = what.lstrip()
        if what.startswith("<... "):
            what = unfinished.pop(thread, "") + what
        elif CALL.match(what):
            calls[thread] += 1
        if what.endswith("<unfinished ...>"):
            unfinished[thread] = what
        elif start := STARTED.match(what):
            started.append((thread, start[1], "CLONE_THREAD" in what))
    for parent, child, is_thread in started:
        if not is_thread or parent not in calls:
            del calls[child]
    return calls.total()
