"""How a suite's command is run, and what is shown of it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
NAMES = ("suite", "workspace")


@pytest.fixture
def suite(monkeypatch, tmp_path):
    """The module, which keeps its logs in a temporary folder."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    for name in NAMES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module("suite")
    monkeypatch.setattr(module, "LOGS", tmp_path)
    monkeypatch.setattr(module, "LOOK_EACH", 0.01)
    yield module
    for name in NAMES:
        sys.modules.pop(name, None)


def test_steps_are_shown_while_the_command_runs(suite, tmp_path, capfd):
    goes_on = tmp_path / "goes_on"
    program = f"""
import pathlib, time
print("noise", flush=True)
print("==> a step", flush=True)
while not pathlib.Path({str(goes_on)!r}).exists():
    time.sleep(0.01)
print("end")
"""
    shown = suite._show

    def show(steps):
        shown(steps)
        if "==> a step" in capfd.readouterr().out:
            goes_on.touch()

    suite._show = show
    result = suite.Suite("a suite", [sys.executable, "-c", program], budget=60).run()
    assert result.is_good
    assert (tmp_path / "a-suite.log").read_text() == "noise\n==> a step\nend\n"


def test_failing_command_has_all_of_its_output_shown(suite, capfd):
    program = "print('\\n'.join(map(str, range(100)))); raise SystemExit(3)"
    result = suite.Suite("a suite", [sys.executable, "-c", program], budget=60).run()
    assert (result.problem, result.totals.failed) == ("exit status 3", 1)
    assert "\n0\n1\n" in capfd.readouterr().out


def test_command_that_outlives_its_budget_is_killed(suite):
    program = "import time; time.sleep(600)"
    result = suite.Suite("a suite", [sys.executable, "-c", program], budget=0.1).run()
    assert (result.problem, result.totals.failed) == ("killed after its budget of 0 s", 1)
