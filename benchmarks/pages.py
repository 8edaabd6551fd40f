"""Puts measured numbers into README.md and docs/performance.md, between marks that name what belongs there.

    python benchmarks/pages.py                       from benchmarks/results
    python benchmarks/pages.py --results .cache/bench --into .cache/bench/pages

The second leaves the documents alone, and writes changed copies to a folder.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from counted import Counted, counts_markdown, summary
from results import OURS, SETTLED, Results, Verdict
from table import below_goal, full_markdown, out_of_reach, short_markdown, standing

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "docs/performance.md")
COUNTS = ROOT / "tests" / "counts" / "recorded.json"
MARKED = re.compile(
    r"(<!-- measured: (\w+) (\d+\.\d+) -->\n).*?(<!-- end of measured -->)", re.DOTALL
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--into", type=Path, default=ROOT)
    options = parser.parse_args()
    for name in PAGES:
        page = ROOT / name
        target = options.into / name
        changed = fill(page.read_text(), page, options.results)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(changed)
        print(f"written: {target}")


def fill(text: str, page: Path, folder: Path) -> str:
    """The text with each marked part made anew, except those for which there are no results."""

    def replace(found: re.Match[str]) -> str:
        opening, what, version, closing = found.groups()
        match what:
            case "counts":
                part = _recorded(version)
            case "counted":
                part = _counted(folder / f"counted-{version}.json")
            case _:
                part = _measured(what, page, folder / f"{version}.json")
        return found[0] if part is None else f"{opening}\n{part}\n\n{closing}"

    return MARKED.sub(replace, text)


def _measured(what: str, page: Path, path: Path) -> str | None:
    if not path.exists():
        return None
    results = Results.read(path)
    tables: dict[str, Callable[[Results], str]] = {"full": full_markdown, "short": short_markdown}
    up = "../" * (len(page.relative_to(ROOT).parts) - 1)
    chart = f"![zloop beside the best other loop, row by row]({up}docs/images/benchmarks-{path.stem}.png)"
    return "\n\n".join([chart, tables[what](results), _summary(results), _circumstances(results)])


def _counted(path: Path) -> str | None:
    """What an operation of each row takes on each loop."""
    if not path.exists():
        return None
    counted = Counted.read(path)
    about: dict[str, Any] = counted.about
    python, packages = _versions(about)
    how = (
        f"Counted on {about['date']} with `{about['command']}`, on {python}; {packages}; on an"
        f" {about['machine']['processor']}, as valgrind imitates it."
    )
    return "\n\n".join([counts_markdown(counted), summary(counted), how])


def _summary(results: Results) -> str:
    """How the rows came out: ahead, level or behind, and which are below their goal."""
    ahead, level, behind = (standing(results, verdict) for verdict in Verdict)
    parts = [
        f"In {len(ahead)} of {len(ahead + level + behind)} rows {OURS} is ahead of every other loop."
    ]
    if level:
        parts.append(
            f"In {len(level)} it is level with the best, within two standard errors: {'; '.join(level)}."
        )
    if behind:
        parts.append(f"In {len(behind)} it is behind: {'; '.join(behind)}.")
    if unsettled := sum(not row.is_settled() for row in results.rows.values()):
        parts.append(f"In {unsettled} the ratio's standard error is above {SETTLED:.0%} still.")
    missed = below_goal(results)
    parts.append(
        f"{len(missed)} stay below their goal: {'; '.join(missed)}."
        if missed
        else "Every row reaches its goal."
    )
    if beyond := out_of_reach(results):
        parts.append(
            f"In {len(beyond)} of them the bare system calls, without a loop and without Python, do so too:"
            f" {'; '.join(beyond)}."
        )
    return " ".join(parts)


def _circumstances(results: Results) -> str:
    about: dict[str, Any] = results.about
    machine = about["machine"]
    python, packages = _versions(about)
    rounds, most = about["rounds"], about.get("most_rounds", about["rounds"])
    more = f", up to {most} where they varied" if most > rounds else ""
    kind = " (a virtual machine)" if machine["virtual"] else ""
    return (
        f"Measured on {about['date']} with `{about['command']}`: medians of {rounds} rounds{more}, of"
        f" {about['turns']} turns, {about['seconds']:g} s together (wrk: a second each), on"
        f" {machine['cores']} cores of an {machine['processor']}{kind}, {machine['system']}, {python},"
        f" load average {machine['load']} when it began; {packages}."
    )


def _versions(about: dict[str, Any]) -> tuple[str, str]:
    """Of the interpreter, and of the packages."""
    versions = dict(about["versions"])
    python = versions.pop("Python")
    return python, ", ".join(f"{name} {number}" for name, number in versions.items() if number)


def _recorded(version: str) -> str | None:
    """The recorded counts, an operation a row."""
    recorded = json.loads(COUNTS.read_text()).get(version)
    if recorded is None:
        return None
    kinds = (
        "instructions",
        "own instructions",
        "observing instructions",
        "allocations",
        "system calls",
    )
    rows: dict[str, dict[str, float]] = {}
    for name, count in recorded["counts"].items():
        kind, _, operation = name.partition(" per ")
        rows.setdefault(operation, {})[kind] = count
    lines = [f"| {' | '.join(('operation', *kinds))} |", f"| --- |{' ---: |' * len(kinds)}"]
    for operation, counts in rows.items():
        cells = (f"{counts[kind]:g}" if kind in counts else "" for kind in kinds)
        lines.append(f"| {operation} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"Recorded with CPython {recorded['build']}."])


if __name__ == "__main__":
    main()
