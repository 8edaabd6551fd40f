"""Serves an application in several processes, each with a socket of its own on one port.

    python reuse_port.py app:app --port 8000 --processes 4

The system spreads new connections over the sockets, so no process waits for another's accept.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType

import uvicorn


def listen(host: str, port: int) -> socket.socket:
    """A socket that shares its port with others made in the same way."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    return listener


def serve(app: str, host: str, port: int) -> None:
    """Serves in one process until it is told to end."""
    config = uvicorn.Config(app, loop="zloop:new_event_loop")
    uvicorn.Server(config).run(sockets=[listen(host, port)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("app")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    # As uvicorn's command does: the application is looked for where one is. Spawned processes inherit it.
    sys.path.insert(0, str(Path.cwd()))
    spawn = multiprocessing.get_context("spawn")
    arguments = (options.app, options.host, options.port)
    processes = [spawn.Process(target=serve, args=arguments) for _ in range(options.processes)]
    for process in processes:
        process.start()

    def end(_number: int, _frame: FrameType | None) -> None:
        for process in processes:
            process.terminate()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    for process in processes:
        process.join()


if __name__ == "__main__":
    main()
