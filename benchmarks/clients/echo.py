"""Sends messages to an echo server and waits for them: ADDRESS SECONDS SIZE CONNECTIONS."""

from __future__ import annotations

import socket
import sys
import time


def main() -> None:
    address, seconds, size, connections = sys.argv[1:]
    peers = [_connect(address) for _ in range(int(connections))]
    message = bytes(int(size))
    buffer = memoryview(bytearray(len(message)))
    _exchange(peers, message, buffer, float(seconds) / 5)
    print(_exchange(peers, message, buffer, float(seconds)))


def _connect(address: str) -> socket.socket:
    """A connection to a port of this machine, or to a Unix socket (@ begins a name without a file)."""
    if not address.isdigit():
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(address.replace("@", "\0", 1))
        return peer
    peer = socket.create_connection(("127.0.0.1", int(address)))
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return peer


def _exchange(
    peers: list[socket.socket], message: bytes, buffer: memoryview, seconds: float
) -> float:
    """Messages a second: all peers are sent one, then each answer is waited for."""
    rounds = 0
    started = time.perf_counter()
    while (spent := time.perf_counter() - started) < seconds:
        for peer in peers:
            peer.sendall(message)
        for peer in peers:
            received = peer.recv_into(buffer)
            while received < len(message):
                received += _more(peer, buffer[received:])
        rounds += 1
    return rounds * len(peers) / spent


def _more(peer: socket.socket, rest: memoryview) -> int:
    count = peer.recv_into(rest)
    if count == 0:
        raise ConnectionError("the server closed the connection")
    return count


if __name__ == "__main__":
    main()
