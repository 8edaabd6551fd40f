"""What the benchmark makes of its measurements."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pages
import pytest
from counted import Counted
from results import Results, RowResult, Verdict
from table import (
    below_goal,
    full_markdown,
    out_of_reach,
    plain_table,
    short,
    short_markdown,
    standing,
)

ABOUT = {
    "date": "2026-01-02 03:04 UTC",
    "command": "make bench",
    "rounds": 3,
    "turns": 5,
    "seconds": 0.5,
    "machine": {"processor": "Abacus", "cores": 2, "virtual": True, "system": "Linux", "load": 0.1},
    "versions": {"Python": "CPython 3.14.0", "uvloop": "1.2", "zuvloop": None},
}


def results() -> Results:
    rows = {
        "echo": RowResult(
            "messages/s",
            1.2,
            values={"zloop": [3e3, 1e3, 2e3], "asyncio": [500.0], "uvloop": [1.9e3, 1e3, 1.6e3]},
        ),
        "memory": RowResult(
            "bytes", less_is_better=True, values={"zloop": [800.0], "asyncio": [2000.0]}
        ),
    }
    return Results(("zloop", "asyncio", "uvloop"), dict(ABOUT), rows)


def test_ratio_is_to_the_best_other_loop():
    row = results().rows["echo"]
    assert row.best_other() == "uvloop"
    assert row.to_best("zloop") == 2e3 / 1.6e3
    assert row.to_best("asyncio") == 500 / 1.9e3
    assert row.to_best("rloop") is None


def test_the_best_other_loop_is_the_one_that_zloop_stands_worst_beside():
    values = {"zloop": [10.0, 20.0, 30.0], "a": [8.0, 21.0, 33.0], "b": [5.0, 40.0, 20.0]}
    row = RowResult("messages/s", values=values)
    assert row.median("b") < row.median("a")
    assert row.best_other() == "a"
    assert row.to_best("zloop") == 20 / 21
    del values["zloop"]
    assert row.best_other() == "a"


def test_a_loop_that_failed_on_the_way_is_not_the_best():
    row = RowResult("messages/s", values={"zloop": [150.0] * 9, "a": [50.0] * 9, "b": [160.0]})
    assert row.best_other() == "a"
    assert row.verdict() is Verdict.AHEAD
    assert row.is_settled()


def test_the_bare_program_is_no_loop_but_says_what_a_loop_can_reach():
    row = RowResult("messages/s", 1.2, values={"zloop": [11.0], "a": [10.0], "bare": [11.9]})
    assert row.best_other() == "a"
    assert not row.is_within_reach()
    row.values["bare"] = [11.96]
    assert row.is_within_reach()
    del row.values["bare"]
    assert row.is_within_reach()


def test_goals_out_of_reach_are_told(tmp_path):
    measured = results()
    measured.loops = (*measured.loops, "bare")
    measured.rows["echo"].values.update(zloop=[1.7e3], uvloop=[1.6e3], bare=[1.8e3])
    assert out_of_reach(measured) == ["echo"]
    measured.write(tmp_path / "3.14.json")
    page = pages.ROOT / "README.md"
    marked = "<!-- measured: full 3.14 -->\nold\n<!-- end of measured -->"
    filled = pages.fill(marked, page, tmp_path)
    assert (
        "In 1 of them the bare system calls, without a loop and without Python, do so too: echo."
        in filled
    )
    assert "to bare" not in pages.fill(marked.replace("full", "short"), page, tmp_path)


def test_where_less_is_better_the_ratio_is_turned_round():
    row = RowResult("ms", less_is_better=True, values={"zloop": [2], "a": [3], "b": [8]})
    assert row.best_other() == "a"
    assert row.to_best("zloop") == 1.5
    assert row.to_best("b") == 3 / 8


def test_rows_that_nobody_else_ran_have_no_ratio():
    alone = RowResult("ms", values={"zloop": [2.0]})
    assert alone.best_other() is None
    assert alone.to_best("zloop") is None
    assert below_goal(Results(("zloop",), {}, {"alone": alone})) == []


def test_ratio_is_the_median_of_the_rounds():
    fast_and_slow = {"zloop": [100.0, 10.0, 36.0], "uvloop": [50.0, 8.0, 30.0]}
    row = RowResult("messages/s", values=fast_and_slow)
    assert row.ratios("zloop", "uvloop") == [2, 1.25, 1.2]
    assert row.to_best("zloop") == 1.25
    row = RowResult("ms", less_is_better=True, values=fast_and_slow)
    assert row.ratios("zloop", "uvloop") == [0.5, 0.8, 30 / 36]
    assert row.to_best("zloop") == 0.8


def test_a_loop_that_failed_is_compared_in_the_rounds_it_ran():
    row = RowResult("ms", values={"zloop": [3.0, 4.0, 5.0], "uvloop": [2.0, 2.0]})
    assert row.ratios("zloop", "uvloop") == [1.5, 2]
    assert row.ratios("zloop", "rloop") == []
    assert row.to_other("zloop", "rloop") is None


def test_uncertainty_is_that_of_the_ratio():
    steady, varied = [100.0] * 9, [80.0, 120.0, 100.0] * 3
    values = {"zloop": varied, "uvloop": varied, "asyncio": [x / 2 for x in steady]}
    assert RowResult("ms", values=values).uncertainty() == 0, "a machine that all of them shared"
    values["zloop"] = steady
    assert 0.1 < RowResult("ms", values=values).uncertainty() < 0.3
    values["uvloop"] = steady
    values["zloop"] = varied
    after_nine = RowResult("ms", values=values).uncertainty()
    assert 0.1 < after_nine < 0.2
    values.update({loop: rounds * 4 for loop, rounds in values.items()})
    assert RowResult("ms", values=values).uncertainty() == pytest.approx(after_nine / 2)
    values["zloop"] = [100.0]
    assert RowResult("ms", values=values).uncertainty() == 1
    assert RowResult("ms", values={"zloop": varied}).uncertainty() == pytest.approx(after_nine)
    assert RowResult("ms", values={"uvloop": varied}).uncertainty() == pytest.approx(after_nine)
    assert RowResult("ms").uncertainty() == 0


def test_a_row_is_level_while_chance_may_turn_it_round():
    varied = [90.0, 100.0, 110.0] * 3
    row = RowResult("ms", values={"zloop": varied, "uvloop": [100.0] * 9})
    error = row.error()
    for ratio, verdict in (
        (1 - 3 * error, Verdict.BEHIND),
        (1 - error, Verdict.LEVEL),
        (1 + error, Verdict.LEVEL),
        (1 + 3 * error, Verdict.AHEAD),
    ):
        row.values["zloop"] = [ratio * value for value in varied]
        assert row.verdict() is verdict
        assert standing(Results(("zloop", "uvloop"), {}, {"row": row}), verdict) == ["row"]
    assert RowResult("ms", values={"zloop": varied}).verdict() is None


@pytest.mark.parametrize("rounds", [2, 3, 4, 5, 7, 9, 27])
def test_few_rounds_are_not_taken_for_sure(rounds):
    """Of loops that are as fast as each other, one row in twenty may be called another thing than level."""
    chance = random.Random(rounds)
    verdicts = [
        RowResult(
            "ms",
            values={
                "zloop": [chance.gauss(100, 5) for _ in range(rounds)],
                "uvloop": [100.0] * rounds,
            },
        ).verdict()
        for _ in range(2000)
    ]
    assert verdicts.count(Verdict.LEVEL) > 0.91 * len(verdicts)


def test_goal_is_compared_as_the_table_shows_the_ratio():
    made = results()
    assert below_goal(made) == []
    made.rows["echo"].goal = 1.26
    assert below_goal(made) == ["echo"]
    made.rows["echo"].goal = 1.25
    made.rows["echo"].values.update(zloop=[1.997e3], uvloop=[1.6e3])
    assert below_goal(made) == []


def test_results_survive_the_file(tmp_path):
    path = tmp_path / "deep" / "3.14.json"
    results().write(path)
    assert Results.read(path) == results()


def test_tables_show_the_spread_and_the_verdict():
    plain = plain_table(results()).splitlines()
    assert len({len(line) for line in plain}) == 1
    assert re.sub(" +", " ", plain[2]) == (
        "| echo | messages/s | 2k (1…3) | 500 | 1.6k (1…1.9) | 1.25 ±0.43 | 1.2 | uvloop |"
    )
    assert "2k<br><sub>1…3</sub>" in full_markdown(results())
    assert (
        "| memory | bytes | 800 | 2k (asyncio) | 2.50 ±2.50 | 1.0 | 2.50 | – |"
        in short_markdown(results())
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (1.064, "1.06"),
        (999.6, "1k"),
        (999_600, "1M"),
        (999.4, "999"),
        (68_230, "68.2k"),
        (2_414_000, "2.41M"),
        (0.0123, "0.0123"),
    ],
)
def test_short_numbers(value, shown):
    assert short(value) == shown


PAGE = """Before.
<!-- measured: short 3.14 -->
old
<!-- end of measured -->
Between.
<!-- measured: full 3.99 -->
kept
<!-- end of measured -->
After.
"""


def test_only_marked_parts_with_results_are_replaced(tmp_path):
    results().write(tmp_path / "3.14.json")
    page = Path(pages.ROOT) / "docs" / "performance.md"
    filled = pages.fill(PAGE, page, tmp_path)
    assert "old" not in filled
    assert "Before.\n<!-- measured: short 3.14 -->\n\n![" in filled
    assert "(../docs/images/benchmarks-3.14.png)" in filled
    assert "In 0 of 2 rows zloop is ahead of every other loop. In 2 it is level" in filled
    assert "with `make bench`: medians of 3 rounds, of 5 turns, 0.5 s together" in filled
    assert "(wrk: a second each), on 2 cores of an Abacus" in filled
    assert "uvloop 1.2." in filled
    assert filled.endswith(PAGE.partition("Between.")[1] + PAGE.partition("Between.")[2])
    assert pages.fill(filled, page, tmp_path) == filled


def test_pages_say_when_a_row_may_have_more_rounds(tmp_path):
    made = results()
    made.about["most_rounds"] = 27
    made.write(tmp_path / "3.14.json")
    filled = pages.fill(PAGE, Path(pages.ROOT) / "README.md", tmp_path)
    assert "medians of 3 rounds, up to 27 where they varied, of 5 turns" in filled


def test_every_marked_part_of_the_documents_can_be_filled(tmp_path):
    for name in pages.PAGES:
        marks = pages.MARKED.findall((pages.ROOT / name).read_text())
        assert marks
        for _, what, version, _ in marks:
            assert what in {"short", "full", "counts", "counted"}
            results().write(tmp_path / f"{version}.json")
            Counted(("zloop",), dict(ABOUT)).write(tmp_path / f"counted-{version}.json")
        filled = pages.fill((pages.ROOT / name).read_text(), pages.ROOT / name, tmp_path)
        from_a_run = [mark for mark in marks if mark[1] != "counts"]
        assert filled.count("Abacus") == len(from_a_run)
