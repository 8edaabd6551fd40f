"""The suites that need a nightly toolchain: Miri and the sanitizers. They run where it can run them."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path

from suite import Suite, from_cargo
from workspace import ROOT, announce

NIGHTLY = ("cargo", "+nightly")

# Leaks what a forked child inherits, as a child must.
LEAKS_ON_PURPOSE = "a_renewed_selector_leaves_the_inherited_one_alone"


def nightly_suites() -> list[Suite]:
    """What the nightly toolchain of this machine can run."""
    suites = []
    if _answer(*NIGHTLY, "miri", "--version"):
        suites.append(_miri())
    else:
        announce("Miri is left out: rustup toolchain install nightly --component miri,rust-src")
    if _has_sanitizers():
        suites += [_address_sanitizer(), _thread_sanitizer()]
    else:
        announce(
            "The sanitizers are left out: rustup toolchain install nightly --component rust-src"
        )
    return suites


def _miri() -> Suite:
    """The units, pipes and the TLS states over an engine that a test plays: what needs no socket."""
    packages = "-p zloop-core -p zloop-net -p zloop-tls --lib --test pipe --test scripted"
    command = f"miri test {packages} --no-fail-fast --target-dir target/miri"
    return Suite(
        "Miri",
        [*NIGHTLY, *command.split(), *_without_c()],
        budget=600,
        read_totals=from_cargo,
        # A backtrace takes the interpreter seconds, and some tests panic because they should.
        environment={"MIRIFLAGS": "-Zmiri-disable-isolation", "RUST_BACKTRACE": "0"},
    )


def _address_sanitizer() -> Suite:
    return _sanitized("address", [], ["--skip", LEAKS_ON_PURPOSE])


def _thread_sanitizer() -> Suite:
    """With a standard library that is instrumented too, or its locks would not be seen."""
    return _sanitized("thread", ["-Zbuild-std"], [])


def _sanitized(sanitizer: str, options: list[str], arguments: list[str]) -> Suite:
    """The crates that have unsafe code and threads, in all their tests."""
    packages = "-p zloop-core -p zloop-net --no-fail-fast"
    # The target is named so that build scripts are left as they are.
    command = f"test {packages} --target {_host()} --target-dir target/{sanitizer}"
    flag = f"-Zsanitizer={sanitizer}"
    return Suite(
        f"{sanitizer.capitalize()} sanitizer",
        [*NIGHTLY, *command.split(), *options, *_without_c(), "--", *arguments],
        budget=1800,
        read_totals=from_cargo,
        environment={"RUSTFLAGS": flag, "RUSTDOCFLAGS": flag},
    )


def _without_c() -> list[str]:
    """Options of cargo's that keep it from building the cryptography in C, which takes minutes.

    What these suites run never calls it, so that what its build script would say is enough.
    """
    question = ("cargo", "metadata", "--format-version", "1", "--locked", "--manifest-path")
    metadata = json.loads(_answer(*question, str(ROOT / "Cargo.toml")))
    links = {package["name"]: package["links"] for package in metadata["packages"]}
    script = f"target.{_host()}.{links['aws-lc-sys']}"
    bindings = _host().replace("-", "_")
    return [
        *("--config", f'{script}.include="none"'),
        *("--config", f'{script}.rustc-cfg=["{bindings}"]'),
    ]


def _has_sanitizers() -> bool:
    """Whether their runtimes are there, and the source of the standard library."""
    libraries = Path(_answer("rustc", "+nightly", "--print", "target-libdir").strip())
    root = Path(_answer("rustc", "+nightly", "--print", "sysroot").strip())
    runtimes = [*libraries.glob("*_rt.asan.a"), *libraries.glob("*_rt.tsan.a")]
    return len(runtimes) == 2 and (root / "lib/rustlib/src/rust/library/Cargo.lock").exists()


def _host() -> str:
    lines = _answer("rustc", "-vV").splitlines()
    return next(line.removeprefix("host: ") for line in lines if line.startswith("host: "))


@cache
def _answer(*question: str) -> str:
    """What a command prints; nothing, if it is not there or fails."""
    try:
        finished = subprocess.run(question, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return finished.stdout if finished.returncode == 0 else ""
