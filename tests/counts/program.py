"""Runs operations on a zloop loop: OPERATION..., for a tool that counts what happens meanwhile.

Between two marks each, an operation runs a few times, and then LONGER times as often: the difference of
the two is free of what starting and ending cost. A mark is a call of getppid, which nothing else calls.
"""

from __future__ import annotations

import gc
import os
import sys

from operations import LONGER, OPERATIONS

import zloop


def main() -> None:
    loop = zloop.new_event_loop()
    # When the collector runs depends on all that was allocated before.
    gc.disable()
    for name in sys.argv[1:]:
        operation, few = OPERATIONS[name]
        operation(loop, few)
        operation(loop, few * LONGER)
        os.getppid()
        operation(loop, few)
        os.getppid()
        operation(loop, few * LONGER)
        os.getppid()
    loop.close()


if __name__ == "__main__":
    main()
