"""Draws the results: in each row, how many times as good as the best other loop every loop is.

    python benchmarks/chart.py RESULTS.json CHART.png

draws a file of results once more.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from frame import BARE
from results import OURS, Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {
    "zloop": "#d1495b",
    "zuvloop": "#00798c",
    "rloop": "#edae49",
    "uvloop": "#30638e",
    "asyncio": "#b9b4a7",
}
INK = "#3b3a36"
PALE = "#e5e2da"

# zloop's bar is this much thicker than another's.
OURS_THICKNESS = 2.0
GAP = 1.4
# What is further to the right is cut off; the number beside it says how far it goes.
FARTHEST = 2.6
INCHES_PER_BAR = 0.062


def draw(results: Results, path: Path) -> None:
    """Writes a chart of the rows that zloop and another loop ran, in two columns."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    rows = [name for name, row in results.rows.items() if row.to_best(OURS) is not None]
    if not rows:
        return
    half = (len(rows) + 1) // 2
    loops = sorted(set(results.loops) - {BARE}, key=list(COLOURS).index)
    height = half * _row_height(loops) * INCHES_PER_BAR + 0.9
    figure, columns = pyplot.subplots(1, 2, figsize=(10, height), layout="constrained")
    for axes, part in zip(columns, (rows[:half], rows[half:]), strict=True):
        _draw_rows(axes, results, part, loops)
        # A shorter column ends earlier, with bars as thick as the longer one's.
        axes.set_ylim(half * _row_height(loops) - GAP / 2, -GAP)
    # A column may have rows of one kind only.
    labelled = {
        label: handle
        for axes in columns
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        labelled.values(),
        labelled.keys(),
        loc="outside upper center",
        ncols=len(labelled),
        frameon=False,
        fontsize=9,
    )
    figure.supxlabel("times as good as the best other loop", fontsize=9, color=INK)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=160)
    pyplot.close(figure)


def _row_height(loops: Sequence[str]) -> float:
    return OURS_THICKNESS + len(loops) - 1 + GAP


def _draw_rows(axes: Axes, results: Results, rows: list[str], loops: list[str]) -> None:
    tops = [number * _row_height(loops) for number in range(len(rows))]
    bare = [results.rows[row].to_best(BARE) or 0 for row in rows]
    offset = 0.0
    for loop in loops:
        thickness = OURS_THICKNESS if loop == OURS else 1.0
        ratios = [results.rows[row].to_best(loop) or 0 for row in rows]
        axes.barh(
            [top + offset + thickness / 2 for top in tops],
            [min(ratio, FARTHEST) for ratio in ratios],
            height=thickness * 0.94,
            color=COLOURS[loop],
            label=loop,
            zorder=2,
        )
        if loop == OURS:
            for row, top, ratio, most in zip(rows, tops, ratios, bare, strict=True):
                marked = max(ratio, results.rows[row].goal, most)
                axes.text(
                    min(marked, FARTHEST) + 0.05,
                    top + thickness / 2,
                    f"{ratio:.2f}",
                    va="center",
                    fontsize=8,
                    color=COLOURS[loop],
                    weight="bold",
                    zorder=4,
                )
        offset += thickness
    axes.plot(
        [min(results.rows[row].goal, FARTHEST) for row in rows],
        [top + OURS_THICKNESS / 2 for top in tops],
        "|",
        color=INK,
        markersize=7,
        markeredgewidth=1.4,
        label="goal",
        zorder=3,
    )
    known = [(most, top) for most, top in zip(bare, tops, strict=True) if most]
    if known:
        axes.plot(
            [min(most, FARTHEST) for most, _ in known],
            [top + OURS_THICKNESS / 2 for _, top in known],
            "D",
            color=INK,
            markerfacecolor="none",
            markersize=4,
            label="bare system calls",
            zorder=3,
        )
    centres = [top + (offset / 2) for top in tops]
    axes.set_yticks(centres, [_wrapped(row) for row in rows], fontsize=8.5, color=INK)
    axes.set_xlim(0, FARTHEST + 0.25)
    axes.set_xticks([0, 0.5, 1, 1.5, 2, 2.5], ["0", "", "1×", "", "2×", ""], fontsize=8.5)
    axes.grid(axis="x", color=PALE, linewidth=0.8, zorder=0)
    axes.axvline(1, color="#8f8b80", linewidth=1, zorder=1)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)


def _wrapped(row: str) -> str:
    """A long name in two lines, parted at its first comma."""
    return row.replace(", ", ",\n", 1) if len(row) > 22 else row


if __name__ == "__main__":
    draw(Results.read(Path(sys.argv[1])), Path(sys.argv[2]))
