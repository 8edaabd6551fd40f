"""What `make bench` answers at once, before it builds anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "scripts" / "bench.py"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--help"], 0, "--most-rounds"),
        (["--rows", "nosuch"], 2, 'no row matches "nosuch"; rows are: call_soon; '),
        (["--on", "2.7"], 2, "2.7 is too old: 3.12 is the oldest that zloop runs on"),
        (["--on", "3"], 2, "3 is no version such as 3."),
        (["--on", "3.99"], 1, "no CPython 3.99 was found (looked for python3.99 on PATH, "),
        (["--on", "3.99"], 1, "make bench PYTHON=/path/to/python3.99"),
    ],
)
def test_what_cannot_be_run_is_told_at_once(arguments, status, said):
    asked = subprocess.run(
        [sys.executable, BENCH, *arguments],
        env={**os.environ, "ZLOOP_PYTHONS_ENTER": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert asked.returncode == status
    assert said in asked.stdout
    assert "==>" not in asked.stdout
