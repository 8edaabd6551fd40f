"""The process in which one row runs on one loop: MODULE ROW FACTORY.

Prints the address of a served row, a port or the path of a Unix socket, and serves until it is killed. Else
it says that it is ready, and answers each line of its input, so many seconds, with the value of one turn.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

from frame import find_factory, load_row, pin


def main() -> None:
    module, name, factory_name = sys.argv[1:]
    row = load_row(module, name)
    pin(0)
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


def _take_turns(measure: Callable[[float], float]) -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        print(measure(float(line)), flush=True)


if __name__ == "__main__":
    main()
