"""Counts, and replaces the record of this version of CPython: `make counts`.

--show only prints the counts beside what is recorded.
"""

from __future__ import annotations

import argparse
import sys

from counting import count_all
from record import FILE, VERSION, read, write
from tools import Unavailable


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/counts", description=__doc__)
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    try:
        counts = count_all()
    except Unavailable as reason:
        print(reason)
        return 1
    record = read()
    print(f"{'CPython ' + VERSION:58} {'recorded':>10} {'now':>10}")
    for name, count in counts.items():
        recorded = record.counts.get(name) if record else None
        change = f"{count / recorded - 1:+8.1%}" if recorded else ""
        print(f"{name:58} {'–' if recorded is None else recorded:>10} {count:>10} {change}")
    if not options.show:
        write(counts)
        print(f"written: {FILE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
