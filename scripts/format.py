"""Formats the Rust and Python sources."""

from __future__ import annotations

from environment import environment
from workspace import ROOT, StepFailed, fail, require_cargo, run


def main() -> None:
    require_cargo()
    try:
        ruff = environment("lint", [ROOT / "tests" / "requirements-lint.txt"]).command("ruff")
        run(["cargo", "fmt", "--all"])
        run([ruff, "format"])
        run([ruff, "check", "--fix"])
    except StepFailed as error:
        fail(str(error))


if __name__ == "__main__":
    main()
