"""Contexts that rustls serves where it can do all that they ask for."""

from __future__ import annotations

import os
import re
import ssl
import sys
import time
from collections.abc import Callable, Iterable

import zloop

from . import _server_names as names
from . import _zloop
from ._typing import Any, Self

_SIDES = {ssl.PROTOCOL_TLS_CLIENT: False, ssl.PROTOCOL_TLS_SERVER: True}
_MODERN = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
_REVOCATION = ssl.VERIFY_CRL_CHECK_LEAF | ssl.VERIFY_CRL_CHECK_CHAIN
_JUDGED_ALIKE = (
    ssl.VERIFY_X509_STRICT
    | ssl.VERIFY_X509_PARTIAL_CHAIN
    | ssl.VERIFY_X509_TRUSTED_FIRST
    | ssl.VERIFY_ALLOW_PROXY_CERTS
)
_STRICTER_NAMES = 0x2 | 0x10  # X509_CHECK_FLAG_NO_WILDCARDS, ..._SINGLE_LABEL_SUBDOMAINS
_SECURITY_LEVEL = 2
_LIMITED_TRUST = b"-----BEGIN TRUSTED CERTIFICATE-----"
_HASHED_FILE = r"[0-9a-f]{8}\.[0-9]+"
_UVICORN_DEFAULT_CIPHERS = "TLSv1"


class SSLContext(ssl.SSLContext):
    """An `ssl.SSLContext` whose connections on a zloop loop are made by rustls where that can be.

    It is used as any other context. `engine` tells which engine it gets, and the reason: what
    rustls cannot do exactly as strictly as it was asked for is left to Python's `ssl`.

    >>> context = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    >>> context.engine.name
    'rustls'
    >>> context.set_ciphers("HIGH")
    >>> str(context.engine)
    'ssl (a cipher list was set)'
    """

    __module__ = "zloop"

    # Set beside the C part's own state, from which the rest is read when it is needed.
    _chains: list[tuple[bytes, bytes]]
    _directories: list[str]
    _alpn: list[bytes]
    _refusal: str | None
    _changes: int
    _built: tuple[Any, _zloop.RustlsContext | None, str] | None

    def __new__(cls, protocol: int | None = None) -> Self:
        context = super().__new__(cls, ssl.PROTOCOL_TLS if protocol is None else protocol)
        context._chains = []
        context._directories = []
        context._alpn = []
        context._refusal = None
        context._changes = 0
        context._built = None
        return context

    @property
    def engine(self) -> zloop.Engine:
        """Which engine serves connections under this context, and the reason."""
        rustls, reason = self._build()
        return zloop.Engine("ssl" if rustls is None else "rustls", reason)

    def load_cert_chain(self, certfile: Any, keyfile: Any = None, password: Any = None) -> None:
        """Load the certificate to show and its key."""
        super().load_cert_chain(certfile, keyfile, password)
        chain = _content(certfile)
        key = chain if keyfile is None else _content(keyfile)
        self._chains.append((chain, key))
        self._changes += 1

    def load_verify_locations(
        self, cafile: Any = None, capath: Any = None, cadata: Any = None
    ) -> None:
        """Trust the authorities of a file, a folder or bytes."""
        super().load_verify_locations(cafile, capath, cadata)
        if cafile is not None:
            self._look_for_limited_trust(os.fsdecode(cafile))
        if capath is not None:
            self._directories.append(os.fsdecode(capath))
        self._changes += 1

    def load_default_certs(self, purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH) -> None:
        """Trust the system's authorities."""
        super().load_default_certs(purpose)
        self._changes += 1

    def set_default_verify_paths(self) -> None:
        """Trust the authorities that OpenSSL trusts by default."""
        super().set_default_verify_paths()
        default = ssl.get_default_verify_paths()
        if default.cafile is not None:
            self._look_for_limited_trust(default.cafile)
        if default.capath is not None:
            self._directories.append(default.capath)
        self._changes += 1

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Offer or accept these application protocols, the preferred one first."""
        protocols = list(alpn_protocols)
        super().set_alpn_protocols(protocols)
        self._alpn = [protocol.encode("ascii") for protocol in protocols]
        self._changes += 1

    def set_ciphers(self, ciphers: str, /) -> None:
        """Set OpenSSL's cipher list, which rustls does not know."""
        super().set_ciphers(ciphers)
        self._refuse("a cipher list was set")

    def load_dh_params(self, path: Any, /) -> None:
        """Load Diffie-Hellman parameters, which rustls has no use for."""
        super().load_dh_params(path)
        self._refuse("Diffie-Hellman parameters were loaded")

    def set_ecdh_curve(self, name: Any, /) -> None:
        """Set the curve of the key exchange, which rustls chooses itself."""
        super().set_ecdh_curve(name)
        self._refuse("a curve was set")

    def set_psk_client_callback(self, callback: Any) -> None:
        """Set the source of pre-shared keys, which rustls does not know."""
        super().set_psk_client_callback(callback)  # type: ignore[misc]
        self._refuse("pre-shared keys are used")

    def set_psk_server_callback(self, callback: Any, identity_hint: Any = None) -> None:
        """Set the source of pre-shared keys, which rustls does not know."""
        super().set_psk_server_callback(callback, identity_hint)  # type: ignore[misc]
        self._refuse("pre-shared keys are used")

    if hasattr(ssl.SSLContext, "set_groups"):

        def set_groups(self, *arguments: Any, **options: Any) -> None:
            """Set the groups of the key exchange, which rustls chooses itself."""
            super().set_groups(*arguments, **options)  # type: ignore[misc]
            self._refuse("groups were set")

    if hasattr(ssl.SSLContext, "set_client_sigalgs"):

        def set_client_sigalgs(self, *arguments: Any) -> None:
            """Set signature algorithms, which rustls chooses itself."""
            super().set_client_sigalgs(*arguments)  # type: ignore[misc]
            self._refuse("signature algorithms were set")

        def set_server_sigalgs(self, *arguments: Any) -> None:
            """Set signature algorithms, which rustls chooses itself."""
            super().set_server_sigalgs(*arguments)  # type: ignore[misc]
            self._refuse("signature algorithms were set")

    if hasattr(ssl.SSLContext, "set_ciphersuites"):

        def set_ciphersuites(self, *arguments: Any) -> None:
            """Set TLS 1.3's cipher suites, which rustls chooses itself."""
            super().set_ciphersuites(*arguments)  # type: ignore[misc]
            self._refuse("cipher suites were set")

    def _look_for_limited_trust(self, path: str) -> None:
        if _LIMITED_TRUST in _content(path):
            self._refuse("an authority is trusted for some purposes only")

    def _refuse(self, reason: str) -> None:
        self._refusal = self._refusal or reason

    def _choose_rustls(
        self, server_side: bool, name: str | None
    ) -> tuple[_zloop.RustlsContext | None, str | None]:
        """Return what rustls makes the connection from, if it does, and the server's name to send."""
        rustls = None if names.is_for_openssl_only(name) else self._rustls_for(server_side)
        return (None, name) if rustls is None else (rustls, names.as_sent(self, name))

    def _rustls_for(self, server_side: bool) -> _zloop.RustlsContext | None:
        """Return what rustls makes a connection from, if it serves this context."""
        if _SIDES.get(self.protocol) is not server_side:
            return None  # The other engine says what is wrong.
        return self._build()[0]

    def _build(self) -> tuple[_zloop.RustlsContext | None, str]:
        state = (
            self._changes,
            self._refusal,
            self.minimum_version,
            self.maximum_version,
            self.verify_mode,
            self.check_hostname,
            self.verify_flags,
            getattr(self, "_host_flags", 0),
            self.options,
            self.post_handshake_auth,
            self.sni_callback,
            self.keylog_filename,
            self._msg_callback,  # type: ignore[attr-defined]
            self.num_tickets if self.protocol == ssl.PROTOCOL_TLS_SERVER else None,
        )
        built = self._built
        if built is None or built[0] != state or _has_expired(built[1]):
            rustls, reason = self._make()
            self._built = built = (state, rustls, reason)
        return built[1], built[2]

    def _make(self) -> tuple[_zloop.RustlsContext | None, str]:
        reason = self._refusal or self._reason_against_rustls()
        if reason is not None:
            return None, reason
        server_side = _SIDES[self.protocol]
        verifies = self.verify_mode != ssl.CERT_NONE
        tickets = 0
        if server_side and not self.options & ssl.OP_NO_TICKET:
            tickets = self.num_tickets
        try:
            rustls = _zloop.RustlsContext(
                server_side=server_side,
                identity=self._chains[0] if self._chains else None,
                authorities=self._authorities() if verifies else [],
                partial_chain=bool(self.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN),
                strict=bool(self.verify_flags & ssl.VERIFY_X509_STRICT),
                alpn_protocols=self._alpn,
                allows_tls12=self._allows(ssl.TLSVersion.TLSv1_2, ssl.OP_NO_TLSv1_2),
                allows_tls13=self._allows(ssl.TLSVersion.TLSv1_3, ssl.OP_NO_TLSv1_3),
                verifies=verifies,
                checks_hostname=self.check_hostname,
                is_optional=self.verify_mode == ssl.CERT_OPTIONAL,
                tickets=tickets,
            )
        except ValueError as error:
            return None, str(error)
        return rustls, "rustls can do all that the context asks for"

    def _reason_against_rustls(self) -> str | None:
        """Say what of this context rustls could not do, or not as strictly."""
        if self.protocol not in _SIDES:
            return "the protocol is for either side; use PROTOCOL_TLS_CLIENT or PROTOCOL_TLS_SERVER"
        if not any(map(self._allows, _MODERN, (ssl.OP_NO_TLSv1_2, ssl.OP_NO_TLSv1_3))):
            return "only versions before TLS 1.2 are allowed"
        if len(self._chains) > 1:
            return "more than one certificate was loaded"
        if self.sni_callback is not None:
            return "there is a callback for server names"
        if self.keylog_filename:
            return "keys are logged"
        callback: object = getattr(self, "_msg_callback", None)
        if callback is not None:
            return "there is a callback for messages"
        if self.security_level > _SECURITY_LEVEL:
            return f"the security level is above {_SECURITY_LEVEL}"
        if self.post_handshake_auth:
            return "post-handshake authentication is allowed"
        if self.verify_mode == ssl.CERT_NONE:
            return None
        if self.verify_flags & _REVOCATION:
            return "revocation lists are checked"
        if self.verify_flags & ~_JUDGED_ALIKE:
            return "there are flags of verification that rustls does not know"
        if getattr(self, "_host_flags", 0) & _STRICTER_NAMES:
            return "there are flags of host names that rustls does not know"
        known = self.cert_store_stats()
        if known["x509"] != known["x509_ca"]:
            return "a certificate is trusted that is no authority's: trust the one that issued it"
        return None

    def _allows(self, version: ssl.TLSVersion, forbidding: ssl.Options) -> bool:
        lowest, highest = self.minimum_version, self.maximum_version
        if highest == ssl.TLSVersion.MAXIMUM_SUPPORTED:
            highest = ssl.TLSVersion.TLSv1_3
        if lowest == ssl.TLSVersion.MAXIMUM_SUPPORTED:
            lowest = ssl.TLSVersion.TLSv1_3
        return lowest <= version <= highest and not self.options & forbidding

    def _authorities(self) -> list[bytes]:
        """Return the trusted authorities' certificates, those in folders among them, in DER."""
        authorities = list(self.get_ca_certs(binary_form=True))
        for directory in self._directories:
            authorities += _certificates_in(directory)
        return list(dict.fromkeys(authorities))


def _has_expired(rustls: _zloop.RustlsContext | None) -> bool:
    """Whether an authority's certificate expired since it was looked at."""
    return (
        rustls is not None and rustls.valid_until is not None and rustls.valid_until < time.time()
    )


def _content(path: str | bytes) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _certificates_in(directory: str) -> list[bytes]:
    """Read the files that OpenSSL would look into, those named after a hash."""
    found: list[bytes] = []
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
        if re.fullmatch(_HASHED_FILE, name):
            text = _content(os.path.join(directory, name)).decode("ascii", "replace")
            pems = re.findall(
                "-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", text, re.DOTALL
            )
            found += [ssl.PEM_cert_to_DER_cert(pem) for pem in pems]
    return found


def create_default_context(
    purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH,
    *,
    cafile: Any = None,
    capath: Any = None,
    cadata: Any = None,
) -> SSLContext:
    """Make a context as `ssl.create_default_context` does, that rustls serves where it can.

    >>> context = create_default_context()
    >>> context.check_hostname, context.verify_mode
    (True, <VerifyMode.CERT_REQUIRED: 2>)
    """
    if not isinstance(purpose, ssl.Purpose):
        raise TypeError(purpose)
    if purpose == ssl.Purpose.SERVER_AUTH:
        context = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = True
    else:
        context = SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if sys.version_info >= (3, 13):
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    if cafile or capath or cadata:
        context.load_verify_locations(cafile, capath, cadata)
    elif context.verify_mode != ssl.CERT_NONE:
        context.load_default_certs(purpose)
    key_log = os.environ.get("SSLKEYLOGFILE")
    if key_log and not sys.flags.ignore_environment:
        context.keylog_filename = key_log
    return context


def uvicorn_ssl_context(config: Any, _default: Callable[[], ssl.SSLContext] | None) -> SSLContext:
    """Make uvicorn's context of its `ssl_*` settings; pass this as `ssl_context_factory`."""
    context = SSLContext(config.ssl_version)
    password = config.ssl_keyfile_password
    context.load_cert_chain(config.ssl_certfile, config.ssl_keyfile, password or None)
    context.verify_mode = ssl.VerifyMode(config.ssl_cert_reqs)
    if config.ssl_ca_certs:
        context.load_verify_locations(config.ssl_ca_certs)
    if config.ssl_ciphers and config.ssl_ciphers != _UVICORN_DEFAULT_CIPHERS:
        context.set_ciphers(config.ssl_ciphers)
    protocols = getattr(getattr(config, "http_protocol_class", None), "alpn_protocols", None)
    if protocols:
        context.set_alpn_protocols(protocols)
    return context
