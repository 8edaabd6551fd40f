"""Counts what a row's operation takes on each loop: instructions by valgrind, and system calls by strace.

Seconds vary with the machine and with who else is on it; these counts hardly do. They are those of the loop's
process, the interpreter's and the program's among them, which are the same on every loop. Of what the kernel
does, only the number of calls is counted.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from frame import CLIENTS, CORES, COUNTED, Row
from runner import Entrant, Failed, child_command, entered

# Seconds that a process may take for what it does under valgrind.
PATIENCE = 300.0

# Few and many: batches of a measured row, or operations of a served one by its unit.
BATCHES = (1, 4)
OPERATIONS = {
    "messages": (200, 1000),
    "datagrams": (320, 1600),
    "connections": (40, 200),
    "requests": (128, 640),
    "GB": (50, 250),
}

# The same hashes each time, and so the same collisions in dictionaries.
STEADY = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}

# One core, as far as the rows know: so no process is pinned to it.
SURROUNDINGS = {**os.environ, **STEADY, COUNTED: "1", CORES: "0"}

# A line of strace's with the beginning of a call.
CALL = re.compile(r"\d+ +\w+\(")


@dataclass(frozen=True)
class Counts:
    """What one operation takes."""

    instructions: float
    system_calls: float


def can_be_counted(row: Row) -> bool:
    """Whether a row is made of operations: not what starting takes, and not memory."""
    return row.launch is None and not row.less_is_better


def operation(row: Row) -> str:
    """What is counted, in the singular: a message, or a megabyte."""
    unit = row.unit.removesuffix("/s")
    if unit in ("GB", "MB"):
        return "MB"
    return unit.removesuffix("es") if unit.endswith("sses") else unit.removesuffix("s")


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
        watched = [_tool("valgrind"), *options, reached_by, *child_command(row, factory)]
        with entered(row, watched, SURROUNDINGS) as entrant:

            def segment(number: int) -> tuple[float, int]:
                done = _do(row, entrant, number)
                _control(entrant.pid, reached_by, "--dump")
                return done, _newest(out)

            entrant.start(PATIENCE)
            # What is done for the first time takes longer, and is compiled by valgrind besides.
            _do(row, entrant, _numbers(row)[0])
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

        def segment(number: int) -> tuple[float, int]:
            with _tracing(entrant.pid, trace):
                done = _do(row, entrant, number)
            return done, sum(1 for line in trace.read_text().splitlines() if CALL.match(line))

        entrant.start(PATIENCE)
        _do(row, entrant, _numbers(row)[0])
        return _per_operation(row, segment)


def _numbers(row: Row) -> tuple[int, int]:
    """Few operations and many, or batches of them."""
    return OPERATIONS[row.unit.removesuffix("/s")] if row.serve is not None else BATCHES


def _per_operation(row: Row, segment: Callable[[int], tuple[float, int]]) -> float:
    """The difference of two segments: what starting and connecting take is in both."""
    (fewer, less), (more, total) = (segment(number) for number in _numbers(row))
    return (total - less) / (more - fewer)


def _do(row: Row, entrant: Entrant, number: int) -> float:
    """Has the loop do so many operations, or batches of them, and answers how many operations it did."""
    if row.serve is None:
        return entrant.ask(number, PATIENCE)
    command = [sys.executable, str(CLIENTS / "exact.py"), entrant.address, str(number)]
    try:
        client = subprocess.run(
            [*command, *row.client], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"no end after {PATIENCE:.0f} s") from None
    if client.returncode != 0:
        raise Failed(client.stderr.strip().rpartition("\n")[2])
    return number


def _control(process: int, *order: str) -> None:
    """Tells callgrind to begin, or to write down what it has counted since the last time."""
    command = ["callgrind_control", *order, str(process)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
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
def _tracing(process: int, trace: Path) -> Iterator[None]:
    """Has the system calls of a process, its threads' too, in a file that is whole after the block."""
    command = [_tool("strace"), "--follow-forks", f"--output={trace}", f"--attach={process}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        attached = tracer.stderr.readline()
        if "attached" not in attached:
            raise Failed(attached.strip())
        # It says which threads it follows, and nobody need listen.
        listener = threading.Thread(target=tracer.stderr.read)
        listener.start()
        try:
            yield
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(PATIENCE)
            listener.join()


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise Failed(f"{name} is not installed")
    return path
