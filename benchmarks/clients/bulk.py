"""Sends or receives as many bytes as it can: PORT SECONDS send|receive. Prints GB/s."""

from __future__ import annotations

import mmap
import socket
import sys
import time


def main() -> None:
    port, seconds, direction = sys.argv[1:]
    # It begins where a page begins: into the bytes right behind, processors copy far more slowly.
    buffer = mmap.mmap(-1, 1024 * 1024)
    with socket.create_connection(("127.0.0.1", int(port))) as peer:
        _transfer(peer, buffer, direction, float(seconds) / 5)
        print(_transfer(peer, buffer, direction, float(seconds)))


def _transfer(peer: socket.socket, buffer: mmap.mmap, direction: str, seconds: float) -> float:
    move = peer.send if direction == "send" else peer.recv_into
    moved = 0
    started = time.perf_counter()
    while (spent := time.perf_counter() - started) < seconds:
        count = move(buffer)
        if count == 0:
            raise ConnectionError("the server closed the connection")
        moved += count
    return moved / spent / 1e9


if __name__ == "__main__":
    main()
