"""What the benchmark can be asked for, checked before anything is built: without what the rows need."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from counter import can_be_counted
from frame import BARE, Row, load_rows

LOOPS = {
    "zloop": "zloop:new_event_loop",
    "asyncio": "asyncio:SelectorEventLoop",
    "uvloop": "uvloop:new_event_loop",
    "rloop": "rloop:new_event_loop",
    "zuvloop": "zuvloop:new_event_loop",
    BARE: BARE,
}


def parse(
    program: str, description: str | None, parents: Sequence[argparse.ArgumentParser] = ()
) -> argparse.Namespace:
    """The options of the command line; ends the program with a word about one that makes no sense."""
    parser = argparse.ArgumentParser(
        prog=program,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=parents,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--rows", nargs="+", default=[], metavar="WORD", help="those with a word in their name")
    add("--loops", nargs="+", choices=LOOPS, metavar="LOOP", help=f"some of {', '.join(LOOPS)}")
    add("--rounds", type=_count, default=9, help="of each row (%(default)s)")
    add("--most-rounds", type=_count, default=27, help="of a row that varies (%(default)s)")
    add("--turns", type=_count, default=1, help="of each loop in a round (%(default)s)")
    add("--seconds", type=_seconds, default=0.3, help="of each loop in a round (%(default)s)")
    add("--counted", action="store_true", help="instructions and system calls, in place of time")
    add("--quick", action="store_true", help="one round of one turn of 0.1 seconds")
    add("--json", type=Path, metavar="FILE", help="where to write the results")
    add("--chart", type=Path, metavar="FILE", help="where to draw the chart")
    options = parser.parse_args()
    if options.loops and set(options.loops) <= {BARE}:
        parser.error(f"--loops: {BARE} is none: name one beside it")
    rows = known_rows()
    for word in options.rows:
        if not any(word in name for name in rows):
            parser.error(f'no row matches "{word}"; rows are: {"; ".join(rows)}')
    if options.counted:
        for name in ("rounds", "most_rounds", "turns", "seconds", "quick", "chart"):
            if getattr(options, name) != parser.get_default(name):
                option = name.replace("_", "-")
                parser.error(
                    f"--{option}: what is --counted is neither repeated nor timed nor drawn"
                )
        chosen = [row for name, row in rows.items() if is_chosen(name, options.rows)]
        if not any(map(can_be_counted, chosen)):
            parser.error("--rows: neither memory nor what starting takes can be --counted")
    return options


def is_chosen(name: str, words: Sequence[str]) -> bool:
    """Whether a row has one of the words in its name, or all rows are meant."""
    return not words or any(word in name for word in words)


def is_whole(options: argparse.Namespace) -> bool:
    """Whether nothing keeps the run from being one of every row on every loop."""
    return not (options.rows or options.loops or options.quick)


def known_rows() -> dict[str, Row]:
    """Every row, even where packages are missing that its file imports: it uses them once it runs."""
    absent: list[str] = []
    try:
        while True:
            try:
                return load_rows()
            except ModuleNotFoundError as error:
                if error.name is None or error.name in absent:
                    raise
                sys.modules[error.name] = ModuleType(error.name)
                absent.append(error.name)
    finally:
        for name in absent:
            del sys.modules[name]


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 1 on")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no number above 0")
    return seconds
