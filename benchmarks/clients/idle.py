"""Connects and stays connected, twice: PORT COUNT COUNT. Waits for a line before the second."""

from __future__ import annotations

import resource
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from frame import pin


def main() -> None:
    port, *counts = map(int, sys.argv[1:])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    pin(1)
    peers = []
    for count in counts:
        peers += [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
        sys.stdin.readline()
    time.sleep(60)


if __name__ == "__main__":
    main()
