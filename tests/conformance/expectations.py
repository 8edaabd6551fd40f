"""The list of tests that are expected to fail, and the judgement of a run against it."""

from __future__ import annotations

import fnmatch
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from selection import TestName
from worker import PASSED, SKIPPED, Outcome

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class Expectation:
    """One pattern of the list, with the reason it stands under."""

    pattern: str
    reason: str
    in_every_release: bool = True

    def matches(self, name: TestName) -> bool:
        return fnmatch.fnmatchcase(str(name), self.pattern)


@dataclass
class Judgement:
    """A run as the list sees it."""

    passed: list[Outcome] = field(default_factory=list)
    skipped: list[Outcome] = field(default_factory=list)
    expected_failures: list[Outcome] = field(default_factory=list)
    unexpected_failures: list[Outcome] = field(default_factory=list)
    unexpected_passes: list[Outcome] = field(default_factory=list)
    stale: list[Expectation] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not (self.unexpected_failures or self.unexpected_passes or self.stale)


def load(path: Path, version: str = VERSION) -> list[Expectation]:
    """The patterns that hold for a version of CPython.

    The file holds tables named [[expected]], each with a reason, a list of tests (where * stands for
    anything), and, where the reason does not hold for all versions, a list of versions. A table with
    in_every_release = false lists tests that came with a release in the middle of a version's life.
    """
    with path.open("rb") as file:
        tables = tomllib.load(file).get("expected", [])
    return [
        Expectation(pattern, table["reason"], table.get("in_every_release", True))
        for table in tables
        if version in table.get("versions", [version])
        for pattern in table["tests"]
    ]


def judge(
    outcomes: Iterable[Outcome], expectations: Iterable[Expectation], *, whole: bool
) -> Judgement:
    """Sorts outcomes by whether the list expected them.

    In a whole run each pattern must match a test, or it is stale.
    """
    judgement = Judgement()
    unused = dict.fromkeys(expectations)
    listed = list(unused)
    for outcome in outcomes:
        expected = [entry for entry in listed if entry.matches(outcome.name)]
        for entry in expected:
            unused.pop(entry, None)
        _bucket(judgement, outcome, expected=bool(expected)).append(outcome)
    if whole:
        judgement.stale = [entry for entry in unused if entry.in_every_release]
    return judgement


def _bucket(judgement: Judgement, outcome: Outcome, *, expected: bool) -> list[Outcome]:
    if outcome.result == SKIPPED:
        return judgement.skipped
    if outcome.result == PASSED:
        return judgement.unexpected_passes if expected else judgement.passed
    return judgement.expected_failures if expected else judgement.unexpected_failures
