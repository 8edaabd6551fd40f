"""The process in which one row runs on one loop: MODULE ROW FACTORY SECONDS.

Prints the value of a measured row, or the address of a served one: a port, or the path of a Unix socket.
"""

from __future__ import annotations

import gc
import sys

from frame import find_factory, load_row, pin


def main() -> None:
    module, name, factory_name, seconds = sys.argv[1:]
    row = load_row(module, name)
    pin(0)
    if row.launch is not None:
        print(row.launch(factory_name, float(seconds)))
        return
    factory = find_factory(factory_name)
    gc.collect()
    if row.serve is not None:
        row.serve(factory, lambda address: print(address, flush=True))
    elif row.measure is not None:
        loop = factory()
        print(row.measure(loop, float(seconds)))
        loop.close()


if __name__ == "__main__":
    main()
