"""No engine is less strict than its context."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

import pytest
from tls_support import (
    CA,
    CLIENT,
    CLIENT_ONLY,
    ENGINES,
    EXPIRED,
    LIMIT,
    OTHER_NAME,
    SELF_SIGNED,
    SERVER_ONLY,
    STRANGER,
    Recorder,
    client_context,
    server_context,
)

import zloop


def run(loop, coroutine):
    return loop.run_until_complete(asyncio.wait_for(coroutine, LIMIT))


@pytest.fixture(params=ENGINES)
def engine(request):
    return ENGINES[request.param]


async def connect(server_side, client_side, server_hostname="localhost"):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Recorder, "127.0.0.1", 0, ssl=server_side)
    host, port = server.sockets[0].getsockname()
    try:
        transport, protocol = await loop.create_connection(
            Recorder, host, port, ssl=client_side, server_hostname=server_hostname
        )
        return protocol
    finally:
        server.close()


@pytest.mark.parametrize(
    ("cert", "code", "message"),
    [
        (EXPIRED, 10, "certificate has expired"),
        (OTHER_NAME, 62, "Hostname mismatch, certificate is not valid for 'localhost'."),
        (STRANGER, 20, "unable to get local issuer certificate"),
    ],
    ids=["expired", "other name", "stranger"],
)
def test_a_bad_server_is_refused(loop, engine, cert, code, message):
    async def main():
        with pytest.raises(ssl.SSLCertVerificationError) as raised:
            await connect(server_context(cert=cert), client_context(engine))
        assert raised.value.verify_code == code
        assert raised.value.verify_message == message
        assert raised.value.reason == "CERTIFICATE_VERIFY_FAILED"
        assert raised.value.library == "SSL"
        assert message in str(raised.value)

    run(loop, main())


def test_a_clients_certificate_does_not_make_a_server(loop, engine):
    async def main():
        with pytest.raises(ssl.SSLCertVerificationError) as raised:
            await connect(server_context(cert=CLIENT_ONLY), client_context(engine))
        assert raised.value.verify_code == 26

    run(loop, main())


NAMES = [
    *("localhost", "LOCALHOST", "localhost.", ".localhost", "localhost:443", "local host", "a..b"),
    *("127.0.0.1", "127.0.0.1.", "127.1", "2130706433", "::1", "[::1]", "fe80::1%lo"),
    *("::ffff:127.0.0.1", "localhost\0", "x" * 64 + ".example", ".".join(["abc"] * 80)),
    *("any.wild.example", "two.any.wild.example", "wild.example", "*.wild.example"),
    *("under_score.wild.example", "-dash.wild.example", "dash-.wild.example", "1.wild.example"),
    *("b\u00fccher.example", "B\u00dcCHER.example", "b\u00fccher.wild.example", "\u00fc..example"),
]
MANY_NAMES = CA.issue_cert("localhost", "127.0.0.1", "::1", "*.wild.example", "b\u00fccher.example")


@pytest.mark.parametrize("is_checked", [True, False], ids=["checked", "unchecked"])
def test_names_of_servers_are_judged_as_by_ssl(zloop_loop, is_checked):
    def client_side(engine):
        made = client_context(engine)
        made.check_hostname = is_checked
        return made

    async def verdict(server_side, context, name):
        try:
            protocol = await connect(server_side, context, name)
        except Exception as error:
            return type(error), getattr(error, "verify_message", str(error))
        protocol.transport.abort()
        await protocol.lost
        return protocol.transport.get_extra_info("ssl_object").server_hostname

    async def main():
        server_side = server_context(cert=MANY_NAMES)
        verdicts = {
            kind: {name: await verdict(server_side, client_side(kind), name) for name in NAMES}
            for kind in ENGINES.values()
        }
        assert verdicts[zloop.SSLContext] == verdicts[ssl.SSLContext]
        judged = verdicts[ssl.SSLContext]
        assert judged["localhost"] == "localhost"
        assert is_checked is (judged["localhost."] != "localhost.")

    run(zloop_loop, main())


def test_an_address_is_checked_as_an_address(loop, engine):
    async def main():
        protocol = await connect(server_context(), client_context(engine), "127.0.0.1")
        protocol.transport.abort()
        await protocol.lost
        with pytest.raises(ssl.SSLCertVerificationError) as raised:
            await connect(server_context(), client_context(engine), "127.0.0.2")
        assert raised.value.verify_code == 64

    run(loop, main())


def test_a_context_that_verifies_nothing_takes_anybody(loop, engine):
    client_side = engine(ssl.PROTOCOL_TLS_CLIENT)
    client_side.check_hostname = False
    client_side.verify_mode = ssl.CERT_NONE

    async def main():
        protocol = await connect(server_context(cert=STRANGER), client_side)
        assert protocol.transport.get_extra_info("peercert") == {}
        protocol.transport.abort()
        await protocol.lost

    run(loop, main())


@pytest.mark.filterwarnings("ignore:ssl.OP_NO_:DeprecationWarning")
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("bound", ["minimum", "maximum", "option"])
def test_no_version_is_spoken_that_is_not_allowed(loop, engine, role, bound):
    """Ours allows one version, the peer the other."""
    server_side = server_context(engine if role == "server" else ssl.SSLContext)
    client_side = client_context(engine if role == "client" else ssl.SSLContext)
    ours, theirs = (server_side, client_side)[:: 1 if role == "server" else -1]
    if bound == "minimum":
        ours.minimum_version = ssl.TLSVersion.TLSv1_3
        theirs.maximum_version = ssl.TLSVersion.TLSv1_2
    elif bound == "maximum":
        ours.maximum_version = ssl.TLSVersion.TLSv1_2
        theirs.minimum_version = ssl.TLSVersion.TLSv1_3
    else:
        ours.options |= ssl.OP_NO_TLSv1_2
        theirs.options |= ssl.OP_NO_TLSv1_3
    if engine is zloop.SSLContext:
        assert ours.engine.name == "rustls"

    async def main():
        # asyncio's server tells the client nothing and goes.
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await connect(server_side, client_side)

    run(loop, main())


@pytest.mark.parametrize("shown", [None, CLIENT, STRANGER], ids=["none", "good", "stranger"])
@pytest.mark.parametrize("mode", [ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED])
def test_client_certificates(loop, engine, mode, shown):
    server_side, client_side = server_context(engine), client_context()
    server_side.verify_mode = mode
    CA.configure_trust(server_side)
    if shown is not None:
        shown.configure_cert(client_side)
    is_welcome = shown is CLIENT or (shown is None and mode == ssl.CERT_OPTIONAL)

    async def main():
        served = []

        def factory():
            served.append(Recorder())
            return served[0]

        running = asyncio.get_running_loop()
        server = await running.create_server(factory, "127.0.0.1", 0, ssl=server_side)
        host, port = server.sockets[0].getsockname()
        # In TLS 1.3 a client learns only afterwards what the server thinks of its certificate.
        try:
            _, client = await running.create_connection(
                Recorder, host, port, ssl=client_side, server_hostname="localhost"
            )
        except ssl.SSLError:
            assert not is_welcome
        else:
            if is_welcome:
                await served[0].made
                client.transport.close()
            await client.lost
        assert served[0].made.done() is is_welcome
        server.close()

    run(loop, main())


def test_a_server_is_as_strict_about_clients(loop, engine):
    """A client's certificate that is expired, self-signed or a server's is refused."""
    for shown, code in [(EXPIRED, 10), (SELF_SIGNED, 18), (SERVER_ONLY, 26)]:
        server_side, client_side = server_context(engine), client_context()
        server_side.verify_mode = ssl.CERT_REQUIRED
        CA.configure_trust(server_side)
        shown.configure_cert(client_side)
        errors = []

        async def main(server_side=server_side, client_side=client_side, errors=errors, code=code):
            running = asyncio.get_running_loop()
            running.set_debug(True)
            running.set_exception_handler(lambda _, report: errors.append(report["exception"]))
            server = await running.create_server(Recorder, "127.0.0.1", 0, ssl=server_side)
            host, port = server.sockets[0].getsockname()
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                _, client = await running.create_connection(
                    Recorder, host, port, ssl=client_side, server_hostname="localhost"
                )
                await client.lost
            while not errors:
                await asyncio.sleep(0.001)
            assert isinstance(errors[0], ssl.SSLCertVerificationError)
            assert errors[0].verify_code == code
            server.close()

        run(loop, main())


def test_a_self_signed_server_is_refused(loop, engine):
    async def main():
        with pytest.raises(ssl.SSLCertVerificationError) as raised:
            await connect(server_context(cert=SELF_SIGNED), client_context(engine))
        assert raised.value.verify_code == 18
        assert raised.value.verify_message == "self-signed certificate"

    run(loop, main())
