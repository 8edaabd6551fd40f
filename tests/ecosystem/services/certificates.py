"""An authority of the tests' own, and a certificate for localhost."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme

import zloop

from .process import give


class Certificates:
    """What servers show, and contexts of both engines that trust it or show it."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.server = self.authority.issue_cert("localhost", "127.0.0.1")
        self.authority_file = folder / "authority.pem"
        self.authority.cert_pem.write_to_path(str(self.authority_file))

    def write_server(self, folder: Path) -> tuple[Path, Path]:
        """Writes the server's chain and key where only the services' user can read them."""
        chain, key = folder / "server.pem", folder / "server.key"
        chain.write_bytes(b"".join(part.bytes() for part in self.server.cert_chain_pems))
        self.server.private_key_pem.write_to_path(str(key))
        for path in (chain, key):
            give(path, 0o600)
        return chain, key

    def client_context(self, engine: str) -> ssl.SSLContext:
        """A context that trusts the authority, of the engine "ssl" or "rustls"."""
        if engine == "ssl":
            return ssl.create_default_context(cafile=self.authority_file)
        context = zloop.create_default_context(cafile=str(self.authority_file))
        assert context.engine.name == engine, context.engine
        return context

    def server_context(self, engine: str) -> ssl.SSLContext:
        """A server's context, of the engine "ssl" or "rustls"."""
        if engine == "ssl":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.server.configure_cert(context)
            return context
        rustls = zloop.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.configure_cert(rustls)
        assert rustls.engine.name == engine, rustls.engine
        return rustls


def assert_engine(ssl_object: object, engine: str) -> None:
    """Checks which engine drives a connection, by what it gives as its ssl_object."""
    is_of_ssl = isinstance(ssl_object, ssl.SSLObject)
    assert is_of_ssl == (engine == "ssl"), ssl_object
