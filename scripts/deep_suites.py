"""The suites that go through what the Rust crates' tests alone do not reach."""

from __future__ import annotations

import sys

from nightly_suites import nightly_suites
from suite import Suite, from_cargo, from_json
from workspace import RESULTS, Argument

FUZZ_SECONDS = 8


def deep_suites() -> list[Suite]:
    """Interleavings of threads, and inputs that nobody thought of."""
    return [_loom(), *nightly_suites(), _fuzz()]


def _loom() -> Suite:
    """Its own target folder, because the flag would build everything else anew."""
    command = "cargo test -p zloop-core --lib loom --target-dir target/loom"
    environment = {"RUSTFLAGS": "--cfg loom"}
    return Suite("loom", command.split(), 600, from_cargo, environment)


def _fuzz() -> Suite:
    report = RESULTS / "fuzz.json"
    command: list[Argument] = [sys.executable, "scripts/fuzz.py", "--seconds", str(FUZZ_SECONDS)]
    return Suite("fuzz targets", [*command, "--json", report], 900, from_json(report))
