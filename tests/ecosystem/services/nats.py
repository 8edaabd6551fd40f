"""NATS, with TLS and JetStream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .certificates import Certificates
from .process import answers, free_port, running, service_folder
from .programs import program


@contextmanager
def nats(certificates: Certificates | None = None) -> Iterator[int]:
    """The port of a server with JetStream, by TLS if there are certificates."""
    port = free_port()
    command = [program("nats-server"), "--addr", "127.0.0.1", "--port", str(port), "--jetstream"]
    with service_folder() as folder:
        command += ["--store_dir", folder / "store"]
        if certificates is not None:
            chain, key = certificates.write_server(folder)
            command += ["--tls", "--tlscert", chain, "--tlskey", key]
        with running(command, folder, answers(port)):
            yield port
