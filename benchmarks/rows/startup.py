"""What a program pays before its loop runs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from frame import find_factory, launched, rate_of

BATCH = 20

# What Python itself does to start is not in it; asyncio, which every loop needs, is.
PROGRAM = """
import sys, time
started = time.perf_counter()
module, attribute = sys.argv[1].split(":")
loop = getattr(__import__(module), attribute)()
print(time.perf_counter() - started)
"""


@launched("import, and the first loop", unit="ms", less_is_better=True)
def import_and_loop(factory_name: str, seconds: float) -> float:
    """The median of fresh interpreters."""
    command = [sys.executable, "-c", PROGRAM, factory_name]
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - started < seconds:
        printed = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
        )
        times.append(float(printed.stdout))
    return statistics.median(times) * 1e3


@launched("a loop made and closed", unit="µs", less_is_better=True)
def make_and_close(factory_name: str, seconds: float) -> float:
    factory = find_factory(factory_name)

    def batch() -> int:
        for _ in range(BATCH):
            factory().close()
        return BATCH

    return 1e6 / rate_of(batch, seconds)
