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
    """What a file lists, in tables [[difference]] with a test and a reason."""
    with path.open("rb") as file:
        tables = tomllib.load(file).get("difference", [])
    return [Expectation(table["test"], table["reason"]) for table in tables]


def unexpected(expected: Iterable[Expectation], differing: set[str], ran: Run) -> list[str]:
    """The tests that are listed, were run, and do not differ."""
    return [
        f"{each.test}: is listed as a difference, and there is none"
        for each in expected
        if any(map(each.matches, ran.outcomes)) and not any(map(each.matches, differing))
    ]
