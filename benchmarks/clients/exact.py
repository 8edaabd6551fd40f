"""Has a server do so many operations and no more: ADDRESS OPERATIONS, and what a row names as its client.

It takes the place of that client where operations are counted: under valgrind the servers are fifty times
slower, and a client in Python will do. Bytes are counted by megabytes.
"""

from __future__ import annotations

import re
import socket
import ssl
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

MEGABYTE = 1_000_000
RECEIVE_BUFFER = 256 * 1024
CONTENT_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def main() -> None:
    address, operations, *client = sys.argv[1:]
    load(address, int(operations), client, _say_so)


def _say_so() -> None:
    """Says that all was done, and keeps the connections until somebody has looked at the server."""
    print("done", flush=True)
    sys.stdin.readline()


def load(address: str, operations: int, client: Sequence[str], done: Callable[[], None]) -> None:
    """Does what a row's client does, so often, and calls `done` before it closes its connections."""
    match client:
        case ["compiled.py", program, "echo", size, connections]:
            with _connections(address, int(connections), tls=program == "tls_load") as streams:
                _echo(streams, operations, int(size))
                done()
        case ["compiled.py", _, "datagrams", size, flight]:
            with _datagram_socket(int(address)) as peer:
                _exchange(peer, operations, int(size), int(flight))
                done()
        case ["compiled.py", program, "connections" | "handshakes", _]:
            for _ in range(operations):
                with _connections(address, 1, tls=program == "tls_load") as (stream,):
                    _read_to_end(stream)
            done()
        case ["compiled.py" | "bulk.py", *programs, "send" | "receive" as direction]:
            with _connections(address, 1, tls="tls_load" in programs) as (stream,):
                _transfer(stream, operations * MEGABYTE, direction)
                done()
        case ["http_load.py", connections, *rest]:
            scheme, path = (*rest, *("http", "/")[len(rest) :])
            with _connections(address, int(connections), tls=scheme == "https") as streams:
                _request(streams, operations, path)
                done()
        case _:
            sys.exit(f"nobody knows how often {' '.join(client)} does what it does")


@contextmanager
def _connections(address: str, number: int, *, tls: bool) -> Iterator[list[socket.socket]]:
    with ExitStack() as opened:
        yield [opened.enter_context(_connect(address, tls=tls)) for _ in range(number)]


def _connect(address: str, *, tls: bool) -> socket.socket:
    if not address.isdecimal():
        stream = socket.socket(socket.AF_UNIX)
        # Linux has names that begin with a zero byte.
        stream.connect(re.sub("^@", "\0", address))
        return stream
    stream = socket.socket()
    # It does not grow, so that what a server sends ahead of the last byte that counts is always as much.
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    stream.connect(("127.0.0.1", int(address)))
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not tls:
        return stream
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(stream)


def _echo(streams: list[socket.socket], operations: int, size: int) -> None:
    message = bytes(size)
    for _ in range(operations // len(streams)):
        for stream in streams:
            stream.sendall(message)
        for stream in streams:
            _read(stream, size)


def _datagram_socket(port: int) -> socket.socket:
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.connect(("127.0.0.1", port))
    # A datagram that is lost fails the run, not blocks it.
    peer.settimeout(20)
    return peer


def _exchange(peer: socket.socket, operations: int, size: int, flight: int) -> None:
    for _ in range(operations // flight):
        for _ in range(flight):
            peer.send(bytes(size))
        for _ in range(flight):
            peer.recv(size)


def _transfer(stream: socket.socket, size: int, direction: str) -> None:
    if direction == "send":
        chunk = bytes(256 * 1024)
        while size > 0:
            stream.sendall(chunk[:size])
            size -= len(chunk)
    else:
        _read(stream, size)


def _request(streams: list[socket.socket], operations: int, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    for _ in range(operations // len(streams)):
        for stream in streams:
            stream.sendall(request)
        for stream in streams:
            _read_answer(stream)


def _read_answer(stream: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        head += _some(stream, 64 * 1024)
    head, _, body = head.partition(b"\r\n\r\n")
    length = CONTENT_LENGTH.search(head)
    if not head.startswith(b"HTTP/1.1 200") or length is None:
        sys.exit(f"an answer began with {head[:200]!r}")
    _read(stream, int(length[1]) - len(body))


def _read(stream: socket.socket, size: int) -> None:
    while size > 0:
        size -= len(_some(stream, min(size, 1024 * 1024)))


def _some(stream: socket.socket, most: int) -> bytes:
    data = stream.recv(most)
    if not data:
        sys.exit("the server closed the connection")
    return data


def _read_to_end(stream: socket.socket) -> None:
    # A server that ends without close_notify ends too.
    with suppress(ConnectionResetError, ssl.SSLEOFError):
        while stream.recv(64 * 1024):
            pass


if __name__ == "__main__":
    main()
