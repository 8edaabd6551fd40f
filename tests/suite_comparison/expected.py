"""The differences that are known, each with its reason."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runs import Run


@dataclass(frozen=True)
class Expectation:
    """A test that is known to end in another way than on asyncio, with all its parameters or one."""

    test: str
    reason: str

    def matches(self, name: str) -> bool:
        """Whether a node id is the test's."""
        return self.test in (name, name.partition("[")[0])


def read(path: Path) -> list[Expectation]:
    """What a file lists, in tables [[difference]] with a test and a reason; ValueError without one."""
    with path.open("rb") as file:
        tables = tomllib.load(file).get("difference", [])
    for table in tables:
        if not table["reason"].strip():
            raise ValueError(f"{table['test']} is listed without a reason")
    return [Expectation(table["test"], table["reason"]) for table in tables]


def unexpected(
    expected: Iterable[Expectation], differing: set[str], ran: Run, *, whole_files: bool = True
) -> list[str]:
    """The tests that are listed, and were run without a difference, or that their file does not have.

    Whether a file has a test can be told only of one that was run as a whole.
    """
    files = {name.partition("::")[0] for name in ran.outcomes} if whole_files else set()
    told = []
    for each in expected:
        if any(map(each.matches, ran.outcomes)):
            if not any(map(each.matches, differing)):
                told.append(f"{each.test}: is listed as a difference, and there is none")
        elif each.test.partition("::")[0] in files:
            told.append(f"{each.test}: is listed as a difference, and there is no such test")
    return told
