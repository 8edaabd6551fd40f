"""nginx: a TLS server of files, and a proxy in front of a Unix socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .certificates import Certificates
from .process import answers, free_port, give, running, service_folder
from .programs import program

CONFIGURATION = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 64m;

    upstream application {{ server unix:{folder}/application.sock; }}

    server {{
        listen 127.0.0.1:{port} ssl http2;
        server_name localhost;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3;

        location /files/ {{ alias {folder}/files/; }}
        location / {{
            proxy_pass http://application;
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_header;
        }}
    }}

    map $http_upgrade $connection_header {{ default upgrade; '' ''; }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """Where it listens, which files it serves, and the Unix socket that it hands the rest to."""

    port: int
    files: Path
    application_socket: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"


@contextmanager
def nginx(certificates: Certificates) -> Iterator[Nginx]:
    """A server by HTTPS: /files/ from a folder, everything else from a Unix socket."""
    with service_folder() as folder:
        port = free_port()
        certificate, key = certificates.write_server(folder)
        server = Nginx(port, folder / "files", folder / "application.sock")
        server.files.mkdir()
        give(server.files, 0o755)
        configuration = folder / "nginx.conf"
        configuration.write_text(
            CONFIGURATION.format(folder=folder, port=port, certificate=certificate, key=key)
        )
        give(configuration)
        command = [program("nginx"), "-e", "stderr", "-c", configuration, "-p", folder]
        with running(command, folder, answers(port)):
            yield server
