"""How the loops take turns at a row."""

from __future__ import annotations

import textwrap

from frame import load_row
from runner import run_round

FACTORIES = {"asyncio": "asyncio:SelectorEventLoop", "missing": "no_such_module:new_event_loop"}


def test_a_loop_that_fails_leaves_the_others_their_values():
    row = load_row("rows.callbacks", "call_soon")
    outcome = run_round(row, FACTORIES, turns=2, seconds=0.01)
    assert list(outcome.values) == ["asyncio"]
    assert outcome.values["asyncio"] > 0
    assert outcome.failures == {"missing": "ModuleNotFoundError: No module named 'no_such_module'"}


def test_what_comes_before_a_loop_is_measured_too():
    row = load_row("rows.startup", "a loop made and closed")
    outcome = run_round(row, {"asyncio": "asyncio:SelectorEventLoop"}, turns=3, seconds=0.01)
    assert outcome.values["asyncio"] > 0
    assert not outcome.failures


def test_why_a_turn_failed_is_told():
    row = load_row("rows.callbacks", "call_soon")
    outcome = run_round(row, {"broken": "builtins:dict"}, turns=1, seconds=0.01)
    assert outcome.failures == {
        "broken": "AttributeError: 'dict' object has no attribute 'call_soon'"
    }


def test_a_missing_bare_program_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("CARGO_TARGET_DIR", str(tmp_path))
    row = load_row("rows.processes", "spawns")
    outcome = run_round(row, {"bare": "bare"}, turns=1, seconds=0.01)
    missing = tmp_path / "release" / "bare"
    command = "cargo build --release --package bare-rows"
    assert outcome.failures == {"bare": f"{missing} is missing: {command}"}


def test_a_process_that_ends_between_turns_fails_its_loop_alone(tmp_path, monkeypatch):
    dying = """
        import asyncio, os, threading

        def new_event_loop():
            threading.Timer(0.3, os._exit, [1]).start()
            return asyncio.SelectorEventLoop()
    """
    (tmp_path / "dying.py").write_text(textwrap.dedent(dying))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    row = load_row("rows.callbacks", "call_soon")
    factories = {"asyncio": FACTORIES["asyncio"], "dying": "dying:new_event_loop"}
    outcome = run_round(row, factories, turns=20, seconds=0.01)
    assert list(outcome.values) == ["asyncio"]
    assert outcome.failures == {"dying": "nothing printed"}
