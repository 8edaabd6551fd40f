"""Connects, reads to the end and connects again: PORT SECONDS."""

from __future__ import annotations

import socket
import sys
import time


def main() -> None:
    port, seconds = int(sys.argv[1]), float(sys.argv[2])
    _connect(port, seconds / 5)
    print(_connect(port, seconds))


def _connect(port: int, seconds: float) -> float:
    connections = 0
    started = time.perf_counter()
    while (spent := time.perf_counter() - started) < seconds:
        with socket.create_connection(("127.0.0.1", port)) as peer:
            while peer.recv(64):
                pass
        connections += 1
    return connections / spent


if __name__ == "__main__":
    main()
