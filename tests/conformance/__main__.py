"""Runs CPython's own event loop tests, from the running interpreter, on another loop.

python tests/conformance                        every test, judged by expected_failures.toml
python tests/conformance --only 'test_events.*'  some tests
python tests/conformance --only test_streams --output   with what failing tests printed
python tests/conformance --loop asyncio          on asyncio's own loop, for comparison
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import binding
import expectations
import selection
from expectations import Judgement
from worker import FAILED, Outcome, run_tests

LISTS = Path(__file__).parent
DEFAULT_LOOP = os.environ.get("ZLOOP_TEST_LOOP", "zloop:new_event_loop")


def main() -> int:
    options = _options()
    started = time.monotonic()
    on_asyncio = options.loop == "asyncio"
    if not on_asyncio:
        binding.bind(binding.load_factory(options.loop))
    _forbid_network()
    try:
        names = selection.all_tests()
    except ModuleNotFoundError as missing:
        sys.exit(
            f"{sys.executable} has no {missing.name}: install its test suite "
            f"(Debian: libpython{expectations.VERSION}-testsuite)"
        )
    chosen = [name for name in names if _is_chosen(str(name), options.only)]
    if not chosen:
        sys.exit(f"no test matches {' or '.join(options.only)}")
    if options.list:
        print("\n".join(map(str, chosen)))
        return 0

    print(f"{len(chosen)} tests of CPython {sys.version.split()[0]} on {options.loop}", flush=True)
    outcomes = run_tests(
        chosen, workers=options.workers, limit=options.limit, reported=_progress(len(chosen))
    )
    lists = [LISTS / "fails_on_asyncio.toml"]
    if not on_asyncio:
        lists.append(LISTS / "expected_failures.toml")
    entries = [entry for path in lists for entry in expectations.load(path)]
    whole = len(chosen) == len(names)
    judgement = expectations.judge(outcomes, entries, whole=whole)
    if judgement.unexpected_failures and len(judgement.unexpected_failures) <= options.retry_up_to:
        outcomes = _retry(judgement, outcomes, options.limit)
        judgement = expectations.judge(outcomes, entries, whole=whole)
    _report(judgement, show_output=options.output)
    print(f"in {time.monotonic() - started:.0f} s")
    _print_totals(judgement)
    if options.json:
        _write(options.json, judgement)
    return 0 if judgement.is_good else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/conformance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--loop", default=DEFAULT_LOOP, metavar="MODULE:FACTORY")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="PATTERN",
        help="a name, part of one or a glob",
    )
    parser.add_argument("--list", action="store_true", help="print the names of the tests")
    parser.add_argument("--output", action="store_true", help="show what failing tests printed")
    parser.add_argument("--workers", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--limit", type=float, default=40.0, help="seconds that a test may take")
    parser.add_argument(
        "--retry-up-to",
        type=int,
        default=5,
        metavar="N",
        help="if no more than N tests fail unexpectedly, run them once more, alone",
    )
    parser.add_argument("--json", type=Path, help="write the results to a file")
    return parser.parse_args()


def _is_chosen(name: str, patterns: list[str]) -> bool:
    if not patterns:
        return True
    return any(pattern in name or fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _forbid_network() -> None:
    """Has the tests that need a network beyond this machine skip."""
    from test import support

    support.use_resources = {"cpu", "subprocess", "largefile"}


def _progress(total: int) -> Callable[[Outcome], None]:
    done = 0
    interactive = sys.stdout.isatty()

    def reported(outcome: Outcome) -> None:
        nonlocal done
        done += 1
        if interactive:
            print(
                f"\r\033[K{done}/{total} {outcome.name}",
                end="\n" if done == total else "",
                flush=True,
            )
        elif done % 500 == 0:
            print(f"{done} of {total}", flush=True)

    return reported


def _retry(judgement: Judgement, outcomes: list[Outcome], limit: float) -> list[Outcome]:
    """Runs the unexpected failures once more, one after the other; the second outcome counts."""
    again = [outcome.name for outcome in judgement.unexpected_failures]
    print(f"running {len(again)} failed tests once more, alone", flush=True)
    second = run_tests(again, workers=1, limit=limit, reported=lambda outcome: None)
    for outcome in second:
        if outcome.is_good:
            print(f"  flaky: {outcome.name} passed the second time")
    kept = [outcome for outcome in outcomes if outcome.name not in set(again)]
    return kept + second


def _report(judgement: Judgement, *, show_output: bool) -> None:
    for outcome in judgement.unexpected_failures:
        print(f"\n--- {outcome.result.upper()}: {outcome.name} ({outcome.seconds:.1f} s)")
        print(outcome.detail.rstrip() if show_output else _last_line(outcome.detail))
        if outcome.output and (show_output or outcome.result != FAILED):
            print(outcome.output.rstrip())
    for outcome in judgement.unexpected_passes:
        print(f"\n--- PASSED, though the list of expected failures has it: {outcome.name}")
    for entry in judgement.stale:
        print(f"\n--- STALE: no test matches {entry.pattern!r} ({entry.reason})")
    print()


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""


def _print_totals(judgement: Judgement) -> None:
    passed = len(judgement.passed) + len(judgement.expected_failures)
    failed = len(judgement.unexpected_failures) + len(judgement.unexpected_passes)
    print(
        f"conformance: {len(judgement.passed)} passed, "
        f"{len(judgement.expected_failures)} failed as the list expects, "
        f"{failed + len(judgement.stale)} against the list, {len(judgement.skipped)} skipped "
        f"(of {passed + failed + len(judgement.skipped)})"
    )


def _write(path: Path, judgement: Judgement) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    results = {
        "passed": len(judgement.passed) + len(judgement.expected_failures),
        "failed": len(judgement.unexpected_failures)
        + len(judgement.unexpected_passes)
        + len(judgement.stale),
        "skipped": len(judgement.skipped),
        "failures": {str(o.name): o.detail for o in judgement.unexpected_failures},
    }
    path.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    sys.exit(main())
