"""Runs the benchmarks in an environment that has the other loops.

--on 3.14 runs them on another interpreter; all other arguments are the benchmarks' own. After a
run of every row comes what metrics and tracing cost while they are off, which is counted, not timed.
"""

from __future__ import annotations

import argparse

import system_packages
from interpreters import find_interpreter
from workspace import ROOT, StepFailed, announce, fail, run
from zloop_build import zloop_environment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, add_help=False, allow_abbrev=False)
    parser.add_argument("--on", metavar="VERSION")
    options, arguments = parser.parse_known_args()
    try:
        if options.on:
            found = find_interpreter(options.on)
            if found is None:
                fail(f"CPython {options.on} was not found")
            run([*found, "scripts/bench.py", *arguments])
        else:
            _bench(arguments)
    except StepFailed as error:
        fail(str(error))


def _bench(arguments: list[str]) -> None:
    missing = system_packages.ensure("wrk", *system_packages.COUNTERS)
    if missing and not _is_partial(arguments):
        fail(f"every row needs {', '.join(missing)}: install it by hand, or choose --rows")
    requirements = [ROOT / "benchmarks" / "requirements.txt"]
    # As it is released.
    bench = zloop_environment("bench", requirements, profile_guided=True)
    announce("building the programs that load servers")
    for load in ("zloop-net --example socket_load", "zloop-tls --example tls_load --features ring"):
        run(["cargo", "build", "--quiet", "--release", "--package", *load.split()])
    run([bench.python, "benchmarks", *arguments])
    if not _is_partial(arguments):
        announce("what metrics and tracing cost")
        run([bench.python, "tests/counts", "--observing"])


def _is_partial(arguments: list[str]) -> bool:
    """Whether only some rows, or only what the options are, was asked for."""
    return any(word.partition("=")[0] in ("--rows", "-h", "--help") for word in arguments)


if __name__ == "__main__":
    main()
