"""The measurements, and the table and the file that they make."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

OURS = "zloop"


@dataclass
class Table:
    """What each loop reached in each row, round by round."""

    units: dict[str, str] = field(default_factory=dict)
    rates: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    loops: tuple[str, ...] = ()

    def add(self, row: str, unit: str, loop: str, rate: float) -> None:
        """Adds one measurement."""
        self.units[row] = unit
        self.rates.setdefault(row, {}).setdefault(loop, []).append(rate)

    def median(self, row: str, loop: str) -> float | None:
        """The median of a loop's rounds, or None if it could not run the row."""
        rates = self.rates.get(row, {}).get(loop)
        return statistics.median(rates) if rates else None

    def spread(self, row: str, loop: str) -> float:
        """Half the distance from the slowest to the fastest round, as a part of the median."""
        rates = self.rates[row][loop]
        return (max(rates) - min(rates)) / 2 / statistics.median(rates)

    def ratio(self, row: str) -> float | None:
        """zloop's median by the best median of the others."""
        ours = self.median(row, OURS)
        others = [self.median(row, loop) for loop in self.loops if loop != OURS]
        best = max((rate for rate in others if rate is not None), default=None)
        return ours / best if ours is not None and best else None

    def __str__(self) -> str:
        head = ["row", *self.loops, f"{OURS}/best"]
        lines = [[row, *self._cells(row)] for row in self.rates]
        widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
        rule = ["-" * width for width in widths]
        return "\n".join(
            "| "
            + " | ".join(
                cell.ljust(width) if column == 0 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            + " |"
            for line in [head, rule, *lines]
        )

    def _cells(self, row: str) -> list[str]:
        cells = []
        for loop in self.loops:
            median = self.median(row, loop)
            cells.append(
                "–" if median is None else f"{_short(median)} ±{self.spread(row, loop):.0%}"
            )
        ratio = self.ratio(row)
        return [*cells, "–" if ratio is None else f"{ratio:.2f}"]

    def to_json(self) -> dict[str, Any]:
        """Everything that was measured, and on what."""
        rows = {
            row: {
                "unit": self.units[row],
                "ratio": self.ratio(row),
                "loops": {
                    loop: {"median": statistics.median(rates), "rounds": rates}
                    for loop, rates in by_loop.items()
                },
            }
            for row, by_loop in self.rates.items()
        }
        return {"machine": machine(), "versions": _versions(self.loops), "rows": rows}

    def write(self, path: Path) -> None:
        """Writes it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.to_json(), indent=2) + "\n")


def machine() -> dict[str, str | int]:
    """What the rows ran on."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def _versions(loops: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for name in (*loops, "uvicorn"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = sys.version.split()[0]
    return found


def _short(rate: float) -> str:
    """Such as 2.41M, 68.2k or 1.06."""
    for factor, letter in ((1e6, "M"), (1e3, "k")):
        if rate >= factor:
            return f"{rate / factor:.3g}{letter}"
    return f"{rate:.3g}"
