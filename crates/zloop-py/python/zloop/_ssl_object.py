"""What a handshake by rustls settled, with the methods of `ssl.SSLObject`."""

from __future__ import annotations

import ssl
import time

from . import _zloop
from ._typing import Any

type Cipher = tuple[str, str, int]


class SSLObject:
    """The `ssl_object` of a connection by rustls: it answers questions, and moves no bytes."""

    def __init__(
        self,
        context: ssl.SSLContext,
        rustls: _zloop.RustlsContext,
        server_side: bool,
        server_hostname: str | None,
        version: str | None,
        cipher: Cipher | None,
        alpn_protocol: str | None,
        certificates: list[bytes],
        session_reused: bool,
    ) -> None:
        self.context = context
        self.server_side = server_side
        self.server_hostname = server_hostname
        self.session_reused = session_reused
        self.session = None
        self._rustls = rustls
        self._made = time.time()
        self._version = version
        self._cipher = cipher
        self._alpn_protocol = alpn_protocol
        self._certificates = certificates

    def version(self) -> str | None:
        """Return the protocol's version, such as `TLSv1.3`."""
        return self._version

    def cipher(self) -> Cipher | None:
        """Return the cipher suite's name, the version that defined it, and its secret bits."""
        return self._cipher

    def shared_ciphers(self) -> list[Cipher] | None:
        """Return the suite in use if this is a server; rustls does not tell of the others."""
        return [self._cipher] if self.server_side and self._cipher else None

    def compression(self) -> None:
        """Return None: there is no compression."""

    def selected_alpn_protocol(self) -> str | None:
        """Return the application protocol that both sides chose."""
        return self._alpn_protocol

    def selected_npn_protocol(self) -> None:
        """Return None: ALPN took the place of NPN."""

    def getpeercert(self, binary_form: bool = False) -> Any:
        """Return the peer's certificate: decoded, `{}` if it was not verified, or in DER."""
        if not self._certificates:
            return None
        if binary_form:
            return self._certificates[0]
        if self.context.verify_mode == ssl.CERT_NONE:
            return {}
        return _zloop.decode_certificate(self._certificates[0])

    def get_unverified_chain(self) -> list[bytes]:
        """Return the certificates that the peer showed, in DER."""
        return list(self._certificates)

    def get_verified_chain(self) -> list[bytes]:
        """Return the path from the peer's certificate to a trusted authority, in DER.

        It is empty if nothing was to be verified.
        """
        return self._rustls.verified_chain(self._certificates, self._made) or []

    def get_channel_binding(self, cb_type: str = "tls-unique") -> None:
        """Return None: TLS 1.3 has no `tls-unique`, and rustls has none of TLS 1.2."""
        if cb_type not in ssl.CHANNEL_BINDING_TYPES:
            raise ValueError(f"{cb_type} channel binding type not implemented")

    def pending(self) -> int:
        """Return 0: what was decrypted has been handed on."""
        return 0

    def verify_client_post_handshake(self) -> None:
        """Raise an error: a context that wants this is served by Python's `ssl`."""
        raise ssl.SSLError("post-handshake authentication is not available by rustls")

    def __repr__(self) -> str:
        side = "server" if self.server_side else "client"
        return f"<{type(self).__name__} {side} {self._version} by rustls>"
