"""Formats the Rust and Python sources."""

from __future__ import annotations

from environment import environment
from workspace import ROOT, RUST_FOLDERS, StepFailed, fail, require_cargo, run


def main() -> None:
    require_cargo()
    try:
        ruff = environment("lint", [ROOT / "tests" / "requirements-lint.txt"]).command("ruff")
        for folder in RUST_FOLDERS:
            run(["cargo", "fmt", "--all", "--manifest-path", f"{folder}/Cargo.toml"])
        run([ruff, "format"])
        run([ruff, "check", "--fix"])
    except StepFailed as error:
        fail(str(error))


if __name__ == "__main__":
    main()
