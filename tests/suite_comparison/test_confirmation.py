"""Which differences are believed, and which are flaky tests."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from confirmation import ENOUGH, RERUNS, confirmed
from runs import Difference, Run

LOOP = "zloop:new_event_loop"
FOUND = Difference("a", "passed", "failed")


@dataclass
class Scripted:
    """Tests that end as they are told to, each time that they run: by loop and name."""

    endings: dict[str | None, dict[str, str]]
    ran: list[tuple[str | None, tuple[str, ...]]] = field(default_factory=list)
    names: tuple[str, ...] = ()

    def only(self, names):
        return Scripted(self.endings, self.ran, tuple(names))

    def run(self, *, loop, workers):
        assert workers == 0
        turn = sum(each == loop for each, _ in self.ran)
        self.ran.append((loop, self.names))
        letters = {name: self.endings[loop][name][turn] for name in self.names}
        outcomes = {name: _OUTCOMES[letter] for name, letter in letters.items()}
        failed = {name: f"turn {turn}" for name, outcome in outcomes.items() if outcome == "failed"}
        return Run(outcomes, failed)


_OUTCOMES = {".": "passed", "F": "failed", "E": "error at setup", "s": "skipped"}


@pytest.mark.parametrize(
    ("on_asyncio", "here", "is_confirmed"),
    [
        ("..", "FF", True),
        ("..", "EF", True),
        ("...", "...", False),
        ("......", ".F....", False),
        # Now and then is enough, if it is more often than on asyncio.
        ("....", "F..F", True),
        ("F..", "..F", False),
        ("FFF", "FFF", False),
        (".F.", "FFF", True),
        ("FFF", "...", False),
        ("..", "ss", True),
    ],
)
def test_what_is_confirmed(on_asyncio, here, is_confirmed):
    tests = Scripted({None: {"a": on_asyncio}, LOOP: {"a": here}})
    assert confirmed([FOUND], tests, LOOP, {}) == [FOUND] * is_confirmed
    assert [loop for loop, _ in tests.ran] == [None, LOOP] * len(here)


def test_only_those_in_doubt_run_again():
    names = ("flaky", "sure", "unsure")
    here = {"flaky": "...", "sure": "FF", "unsure": "..F..F"}
    tests = Scripted({None: dict.fromkeys(names, "......"), LOOP: here})
    found = [Difference(name, "passed", "failed") for name in names]
    assert [each.test for each in confirmed(found, tests, LOOP, {})] == ["sure", "unsure"]
    ran = [chosen for loop, chosen in tests.ran if loop]
    assert ran == [names] * ENOUGH + [("flaky", "unsure")] + [("unsure",)] * RERUNS


def test_what_failed_last_is_told():
    details = {"a": "under load", "b": "untouched"}
    tests = Scripted({None: {"a": ".."}, LOOP: {"a": "FF"}})
    confirmed([FOUND], tests, LOOP, details)
    assert details == {"a": "turn 1", "b": "untouched"}


def test_flaky_one_is_printed_with_how_it_ended(capsys):
    tests = Scripted({None: {"a": ".F...."}, LOOP: {"a": "F....."}})
    assert confirmed([FOUND], tests, LOOP, {}) == []
    told = "flaky: a: passed 3 times, failed once on asyncio, failed twice, passed twice here"
    assert told in capsys.readouterr().out


def test_one_that_is_on_one_loop_only_is_reported_and_not_run():
    tests = Scripted({})
    only_here = Difference("b", "not run", "passed")
    assert confirmed([only_here], tests, LOOP, {}) == [only_here]
    assert tests.ran == []
