"""TLS with peers that are not asyncio's: Python's blocking `ssl`, and rustls, by TCP and Unix sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest
from tls_support import (
    CA,
    CLIENT,
    ENGINES,
    LIMIT,
    PLACES,
    Echo,
    Recorder,
    accept,
    client_context,
    connect,
    dial,
    listen,
    place_of,
    serve,
    server_context,
)

import zloop

VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
PAYLOAD = bytes(range(256)) * 1000


def run(loop, coroutine):
    return loop.run_until_complete(asyncio.wait_for(coroutine, LIMIT))


def contexts(server_kind, client_kind, version):
    """Contexts that know each other by certificates and agree on a protocol."""
    server_side, client_side = server_context(server_kind), client_context(client_kind)
    server_side.verify_mode = ssl.CERT_REQUIRED
    CA.configure_trust(server_side)
    CLIENT.configure_cert(client_side)
    server_side.set_alpn_protocols(["h2", "http/1.1"])
    client_side.set_alpn_protocols(["http/1.1", "h2"])
    client_side.minimum_version = client_side.maximum_version = VERSIONS[version]
    return server_side, client_side


def check(ssl_object, version, names):
    assert ssl_object.version() == version
    assert ssl_object.selected_alpn_protocol() == "h2"
    assert ssl_object.getpeercert()["subjectAltName"] == names


SERVERS_NAMES = (("DNS", "localhost"), ("IP Address", "127.0.0.1"))
CLIENTS_NAMES = (("email", "client@example.org"),)


def blocking_client(address, context, version):
    with context.wrap_socket(dial(address), server_hostname="localhost") as tls:
        check(tls, version, SERVERS_NAMES)
        tls.sendall(PAYLOAD)
        received = bytearray()
        while len(received) < len(PAYLOAD):
            received += tls.recv(65536)
        assert received == PAYLOAD
        tls.unwrap().close()


def rustls_client(address, context, version):
    async def main():
        client = await connect(address, Recorder, context)
        ssl_object = client.transport.get_extra_info("ssl_object")
        assert " by rustls" in repr(ssl_object)
        check(ssl_object, version, SERVERS_NAMES)
        client.transport.write(PAYLOAD)
        while len(client.data) < len(PAYLOAD):
            await asyncio.sleep(0)
        assert client.data == PAYLOAD
        client.transport.close()
        assert await client.lost is None

    zloop.run(asyncio.wait_for(main(), LIMIT))


def blocking_server(listener, context, version):
    with context.wrap_socket(accept(listener), server_side=True) as tls:
        check(tls, version, CLIENTS_NAMES)
        while data := tls.recv(65536):
            tls.sendall(data)
        tls.unwrap().close()


def rustls_server(listener, context, version):
    async def main():
        loop = asyncio.get_running_loop()
        sock = accept(listener)
        sock.setblocking(False)
        _, served = await loop.connect_accepted_socket(Echo, sock, ssl=context)
        ssl_object = served.transport.get_extra_info("ssl_object")
        assert " by rustls" in repr(ssl_object)
        check(ssl_object, version, CLIENTS_NAMES)
        assert await served.lost is None
        assert served.data == PAYLOAD

    zloop.run(asyncio.wait_for(main(), LIMIT))


PEERS = {
    "ssl": (ssl.SSLContext, blocking_client, blocking_server),
    "rustls": (zloop.SSLContext, rustls_client, rustls_server),
}


@pytest.fixture(params=ENGINES)
def engine(request):
    return ENGINES[request.param]


@pytest.fixture(params=PEERS)
def peer(request):
    return PEERS[request.param]


@pytest.fixture(params=PLACES)
def place(request, tmp_path):
    return place_of(request.param, tmp_path)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_and_its_client(loop, engine, peer, place, version):
    kind, client, _ = peer
    server_side, client_side = contexts(engine, kind, version)

    async def main():
        served = []

        def factory():
            served.append(Echo())
            return served[0]

        server, address = await serve(place, factory, server_side)
        await asyncio.to_thread(client, address, client_side, version)
        assert await served[0].lost is None
        assert served[0].told == ["made", "eof", "lost"]
        check(served[0].transport.get_extra_info("ssl_object"), version, CLIENTS_NAMES)
        server.close()
        await server.wait_closed()

    run(loop, main())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_and_its_server(loop, engine, peer, place, version):
    kind, _, server = peer
    server_side, client_side = contexts(kind, engine, version)

    async def main():
        listener, address = listen(place)
        with listener:
            served = asyncio.create_task(asyncio.to_thread(server, listener, server_side, version))
            client = await connect(address, Recorder, client_side)
            check(client.transport.get_extra_info("ssl_object"), version, SERVERS_NAMES)
            client.transport.write(PAYLOAD)
            while len(client.data) < len(PAYLOAD):
                await asyncio.sleep(0.001)
            assert client.data == PAYLOAD
            client.transport.close()
            assert await client.lost is None
            await served

    run(loop, main())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_taken_up_again(loop, engine, version):
    """By a client of Python's `ssl`, which has to be told to."""
    server_side, client_side = contexts(engine, ssl.SSLContext, version)

    def visit(address, session):
        with client_side.wrap_socket(
            dial(address), server_hostname="localhost", session=session
        ) as tls:
            tls.sendall(b"hello")
            assert tls.recv(5) == b"hello"
            check(tls, version, SERVERS_NAMES)
            return tls.session_reused, tls.session

    async def main():
        server, address = await serve(None, Echo, server_side)
        reused, session = await asyncio.to_thread(visit, address, None)
        assert not reused
        reused, _ = await asyncio.to_thread(visit, address, session)
        assert reused
        server.close()

    run(loop, main())


@pytest.mark.parametrize("offered", [None, ["other"]], ids=["nothing", "another"])
def test_without_a_common_protocol_a_server_goes_on(loop, offered):
    server_side, client_side = server_context(), client_context()
    server_side.set_alpn_protocols(["h2"])
    if offered is not None:
        client_side.set_alpn_protocols(offered)

    def visit(address):
        with client_side.wrap_socket(dial(address), server_hostname="localhost") as tls:
            assert tls.selected_alpn_protocol() is None
            tls.sendall(b"hello")
            assert tls.recv(5) == b"hello"
            tls.shutdown(socket.SHUT_WR)

    async def main():
        server, address = await serve(None, Echo, server_side)
        await asyncio.to_thread(visit, address)
        server.close()

    run(loop, main())


# Two that rustls does not have, and one for a certificate of another kind than the server's.
@pytest.mark.parametrize(
    "cipher", ["ECDHE-ECDSA-AES128-SHA", "DHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"]
)
def test_a_client_without_a_usable_suite_is_told_of_a_failed_handshake(zloop_loop, cipher):
    client_side = client_context()
    client_side.maximum_version = ssl.TLSVersion.TLSv1_2
    client_side.set_ciphers(f"{cipher}:@SECLEVEL=0")

    async def main():
        server, address = await serve(None, Recorder, server_context(zloop.SSLContext))
        with pytest.raises(ssl.SSLError) as caught:
            await connect(address, Recorder, client_side)
        assert "HANDSHAKE_FAILURE" in caught.value.reason
        server.close()

    run(zloop_loop, main())
