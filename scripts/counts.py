"""Counts what the loop costs, and records it as what tests/counts holds later versions to."""

from __future__ import annotations

import sys

import system_packages
from python_suites import test_environment
from workspace import StepFailed, fail, run


def main() -> None:
    try:
        missing = system_packages.ensure(*system_packages.COUNTERS)
        if missing:
            fail(f"counting needs {', '.join(missing)}: install it by hand")
        run([test_environment().python, "tests/counts", *sys.argv[1:]])
    except StepFailed as error:
        fail(str(error))


if __name__ == "__main__":
    main()
