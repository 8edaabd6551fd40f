"""Loads a server by an example of the crates, which `make bench` builds: ADDRESS SECONDS EXAMPLE MODE...

A client in Python would be slower than the servers that it measures.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> None:
    address, seconds, example, *mode = sys.argv[1:]
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    program = target / "release" / "examples" / example
    if not program.exists():
        sys.exit(f"{program} is missing: cargo build --release --example {example}")
    os.execv(program, [str(program), address, seconds, *mode])


if __name__ == "__main__":
    main()
