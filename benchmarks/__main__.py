"""Compares zloop with other event loops, side by side in one run.

    python benchmarks                          every row, nine rounds or more
    python benchmarks --rows echo --rounds 3   the rows that have a word in their name
    python benchmarks --quick                  one short round, to see that it works
    python benchmarks --counted                instructions and system calls in place of time

Each loop has a process of its own in each round of a row. All of a row's start before the first one's turn,
so that a machine that gets slower for a while does so for all of them; and since a process has a speed of its
own for its life, many rounds of one turn tell more than few of many. A round's value is the median of its
turns. A row whose ratio may still be off by chance is run for more rounds, up to --most-rounds, whoever is
ahead in it. The table shows the medians of the rounds, from which value to which they went, and the median of
zloop's ratios to the best other loop, round by round. The loop runs on one core and what loads it on another.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import chart
from counted import Counted, plain_counts, summary
from counter import can_be_counted, count, missing_tools, operation
from frame import BARE, CORES, Row, cores
from options import LOOPS, is_chosen, is_whole, known_rows, parse
from results import OURS, Results, RowResult, circumstances, command, surroundings
from runner import Failed, run_round
from table import below_goal, out_of_reach, plain_table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "results"
SCRATCH = ROOT / ".cache" / "bench"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def main() -> int:
    options = parse("python benchmarks", __doc__)
    os.environ[CORES] = ",".join(map(str, cores()))
    rows = [row for name, row in known_rows().items() if is_chosen(name, options.rows)]
    if options.counted:
        return _count(rows, options)
    if options.quick:
        options.rounds, options.most_rounds, options.turns, options.seconds = 1, 1, 1, 0.1
    loops = _loops(options)
    rounds = (options.rounds, max(options.rounds, options.most_rounds))
    results = Results(loops, circumstances(loops, rounds, options.turns, options.seconds))
    if results.about["machine"]["load"] > 0.5:
        print(f"the machine is busy: its load average is {results.about['machine']['load']}")
    started = time.monotonic()
    failures = _run(rows, results, options)
    print(f"\n{plain_table(results)}\n\nin {_clock(time.monotonic() - started)}")
    if missed := below_goal(results):
        print(f"below their goal: {'; '.join(missed)}")
        if beyond := out_of_reach(results):
            print(f"and so are bare system calls: {'; '.join(beyond)}")
    for (row, loop), reason in failures.items():
        print(f"failed: {row} on {loop}: {reason}")
    is_complete = all(loop != OURS for _, loop in failures)
    _write(results, options, keep=is_whole(options) and OURS in loops and is_complete)
    return 0 if is_complete else 1


def _loops(options: argparse.Namespace) -> tuple[str, ...]:
    installed = [name for name in LOOPS if name == BARE or importlib.util.find_spec(name)]
    return tuple(options.loops or installed)


def _count(rows: list[Row], options: argparse.Namespace) -> int:
    """Counts what an operation of each row takes, on as many loops at a time as there are cores."""
    if missing := missing_tools():
        print(f"counting needs {', '.join(missing)}: install what they belong to")
        return 1
    loops = tuple(loop for loop in _loops(options) if loop != BARE)
    counted = Counted(loops, {"command": command(), **surroundings(loops)})
    countable = [row for row in rows if can_be_counted(row)]
    if left_out := [row.name for row in rows if row not in countable]:
        print(f"not counted: {'; '.join(left_out)}")
    progress = Progress(len(countable))
    threads = ThreadPoolExecutor(len(cores()))
    is_complete = False
    try:
        # Not all(), which would end with the first row that zloop cannot run.
        are_complete = [_count_row(row, counted, threads, progress) for row in countable]
        is_complete = all(are_complete)
    finally:
        threads.shutdown(cancel_futures=True)
        keep = is_whole(options) and is_complete
        path = options.json or (RESULTS if keep else SCRATCH) / f"counted-{VERSION}.json"
        counted.write(path)
        print(f"\n{plain_counts(counted)}\n\n{summary(counted)}\nwritten: {path}")
    return 0 if is_complete else 1


def _count_row(row: Row, counted: Counted, threads: Executor, progress: Progress) -> bool:
    """Adds a row; answers whether zloop could run it."""
    progress.show("counting", row)
    counted.operations[row.name] = operation(row)
    counts = counted.rows.setdefault(row.name, {})
    running = {loop: threads.submit(count, row, LOOPS[loop]) for loop in counted.loops}
    for loop, one in running.items():
        try:
            counts[loop] = one.result()
        except (Failed, subprocess.TimeoutExpired) as error:
            print(f"    {loop} failed: {error}", flush=True)
    # A run takes so long that it may be ended.
    counted.write(SCRATCH / f"counted-{VERSION}.json")
    return OURS in counts or OURS not in counted.loops


def _run(
    rows: list[Row], results: Results, options: argparse.Namespace
) -> dict[tuple[str, str], str]:
    """Fills the results; answers why which loop could not run which row."""
    failures: dict[tuple[str, str], str] = {}
    for row in rows:
        results.rows[row.name] = RowResult(row.unit, row.goal, row.less_is_better)
    progress = Progress(options.rounds * len(rows))
    for number in range(1, options.rounds + 1):
        for row in rows:
            progress.show(f"round {number} of {options.rounds}", row)
            _run_round(row, results, options, failures)
    for number in range(options.rounds + 1, options.most_rounds + 1):
        unsettled = [
            row
            for row in rows
            if (row.name, OURS) not in failures and not results.rows[row.name].is_settled()
        ]
        progress.add(len(unsettled))
        for row in unsettled:
            progress.show(f"round {number} of at most {options.most_rounds}", row)
            _run_round(row, results, options, failures)
    return failures


def _run_round(
    row: Row,
    results: Results,
    options: argparse.Namespace,
    failures: dict[tuple[str, str], str],
) -> None:
    """Adds one round of a row, without the loops that failed in it before."""
    factories = {
        loop: LOOPS[loop]
        for loop in results.loops
        if (row.name, loop) not in failures and (loop != BARE or row.bare)
    }
    outcome = run_round(row, factories, options.turns, options.seconds / options.turns)
    for loop, value in outcome.values.items():
        results.rows[row.name].values.setdefault(loop, []).append(value)
    for loop, reason in outcome.failures.items():
        failures[row.name, loop] = reason
        print(f"    {loop} failed: {reason}", flush=True)


class Progress:
    """Says which row runs, and how long those take that are known to come."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._started = time.monotonic()

    def add(self, rows: int) -> None:
        """Counts more rows in."""
        self._total += rows

    def show(self, number: str, row: Row) -> None:
        """A line about the row that runs next."""
        left = ""
        if self._done:
            elapsed = time.monotonic() - self._started
            left = f", {_clock(elapsed / self._done * (self._total - self._done))} left"
        print(f"[{number}, {self._done + 1} of {self._total}{left}] {row.name}", flush=True)
        self._done += 1


def _clock(seconds: float) -> str:
    return f"{round(seconds) // 60}:{round(seconds) % 60:02} min"


def _write(results: Results, options: argparse.Namespace, *, keep: bool) -> None:
    """Writes the file and the chart: those to keep to their places, others below .cache."""
    json_path = options.json or (RESULTS if keep else SCRATCH) / f"{VERSION}.json"
    images = ROOT / "docs" / "images" if keep else SCRATCH
    chart_path = options.chart or images / f"benchmarks-{VERSION}.png"
    results.write(json_path)
    print(f"written: {json_path}")
    if importlib.util.find_spec("matplotlib") is not None:
        chart.draw(results, chart_path)
        print(f"drawn: {chart_path}")


if __name__ == "__main__":
    sys.exit(main())
