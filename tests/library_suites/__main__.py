"""Runs a library's own test suite on asyncio and on zloop, and fails on any difference not listed.

    python tests/library_suites anyio             its quick part, about input and output
    python tests/library_suites anyio --full      all of it
    python tests/library_suites aiohttp tests/test_connector.py

zloop is the loop of every test, since it is what asyncio makes when it is asked for a loop. The lists
of known differences are in expected/.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE.parent / "ecosystem" / "requirements.txt"
sys.path[:0] = [str(HERE.parents[1] / "scripts"), str(HERE.parent / "suite_comparison")]

import expected  # noqa: E402
from comparison import Comparison, add_options  # noqa: E402
from libraries import LIBRARIES  # noqa: E402
from runs import Tests  # noqa: E402
from sdists import unpacked  # noqa: E402
from zloop_build import zloop_environment  # noqa: E402


def main() -> int:
    options = _options()
    library = LIBRARIES[options.library]
    source = unpacked(options.library, _version(options.library))
    python = options.python or zloop_environment("ecosystem", [REQUIREMENTS]).python
    names = options.tests or (library.tests if options.full else library.quick)
    comparison = Comparison(
        options.library,
        Tests(python, source, names, library.options, runner=True),
        proof=Tests(python, HERE, ["test_chosen_loop.py"], runner=True),
        loop=options.loop,
        expected=expected.read(HERE / "expected" / f"{options.library}.toml"),
    )
    return comparison.run(fresh=options.fresh, totals=options.json)


def _version(library: str) -> str:
    """The version that the tests of the ecosystem use."""
    found = re.search(rf"^{library}==(\S+)", REQUIREMENTS.read_text(), re.MULTILINE)
    assert found, f"{REQUIREMENTS} does not name {library}"
    return found[1]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/library_suites",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("library", choices=LIBRARIES)
    parser.add_argument("tests", nargs="*", help="files of the suite")
    parser.add_argument("--full", action="store_true", help="all of the suite")
    add_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
