"""Descriptors are closed exactly once, while other threads take every number that becomes free.

The system tells: a program runs under `strace`, which sees each call that closes a descriptor. A
second close of a number is one that fails, or one that hits what another thread has opened since.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Everything that fails or is cancelled at each of its first turns, with threads that open and close
# descriptors all the while, and look whether theirs are still theirs.
PROGRAM = Path(__file__).with_name("descriptor_churn.py")


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_no_descriptor_of_others_is_closed():
    run = subprocess.run(
        [sys.executable, PROGRAM, "zloop", "churn"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Traceback" not in run.stderr, run.stderr


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_no_close_fails(tmp_path):
    trace = tmp_path / "trace"
    tracer = ["strace", "-f", "-qq", "-o", trace, "-e", "trace=close,write"]
    run = subprocess.run(
        [*tracer, sys.executable, PROGRAM, "zloop", "quiet"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if "PTRACE" in run.stderr or "ptrace" in run.stderr:
        pytest.skip("may not trace")
    assert run.returncode == 0, run.stdout + run.stderr
    calls = trace.read_text()
    begin, end = (calls.index(f'"{word} of the churn') for word in ("begin", "end"))
    watched = calls[begin:end]
    assert watched.count("close(") > 100
    assert re.findall(r"close\(.*= -1 .*", watched) == []
