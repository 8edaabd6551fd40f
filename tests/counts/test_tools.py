"""How the tools' output is read."""

from __future__ import annotations

import pytest
from counting import has_grown
from tools import Segment, _segment, segments_of

DUMP = """\
positions: line
events: Ir
summary: 1000

ob=/usr/lib/libpython3.so
fn=call
10 300
cob=/site-packages/zloop/_zloop.cpython-313.so
cfn=run
calls=2 20
10 700
cfn=malloc
calls=3 0
11 90

ob=/site-packages/zloop/_zloop.cpython-313.so
fn=run
20 400
21 50
cob=/usr/lib/libc.so.6
cfn=calloc
calls=4 0
20 100
22 5
"""

TRACE = """\
100 execve("/usr/bin/python3", ["python3"], 0x7ff /* 20 vars */) = 0
100 getppid()                         = 99
100 read(3,  <unfinished ...>
101 futex(0x55, FUTEX_WAKE, 1)        = 0
100 <... read resumed>"getppid()", 8) = 9
100 getppid()                         = 99
100 write(1, "ok", 2)                 = 2
100 getppid()                         = 99
100 exit_group(0)                     = ?
"""


def test_costs_of_callees_are_not_counted_twice():
    assert _segment(DUMP) == Segment(instructions=1000, own_instructions=455, allocations=7)


def test_system_calls_between_marks(tmp_path):
    trace = tmp_path / "trace"
    trace.write_text(TRACE)
    assert segments_of(trace) == [{"read": 1, "futex": 1}, {"write": 1}]


@pytest.mark.parametrize(
    ("recorded", "now", "grown"),
    [(1000, 1029, False), (1000, 1031, True), (1000, 500, False), (0, 0.01, False), (3, 4, True)],
)
def test_what_has_grown(recorded, now, grown):
    assert has_grown(recorded, now) is grown
