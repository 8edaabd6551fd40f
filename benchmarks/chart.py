"""Draws the table: in each row, how many times as fast as asyncio every loop is."""

from __future__ import annotations

from pathlib import Path

from table import OURS, Table

BASE = "asyncio"
COLOURS = {
    "zloop": "#d1495b",
    "uvloop": "#30638e",
    "rloop": "#8d96a3",
    "zuvloop": "#00798c",
    "asyncio": "#c9c5bb",
}


def draw(table: Table, path: Path) -> None:
    """Writes a chart of the rows that asyncio ran too."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    rows = [row for row in table.rates if table.median(row, BASE)]
    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.36 * len(rows)), layout="constrained")
    positions = range(len(rows))
    for loop in sorted(table.loops, key=lambda name: name == OURS):
        values = [_speedup(table, row, loop) for row in rows]
        axes.plot(
            values,
            positions,
            "o",
            color=COLOURS.get(loop, "#666666"),
            markersize=9 if loop == OURS else 6.5,
            label=loop,
            zorder=3 if loop == OURS else 2,
        )
    axes.set_xscale("log")
    ticks = [0.5, 1, 2, 5, 10, 20, 50, 100]
    axes.set_xticks(ticks, [f"{tick:g}×" for tick in ticks])
    axes.minorticks_off()
    axes.set_yticks(list(positions), rows)
    axes.invert_yaxis()
    axes.grid(axis="both", color="#e5e2da", linewidth=0.8, zorder=0)
    axes.axvline(1, color="#8f8b80", linewidth=1, zorder=1)
    axes.set_xlabel("times as fast as asyncio (logarithmic)")
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)
    figure.legend(loc="outside upper right", ncols=len(table.loops), frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _speedup(table: Table, row: str, loop: str) -> float | None:
    median, base = table.median(row, loop), table.median(row, BASE)
    return median / base if median and base else None
