"""Runs uvicorn's own test suite on asyncio and on zloop, and fails on any difference.

    python tests/uvicorn_suite            the whole comparison
    python tests/uvicorn_suite --fresh    without the remembered results of asyncio

zloop is the loop of every test: by the anyio_backend fixture, and as uvicorn's default loop in every
process that the tests start.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "scripts"))

from comparison import SITE, Difference, Run, differences, run_suite  # noqa: E402
from suite_source import FOLDER, requirements, source  # noqa: E402
from workspace import Stopwatch, announce, digest_of  # noqa: E402
from zloop_build import zloop_environment  # noqa: E402

# More differences than this are no flaky tests.
MOST_RERUN = 40
RERUNS = 3

EXPECTED_ON_ASYNCIO = ("passed", "skipped", "xfailed")


def main() -> int:
    options = _options()
    unpacked = source()
    python = (
        options.python or zloop_environment("uvicorn-suite", packages=requirements(unpacked)).python
    )
    on_asyncio = _asyncio_run(python, unpacked, options.tests, fresh=options.fresh)
    announce(f"uvicorn's suite on {options.loop}")
    watch = Stopwatch()
    on_chosen = run_suite(python, unpacked, options.tests, loop=options.loop)
    announce(f"{options.loop}: {on_chosen} in {watch.seconds:.0f} s")
    proof = run_suite(python, HERE, ["test_chosen_loop.py"], loop=options.loop, workers=2)
    announce(f"which loop that was: {proof}")

    found = differences(on_asyncio, on_chosen)
    if 0 < len(found) <= MOST_RERUN:
        found = _confirmed(found, python, unpacked, on_chosen, options.loop)
    unproved = [name for name, outcome in proof.outcomes.items() if outcome != "passed"]
    _report(found, unproved, {**on_chosen.details, **proof.details})
    if options.json:
        totals = {
            "passed": len(on_chosen.outcomes) - on_chosen.count("skipped") - len(found),
            "failed": len(found) + len(unproved),
            "skipped": on_chosen.count("skipped"),
        }
        totals["passed"] += len(proof.outcomes) - len(unproved)
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(totals))
    return 1 if found or unproved else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/uvicorn_suite",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tests", nargs="*", default=["tests"], help="files of the suite")
    default = os.environ.get("ZLOOP_TEST_LOOP", "zloop:new_event_loop")
    parser.add_argument("--loop", default=default, metavar="MODULE:FACTORY")
    parser.add_argument("--fresh", action="store_true", help="run on asyncio again")
    parser.add_argument("--json", type=Path, help="write the totals to a file")
    parser.add_argument("--python", type=Path, help="an environment that is there already")
    return parser.parse_args()


def _asyncio_run(python: Path, unpacked: Path, tests: list[str], *, fresh: bool) -> Run:
    """The run on asyncio, remembered as long as the environment stays what it is."""
    freeze = subprocess.run(
        [python, "-m", "pip", "freeze", "--exclude", "zloop"],
        capture_output=True,
        text=True,
        check=True,
    )
    key = digest_of([SITE, HERE / "comparison.py"], sys.version, freeze.stdout, *tests)
    remembered = FOLDER / f"asyncio-{key}.json"
    if remembered.exists() and not fresh:
        run = Run(**json.loads(remembered.read_text()))
        announce(f"asyncio, as remembered: {run}")
        return run
    announce("uvicorn's suite on asyncio")
    watch = Stopwatch()
    run = run_suite(python, unpacked, tests, loop=None)
    announce(f"asyncio: {run} in {watch.seconds:.0f} s")
    failed = [name for name, outcome in run.outcomes.items() if outcome not in EXPECTED_ON_ASYNCIO]
    if failed:
        announce(f"running {len(failed)} that failed on asyncio once more, alone")
        run.outcomes.update(run_suite(python, unpacked, failed, loop=None, workers=0).outcomes)
        print("".join(f"  {name}: now {run.outcomes[name]}\n" for name in failed), end="")
    remembered.write_text(json.dumps(vars(run)))
    return run


def _confirmed(
    found: list[Difference], python: Path, unpacked: Path, on_chosen: Run, loop: str
) -> list[Difference]:
    """The differences that show again when only those tests run, one after the other.

    A test that then ends the same on both loops, every time, is flaky and no difference.
    """
    names = [difference.test for difference in found]
    announce(f"running {len(names)} tests that differ {RERUNS} times more on each loop")
    remaining: dict[str, Difference] = {}
    for _ in range(RERUNS):
        again = [run_suite(python, unpacked, names, loop=name, workers=0) for name in (None, loop)]
        on_chosen.details.update(again[1].details)
        remaining.update({each.test: each for each in differences(*again)})
    for name in names:
        if name not in remaining:
            print(f"  flaky: {name}")
    return list(remaining.values())


def _report(found: list[Difference], unproved: list[str], details: dict[str, str]) -> None:
    for name in [*(difference.test for difference in found), *unproved]:
        if name in details:
            print(f"\n--- {name}\n{details[name]}")
    print()
    for difference in found:
        print(difference)
    for name in unproved:
        print(f"{name}: failed")
    if not found and not unproved:
        print("no difference: every test of uvicorn's suite ends as it does on asyncio")


if __name__ == "__main__":
    sys.exit(main())
