"""Runs uvicorn's own test suite on asyncio and on zloop, and fails on any difference.

    python tests/uvicorn_suite            the whole comparison
    python tests/uvicorn_suite --fresh    without the remembered results of asyncio

zloop is the loop of every test: by the anyio_backend fixture, and as uvicorn's default loop in every
process that the tests start.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "scripts"), str(HERE.parent / "suite_comparison")]

from comparison import Comparison, add_options  # noqa: E402
from runs import Tests  # noqa: E402
from sdists import unpacked  # noqa: E402
from suite_source import VERSION, requirements  # noqa: E402
from zloop_build import zloop_environment  # noqa: E402


def main() -> int:
    options = _options()
    source = unpacked("uvicorn", VERSION)
    python = (
        options.python or zloop_environment("uvicorn-suite", packages=requirements(source)).python
    )
    comparison = Comparison(
        "uvicorn",
        Tests(python, source, options.tests),
        proof=Tests(python, HERE, ["test_chosen_loop.py"]),
        loop=options.loop,
    )
    return comparison.run(fresh=options.fresh, totals=options.json)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/uvicorn_suite",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tests", nargs="*", default=["tests"], help="files of the suite")
    add_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
