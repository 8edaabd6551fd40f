"""What a path of certificates has to be: rustls is never less strict than Python's `ssl`."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import sys

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from tls_support import ENGINES, LIMIT, Recorder, connect, serve

STRICT = ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN


def run(loop, coroutine):
    return loop.run_until_complete(asyncio.wait_for(coroutine, LIMIT))


def usage(*names):
    known = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{name: name in names for name in known})


class Link:
    """A certificate of a path, to be made: its extensions, each critical or not, or left out."""

    def __init__(self, name, issuer=None, authority=True):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.issuer = issuer or self
        own, issuers = self.key.public_key(), self.issuer.key.public_key()
        self.extensions = {
            "constraints": (x509.BasicConstraints(authority, None), True),
            "key id": (x509.SubjectKeyIdentifier.from_public_key(own), False),
            "issuer id": (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuers), False),
        }
        if authority:
            self.extensions["usage"] = (usage("key_cert_sign", "crl_sign"), True)
        else:
            names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
            self.extensions["names"] = (names, False)

    def pem(self):
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(
            self.issuer.name, self.name, self.key.public_key(), x509.random_serial_number()
        )
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1))
        for extension, critical in self.extensions.values():
            builder = builder.add_extension(extension, critical)
        signed = builder.sign(self.issuer.key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


class Path:
    """A trusted authority, one that it vouches for, and a server's certificate by that one."""

    def __init__(self):
        self.checks_hostname = True
        self.root = Link("root")
        self.between = Link("between", self.root)
        self.leaf = Link("localhost", self.between, authority=False)

    def contexts(self, kind, flags):
        key = self.leaf.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        cert = trustme.LeafCert(key, self.leaf.pem(), [self.between.pem()])
        server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        cert.configure_cert(server_side)
        client_side = kind(ssl.PROTOCOL_TLS_CLIENT)
        client_side.verify_flags |= flags
        client_side.check_hostname = self.checks_hostname
        client_side.load_verify_locations(cadata=self.root.pem().decode())
        return server_side, client_side


async def judge(path, kind, flags):
    """What is wrong with the path: OpenSSL's code and text, or None."""
    server_side, client_side = path.contexts(kind, flags)
    server, address = await serve(None, Recorder, server_side)
    try:
        client = await connect(address, Recorder, client_side)
    except ssl.SSLCertVerificationError as error:
        return error.verify_code, error.verify_message
    finally:
        server.close()
    client.transport.abort()
    await client.lost
    return None


def put(link, extension, critical=False):
    """A change that puts an extension into the root's, the other's or the server's certificate."""

    def change(path):
        getattr(path, link).extensions[type(extension).__name__] = extension, critical

    return change


def replace(link, key, extension, critical=True):
    def change(path):
        getattr(path, link).extensions[key] = extension, critical

    return change


def leave_out(link, key):
    return lambda path: getattr(path, link).extensions.pop(key)


def soften(link, key):
    def change(path):
        extension, critical = getattr(path, link).extensions[key]
        getattr(path, link).extensions[key] = extension, not critical

    return change


def lengths(*most):
    """How many authorities may be below the root and below the other."""

    def change(path):
        for link, length in zip((path.root, path.between), most, strict=True):
            link.extensions["constraints"] = x509.BasicConstraints(True, length), True

    return change


def no_names(path):
    path.checks_hostname = False
    del path.leaf.extensions["names"]
    path.leaf.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.example")])
    path.between.extensions["limits"] = (
        x509.NameConstraints([x509.DNSName("localhost")], None),
        True,
    )


def nameless(critical):
    def change(path):
        path.leaf.name = x509.Name([])
        names, _ = path.leaf.extensions["names"]
        path.leaf.extensions["names"] = names, critical

    return change


SERVERS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
CLIENTS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
OLD_CLIENTS = x509.UnrecognizedExtension(
    ObjectIdentifier("2.16.840.1.113730.1.1"), b"\x03\x02\x07\x80"
)

CHANGES = {
    "nothing": lambda path: None,
    "root may not sign": replace("root", "usage", usage("crl_sign")),
    "other may not sign": replace("between", "usage", usage("crl_sign")),
    "other says nothing of signing": leave_out("between", "usage"),
    "root allows none between": lengths(0, None),
    "root allows one between": lengths(1, 0),
    "root is for clients": put("root", CLIENTS),
    "root is for servers": put("root", SERVERS),
    "other is for clients": put("between", CLIENTS),
    "server is for clients": put("leaf", CLIENTS),
    "server's old type is a client's": put("leaf", OLD_CLIENTS),
    "server's key signs documents": put("leaf", usage("content_commitment"), True),
    "server's key signs": put("leaf", usage("digital_signature"), True),
    "server's key signs certificates": put("leaf", usage("digital_signature", "key_cert_sign")),
    "server's key agrees": put("leaf", usage("key_agreement"), True),
    "server names another issuer": replace(
        "leaf", "issuer id", x509.AuthorityKeyIdentifier(b"12345678", None, None), False
    ),
    "server names no issuer": leave_out("leaf", "issuer id"),
    "other names no issuer": leave_out("between", "issuer id"),
    "root names no issuer": leave_out("root", "issuer id"),
    "other has no key identifier": leave_out("between", "key id"),
    "server has no key identifier": leave_out("leaf", "key id"),
    "constraints are not critical": soften("between", "constraints"),
    "root's constraints are not critical": soften("root", "constraints"),
    "usage is not critical": soften("between", "usage"),
    "key identifier is critical": soften("leaf", "key id"),
    "issuer's identifier is critical": soften("leaf", "issuer id"),
    "no name, names critical": nameless(True),
    "no name, names not critical": nameless(False),
    "only a common name, and constraints": no_names,
}


@pytest.mark.parametrize("flags", [ssl.VERIFY_DEFAULT, STRICT], ids=["usual", "strict"])
@pytest.mark.parametrize("change", CHANGES)
def test_rustls_judges_as_ssl_does(zloop_loop, change, flags):
    path = Path()
    CHANGES[change](path)
    # What is trusted and may not sign is no authority, which is for the other engine to judge.
    engine = "ssl" if change == "root may not sign" else "rustls"
    assert path.contexts(ENGINES["rustls"], flags)[1].engine.name == engine

    async def main():
        by_ssl = await judge(path, ssl.SSLContext, flags)
        by_rustls = await judge(path, ENGINES["rustls"], flags)
        assert by_rustls == by_ssl

    run(zloop_loop, main())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.skipif(sys.version_info < (3, 13), reason="new in 3.13")
def test_the_chains_can_be_had(zloop_loop, engine):
    path = Path()
    server_side, client_side = path.contexts(ENGINES[engine], STRICT)

    async def main():
        server, address = await serve(None, Recorder, server_side)
        client = await connect(address, Recorder, client_side)
        ssl_object = client.transport.get_extra_info("ssl_object")
        shown = ssl_object.get_unverified_chain()
        names = [x509.load_der_x509_certificate(der).subject for der in shown]
        assert names == [path.leaf.name, path.between.name]
        verified = ssl_object.get_verified_chain()
        assert verified[:2] == shown
        assert x509.load_der_x509_certificate(verified[2]).subject == path.root.name
        assert len(verified) == 3
        assert verified[2] in client_side.get_ca_certs(binary_form=True)
        client.transport.abort()
        await client.lost
        server.close()

    run(zloop_loop, main())
