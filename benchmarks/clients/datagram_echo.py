"""Sends datagrams to an echo server, some before it waits: PORT SECONDS SIZE FLIGHT."""

from __future__ import annotations

import socket
import sys
import time


def main() -> None:
    port, seconds, size, flight = sys.argv[1:]
    with socket.socket(type=socket.SOCK_DGRAM) as peer:
        peer.connect(("127.0.0.1", int(port)))
        peer.settimeout(5)
        message = bytes(int(size))
        _exchange(peer, message, int(flight), float(seconds) / 5)
        print(_exchange(peer, message, int(flight), float(seconds)))


def _exchange(peer: socket.socket, message: bytes, flight: int, seconds: float) -> float:
    rounds = 0
    started = time.perf_counter()
    while (spent := time.perf_counter() - started) < seconds:
        for _ in range(flight):
            peer.send(message)
        for _ in range(flight):
            peer.recv(len(message))
        rounds += 1
    return rounds * flight / spent


if __name__ == "__main__":
    main()
