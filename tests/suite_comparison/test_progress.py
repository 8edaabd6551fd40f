"""What a run tells while it goes on."""

from __future__ import annotations

import importlib.util
import os
from types import SimpleNamespace

import pytest
from runs import SITE


@pytest.fixture
def plugin(monkeypatch):
    monkeypatch.syspath_prepend(str(SITE))
    specification = importlib.util.spec_from_file_location("_plugin", SITE / "suite_plugin.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def report(name, outcome):
    said = SimpleNamespace(nodeid=name, outcome=outcome, when="call", longreprtext="why")
    said.passed, said.failed = outcome == "passed", outcome == "failed"
    return said


def test_run_tells_how_far_it_has_come(plugin, monkeypatch, tmp_path):
    now = 100.0
    monkeypatch.setattr(plugin.time, "monotonic", lambda: now)
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    try:
        monkeypatch.setenv("ZLOOP_SUITE_STEPS", str(writer))
        recorder = plugin._Recorder(tmp_path / "outcomes")
        recorder.pytest_runtest_logreport(report("a", "passed"))
        with pytest.raises(BlockingIOError):
            os.read(reader, 100)
        now += plugin.TOLD_EACH
        recorder.pytest_runtest_logreport(report("b", "failed"))
        recorder.pytest_runtest_logreport(report("c", "passed"))
        assert os.read(reader, 100) == b"==> 2 tests so far, 1 failed\n"
    finally:
        os.close(reader)
        os.close(writer)
