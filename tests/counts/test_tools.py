"""How the tools' output is read."""

from __future__ import annotations

import pytest
from counting import has_grown, share_of_observing
from observing import ROOT, is_for_observing
from tools import Place, Segment, _frames, _segment, segments_of

DUMP = """\
positions: instr line
events: Ir
summary: 1000

ob=/usr/lib/libpython3.so
fn=call
0x01 10 300
cob=/site-packages/zloop/_zloop.cpython-313.so
cfn=run
calls=2 0x9 20
0x02 10 700
cfn=malloc
calls=3 0x9 0
0x03 11 90

ob=/site-packages/zloop/_zloop.cpython-313.so
fn=run
0x04 20 400
0x05 21 50
cob=/usr/lib/libc.so.6
cfn=calloc
calls=4 0x9 0
0x06 20 100
0x07 22 5
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


FRAMES = """\
0x0000000000194175
set<u64>
/rustc/5980/library/core/src/cell.rs:437
count
/home/somebody/crates/zloop-py/src/event_loop/metrics.rs:56
zloop::turn
/home/somebody/crates/zloop-py/src/event_loop/turn.rs:63 (discriminator 2)
0x0000000000194178
??
??:?
"""


def test_costs_of_callees_are_not_counted_twice():
    found = _segment(DUMP)
    assert found == Segment(1000, {"0x04": 400, "0x05": 50, "0x07": 5}, allocations=7)
    assert found.own_instructions == 455


def test_places_from_the_innermost_function_outwards():
    found = _frames(FRAMES)
    folder = "/home/somebody/crates/zloop-py/src/event_loop"
    assert found == {
        "0x194175": [
            Place("/rustc/5980/library/core/src/cell.rs", 437),
            Place(f"{folder}/metrics.rs", 56),
            Place(f"{folder}/turn.rs", 63),
        ],
        "0x194178": [Place("??", 0)],
    }


@pytest.mark.parametrize(
    ("path", "mentioned"),
    [
        ("/somewhere/tracing-core-0.1.36/src/metadata.rs", None),
        ("/somewhere/crates/zloop-py/src/event_loop/metrics.rs", None),
        ("/somewhere/crates/zloop-py/src/event_loop/turn.rs", "event_loop.observed.get()"),
        ("/somewhere/crates/zloop-core/src/selector.rs", "tracing::trace!("),
    ],
)
def test_what_is_there_to_see_inside(path, mentioned):
    line = 1
    if mentioned:
        source = (ROOT / path.removeprefix("/somewhere/")).read_text().splitlines()
        line = next(number for number, text in enumerate(source, 1) if mentioned in text)
    ordinary = Place("/somewhere/crates/zloop-py/src/event_loop/turn.rs", 1)
    assert is_for_observing([Place("/rustc/cell.rs", 1), Place(path, line), ordinary])
    assert not is_for_observing([Place("/rustc/cell.rs", 1), ordinary])


def test_share_of_all_instructions():
    counts = {"instructions per turn": 4000.0, "observing instructions per turn": 10.0}
    assert share_of_observing("turn", counts) == 0.0025


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
