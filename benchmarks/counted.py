"""What was counted: what an operation of each row takes on each loop; as JSON, and as tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from counter import Counts
from results import OURS
from table import NOTHING, markdown, plain, short

# Counts that differ by less are called equal: each process has other addresses, and so other hashes.
SAME = 0.02


@dataclass
class Counted:
    """The rows, with what one operation is, and the circumstances."""

    loops: tuple[str, ...]
    about: dict[str, Any] = field(default_factory=dict)
    operations: dict[str, str] = field(default_factory=dict)
    rows: dict[str, dict[str, Counts]] = field(default_factory=dict)

    def best_other(self, row: str) -> str | None:
        """The other loop that takes the fewest instructions."""
        others = [loop for loop in self.rows[row] if loop != OURS]
        return min(others, key=lambda loop: self.rows[row][loop].instructions, default=None)

    def to_best(self, row: str) -> float | None:
        """How many times as many instructions the best other loop takes as zloop does."""
        best, ours = self.best_other(row), self.rows[row].get(OURS)
        if best is None or ours is None:
            return None
        return self.rows[row][best].instructions / ours.instructions

    def takes_more_calls(self) -> list[str]:
        """The rows in which zloop makes more system calls than another loop."""
        return [
            name
            for name, counts in self.rows.items()
            if OURS in counts
            and counts[OURS].system_calls
            > min(one.system_calls for one in counts.values()) * (1 + SAME) + SAME
        ]

    def write(self, path: Path) -> None:
        """Writes it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = {
            name: {
                "operation": self.operations[name],
                "loops": {loop: asdict(one) for loop, one in counts.items()},
            }
            for name, counts in self.rows.items()
        }
        path.write_text(
            json.dumps({**self.about, "loops": self.loops, "rows": rows}, indent=2) + "\n"
        )

    @classmethod
    def read(cls, path: Path) -> Counted:
        """Reads what write() wrote."""
        about = json.loads(path.read_text())
        loops, rows = tuple(about.pop("loops")), about.pop("rows")
        operations = {name: row["operation"] for name, row in rows.items()}
        counts = {
            name: {loop: Counts(**one) for loop, one in row["loops"].items()}
            for name, row in rows.items()
        }
        return cls(loops, about, operations, counts)


def plain_counts(counted: Counted) -> str:
    """A line a row, for a terminal: instructions (system calls) of each loop."""
    return _table(counted, plain, "{} ({})")


def counts_markdown(counted: Counted) -> str:
    """Each loop's instructions with its system calls below them."""
    return _table(counted, markdown, "{}<br><sub>{}</sub>")


def summary(counted: Counted) -> str:
    """In how many rows zloop takes the fewest, and where it does not."""
    ratios = {name: ratio for name in counted.rows if (ratio := counted.to_best(name)) is not None}
    fewer = [name for name, ratio in ratios.items() if ratio > 1 + SAME]
    more = [name for name, ratio in ratios.items() if ratio < 1 - SAME]
    same = [name for name in ratios if name not in fewer + more]
    parts = [f"{OURS} takes the fewest instructions in {len(fewer)} of {len(ratios)} rows."]
    if same:
        parts.append(f"Within {SAME:.0%} of the fewest: {'; '.join(same)}.")
    if more:
        parts.append(f"Another loop takes fewer in {len(more)}: {'; '.join(more)}.")
    calls = counted.takes_more_calls()
    parts.append(
        f"Another makes fewer system calls in {len(calls)}: {'; '.join(calls)}."
        if calls
        else "No other makes fewer system calls in any row."
    )
    return " ".join(parts)


def _table(counted: Counted, draw: Callable[[list[str], list[list[str]]], str], form: str) -> str:
    head = ["row", "of a", *counted.loops, f"best/{OURS}", "best other"]
    lines = []
    for name, counts in counted.rows.items():
        cells = []
        for loop in counted.loops:
            one = counts.get(loop)
            calls = "" if one is None else f"{max(one.system_calls, 0):.2f}"
            cells.append(NOTHING if one is None else form.format(short(one.instructions), calls))
        ratio = counted.to_best(name)
        ratio_cell = NOTHING if ratio is None else f"{ratio:.2f}"
        best = counted.best_other(name) or NOTHING
        lines.append([name, counted.operations[name], *cells, ratio_cell, best])
    return draw(head, lines)
