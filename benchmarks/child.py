"""The process in which one row runs on one loop: MODULE ROW FACTORY, or in place of a factory `bare`.

Prints the address of a served row, a port or the path of a Unix socket, and serves until it is killed. Else
it says that it is ready, and answers each line of its input, so many seconds, with the value of one turn.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path

from frame import BARE, Row, find_factory, load_row, pin

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    module, name, factory_name = sys.argv[1:]
    row = load_row(module, name)
    pin(0)
    if factory_name == BARE:
        _become_bare(row)
    if row.launch is not None:
        launch = row.launch
        _take_turns(lambda seconds: launch(factory_name, seconds))
        return
    factory = find_factory(factory_name)
    gc.collect()
    if row.serve is not None:
        row.serve(factory, lambda address: print(address, flush=True))
    elif row.measure is not None:
        measure, loop = row.measure, factory()
        _take_turns(lambda seconds: measure(loop, seconds))
        loop.close()


def _become_bare(row: Row) -> None:
    """Goes on as the program that makes the row's system calls."""
    assert row.bare is not None
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    program = target / "release" / BARE
    if not program.exists():
        sys.exit(f"{program} is missing: cargo build --release --package bare-rows")
    os.execv(program, [str(program), row.bare])


def _take_turns(measure: Callable[[float], float]) -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        print(measure(float(line)), flush=True)


if __name__ == "__main__":
    main()
