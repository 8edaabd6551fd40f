"""Compares what a project's own suite gives on asyncio and on another loop, and reports it."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from confirmation import confirmed
from expected import Expectation, unexpected
from runs import SITE, Run, Tests, differences
from workspace import CACHE, Stopwatch, announce, digest_of

# More differences than this are no flaky tests.
MOST_RERUN = 100

GOOD = ("passed", "xfailed")


@dataclass
class Comparison:
    """One project's suite on two loops, and the tests that prove which loop the second was."""

    project: str
    tests: Tests
    proof: Tests
    loop: str
    expected: list[Expectation] = field(default_factory=list)

    def run(self, *, fresh: bool = False, totals: Path | None = None) -> int:
        """Runs everything and reports; 0 if the loops do not differ but as expected."""
        on_asyncio = self._on_asyncio(fresh=fresh)
        announce(f"{self.project}'s suite on {self.loop}")
        watch = Stopwatch()
        on_chosen = self.tests.run(loop=self.loop)
        announce(f"{self.loop}: {on_chosen} in {watch.seconds:.0f} s")
        proof = self.proof.run(loop=self.loop, workers=0)
        announce(f"which loop that was: {proof}")

        found = differences(on_asyncio, on_chosen)
        for difference in found:
            if difference.is_better:
                print(f"  better than on asyncio: {difference.test}")
        found = [difference for difference in found if not difference.is_better]
        known = {each.test for each in found if any(e.matches(each.test) for e in self.expected)}
        new = [difference for difference in found if difference.test not in known]
        if 0 < len(new) <= MOST_RERUN:
            new = confirmed(new, self.tests, self.loop, on_chosen.details, announce)
        whole_files = self.tests.are_whole_files
        wrong = [
            *map(str, new),
            *unexpected(self.expected, known, on_chosen, whole_files=whole_files),
        ]
        unproved = [name for name, outcome in proof.outcomes.items() if outcome not in GOOD]
        wrong += [f"{name}: failed" for name in unproved]
        details = {**on_chosen.details, **proof.details}
        for name in [*(difference.test for difference in new), *unproved]:
            if name in details:
                print(f"\n--- {name}\n{details[name]}")
        print("\n" + "\n".join(wrong or [self._praise(known)]))
        if totals:
            passed = on_chosen.count(*GOOD) + proof.count(*GOOD)
            good_but_wrong = sum(on_chosen.outcomes.get(each.test) in GOOD for each in new)
            skipped = len(on_chosen.outcomes) - on_chosen.count(*GOOD) - len(new) + good_but_wrong
            _write(totals, passed - good_but_wrong, len(wrong), skipped)
        return 1 if wrong else 0

    def _praise(self, known: set[str]) -> str:
        same = f"every test of {self.project}'s suite ends as it does on asyncio"
        return f"{same}, but for {len(known)} that are listed" if known else same

    def _on_asyncio(self, *, fresh: bool) -> Run:
        """The run on asyncio, remembered as long as the environment stays what it is."""
        freeze = subprocess.run(
            [self.tests.python, "-m", "pip", "freeze", "--exclude", "zloop"],
            capture_output=True,
            text=True,
            check=True,
        )
        code = [SITE, Path(__file__), Path(__file__).with_name("runs.py")]
        words = [*self.tests.names, *self.tests.options, self.tests.folder.name]
        key = digest_of(code, sys.version, freeze.stdout, *words)
        remembered = CACHE / "suites" / f"{self.project}-on-asyncio-{key}.json"
        if remembered.exists() and not fresh:
            run = Run(**json.loads(remembered.read_text()))
            announce(f"asyncio, as remembered: {run}")
            return run
        announce(f"{self.project}'s suite on asyncio")
        watch = Stopwatch()
        run = self.tests.run(loop=None)
        announce(f"asyncio: {run} in {watch.seconds:.0f} s")
        failed = [
            name for name, outcome in run.outcomes.items() if outcome not in (*GOOD, "skipped")
        ]
        if 0 < len(failed) <= MOST_RERUN:
            announce(f"running {len(failed)} that failed on asyncio once more, alone")
            run.outcomes.update(self.tests.only(failed).run(loop=None, workers=0).outcomes)
            print("".join(f"  {name}: now {run.outcomes[name]}\n" for name in failed), end="")
        remembered.parent.mkdir(parents=True, exist_ok=True)
        remembered.write_text(json.dumps(vars(run)))
        return run


def _write(path: Path, passed: int, failed: int, skipped: int) -> None:
    """Writes the totals; tests that fail on both loops alike count as skipped."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"passed": passed, "failed": failed, "skipped": skipped}))


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that every comparison takes."""
    default = os.environ.get("ZLOOP_TEST_LOOP", "zloop:new_event_loop")
    parser.add_argument("--loop", default=default, metavar="MODULE:FACTORY")
    parser.add_argument("--fresh", action="store_true", help="run on asyncio again")
    parser.add_argument("--json", type=Path, help="write the totals to a file")
    parser.add_argument("--python", type=Path, help="an environment that is there already")
