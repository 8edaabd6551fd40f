"""Counts everything that the guard guards."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from observing import observing
from operations import LONGER, OPERATIONS
from tools import Segment, by_callgrind, by_strace, python_program, segments_of, traced

from zloop import _zloop

Counts = dict[str, float]

# Waiting takes instructions that depend on the time.
INSTRUCTIONS = tuple(name for name in OPERATIONS if name != "waiting turn")
ALLOCATIONS = INSTRUCTIONS
SYSTEM_CALLS = ("turn", "waiting turn", "timer fired", "echo 1 KiB", "streams echo 1 KiB")

# By so much a count may grow, or by so little that it is chance: what time decides stays below both.
TOLERANCE = 0.03
CHANCE = 0.02

# Those of the own instructions that are there to see inside, while timing and tracing are off.
OBSERVING = "observing instructions"
LARGEST_SHARE = 0.01

CONNECTIONS = 64
HTTP_REQUEST = f"system calls per HTTP request, {CONNECTIONS} connections"
HTTP_REQUEST_ONE_BY_ONE = f"{HTTP_REQUEST}, without io_uring"


def names() -> list[str]:
    """What is counted, in the order of the record; zloop's own instructions need no certain interpreter."""
    return [
        *(f"instructions per {name}" for name in INSTRUCTIONS),
        *(f"own instructions per {name}" for name in INSTRUCTIONS),
        *(f"{OBSERVING} per {name}" for name in INSTRUCTIONS),
        *(f"allocations per {name}" for name in ALLOCATIONS),
        *(f"system calls per {name}" for name in SYSTEM_CALLS),
        HTTP_REQUEST,
        HTTP_REQUEST_ONE_BY_ONE,
    ]


def has_grown(recorded: float, now: float) -> bool:
    """Whether a count is above its record by more than chance."""
    return now > max(recorded * (1 + TOLERANCE), recorded + CHANCE)


def count_all() -> Counts:
    """Every count; raises tools.Unavailable where one cannot be had."""
    families: list[Callable[[], Counts]] = [count_instructions, _allocations, _system_calls]
    with ThreadPoolExecutor(len(families)) as threads:
        running = [threads.submit(family) for family in families]
        found = [one.result() for one in running]
    counts = {name: count for family in found for name, count in family.items()}
    return {name: round(counts[name], 2) for name in names()}


def share_of_observing(name: str, counts: Counts) -> float:
    """Which part of an operation's instructions is there to see inside."""
    return counts[f"{OBSERVING} per {name}"] / counts[f"instructions per {name}"]


def count_instructions() -> Counts:
    """The instructions alone; raises tools.Unavailable where they cannot be counted."""
    segments = by_callgrind(python_program("program.py", *INSTRUCTIONS), every_allocation=False)
    module = Path(_zloop.__file__)
    return {
        **_per_operation("instructions", INSTRUCTIONS, segments, lambda one: one.instructions),
        **_per_operation(
            "own instructions", INSTRUCTIONS, segments, lambda one: one.own_instructions
        ),
        **_per_operation(OBSERVING, INSTRUCTIONS, segments, lambda one: observing(one.own, module)),
    }


def _allocations() -> Counts:
    segments = by_callgrind(python_program("program.py", *ALLOCATIONS), every_allocation=True)
    return _per_operation("allocations", ALLOCATIONS, segments, lambda one: one.allocations)


def _system_calls() -> Counts:
    segments = by_strace(python_program("program.py", *SYSTEM_CALLS))
    counts = _per_operation("system calls", SYSTEM_CALLS, segments, Counter.total)
    return {
        **counts,
        HTTP_REQUEST: _calls_per_request(io_uring=True),
        HTTP_REQUEST_ONE_BY_ONE: _calls_per_request(io_uring=False),
    }


def _per_operation[S: (Segment, Counter[str])](
    what: str, operations: Sequence[str], segments: Sequence[S], amount: Callable[[S], int]
) -> Counts:
    """Each operation has left three segments: the few, the many, and what is between it and the next."""
    counts = {}
    for number, name in enumerate(operations):
        few, many = segments[3 * number : 3 * number + 2]
        more = OPERATIONS[name][1] * (LONGER - 1)
        counts[f"{what} per {name}"] = (amount(many) - amount(few)) / more
    return counts


def _calls_per_request(*, io_uring: bool, before: int = 10, counted: int = 100) -> float:
    """Of a server whose clients are in another process."""
    first, last = CONNECTIONS * before, CONNECTIONS * (before + counted)
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        command = traced(python_program("web_server.py", str(first), str(last)), trace)
        environment = os.environ | {"ZLOOP_IO_URING": str(int(io_uring))}
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        ) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            try:
                port = server.stdout.readline().strip()
                # After the second mark the clients go on for a while, each at its own pace.
                requests = str(before + counted + 10)
                clients = python_program("web_clients.py", port, str(CONNECTIONS), requests)
                subprocess.run(clients, check=True, timeout=120)
                server.stdin.write("\n")
                server.stdin.flush()
                server.wait(60)
            finally:
                server.kill()
        (segment,) = segments_of(trace)
    return segment.total() / (last - first)
