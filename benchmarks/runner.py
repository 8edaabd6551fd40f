"""Runs one row on one loop, in processes of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from frame import Row, pin

CHILD = Path(__file__).resolve().parent / "child.py"


class Failed(Exception):
    """A loop could not run a row."""


def run_row(row: Row, factory: str, seconds: float) -> float:
    """The row's value on the loop that a factory makes; raises Failed if there is none."""
    patience = 20 + 4 * seconds
    command = [sys.executable, str(CHILD), row.module, row.name, factory, str(seconds)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            if row.serve is None:
                printed, errors = child.communicate(timeout=patience)
                return _value(printed, errors)
            assert child.stdout is not None
            address = child.stdout.readline().strip()
            if not address:
                raise Failed(_last_line(child.communicate(timeout=patience)[1]))
            try:
                return _load(row, address, seconds, patience)
            except Failed as failure:
                raise _reason(child) or failure from None
        except subprocess.TimeoutExpired:
            raise Failed(f"no result after {patience:.0f} s") from None
        finally:
            child.kill()


def _reason(service: subprocess.Popen[str]) -> Failed | None:
    """What a service says that has ended by itself."""
    try:
        return Failed(_last_line(service.communicate(timeout=1)[1]))
    except subprocess.TimeoutExpired:
        return None


def _load(row: Row, address: str, seconds: float, patience: float) -> float:
    """Runs the row's client on its core."""
    client = subprocess.run(
        [sys.executable, *row.client_command(address, seconds)],
        capture_output=True,
        text=True,
        timeout=patience,
        preexec_fn=lambda: pin(0 if row.takes_turns else 1),
        check=False,
    )
    return _value(client.stdout, client.stderr)


def _value(printed: str, errors: str) -> float:
    try:
        return float(printed.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise Failed(_last_line(errors) or "nothing printed") from None


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
