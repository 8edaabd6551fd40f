"""Runs one round of a row: a process for each loop, all of them started before the first turn.

A machine, above all a virtual one, is faster now and slower a second later. Loops that take short turns
meet the same of it; loops that run one after the other each have their own weather.
"""

from __future__ import annotations

import random
import select
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from frame import Row, pin

CHILD = Path(__file__).resolve().parent / "child.py"

# Seconds that a process may take beyond what it was asked for.
PATIENCE = 20.0


class Failed(Exception):
    """A loop could not run a row."""


@dataclass
class Round:
    """Each loop's value of one round, the median of its turns, or why it has none."""

    values: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def run_round(row: Row, factories: dict[str, str], turns: int, seconds: float) -> Round:
    """Has the loops, named with their factories, take turns of so many seconds at a row."""
    outcome = Round()
    taken: dict[str, list[float]] = {loop: [] for loop in factories}
    with ExitStack() as stack:
        entrants = {
            loop: stack.enter_context(entered(row, child_command(row, factory)))
            for loop, factory in factories.items()
        }
        for loop, entrant in entrants.items():
            with _noting_failure(outcome, loop, entrant):
                entrant.start()
        for _ in range(min(turns, row.most_turns)):
            # In another order each time: none always follows the same other.
            for loop in random.sample(list(entrants), len(entrants)):
                if loop not in outcome.failures:
                    with _noting_failure(outcome, loop, entrants[loop]):
                        taken[loop].append(entrants[loop].measure(seconds))
    outcome.values = {
        loop: statistics.median(values)
        for loop, values in taken.items()
        if loop not in outcome.failures
    }
    return outcome


@contextmanager
def _noting_failure(outcome: Round, loop: str, entrant: Entrant) -> Iterator[None]:
    """Takes a loop that fails out of the round: one that hangs would take the others' time."""
    try:
        yield
    except Failed as error:
        outcome.failures[loop] = str(error)
        entrant.kill()


def child_command(row: Row, factory: str) -> list[str]:
    """The command of a loop's process."""
    return [sys.executable, str(CHILD), row.module, row.name, factory]


@contextmanager
def entered(
    row: Row, command: list[str], environment: dict[str, str] | None = None
) -> Iterator[Entrant]:
    """Starts a loop's process, and ends it."""
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command,
            stdin=pipe,
            stdout=pipe,
            stderr=errors,
            text=True,
            bufsize=1,
            env=environment,
        ) as process,
    ):
        assert process.stdin is not None
        try:
            yield Entrant(row, process, errors)
        finally:
            process.kill()
            with suppress(BrokenPipeError):
                # Of a process that ended, what it never read stands in the buffer still.
                process.stdin.close()


class Entrant:
    """A loop in a row: a process that measures, or serves, whenever it is its turn, and sleeps in between."""

    def __init__(self, row: Row, process: subprocess.Popen[str], errors: IO[str]) -> None:
        self._row = row
        self._process = process
        self._errors = errors
        # Where it serves, once it has started.
        self.address = ""

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def kill(self) -> None:
        """Ends the process."""
        self._process.kill()

    def start(self, patience: float = PATIENCE) -> None:
        """Waits until the loop is there, so that no other one's turn is while it starts; may raise Failed."""
        self.address = self._line(patience)

    def measure(self, seconds: float) -> float:
        """The row's value in one turn; raises Failed if there is none."""
        patience = PATIENCE + 4 * seconds
        if self._row.serve is not None:
            return self._load(seconds, patience)
        return self.ask(seconds, patience)

    def ask(self, amount: float, patience: float) -> float:
        """What the process of a measured row answers to an amount of seconds; may raise Failed."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{amount}\n")
        except BrokenPipeError:
            raise self._reason() from None
        return _value(self._line(patience))

    def _line(self, patience: float) -> str:
        """What the process prints next, without the line's end."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], patience)[0]:
            raise Failed(f"no result after {patience:.0f} s")
        line = self._process.stdout.readline().strip()
        if not line:
            raise self._reason()
        return line

    def _load(self, seconds: float, patience: float) -> float:
        """Runs the row's client on its core."""
        try:
            client = subprocess.run(
                [sys.executable, *self._row.client_command(self.address, seconds)],
                capture_output=True,
                text=True,
                timeout=patience,
                preexec_fn=lambda: pin(0 if self._row.shares_core else 1),
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"no result after {patience:.0f} s") from None
        if client.returncode != 0:
            raise self.failure(client.stderr)
        return _value(client.stdout)

    def failure(self, said_by_client: str) -> Failed:
        """Why a client failed: a service that ended by itself knows better than its client does."""
        return self._reason() if self._has_ended(1) else Failed(_last_line(said_by_client))

    def _reason(self) -> Failed:
        """What the process, which prints no more, says about it."""
        if not self._has_ended(PATIENCE):
            return Failed("it closed its output, and did not end")
        self._errors.seek(0)
        return Failed(_last_line(self._errors.read()))

    def _has_ended(self, patience: float) -> bool:
        """Whether the process ends within so many seconds."""
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            return False
        return True


def _value(printed: str) -> float:
    try:
        return float(_last_line(printed))
    except ValueError:
        raise Failed(f"no number but {printed!r}") from None


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "nothing printed"
