"""PostgreSQL, with a password and TLS on TCP."""

from __future__ import annotations

import secrets
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .certificates import Certificates
from .process import answers, as_service_user, free_port, give, running, service_folder
from .programs import program

USER = "zloop"


@dataclass(frozen=True)
class PostgreSQL:
    """Where the server is, and how to log in."""

    port: int
    password: str
    host: str = "localhost"
    user: str = USER
    database: str = "postgres"

    def url(self, scheme: str) -> str:
        """A database URL, such as SQLAlchemy takes."""
        return f"{scheme}://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"


@contextmanager
def postgresql(certificates: Certificates) -> Iterator[PostgreSQL]:
    """A server with an empty cluster, which asks for a password and speaks TLS."""
    with service_folder() as folder:
        server = PostgreSQL(free_port(), secrets.token_hex(8))
        _make_cluster(folder, server.password)
        certificate, key = certificates.write_server(folder)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": server.port,
            "unix_socket_directories": folder,
            "fsync": "off",
            "ssl": "on",
            "ssl_cert_file": certificate,
            "ssl_key_file": key,
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [program("postgres"), "-D", folder / "data", *options]
        ready = answers(server.port)
        # SIGINT ends sessions that are still there, SIGTERM would wait for them.
        with running(command, folder, ready, stop_signal=signal.SIGINT):
            yield server


def _make_cluster(folder: Path, password: str) -> None:
    password_file = folder / "password"
    password_file.write_text(password)
    give(password_file, 0o600)
    command = [program("initdb"), "-D", folder / "data", "-U", USER, "--no-sync", "--encoding=UTF8"]
    command += ["--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={password_file}"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, **as_service_user())
