"""Compares zloop with other event loops, side by side in one run.

    python benchmarks                          every row, nine rounds
    python benchmarks --rows echo --rounds 3   the rows that have a word in their name
    python benchmarks --quick                  one short round, to see that it works

Each loop has a process of its own in each round of a row. All of a row's start before the first one's turn,
so that a machine that gets slower for a while does so for all of them; and since a process has a speed of its
own for its life, many rounds of one turn tell more than few of many. A round's value is the median of its
turns. The table shows the medians of the rounds, and from which value to which they went. The loop runs on
one core and what loads it on another.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from pathlib import Path

import chart
from frame import CORES, Row, cores, load_rows
from results import OURS, Results, RowResult, circumstances
from runner import run_round
from table import below_goal, plain_table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LOOPS = {
    "zloop": "zloop:new_event_loop",
    "asyncio": "asyncio:SelectorEventLoop",
    "uvloop": "uvloop:new_event_loop",
    "rloop": "rloop:new_event_loop",
    "zuvloop": "zuvloop:new_event_loop",
}


def main() -> int:
    options = _options()
    os.environ[CORES] = ",".join(map(str, cores()))
    rows = [row for name, row in load_rows().items() if _is_chosen(name, options.rows)]
    if not rows:
        sys.exit(f"no row matches {', '.join(options.rows)}")
    if options.quick:
        options.rounds, options.turns, options.seconds = 1, 1, 0.1
    loops = tuple(options.loops)
    results = Results(loops, circumstances(loops, options.rounds, options.turns, options.seconds))
    if results.about["machine"]["load"] > 0.5:
        print(f"the machine is busy: its load average is {results.about['machine']['load']}")
    started = time.monotonic()
    failures = _run(rows, results, options)
    print(
        f"\n{plain_table(results)}\n\n{options.rounds} rounds in {_clock(time.monotonic() - started)}"
    )
    if missed := below_goal(results):
        print(f"below their goal: {'; '.join(missed)}")
    for (row, loop), reason in failures.items():
        print(f"failed: {row} on {loop}: {reason}")
    _write(results, options)
    return 1 if any(loop == OURS for _, loop in failures) else 0


def _run(
    rows: list[Row], results: Results, options: argparse.Namespace
) -> dict[tuple[str, str], str]:
    """Fills the results; answers why which loop could not run which row."""
    failures: dict[tuple[str, str], str] = {}
    started = time.monotonic()
    for number in range(options.rounds):
        for position, row in enumerate(rows):
            _show_progress(number, options.rounds, position, rows, time.monotonic() - started)
            result = results.rows.setdefault(
                row.name, RowResult(row.unit, row.goal, row.less_is_better)
            )
            factories = {
                loop: LOOPS[loop] for loop in results.loops if (row.name, loop) not in failures
            }
            outcome = run_round(row, factories, options.turns, options.seconds / options.turns)
            for loop, value in outcome.values.items():
                result.values.setdefault(loop, []).append(value)
            for loop, reason in outcome.failures.items():
                failures[row.name, loop] = reason
                print(f"    {loop} failed: {reason}", flush=True)
    return failures


def _show_progress(
    number: int, rounds: int, position: int, rows: list[Row], elapsed: float
) -> None:
    done, total = number * len(rows) + position, rounds * len(rows)
    left = f", {_clock(elapsed / done * (total - done))} left" if done else ""
    where = f"round {number + 1} of {rounds}, row {position + 1} of {len(rows)}"
    print(f"[{where}{left}] {rows[position].name}", flush=True)


def _clock(seconds: float) -> str:
    return f"{round(seconds) // 60}:{round(seconds) % 60:02} min"


def _write(results: Results, options: argparse.Namespace) -> None:
    """Writes the file and the chart: of a partial run below .cache, of a whole one to their places."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    scratch = ROOT / ".cache" / "bench"
    partial = options.quick or options.rows
    json_path = options.json or (scratch if partial else HERE / "results") / f"{version}.json"
    images = scratch if partial else ROOT / "docs" / "images"
    chart_path = options.chart or images / f"benchmarks-{version}.png"
    results.write(json_path)
    print(f"written: {json_path}")
    if importlib.util.find_spec("matplotlib") is not None:
        chart.draw(results, chart_path)
        print(f"drawn: {chart_path}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    installed = [name for name in LOOPS if importlib.util.find_spec(name) is not None]
    parser.add_argument("--rows", nargs="+", default=[], metavar="WORD")
    parser.add_argument("--loops", nargs="+", default=installed, choices=LOOPS, metavar="LOOP")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--turns", type=int, default=1, help="of each loop in a round")
    parser.add_argument("--seconds", type=float, default=0.3, help="of each loop in a round")
    parser.add_argument("--quick", action="store_true", help="one turn of 0.1 seconds")
    parser.add_argument("--json", type=Path, help="where to write the results")
    parser.add_argument("--chart", type=Path, help="where to draw the chart")
    return parser.parse_args()


def _is_chosen(name: str, words: list[str]) -> bool:
    return not words or any(word in name for word in words)


if __name__ == "__main__":
    sys.exit(main())
