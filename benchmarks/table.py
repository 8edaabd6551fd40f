"""The results as tables: of plain text for a terminal, of Markdown for the documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from frame import BARE
from results import OURS, Results, RowResult, Verdict

NOTHING = "–"


def plain_table(results: Results) -> str:
    """A line a row: median (slowest to fastest round) of each loop, and zloop's ratio to the best other."""
    head = ["row", "unit", *results.loops, f"{OURS}/best", "goal", "best other"]
    lines = [
        [
            name,
            row.unit,
            *(_with_spread(row, loop, " ({})") for loop in results.loops),
            *_comparison(row),
        ]
        for name, row in results.rows.items()
    ]
    return plain(head, lines)


def full_markdown(results: Results) -> str:
    """Every loop's median with its spread below it."""
    head = ["row", "unit", *results.loops, f"{OURS}/best", "goal", "best other"]
    lines = (
        [
            name,
            row.unit,
            *(_with_spread(row, loop, "<br><sub>{}</sub>") for loop in results.loops),
            *_comparison(row),
        ]
        for name, row in results.rows.items()
    )
    return markdown(head, lines)


def short_markdown(results: Results) -> str:
    """zloop beside the best other loop of each row, and its ratio to each of them."""
    others = [loop for loop in results.loops if loop not in (OURS, BARE)]
    ratios = [f"to {loop}" for loop in others]
    head = ["row", "unit", OURS, "best other", "ratio", "goal", *ratios]
    lines = []
    for name, row in results.rows.items():
        best = row.best_other()
        other = f"{short(row.median(best))} ({best})" if best else NOTHING
        ratio, goal, _ = _comparison(row)
        to_each = (row.to_other(OURS, loop) for loop in others)
        cells = [NOTHING if each is None else f"{each:.2f}" for each in to_each]
        lines.append([name, row.unit, short(row.median(OURS)), other, ratio, goal, *cells])
    return markdown(head, lines)


def below_goal(results: Results) -> list[str]:
    """The rows in which zloop does not reach its goal."""
    return [name for name, row in results.rows.items() if not row.reaches_goal(OURS)]


def out_of_reach(results: Results) -> list[str]:
    """The rows below their goal that even the bare system calls leave below it."""
    return [name for name in below_goal(results) if not results.rows[name].is_within_reach()]


def standing(results: Results, verdict: Verdict) -> list[str]:
    """The rows in which zloop is ahead of every other loop, level with the best, or behind it."""
    return [name for name, row in results.rows.items() if row.verdict() is verdict]


def short(value: float | None) -> str:
    """Such as 2.41M, 68.2k or 1.06."""
    if value is None:
        return NOTHING
    factor, letter = _scale(value)
    return f"{_three_digits(value / factor)}{letter}"


def _scale(value: float) -> tuple[float, str]:
    for factor, letter in ((1e6, "M"), (1e3, "k")):
        # What rounds to three digits of the next scale is in that one.
        if value >= factor * 0.9995:
            return factor, letter
    return 1, ""


def _three_digits(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def _with_spread(row: RowResult, loop: str, form: str) -> str:
    """The median, then in some form the lowest and the highest of several values in its scale."""
    median = row.median(loop)
    if median is None or len(row.values[loop]) == 1:
        return short(median)
    factor, _ = _scale(median)
    low, high = (_three_digits(choose(row.values[loop]) / factor) for choose in (min, max))
    return f"{short(median)}{form.format(f'{low}…{high}')}"


def _comparison(row: RowResult) -> tuple[str, str, str]:
    """The ratio with its standard error, the goal, and whom zloop is compared with."""
    ratio = row.to_best(OURS)
    return (
        NOTHING if ratio is None else f"{ratio:.2f} ±{row.error():.2f}",
        f"{row.goal:.1f}",
        row.best_other() or NOTHING,
    )


def markdown(head: list[str], lines: Iterable[list[str]]) -> str:
    """A table for a document, its first column to the left."""
    rule = ["---", *(["---:"] * (len(head) - 1))]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, rule, *lines])


def plain(head: list[str], lines: Sequence[list[str]]) -> str:
    """A table for a terminal, its first two columns to the left."""
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| "
        + " | ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in [head, rule, *lines]
    )
