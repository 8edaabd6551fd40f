"""Runs the benchmarks in an environment that has the other loops; the arguments are theirs."""

from __future__ import annotations

import sys

import system_packages
from workspace import ROOT, StepFailed, fail, run
from zloop_build import zloop_environment


def main() -> None:
    missing = system_packages.ensure("wrk")
    if missing:
        print(f"without {', '.join(missing)}, the rows that need it fail: install it by hand")
    try:
        bench = zloop_environment("bench", [ROOT / "benchmarks" / "requirements.txt"])
        run([bench.python, "benchmarks", *sys.argv[1:]])
    except StepFailed as error:
        fail(str(error))


if __name__ == "__main__":
    main()
