"""Redis, without persistence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .process import answers, free_port, running, service_folder
from .programs import program


@contextmanager
def redis() -> Iterator[str]:
    """The URL of a server with empty databases."""
    port = free_port()
    command = [program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with service_folder() as folder, running(command, folder, answers(port)):
        yield f"redis://127.0.0.1:{port}/0"
