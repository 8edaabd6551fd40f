"""The dictionary of a certificate is the one that Python's `ssl` makes, whatever the certificate has."""

from __future__ import annotations

import datetime
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID, ObjectIdentifier
from tls_support import CLIENT, SERVER

import zloop

KEY = ec.generate_private_key(ec.SECP256R1())
KINDS_OF_NAMES = [
    *(NameOID.COMMON_NAME, NameOID.COUNTRY_NAME, NameOID.LOCALITY_NAME, NameOID.TITLE),
    *(NameOID.STATE_OR_PROVINCE_NAME, NameOID.STREET_ADDRESS, NameOID.ORGANIZATION_NAME),
    *(NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.SERIAL_NUMBER, NameOID.SURNAME),
    *(NameOID.GIVEN_NAME, NameOID.GENERATION_QUALIFIER, NameOID.X500_UNIQUE_IDENTIFIER),
    *(NameOID.DN_QUALIFIER, NameOID.PSEUDONYM, NameOID.USER_ID, NameOID.DOMAIN_COMPONENT),
    *(NameOID.EMAIL_ADDRESS, NameOID.JURISDICTION_COUNTRY_NAME, NameOID.BUSINESS_CATEGORY),
    *(NameOID.JURISDICTION_LOCALITY_NAME, NameOID.JURISDICTION_STATE_OR_PROVINCE_NAME),
    *(NameOID.POSTAL_CODE, NameOID.INN, NameOID.OGRN, NameOID.SNILS, NameOID.INITIALS),
    *(NameOID.UNSTRUCTURED_NAME, NameOID.ORGANIZATION_IDENTIFIER, ObjectIdentifier("1.2.3.4")),
]


def named(*attributes):
    return x509.Name([x509.NameAttribute(*attribute) for attribute in attributes])


def uri(address):
    return x509.UniformResourceIdentifier(address)


SHORT = named((NameOID.COMMON_NAME, "short"))
NAMES = x509.SubjectAlternativeName(
    [
        *map(x509.DNSName, ["localhost", "*.example", "nul\0byte.example"]),
        *map(x509.IPAddress, map(ipaddress.ip_address, ["1.2.3.4", "::1", "2001:db8::ff00:0"])),
        uri("https://localhost/"),
        x509.RFC822Name("me@example.org"),
        x509.RegisteredID(ObjectIdentifier("1.2.3.4")),
        x509.RegisteredID(NameOID.COMMON_NAME),
        x509.DirectoryName(SHORT),
    ]
)
ACCESS = AuthorityInformationAccessOID
ADDRESSES = [
    x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(ACCESS.OCSP, uri("http://ocsp/")),
            x509.AccessDescription(ACCESS.OCSP, x509.DNSName("no address")),
            x509.AccessDescription(ACCESS.CA_ISSUERS, uri("http://issuers/")),
        ]
    ),
    x509.CRLDistributionPoints(
        [
            x509.DistributionPoint([uri("http://one/"), x509.DNSName("no")], None, None, None),
            x509.DistributionPoint([uri("http://two/")], None, None, None),
        ]
    ),
]


def made(
    subject=SHORT,
    extensions=(),
    serial=7,
    since=datetime.datetime(2020, 1, 1),
    until=2049,
    name=SHORT,
):
    builder = x509.CertificateBuilder(name, subject, KEY.public_key(), serial)
    builder = builder.not_valid_before(since)
    builder = builder.not_valid_after(datetime.datetime(until, 12, 31, 23, 59, 59))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


MADE = {
    "server": SERVER.cert_chain_pems[0].bytes(),
    "client": CLIENT.cert_chain_pems[0].bytes(),
    "kinds of names": made(named(*((kind, "aa") for kind in KINDS_OF_NAMES))),
    "any characters": made(named((NameOID.COMMON_NAME, "b\u00fccher \u2603 \U0001d518"))),
    "two bytes each": made(named((NameOID.COMMON_NAME, "b\u00fc\u2603", _ASN1Type.BMPString))),
    "one byte each": made(named((NameOID.COMMON_NAME, "Teletex", _ASN1Type.T61String))),
    "no name": made(x509.Name([])),
    "several in one": made(
        x509.Name([x509.RelativeDistinguishedName([*SHORT, *named((NameOID.TITLE, "me"))])])
    ),
    "alternative names": made(extensions=[NAMES]),
    "addresses": made(extensions=ADDRESSES),
    "a long time": made(since=datetime.datetime(1950, 1, 2, 3, 4, 5), until=9999),
    "a long number": made(serial=(1 << 158) + 5),
    "a high bit": made(serial=0x80),
}


@pytest.mark.parametrize("pem", MADE.values(), ids=MADE)
def test_a_certificate_is_decoded_as_by_ssl(pem, tmp_path):
    path = tmp_path / "certificate.pem"
    path.write_bytes(pem)
    theirs = ssl._ssl._test_decode_cert(str(path))
    ours = zloop._zloop.decode_certificate(ssl.PEM_cert_to_DER_cert(pem.decode()))
    assert ours == theirs
    assert list(ours) == list(theirs)
