"""A suite of tests: a command with a time budget, a log, and totals that are read from what it leaves."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO
from xml.etree import ElementTree

from workspace import LOGS, RESULTS, ROOT, STEP, Argument, Stopwatch, announce

# Seconds between looks at what a suite has announced.
LOOK_EACH = 1.0


@dataclass
class Totals:
    """How many tests passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped
        )

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


@dataclass
class SuiteResult:
    """What came of one suite."""

    name: str
    totals: Totals
    seconds: float
    problem: str = ""

    @property
    def is_good(self) -> bool:
        return not self.problem and self.totals.failed == 0


TotalsReader = Callable[[str], Totals]


@dataclass
class Suite:
    """One command to run, how long it may take, and how to read its totals from its output.

    Without a reader the command counts as one test.
    """

    name: str
    command: Sequence[Argument]
    budget: float
    read_totals: TotalsReader | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self) -> SuiteResult:
        """Runs the command in a process group of its own, and keeps its output in a log.

        The steps that it announces are shown at once, all of the output if it fails.
        """
        announce(f"{self.name} (at most {self.budget / 60:.0f} min)")
        watch = Stopwatch()
        LOGS.mkdir(parents=True, exist_ok=True)
        log = LOGS / f"{_file_name(self.name)}.log"
        with log.open("w") as file, log.open(errors="replace") as steps:
            status = self._run_into(file.fileno(), steps)
        output = log.read_text(errors="replace")
        problem = ""
        if status is None:
            problem = f"killed after its budget of {self.budget:.0f} s"
        elif status != 0:
            problem = f"exit status {status}"
        totals = (
            self.read_totals(output) if self.read_totals else Totals(passed=0 if problem else 1)
        )
        if problem and totals.failed == 0:
            totals.failed = 1
        print(output if problem else _tail(output), end="", flush=True)
        result = SuiteResult(self.name, totals, watch.seconds, problem)
        announce(f"{self.name}: {totals} in {watch.seconds:.0f} s{f' ({problem})' * bool(problem)}")
        return result

    def _run_into(self, descriptor: int, steps: TextIO) -> int | None:
        """The command's exit status, or None if it outlived its budget."""
        with subprocess.Popen(
            [str(word) for word in self.command],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_hear_signals,
        ) as process:
            watch = Stopwatch()
            while watch.seconds < self.budget:
                with suppress(subprocess.TimeoutExpired):
                    return process.wait(min(LOOK_EACH, self.budget))
                _show(steps)
            os.killpg(process.pid, signal.SIGKILL)
            return None


def _show(steps: TextIO) -> None:
    """Shows the steps that were announced since it was asked last."""
    for line in steps:
        if line.startswith(STEP):
            print(f"    {line}", end="", flush=True)


def _hear_signals() -> None:
    """Undoes what nohup and a shell's background do: tests send these signals to processes of theirs."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def from_cargo(output: str) -> Totals:
    """Adds up the lines with which each Rust test binary ends."""
    pattern = r"test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored"
    return sum((Totals(*map(int, found)) for found in re.findall(pattern, output)), Totals())


def pytest_suite(
    name: str,
    python: Path,
    tests: str,
    *,
    budget: float,
    environment: Mapping[str, str] | None = None,
) -> Suite:
    """The tests of a folder or a file, run by the pytest of an environment."""
    junit = RESULTS / f"{Path(tests).stem}.xml"
    return Suite(
        name,
        [python, "-m", "pytest", "-q", tests, f"--junit-xml={junit}"],
        budget=budget,
        environment=environment or {},
        read_totals=from_junit(junit),
    )


def from_junit(path: Path) -> TotalsReader:
    """Reads the report that pytest --junit-xml writes."""

    def read(_output: str) -> Totals:
        if not path.exists():
            return Totals()
        totals = Totals()
        for suite in ElementTree.parse(path).getroot().iter("testsuite"):
            failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped = int(suite.get("skipped", 0))
            totals += Totals(int(suite.get("tests", 0)) - failed - skipped, failed, skipped)
        return totals

    path.unlink(missing_ok=True)
    return read


def from_json(path: Path) -> TotalsReader:
    """Reads a file that holds the keys passed, failed and skipped."""

    def read(_output: str) -> Totals:
        if not path.exists():
            return Totals()
        found = json.loads(path.read_text())
        return Totals(found["passed"], found["failed"], found["skipped"])

    path.unlink(missing_ok=True)
    return read


def summarize(title: str, results: Sequence[SuiteResult], results_name: str) -> bool:
    """Prints a table of the suites, ends with their sum, and keeps both in .cache/results."""
    print(f"\n{title}")
    width = max(len(result.name) for result in results)
    for result in results:
        verdict = "ok" if result.is_good else "FAILED"
        note = f"  {result.problem}" if result.problem else ""
        print(
            f"  {verdict:6}  {result.name:{width}}  {result.totals.passed:6} passed"
            f"  {result.totals.failed:4} failed  {result.totals.skipped:4} skipped"
            f"  {result.seconds:5.0f} s{note}"
        )
    total = sum((result.totals for result in results), Totals())
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{results_name}.json").write_text(json.dumps(asdict(total)))
    print(total, flush=True)
    return all(result.is_good for result in results)


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-").lower()


def _tail(output: str, lines: int = 4) -> str:
    kept = output.rstrip().splitlines()[-lines:]
    return "".join(f"    {line}\n" for line in kept)
