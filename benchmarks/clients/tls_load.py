"""Loads a TLS server by zloop-tls's example tls_load, which `make bench` builds: PORT SECONDS MODE..."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> None:
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    program = target / "release" / "examples" / "tls_load"
    if not program.exists():
        sys.exit(f"{program} is missing: cargo build --release -p zloop-tls --example tls_load")
    os.execv(program, [str(program), *sys.argv[1:]])


if __name__ == "__main__":
    main()
