"""The suites that go through what the Rust crates' tests alone do not reach."""

from __future__ import annotations

import subprocess
import sys

from suite import Suite, from_cargo, from_json
from workspace import RESULTS, Argument, announce

FUZZ_SECONDS = 8


def deep_suites() -> list[Suite]:
    """Interleavings of threads, and inputs that nobody thought of."""
    return [_loom(), *_miri(), _fuzz()]


def _loom() -> Suite:
    """Its own target folder, because the flag would build everything else anew."""
    command = "cargo test -p zloop-core --lib loom --target-dir target/loom"
    environment = {"RUSTFLAGS": "--cfg loom"}
    return Suite("loom", command.split(), 600, from_cargo, environment)


def _miri() -> list[Suite]:
    """zloop-core alone: the tests of the others need a TLS library in C, which takes long to build."""
    probe = ["cargo", "+nightly", "miri", "--version"]
    try:
        found = subprocess.run(probe, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        found = False
    if not found:
        announce("Miri is left out: rustup toolchain install nightly --component miri,rust-src")
        return []
    command = "cargo +nightly miri test -p zloop-core --lib --target-dir target/miri"
    # Interpreting so many random operations would take minutes, and the heap has no unsafe code.
    left_out = ["--", "--skip", "it_behaves_as_a_sorted_map"]
    environment = {"MIRIFLAGS": "-Zmiri-disable-isolation"}
    return [Suite("Miri", [*command.split(), *left_out], 600, from_cargo, environment)]


def _fuzz() -> Suite:
    report = RESULTS / "fuzz.json"
    command: list[Argument] = [sys.executable, "scripts/fuzz.py", "--seconds", str(FUZZ_SECONDS)]
    return Suite("fuzz targets", [*command, "--json", report], 900, from_json(report))
