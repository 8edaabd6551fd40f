"""`zloop.SSLContext`: which engine it gets, and why."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import sys

import pytest
from tls_support import CA, LIMIT, SERVER, client_context, encrypted_key, server_context

import zloop


def client():
    return client_context(zloop.SSLContext)


def server():
    return server_context(zloop.SSLContext)


@pytest.mark.parametrize("make", [client, server])
def test_an_ordinary_context_gets_rustls(make):
    assert make().engine == ("rustls", "rustls can do all that the context asks for")


def ciphers(context):
    context.set_ciphers("HIGH")


def sni_callback(context):
    context.sni_callback = lambda *_: None


def old_version(context):
    context.maximum_version = ssl.TLSVersion.TLSv1_1


def revocation(context):
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def post_handshake(context):
    context.post_handshake_auth = True


def policies(context):
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= 0x80  # X509_V_FLAG_POLICY_CHECK


def no_wildcards(context):
    context.verify_mode = ssl.CERT_REQUIRED
    context._host_flags |= 0x2  # X509_CHECK_FLAG_NO_WILDCARDS


def second_certificate(context):
    SERVER.configure_cert(context)
    SERVER.configure_cert(context)


def curve(context):
    context.set_ecdh_curve("prime256v1")


def messages(context):
    context._msg_callback = lambda *_: None


def trusted_server(context):
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=SERVER.cert_chain_pems[0].bytes().decode())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (ciphers, "a cipher list was set"),
        (sni_callback, "there is a callback for server names"),
        (old_version, "only versions before TLS 1.2 are allowed"),
        (revocation, "revocation lists are checked"),
        (policies, "there are flags of verification that rustls does not know"),
        (no_wildcards, "there are flags of host names that rustls does not know"),
        (post_handshake, "post-handshake authentication is allowed"),
        (second_certificate, "more than one certificate was loaded"),
        (curve, "a curve was set"),
        (messages, "there is a callback for messages"),
        (
            trusted_server,
            "a certificate is trusted that is no authority's: trust the one that issued it",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_rustls_cannot_do_is_left_to_ssl(change, reason):
    context = server()
    assert context.engine.name == "rustls"
    change(context)
    assert context.engine == ("ssl", reason)


def test_logged_keys_are_left_to_ssl(tmp_path):
    context = server()
    context.keylog_filename = str(tmp_path / "keys")
    assert context.engine == ("ssl", "keys are logged")


@pytest.mark.skipif(not ssl.HAS_PSK if sys.version_info >= (3, 13) else True, reason="no keys")
def test_shared_keys_are_left_to_ssl():
    for context, setter in (
        (client(), "set_psk_client_callback"),
        (server(), "set_psk_server_callback"),
    ):
        getattr(context, setter)(lambda *_: (None, b""))
        assert context.engine == ("ssl", "pre-shared keys are used")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_context_for_either_side_is_left_to_ssl():
    context = zloop.SSLContext()
    assert context.protocol == ssl.PROTOCOL_TLS
    assert context.engine.name == "ssl"
    assert context.engine.reason.startswith("the protocol is for either side")


@pytest.mark.parametrize("change", [None, ciphers], ids=["rustls", "ssl"])
def test_the_engine_is_the_one_that_serves(change, zloop_loop):
    server_side, client_side = server(), client()
    if change is not None:
        change(server_side)
        change(client_side)

    async def main():
        served = zloop_loop.create_future()

        def answer(_, writer):
            served.set_result(writer)

        listening = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server_side)
        _, writer = await asyncio.open_connection(
            *listening.sockets[0].getsockname(), ssl=client_side, server_hostname="localhost"
        )
        for side, context in (await served, server_side), (writer, client_side):
            ssl_object = side.get_extra_info("ssl_object")
            assert context.engine.name == ("rustls" if change is None else "ssl")
            assert isinstance(ssl_object, ssl.SSLObject) is (change is not None)
            side.transport.abort()
        listening.close()

    zloop_loop.run_until_complete(asyncio.wait_for(main(), LIMIT))


def test_an_encrypted_key_is_left_to_ssl(tmp_path):
    (tmp_path / "key").write_bytes(encrypted_key(b"secret"))
    SERVER.cert_chain_pems[0].write_to_path(tmp_path / "cert")
    context = zloop.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key", "secret")
    assert context.engine == ("ssl", "the private key is encrypted")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is missing")
def test_an_authority_for_some_purposes_only_is_left_to_ssl(tmp_path):
    CA.cert_pem.write_to_path(tmp_path / "ca")
    subprocess.run(
        [
            "openssl",
            "x509",
            "-in",
            "ca",
            "-addreject",
            "serverAuth",
            "-trustout",
            "-out",
            "limited",
        ],
        check=True,
        cwd=tmp_path,
    )
    context = zloop.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(tmp_path / "limited")
    assert context.engine == ("ssl", "an authority is trusted for some purposes only")


def test_a_server_without_a_certificate_is_left_to_ssl():
    assert zloop.SSLContext(ssl.PROTOCOL_TLS_SERVER).engine.name == "ssl"


def test_a_later_change_counts():
    context = client()
    assert context.engine.name == "rustls"
    first = context._rustls_for(False)
    assert context._rustls_for(False) is first
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    assert context._rustls_for(False) is None
    context.verify_flags &= ~ssl.VERIFY_CRL_CHECK_LEAF
    assert context._rustls_for(False) is not None


def test_a_context_is_for_its_own_side():
    assert client()._rustls_for(True) is None
    assert server()._rustls_for(False) is None


@pytest.mark.parametrize("purpose", [ssl.Purpose.SERVER_AUTH, ssl.Purpose.CLIENT_AUTH])
def test_a_default_context_asks_for_what_ssls_does(purpose, tmp_path):
    CA.cert_pem.write_to_path(tmp_path / "ca")
    ours = zloop.create_default_context(purpose, cafile=tmp_path / "ca")
    theirs = ssl.create_default_context(purpose, cafile=tmp_path / "ca")
    asked = ["protocol", "verify_mode", "check_hostname", "verify_flags", "options"]
    asked += ["minimum_version", "maximum_version"]
    for name in asked:
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.get_ca_certs(True) == theirs.get_ca_certs(True)


@pytest.mark.parametrize("make", [ssl.create_default_context, zloop.create_default_context])
def test_a_default_context_has_a_purpose(make):
    with pytest.raises(TypeError):
        make("no purpose")


def test_a_folder_of_authorities_is_read(tmp_path):
    CA.cert_pem.write_to_path(tmp_path / "0a1b2c3d.0")
    CA.cert_pem.write_to_path(tmp_path / "not-a-hash.pem")
    context = zloop.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(capath=tmp_path)
    assert context._authorities() == [ssl.PEM_cert_to_DER_cert(CA.cert_pem.bytes().decode())]


def test_uvicorns_settings_make_a_context(tmp_path):
    config_module = pytest.importorskip("uvicorn.config")
    SERVER.private_key_and_cert_chain_pem.write_to_path(tmp_path / "pem")
    config = config_module.Config(
        "app:app",
        ssl_certfile=str(tmp_path / "pem"),
        ssl_context_factory=zloop.uvicorn_ssl_context,
        log_config=None,
        http="h11",
    )
    config.load_app = lambda: None
    context = zloop.uvicorn_ssl_context(config, None)
    assert context.engine.name == "rustls"
