"""What a row of the benchmark is, and the registry that the files in rows/ fill.

A row is one of three kinds:

- @measured: a function that uses a loop for a while, in a process of its own, and answers with a value, again
  and again;
- @launched: the same for what comes before there is a loop: it gets the loop factory's name;
- @served: a function that serves on a loop until its process is ended, while a program of clients/, in
  another process, loads it and prints the value. The client has another core, but where it takes turns with
  the loop, one message at a time: then a message would measure how long a core takes to wake up.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import pkgutil
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

CLIENTS = Path(__file__).parent / "clients"

# In a loop's place: a program that makes a row's system calls, and nothing else.
BARE = "bare"

# The compiled client of everything but HTTP and TLS.
SOCKET_LOAD = ("compiled.py", "socket_load")

# Names the cores to the processes of a run, since one that is pinned sees only its own.
CORES = "BENCHMARK_CORES"

# Set where operations are counted, and not timed.
COUNTED = "BENCHMARK_COUNTED"

LoopFactory = Callable[[], asyncio.AbstractEventLoop]
Measurement = Callable[[asyncio.AbstractEventLoop, float], float]
Launch = Callable[[str, float], float]
Address = int | str
Announcer = Callable[[Address], None]
Service = Callable[[LoopFactory, Announcer], None]


@dataclass(frozen=True)
class Row:
    """One row of the table; measure, launch or serve says how its value comes about.

    The module is the one in rows/ that has it. The goal is how many times as good as the best other loop
    zloop means to be. A process takes at most so many turns at it. The bare program knows the row, if it is
    mostly system calls, by a name of its own.
    """

    name: str
    unit: str
    module: str
    goal: float = 1.0
    less_is_better: bool = False
    most_turns: int = sys.maxsize
    measure: Measurement | None = None
    launch: Launch | None = None
    serve: Service | None = None
    client: tuple[str, ...] = ()
    bare: str | None = None

    @property
    def shares_core(self) -> bool:
        """Whether the client runs on the loop's core, where what either spends is the other's time.

        So it is where they take turns on one connection. And where connections are made: the kernel does most
        of a connection's work in the client's calls, so one on another core is busy long before the loop is.
        """
        match self.client:
            case (*_, "echo", _, "1") | (*_, "connections", _):
                return True
        return False

    def client_command(self, address: str, seconds: float) -> list[str]:
        """The program that loads the service at an announced address, without the interpreter."""
        program, *arguments = self.client
        return [str(CLIENTS / program), address, str(seconds), *arguments]


ROWS: dict[str, Row] = {}


def measured(
    name: str,
    *,
    unit: str,
    goal: float = 1.0,
    less_is_better: bool = False,
    most_turns: int = sys.maxsize,
    bare: str | None = None,
) -> Callable[[Measurement], Measurement]:
    """Registers a function that answers with a value after about the given seconds."""
    return lambda measure: _add(
        measure,
        Row(
            name,
            unit,
            measure.__module__,
            goal,
            less_is_better,
            most_turns,
            measure=measure,
            bare=bare,
        ),
    )


def launched(
    name: str, *, unit: str, goal: float = 1.0, less_is_better: bool = False
) -> Callable[[Launch], Launch]:
    """Registers a function that answers for a factory's name, such as zloop:new_event_loop."""
    return lambda launch: _add(
        launch, Row(name, unit, launch.__module__, goal, less_is_better, launch=launch)
    )


def served(
    name: str, *, unit: str, client: tuple[str, ...], goal: float = 1.0, bare: str | None = None
) -> Callable[[Service], Service]:
    """Registers a function that serves, with the client program that loads it."""
    return lambda serve: _add(
        serve, Row(name, unit, serve.__module__, goal, serve=serve, client=client, bare=bare)
    )


def _add[Function](function: Function, row: Row) -> Function:
    ROWS[row.name] = row
    return function


def load_rows() -> dict[str, Row]:
    """Imports every file of rows/, in the order in which the table shows them."""
    package = importlib.import_module("rows")
    order: tuple[str, ...] = package.ORDER
    found = {module.name for module in pkgutil.iter_modules(package.__path__)}
    for name in (*order, *sorted(found - set(order))):
        importlib.import_module(f"rows.{name}")
    return ROWS


def load_row(module: str, name: str) -> Row:
    """One row, without importing what the others need."""
    importlib.import_module(module)
    return ROWS[name]


def find_factory(name: str) -> LoopFactory:
    """The loop factory that a name such as zloop:new_event_loop means."""
    module, _, attribute = name.partition(":")
    factory: LoopFactory = getattr(importlib.import_module(module), attribute)
    return factory


def rate_of(batch: Callable[[], int], seconds: float) -> float:
    """Repeats a batch, which answers with how much it did, and divides by the time.

    The first batch is not counted. Where operations are counted, there are so many batches as there would be
    seconds, and what they did is the answer.
    """
    if COUNTED in os.environ:
        return sum(batch() for _ in range(round(seconds)))
    batch()
    done = 0
    started = time.perf_counter()
    while (spent := time.perf_counter() - started) < seconds:
        done += batch()
    return done / spent


def run_service(
    factory: LoopFactory,
    announce: Announcer,
    start: Callable[[asyncio.AbstractEventLoop], Awaitable[Address]],
) -> None:
    """Starts a service on a new loop, announces its address, and runs until the process is ended."""
    loop = factory()
    announce(loop.run_until_complete(_started(start, loop)))
    loop.run_forever()


async def _started(
    start: Callable[[asyncio.AbstractEventLoop], Awaitable[Address]],
    loop: asyncio.AbstractEventLoop,
) -> Address:
    return await start(loop)


def cores() -> list[int]:
    """The cores of this run: those that the first process of it may use."""
    named = os.environ.get(CORES)
    return [int(core) for core in named.split(",")] if named else sorted(os.sched_getaffinity(0))


def pin(which: int) -> None:
    """Keeps this process, and those that it starts, on one core, if there is more than one."""
    all_cores = cores()
    if len(all_cores) > 1:
        os.sched_setaffinity(0, {all_cores[which % len(all_cores)]})
