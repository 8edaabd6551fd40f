"""What is counted in place of time, and by whom the servers are loaded meanwhile."""

from __future__ import annotations

import subprocess
from pathlib import Path
from unittest.mock import Mock

import pages
import pytest
from clients import exact
from counted import Counted, counts_markdown, plain_counts, summary
from counter import (
    Counts,
    calls_of_threads,
    can_be_counted,
    count,
    few_and_many,
    missing_tools,
    operation,
)
from frame import Row, load_rows
from runner import Failed, child_command, entered

ASYNCIO = "asyncio:SelectorEventLoop"
ABOUT = {
    "date": "2026-01-02 03:04 UTC",
    "command": "make bench",
    "machine": {"processor": "Abacus"},
    "versions": {"Python": "CPython 3.14.0", "uvloop": "1.2", "zuvloop": None},
}


def counted() -> Counted:
    rows = {
        "echo": {"zloop": Counts(4000, 3), "asyncio": Counts(30_000, 3), "uvloop": Counts(5000, 4)},
        "sleep": {
            "zloop": Counts(2000, 0.1),
            "asyncio": Counts(1000, 0),
            "uvloop": Counts(3000, 0),
        },
        "tasks": {"zloop": Counts(1000, 0), "asyncio": Counts(1004, 0)},
    }
    operations = {"echo": "message", "sleep": "sleep", "tasks": "task"}
    return Counted(("zloop", "asyncio", "uvloop"), dict(ABOUT), operations, rows)


def test_the_ratio_is_to_the_loop_that_takes_the_fewest_instructions():
    made = counted()
    assert made.best_other("echo") == "uvloop"
    assert made.to_best("echo") == 5000 / 4000
    assert made.to_best("sleep") == 0.5
    del made.rows["tasks"]["zloop"]
    assert made.to_best("tasks") is None


def test_the_summary_names_the_rows_in_which_another_takes_less():
    assert summary(counted()) == (
        "zloop takes the fewest instructions in 1 of 3 rows. Within 2% of the fewest: tasks."
        " Another loop takes fewer in 1: sleep. Another makes fewer system calls in 1: sleep."
    )


def test_tables_show_instructions_and_system_calls():
    line = "| echo | message | 4k<br><sub>3.00</sub> | 30k<br><sub>3.00</sub> | 5k<br><sub>4.00</sub> |"
    assert line + " 1.25 | uvloop |" in counts_markdown(counted())
    assert "4k (3.00)" in plain_counts(counted())
    (tasks,) = [line for line in plain_counts(counted()).splitlines() if "tasks" in line]
    assert " – | " in tasks


def test_what_was_counted_is_written_and_fills_the_page(tmp_path):
    path = tmp_path / "counted-3.14.json"
    made = counted()
    made.write(path)
    assert Counted.read(path) == made
    marked = "<!-- measured: counted 3.14 -->\nold\n<!-- end of measured -->\n"
    filled = pages.fill(marked, pages.ROOT / "docs" / "performance.md", tmp_path)
    assert "| echo | message | 4k" in filled
    assert "on CPython 3.14.0; uvloop 1.2; on an Abacus" in filled
    assert pages.fill(marked, Path(pages.ROOT) / "README.md", tmp_path / "none") == marked


@pytest.mark.parametrize(
    ("unit", "named"),
    [
        ("callbacks/s", "callback"),
        ("processes/s", "process"),
        ("sleeps/s", "sleep"),
        ("GB/s", "MB"),
        ("MB/s", "MB"),
    ],
)
def test_an_operation_is_named_after_its_rows_unit(unit, named):
    assert operation(Row("row", unit, "module")) == named


def test_starting_and_memory_are_no_operations():
    uncounted = [name for name, row in load_rows().items() if not can_be_counted(row)]
    assert uncounted == [
        "memory per idle connection, of 10,000",
        "import, and the first loop",
        "a loop made and closed",
    ]


def _countable() -> list[Row]:
    return [row for row in load_rows().values() if can_be_counted(row)]


def _served() -> list[Row]:
    return [row for row in load_rows().values() if row.serve is not None]


@pytest.mark.parametrize("row", _served(), ids=lambda row: row.name)
def test_each_served_row_can_be_loaded_exactly(row):
    with entered(row, child_command(row, ASYNCIO)) as entrant:
        try:
            entrant.start()
        except Failed as error:
            if "ModuleNotFoundError" not in str(error):
                raise
            pytest.skip(str(error))
        done = Mock()
        for _ in range(2):
            exact.load(entrant.address, few_and_many(row)[0], row.client, done)
        assert done.call_count == 2


def test_a_client_that_nobody_knows_is_named():
    with pytest.raises(SystemExit, match="nobody knows how often sing.py aloud does"):
        exact.load("1", 1, ["sing.py", "aloud"], lambda: None)


@pytest.mark.parametrize("row", _countable(), ids=lambda row: row.name)
def test_every_row_can_be_done_so_often(row):
    few, many = few_and_many(row)
    assert 0 < few < many
    at_a_time = [int(word) for word in row.client if word.isdecimal()]
    if row.serve is not None and "handshakes" not in row.client and at_a_time:
        assert few % at_a_time[-1] == many % at_a_time[-1] == 0


def test_only_the_calls_of_a_processs_own_threads_count():
    trace = """\
10 epoll_wait(3, [], 1, 0) = 0
10 clone3({flags=CLONE_VM|CLONE_THREAD, stack=0x7f} <unfinished ...>
11 set_robust_list(0x7f, 24) = 0
10 <... clone3 resumed> => {parent_tid=[11]}, 88) = 11
11 vfork( <unfinished ...>
12 rt_sigaction(SIGINT, NULL, NULL, 8) = 0
12 execve("/bin/true", ["true"], 0x7f) = 0
11 <... vfork resumed>) = 12
12 clone(child_stack=NULL, flags=SIGCHLD) = 13
13 exit_group(0) = ?
13 +++ exited with 0 +++
10 --- SIGCHLD {si_signo=SIGCHLD} ---
10 read(5, "x", 1) = 1
"""
    assert calls_of_threads(trace) == 5


def _may_attach() -> bool:
    """Whether the system lets strace look at a process that it has not started."""
    with subprocess.Popen(["sleep", "60"]) as sleeping:
        command = ["strace", "--output=/dev/null", f"--attach={sleeping.pid}"]
        try:
            with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
                assert tracer.stderr is not None
                said = tracer.stderr.readline()
                tracer.kill()
        finally:
            sleeping.kill()
    return "attached" in said


IS_POSSIBLE = not missing_tools() and _may_attach()


def needs_tools(test):
    """Skips a test where nothing can be counted; under valgrind it takes its time."""
    skip = pytest.mark.skipif(not IS_POSSIBLE, reason="valgrind or strace cannot be used")
    return skip(pytest.mark.timeout(600)(test))


@needs_tools
def test_a_callback_of_asyncios_takes_about_as_much_each_time():
    row = load_rows()["call_soon"]
    first, second = (count(row, ASYNCIO) for _ in range(2))
    assert first.instructions > 1000
    assert first.instructions == pytest.approx(second.instructions, rel=0.02)
    assert first.system_calls < 0.1


@needs_tools
def test_an_echo_of_asyncios_is_a_wait_a_read_and_a_write():
    counts = count(load_rows()["echo 1 KiB"], ASYNCIO)
    assert counts.system_calls == pytest.approx(3, abs=0.1)


@needs_tools
def test_the_calls_of_a_process_that_a_loop_starts_are_not_its_own():
    counts = count(load_rows()["spawns"], ASYNCIO)
    assert 5 < counts.system_calls < 60


@needs_tools
def test_why_a_loop_cannot_be_counted_is_told():
    with pytest.raises(Failed, match="No module named 'no_such_module'"):
        count(load_rows()["call_soon"], "no_such_module:new_event_loop")
