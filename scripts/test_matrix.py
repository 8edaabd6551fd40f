"""Runs the Python tests on every CPython from 3.12 to 3.15 that is found.

With STRICT=1 a version that is not found fails the run. --except 3.13 leaves out one that was tested already.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

from interpreters import find_interpreter
from suite import SuiteResult, Totals
from workspace import RESULTS, ROOT, SUPPORTED_PYTHONS, Stopwatch, announce

BUDGET = 1500.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--except", action="append", default=[], dest="tested", metavar="VERSION")
    tested = parser.parse_args().tested
    chosen = [version for version in SUPPORTED_PYTHONS if version not in tested]
    results = {version: _test_on(version) for version in chosen}
    print("\nmake test-matrix")
    for version in tested:
        print(f"  LEFT OUT CPython {version}, as asked")
    total = Totals()
    for version, result in results.items():
        if result is None:
            print(f"  MISSING  CPython {version}: not found here nor through ZLOOP_PYTHONS_ENTER")
            continue
        verdict = "ok" if result.is_good else "FAILED"
        print(
            f"  {verdict:7}  {result.name}: {result.totals} in {result.seconds:.0f} s {result.problem}"
        )
        total += result.totals
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "test-matrix.json").write_text(json.dumps(vars(total)))
    print(total, flush=True)
    missing = [version for version, result in results.items() if result is None]
    if len(missing) == len(results) or (missing and os.environ.get("STRICT") == "1"):
        return 1
    return 0 if all(result.is_good for result in results.values() if result) else 1


def _test_on(version: str) -> SuiteResult | None:
    """Runs the Python suites on one version, or answers None if it is not found."""
    found = find_interpreter(version)
    if found is None:
        announce(f"CPython {version} is MISSING")
        return None
    watch = Stopwatch()
    report = RESULTS / f"python-{version}.json"
    report.unlink(missing_ok=True)
    command = [*found, "scripts/python_suites.py"]
    problem = ""
    try:
        status = subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, timeout=BUDGET, check=False
        ).returncode
        if status != 0:
            problem = f"exit status {status}"
    except subprocess.TimeoutExpired:
        problem = f"killed after its budget of {BUDGET:.0f} s"
    totals = Totals(**json.loads(report.read_text())) if report.exists() else Totals()
    if problem and totals.failed == 0:
        totals.failed = 1
    return SuiteResult(f"CPython {version}", totals, watch.seconds, problem)


if __name__ == "__main__":
    sys.exit(main())
