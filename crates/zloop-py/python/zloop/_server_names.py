"""The names of servers that rustls and OpenSSL judge alike."""

from __future__ import annotations

import re
import ssl

_LABEL = "(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
# Compiled when the first name is looked at: not every program that imports zloop has one.
_HOST = rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*(?![0-9]+\Z){_LABEL}"


def is_for_openssl_only(name: str | None) -> bool:
    """Whether rustls refuses such a name, or takes a certificate for it that OpenSSL does not.

    The second is so of a dot at the end, and of an underscore where the certificate has a wildcard.

    >>> is_for_openssl_only("example.org"), is_for_openssl_only("example.org.")
    (False, True)
    """
    if name is None:
        return False
    try:
        encoded = _encoded(name)
    except UnicodeError:
        return True
    return re.fullmatch(_HOST, encoded) is None and not _is_address(encoded)


def as_sent(context: ssl.SSLContext, name: str | None) -> str | None:
    """Return a server's name as it is sent; it is needed where it is to be checked."""
    if name is None:
        if context.check_hostname:
            raise ValueError("check_hostname requires server_hostname")
        return None
    return _encoded(name)


def _encoded(name: str) -> str:
    return name if name.isascii() else name.encode("idna").decode("ascii")


def _is_address(name: str) -> bool:
    import ipaddress  # It takes longer to import than most of zloop.

    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return "%" not in name
