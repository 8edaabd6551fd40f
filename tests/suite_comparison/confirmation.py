"""Runs the tests that differ again, alone, to tell a difference of the loops from a flaky test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from runs import NOT_RUN, Difference, Run, Tests, kind_of

# A test that does not differ in so many runs is flaky. One that differs now and then gets as many again.
RERUNS = 3
# One failure more than on asyncio may be the machine's, two are not.
ENOUGH = 2


@dataclass
class _Doubt:
    """A difference, and how the test ended each time that it ran again on both loops."""

    found: Difference
    again: list[Difference] = field(default_factory=list)

    @property
    def weight(self) -> int:
        """How much more often it differed than it was the better one."""
        worse = sum(not each.is_none and not each.is_better for each in self.again)
        return worse - sum(each.is_better for each in self.again)

    def __str__(self) -> str:
        every = [self.found, *self.again]
        on_asyncio = _counted(each.on_asyncio for each in every)
        here = _counted(each.on_chosen for each in every)
        return f"{self.found.test}: {on_asyncio} on asyncio, {here} here"


def confirmed(
    found: Sequence[Difference],
    tests: Tests,
    loop: str,
    details: dict[str, str],
    announce: Callable[[str], None] = print,
) -> list[Difference]:
    """The differences that show again when only those tests run, one after the other.

    What a test said then is added to the details, and each step is announced. One that is there on one
    loop only is not run again.
    """
    certain = [each for each in found if NOT_RUN in (each.on_asyncio, each.on_chosen)]
    doubts = [_Doubt(each) for each in found if each not in certain]
    for turn in range(2 * RERUNS):
        open_ = [
            each for each in doubts if each.weight < ENOUGH and (turn < RERUNS or each.weight > 0)
        ]
        if not open_:
            break
        announce(f"running {len(open_)} that differ once more on each loop, alone")
        _run_again(open_, tests, loop, details)
    for each in doubts:
        if each.weight < ENOUGH:
            print(f"  flaky: {each}")
        else:
            certain.append(each.found)
    return sorted(certain, key=lambda each: each.test)


def _run_again(doubts: Sequence[_Doubt], tests: Tests, loop: str, details: dict[str, str]) -> None:
    chosen = tests.only([each.found.test for each in doubts])
    on_asyncio, on_loop = (chosen.run(loop=each, workers=0) for each in (None, loop))
    details.update(on_loop.details)
    for each in doubts:
        name = each.found.test
        each.again.append(Difference(name, _outcome(on_asyncio, name), _outcome(on_loop, name)))


def _outcome(run: Run, name: str) -> str:
    return run.outcomes.get(name, NOT_RUN)


def _counted(outcomes: Iterable[str]) -> str:
    """Such as "passed 3 times, failed once"."""
    words = {1: "once", 2: "twice"}
    counts = Counter(map(kind_of, outcomes))
    return ", ".join(
        f"{kind} {words.get(times, f'{times} times')}" for kind, times in counts.items()
    )
