"""Runs a project's own suite on one loop, and compares two runs test by test."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

SITE = Path(__file__).parent / "site"

# More workers than cores: most tests wait.
WORKERS = 6

NOT_RUN = "not run"

# A second descriptor of this process's output, for what a run tells while it goes on.
STEPS = os.dup(1)


@dataclass
class Run:
    """The outcome of each test, by its node id, and what the failing ones said."""

    outcomes: dict[str, str] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)

    def count(self, *outcomes: str) -> int:
        """How many tests had one of these outcomes."""
        return sum(outcome in outcomes for outcome in self.outcomes.values())

    def __str__(self) -> str:
        passed = self.count("passed", "xfailed")
        skipped = self.count("skipped")
        failed = len(self.outcomes) - passed - skipped
        return f"{passed} passed, {failed} failed, {skipped} skipped"


@dataclass(frozen=True)
class Difference:
    """A test that does not end the same way on both loops."""

    test: str
    on_asyncio: str
    on_chosen: str

    @property
    def is_none(self) -> bool:
        """Whether it ends the same after all: where a failing test failed makes no difference."""
        return kind_of(self.on_asyncio) == kind_of(self.on_chosen)

    @property
    def is_better(self) -> bool:
        """Whether it passes where it fails on asyncio, which has bugs of its own."""
        return self.on_chosen == "passed" and kind_of(self.on_asyncio) == "failed"

    def __str__(self) -> str:
        return f"{self.test}: {self.on_asyncio} on asyncio, {self.on_chosen} here"


@dataclass(frozen=True)
class Tests:
    """Tests of a folder, the interpreter that has what they need, and pytest's options for them."""

    python: Path
    folder: Path
    names: Sequence[str]
    options: Sequence[str] = ()
    # Whether asyncio.run() makes the chosen loop too.
    runner: bool = False

    @property
    def are_whole_files(self) -> bool:
        """Whether no single tests were chosen."""
        return not any("::" in name for name in self.names)

    def only(self, names: Sequence[str]) -> Tests:
        """The same with some of the tests, by their node ids."""
        return replace(self, names=names)

    def run(self, *, loop: str | None, workers: int = WORKERS) -> Run:
        """Runs them by pytest, on a loop or, without one, on asyncio's.

        Raises RuntimeError if pytest did not get as far as its results.
        """
        with tempfile.TemporaryDirectory() as temporary:
            outcomes = Path(temporary) / "outcomes.json"
            environment = {
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(SITE), *_inherited_path()]),
                # The folder may hold the project's sources, without what was compiled of them.
                "PYTHONSAFEPATH": "1",
                "ZLOOP_SUITE_OUTCOMES": str(outcomes),
                "ZLOOP_SUITE_LOOP": loop or "",
                "ZLOOP_SUITE_RUNNER": "1" if self.runner else "",
                "ZLOOP_SUITE_STEPS": str(STEPS),
            }
            options = ["-q", "--no-header", "-p", "suite_plugin", "-p", "no:cacheprovider"]
            options += [*self.options, "-n", str(workers)]
            finished = subprocess.run(
                [self.python, "-m", "pytest", *options, *self.names],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[STEPS],
                text=True,
                check=False,
            )
            # pytest exits with 1 if tests failed, and with more if it could not run them.
            if finished.returncode not in (0, 1) or not outcomes.exists():
                raise RuntimeError(f"pytest exited with {finished.returncode}:\n{finished.stdout}")
            return Run(**json.loads(outcomes.read_text()))


def differences(on_asyncio: Run, on_chosen: Run) -> list[Difference]:
    """The tests that differ, those that only one run has among them."""
    names = sorted({*on_asyncio.outcomes, *on_chosen.outcomes})
    pairs = (
        Difference(
            name,
            on_asyncio.outcomes.get(name, NOT_RUN),
            on_chosen.outcomes.get(name, NOT_RUN),
        )
        for name in names
    )
    return [pair for pair in pairs if not pair.is_none]


def kind_of(outcome: str) -> str:
    """What counts of an outcome: an error in a fixture is a failure."""
    return "failed" if outcome.startswith("error") else outcome


def _inherited_path() -> list[str]:
    return [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
