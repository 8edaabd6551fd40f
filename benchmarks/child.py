"""The process in which one row runs on one loop: ROW FACTORY SECONDS.

Prints the rate of a measured row, or the address of a served one: a port, or the path of a Unix socket.
"""

from __future__ import annotations

import gc
import importlib
import sys

from frame import LoopFactory, load_rows, pin


def main() -> None:
    name, factory_name, seconds = sys.argv[1:]
    row = load_rows()[name]
    module, _, attribute = factory_name.partition(":")
    factory: LoopFactory = getattr(importlib.import_module(module), attribute)
    pin(0)
    gc.collect()
    if row.serve is not None:
        row.serve(factory, lambda address: print(address, flush=True))
    elif row.measure is not None:
        loop = factory()
        print(row.measure(loop, float(seconds)))
        loop.close()


if __name__ == "__main__":
    main()
