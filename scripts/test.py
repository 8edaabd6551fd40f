"""Checks the sources and runs every test there is, each suite with a time budget."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping

import python_suites
import rust_suites
import system_packages
from environment import environment
from suite import Suite, from_json, pytest_suite, summarize
from workspace import RESULTS, ROOT, RUST_FOLDERS, StepFailed, fail, require_cargo
from zloop_build import zloop_environment

TYPED_FOLDERS = (
    "scripts",
    "tests/conformance",
    "tests/counts",
    "tests/suite_comparison",
    "tests/uvicorn_suite",
    "tests/library_suites",
    "benchmarks",
)


def checks() -> list[Suite]:
    """Formatting, lints and types; each counts as one test."""
    lint = environment("lint", [ROOT / "tests" / "requirements-lint.txt"])
    mypy = lint.command("mypy")
    return [
        *map(_cargo_fmt, RUST_FOLDERS),
        _check("ruff format", str(lint.command("ruff")), "format", "--check"),
        _check("ruff check", str(lint.command("ruff")), "check"),
        _check("mypy", str(mypy)),
        *(
            _check(
                f"mypy {folder}",
                str(mypy),
                folder,
                environment={"MYPYPATH": f"{folder}:tests/suite_comparison:scripts"},
            )
            for folder in TYPED_FOLDERS
        ),
        *map(_cargo_clippy, RUST_FOLDERS),
    ]


def stubs() -> list[Suite]:
    """The type stubs against the running module."""
    requirements = [ROOT / "tests" / name for name in ("requirements.txt", "requirements-lint.txt")]
    typed = zloop_environment("stubtest", requirements)
    return [_check("stubtest", str(typed.command("stubtest")), "zloop._zloop")]


def rust() -> list[Suite]:
    """The Rust crates: their tests, the examples' own among them, their documentation and packages."""
    return rust_suites.rust_suites()


def python() -> list[Suite]:
    """The Python tests and CPython's own, on one interpreter, and many TLS connections."""
    tests = python_suites.test_environment()
    many = pytest_suite(
        "Memory of 20,000 TLS connections",
        tests.python,
        "tests/python/test_tls_memory.py",
        budget=600,
        environment={"ZLOOP_TLS_CONNECTIONS": "20000"},
    )
    return [*python_suites.python_suites(tests), many]


def counts() -> list[Suite]:
    """What the loop costs, counted, against what is recorded."""
    missing = system_packages.ensure(*system_packages.COUNTERS)
    if missing:
        print(f"without {', '.join(missing)}, some counts are skipped: install them by hand")
    python = python_suites.test_environment().python
    return [pytest_suite("Counted costs", python, "tests/counts", budget=400)]


def example() -> list[Suite]:
    """The FastAPI example, served and asked."""
    requirements = [
        ROOT / "examples" / "fastapi_app" / "requirements.txt",
        ROOT / "tests" / "requirements-example.txt",
    ]
    python = zloop_environment("example-test", requirements).python
    return [pytest_suite("FastAPI example", python, "tests/example", budget=120)]


def uvicorn() -> list[Suite]:
    """uvicorn's own suite, compared with what it gives on asyncio."""
    report = RESULTS / "uvicorn.json"
    return [
        Suite(
            "uvicorn's own suite",
            [sys.executable, "tests/uvicorn_suite", "--json", report],
            budget=900,
            read_totals=from_json(report),
        )
    ]


def docs() -> list[Suite]:
    """The pages are built without a warning, and the programs in them run."""
    requirements = [
        ROOT / "examples" / "fastapi_app" / "requirements.txt",
        ROOT / "tests" / "requirements-docs.txt",
    ]
    python = zloop_environment("docs-test", requirements).python
    return [
        Suite("docs", [sys.executable, "scripts/docs.py"], budget=180),
        pytest_suite("code of the docs", python, "tests/docs", budget=240),
    ]


GROUPS: dict[str, Callable[[], list[Suite]]] = {
    "checks": checks,
    "rust": rust,
    "stubs": stubs,
    "python": python,
    "counts": counts,
    "example": example,
    "docs": docs,
    "uvicorn": uvicorn,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=GROUPS, help="run some groups of suites")
    options = parser.parse_args()
    require_cargo()
    results = []
    try:
        for name in options.only or GROUPS:
            results += [suite.run() for suite in GROUPS[name]()]
    except StepFailed as error:
        fail(str(error))
    return 0 if summarize("make test", results, "test") else 1


def _cargo_fmt(folder: str) -> Suite:
    command = f"cargo fmt --all --check --manifest-path {folder}/Cargo.toml"
    return _check(f"cargo fmt {folder}".removesuffix(" ."), *command.split())


def _cargo_clippy(folder: str) -> Suite:
    # One folder for what is built: the workspaces have most of it in common.
    place = f"--manifest-path {folder}/Cargo.toml --target-dir target"
    command = f"cargo clippy --workspace --all-targets {place}"
    features = rust_suites.FEATURES if folder == "." else ()
    return Suite(
        f"cargo clippy {folder}".removesuffix(" ."),
        [*command.split(), *features, "--", "-D", "warnings"],
        budget=900,
        environment=rust_suites.FOR_CARGO,
    )


def _check(name: str, *command: str, environment: Mapping[str, str] | None = None) -> Suite:
    return Suite(name, command, budget=300, environment=environment or {})


if __name__ == "__main__":
    sys.exit(main())
