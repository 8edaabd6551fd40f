"""Counts, and replaces the record of this version of CPython: `make counts`.

--show only prints the counts beside what is recorded. --observing only prints which share of the
instructions is there to see inside, while timing and tracing are off. `make test` judges it, without a
profile: a build that one guides merges lines, which blurs the share.
"""

from __future__ import annotations

import argparse
import sys

from counting import (
    INSTRUCTIONS,
    OBSERVING,
    Counts,
    count_all,
    count_instructions,
    share_of_observing,
)
from record import FILE, VERSION, read, write
from tools import Unavailable


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/counts", description=__doc__)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--observing", action="store_true")
    options = parser.parse_args()
    try:
        if options.observing:
            _show_observing(count_instructions())
            return 0
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


def _show_observing(counts: Counts) -> None:
    print(f"{'metrics and tracing, both off':30} {'instructions':>13} {'of all':>10} {'share':>7}")
    for name in INSTRUCTIONS:
        own, total = counts[f"{OBSERVING} per {name}"], counts[f"instructions per {name}"]
        print(f"{name:30} {own:>13.2f} {total:>10.0f} {share_of_observing(name, counts):>7.2%}")


if __name__ == "__main__":
    sys.exit(main())
