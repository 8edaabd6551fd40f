"""What was measured: the values of each loop in each row, round by round, and on what."""

from __future__ import annotations

import enum
import json
import math
import os
import platform
import statistics
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from frame import BARE

OURS = "zloop"

# A row is settled when zloop's ratio to the best other loop is off by no more than this part of it.
SETTLED = 0.03

# By how much two or three values are closer together than they should be; found by simulation.
WIDENED = {2: 3.1, 3: 1.4}

# What the rows use beside the loops.
PACKAGES = ("uvicorn", "httptools", "fastapi", "aiohttp")


class Verdict(enum.Enum):
    """How zloop stands beside the best other loop of a row."""

    AHEAD = "ahead"
    LEVEL = "level"
    BEHIND = "behind"


@dataclass
class RowResult:
    """The values that each loop reached in one row."""

    unit: str
    goal: float = 1.0
    less_is_better: bool = False
    values: dict[str, list[float]] = field(default_factory=dict)

    def median(self, loop: str) -> float | None:
        """The median of a loop's rounds, or None if it could not run the row."""
        values = self.values.get(loop)
        return statistics.median(values) if values else None

    def uncertainty(self) -> float:
        """How far off zloop's ratio to the best other loop may be by chance, as a part of it.

        Of a row that zloop or everybody else could not run, it is that of the median there is.
        """
        best = self.best_other()
        if best and self.values.get(OURS):
            return error_of_median(self.ratios(OURS, best))
        values = self.values.get(OURS) or (self.values[best] if best else None)
        return error_of_median(values) if values else 0.0

    def is_settled(self) -> bool:
        """Whether more rounds of the row would tell little that is new."""
        return self.uncertainty() <= SETTLED

    def best_other(self) -> str | None:
        """The other loop that zloop stands worst beside, of those that ran to the end.

        Without zloop, the one with the best median.
        """
        not_others = (OURS, BARE)
        others = {
            loop: values
            for loop, values in self.values.items()
            if loop not in not_others and values
        }
        most = max(map(len, others.values()), default=0)
        ran = [loop for loop, values in others.items() if len(values) == most and any(values)]
        if not ran:
            return None
        if self.values.get(OURS):
            return min(ran, key=lambda loop: self.to_other(OURS, loop) or math.inf)
        choose = min if self.less_is_better else max
        return choose(ran, key=lambda loop: self.median(loop) or 0.0)

    def to_best(self, loop: str) -> float | None:
        """How many times as good as the best other loop one is: above 1 is better in every row."""
        best = self.best_other()
        return self.to_other(loop, best) if best else None

    def error(self) -> float:
        """The standard error of zloop's ratio to the best other loop."""
        ratio = self.to_best(OURS)
        return 0.0 if ratio is None else ratio * self.uncertainty()

    def verdict(self) -> Verdict | None:
        """Whether zloop is ahead of the best other loop, or behind it, by more than chance.

        A ratio within two standard errors of 1 is level: another run may put it on the other side.
        """
        ratio = self.to_best(OURS)
        if ratio is None:
            return None
        if abs(ratio - 1) <= 2 * self.error():
            return Verdict.LEVEL
        return Verdict.AHEAD if ratio > 1 else Verdict.BEHIND

    def is_within_reach(self) -> bool:
        """Whether the bare system calls, where there is such a program for the row, reach the goal."""
        return self.reaches_goal(BARE)

    def reaches_goal(self, loop: str) -> bool:
        """Whether a loop's ratio, as tables show it, is the goal at least, or there is none."""
        ratio = self.to_best(loop)
        return ratio is None or round(ratio, 2) >= self.goal

    def to_other(self, loop: str, other: str) -> float | None:
        """How many times as good as another loop one is."""
        ratios = self.ratios(loop, other)
        return statistics.median(ratios) if ratios else None

    def ratios(self, loop: str, other: str) -> list[float]:
        """How many times as good as another loop one is, of each round that both ran."""
        rounds = self.values.get(loop, []), self.values.get(other, [])
        return ratios_of_rounds(*(reversed(rounds) if self.less_is_better else rounds))

    def to_json(self) -> dict[str, Any]:
        """The row, with what follows from its values."""
        return {
            "unit": self.unit,
            "less_is_better": self.less_is_better,
            "goal": self.goal,
            "ratio": self.to_best(OURS),
            "error": self.error(),
            "best_other": self.best_other(),
            "loops": {
                loop: {
                    "median": statistics.median(values),
                    "min": min(values),
                    "max": max(values),
                    "rounds": values,
                }
                for loop, values in self.values.items()
            },
        }


@dataclass
class Results:
    """The rows, and the circumstances of the run."""

    loops: tuple[str, ...]
    about: dict[str, Any] = field(default_factory=dict)
    rows: dict[str, RowResult] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Everything that was measured, and on what."""
        rows = {name: row.to_json() for name, row in self.rows.items()}
        return {**self.about, "loops": self.loops, "rows": rows}

    def write(self, path: Path) -> None:
        """Writes it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.to_json(), indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> Results:
        """Reads what write() wrote."""
        about = json.loads(path.read_text())
        loops, rows = tuple(about.pop("loops")), about.pop("rows")
        return cls(loops, about, {name: _row_of(row) for name, row in rows.items()})


def ratios_of_rounds(values: list[float], others: list[float]) -> list[float]:
    """How many times as large as others values are, round by round.

    In one round both met the same machine, whose speed may change by more between two rounds than loops
    differ. Who fails takes no part in later rounds, so the first rounds are those that both have.
    """
    pairs = zip(values, others, strict=False)
    return [value / other for value, other in pairs if value and other]


def error_of_median(values: list[float]) -> float:
    """The standard error of the values' median, as a part of it; 1 for a single value.

    From the quartiles, which no single bad round moves. Of normal values, one median in twenty is off by more
    than two errors, also of few: the quartiles of so few are estimated as those of what they were drawn from.
    """
    count = len(values)
    if count < 2:
        return 1.0
    low, median, high = statistics.quantiles(values, n=4, method="exclusive")
    # Of a normal distribution, the quartiles are 1.349 deviations apart, and the median's error is
    # 1.253 deviations by the root of the number.
    error: float = 1.253 / 1.349 * (high - low) / math.sqrt(count) / median
    return error * WIDENED.get(count, 1.0)


def _row_of(row: dict[str, Any]) -> RowResult:
    values = {loop: measured["rounds"] for loop, measured in row["loops"].items()}
    return RowResult(row["unit"], row["goal"], row["less_is_better"], values)


def circumstances(
    loops: tuple[str, ...], rounds: tuple[int, int], turns: int, seconds: float
) -> dict[str, Any]:
    """When, on what and how the rows are about to run."""
    return {
        "command": command(),
        "rounds": rounds[0],
        "most_rounds": rounds[1],
        "turns": turns,
        "seconds": seconds,
        **surroundings(loops),
    }


def surroundings(loops: tuple[str, ...]) -> dict[str, Any]:
    """When, on which machine, and of what versions."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count() or 1,
            "virtual": "hypervisor" in _processor_fields().get("flags", "").split(),
            "system": f"{platform.system()} {platform.release()}",
            "load": round(os.getloadavg()[0], 2),
        },
        "versions": {
            "Python": f"{platform.python_implementation()} {platform.python_version()}",
            **{name: _version(name) for name in loops if name not in ("asyncio", BARE)},
            **{name: _version(name) for name in PACKAGES},
        },
    }


def command() -> str:
    """The make target that runs the same."""
    arguments = ["--on", f"{sys.version_info.major}.{sys.version_info.minor}", *sys.argv[1:]]
    words = [f"'{word}'" if set(word) & set(" ()*") else word for word in arguments]
    return f'make bench ARGUMENTS="{" ".join(words)}"'


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    return _processor_fields().get("model name") or platform.machine()


def _processor_fields() -> dict[str, str]:
    """What Linux says about the first core."""
    try:
        first = Path("/proc/cpuinfo").read_text().partition("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
