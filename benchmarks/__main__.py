"""Compares zloop with other event loops, side by side in one run.

    python benchmarks                          every row, three rounds
    python benchmarks --rows echo --rounds 5   the rows that have a word in their name
    python benchmarks --quick                  one short round, to see that it works

The loops take turns round by round, each measurement in a process of its own, so that a machine that
gets slower for a while does so for all of them. The table shows medians. The loop runs on one core and
what loads it on another.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import chart
from frame import CORES, Row, cores, load_rows, pin
from table import Table

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
    table = Table(loops=tuple(options.loops))
    rounds, seconds = (1, 0.2) if options.quick else (options.rounds, options.seconds)
    started = time.monotonic()
    failures: set[str] = set()
    for number in range(1, rounds + 1):
        for row in rows:
            print(f"round {number} of {rounds}: {row.name}", flush=True)
            for loop in table.loops:
                try:
                    table.add(row.name, row.unit, loop, _measure(row, LOOPS[loop], seconds))
                except _Failed as error:
                    failures.add(f"{row.name} on {loop}: {error}")
    print(f"\n{table}\n\n{rounds} rounds in {time.monotonic() - started:.0f} s")
    for failure in sorted(failures):
        print(f"failed: {failure}")
    partial = options.quick or options.rows
    scratch = ROOT / ".cache" / "bench"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    json_path = options.json or (scratch if partial else HERE / "results") / f"{version}.json"
    images = scratch if partial else ROOT / "docs" / "images"
    chart_path = options.chart or images / f"benchmarks-{version}.png"
    table.write(json_path)
    print(f"written: {json_path}")
    if importlib.util.find_spec("matplotlib") is not None:
        chart.draw(table, chart_path)
        print(f"drawn: {chart_path}")
    return 1 if any(" on zloop: " in failure for failure in failures) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    installed = [name for name in LOOPS if importlib.util.find_spec(name) is not None]
    parser.add_argument("--rows", nargs="+", default=[], metavar="WORD")
    parser.add_argument("--loops", nargs="+", default=installed, choices=LOOPS, metavar="LOOP")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--quick", action="store_true", help="one round of 0.2 seconds")
    parser.add_argument("--json", type=Path, help="where to write the results")
    parser.add_argument("--chart", type=Path, help="where to draw the chart")
    return parser.parse_args()


def _is_chosen(name: str, words: list[str]) -> bool:
    return not words or any(word in name for word in words)


class _Failed(Exception):
    """A loop could not run a row."""


def _measure(row: Row, factory: str, seconds: float) -> float:
    """Runs one row on one loop, in a fresh process; raises _Failed if it does not succeed."""
    patience = 10 + 4 * seconds
    command = [sys.executable, str(HERE / "child.py"), row.name, factory, str(seconds)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            if row.serve is None:
                printed, errors = child.communicate(timeout=patience)
                return _rate(printed, errors)
            assert child.stdout is not None
            address = child.stdout.readline().strip()
            if not address:
                raise _Failed(_last_line(child.communicate(timeout=patience)[1]))
            return _load(row, address, seconds, patience)
        except subprocess.TimeoutExpired:
            raise _Failed(f"no result after {patience:.0f} s") from None
        finally:
            child.kill()


def _load(row: Row, address: str, seconds: float, patience: float) -> float:
    """Runs the row's client on the other core."""
    client = subprocess.run(
        [sys.executable, *row.client_command(address, seconds)],
        capture_output=True,
        text=True,
        timeout=patience,
        preexec_fn=lambda: pin(1),
        check=False,
    )
    return _rate(client.stdout, client.stderr)


def _rate(printed: str, errors: str) -> float:
    try:
        return float(printed.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise _Failed(_last_line(errors) or "nothing printed") from None


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""


if __name__ == "__main__":
    sys.exit(main())
