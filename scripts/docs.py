"""Builds the pages of docs/ into .cache/docs; any warning, such as of a broken link, fails."""

from __future__ import annotations

from environment import environment
from workspace import CACHE, ROOT, StepFailed, announce, fail, run

SOURCE = ROOT / "docs"
TARGET = CACHE / "docs"


def main() -> None:
    try:
        python = environment("docs", [SOURCE / "requirements.txt"]).python
        options = ["-b", "html", "--fail-on-warning", "--keep-going", "--nitpicky", "--quiet"]
        run([python, "-m", "sphinx", *options, "-d", CACHE / "docs-state", SOURCE, TARGET])
    except StepFailed as error:
        fail(str(error))
    announce(f"the pages are in {TARGET / 'index.html'}")


if __name__ == "__main__":
    main()
