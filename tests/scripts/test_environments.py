"""The virtual environments that commands of the Makefile set up, two at a time among them."""

from __future__ import annotations

import importlib
import sys
import threading
import types
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def script(monkeypatch):
    """Imports modules of the folder of scripts, for the time of a test."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    names = [path.stem for path in SCRIPTS.glob("*.py")]
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module
    for name in names:
        sys.modules.pop(name, None)


def test_serving_with_and_without_tls_share_no_environment(script, monkeypatch, capsys):
    serve = script("serve")
    asked = []

    def environment(purpose, *_requirements, packages):
        asked.append((purpose, packages))
        return types.SimpleNamespace(python="python")

    monkeypatch.setattr(serve, "zloop_environment", environment)
    monkeypatch.setattr(serve.os, "execv", lambda *_command: None)
    for arguments in ([], ["--tls"]):
        monkeypatch.setattr(sys, "argv", ["serve.py", *arguments])
        serve.main()
    (plain, _), (tls, packages) = asked[0], asked[-1]
    assert plain != tls
    assert packages == ["trustme"]


def test_an_environment_is_made_once_by_two_at_a_time(script, monkeypatch, tmp_path, capsys):
    environment = script("environment")
    made = []
    entered, may_finish = threading.Event(), threading.Event()

    def make(new, requirements, packages):
        made.append(new.folder.name)
        entered.set()
        assert may_finish.wait(60)
        (new.folder / "bin").mkdir(parents=True)
        new.python.touch()

    monkeypatch.setattr(environment, "CACHE", tmp_path)
    monkeypatch.setattr(environment, "_make", make)
    announced = threading.Event()
    monkeypatch.setattr(script("workspace"), "announce", lambda _message: announced.set())
    threads = [threading.Thread(target=environment.environment, args=("tried",)) for _ in range(2)]
    threads[0].start()
    assert entered.wait(60)
    threads[1].start()
    assert announced.wait(60)
    may_finish.set()
    for thread in threads:
        thread.join(60)
    assert len(made) == 1


@pytest.mark.parametrize(
    "enter", ["/nowhere/enter", "/nowhere/enter --into 'a place'", "/nowhere/enter 'a place"]
)
def test_a_way_to_other_interpreters_that_is_none_is_named(script, monkeypatch, enter):
    monkeypatch.setenv("ZLOOP_PYTHONS_ENTER", enter)
    with pytest.raises(SystemExit, match="zloop: ZLOOP_PYTHONS_ENTER names a command that"):
        script("interpreters").find_interpreter("3.99")


def test_no_way_to_other_interpreters_is_none(script, monkeypatch):
    monkeypatch.setenv("ZLOOP_PYTHONS_ENTER", " ")
    assert script("interpreters").find_interpreter("3.99") is None
