"""What Python's `ssl` may do midway: choose a context by the server's name, ask for a certificate."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from tls_support import CA, CLIENT, ENGINES, LIMIT, OTHER_NAME, client_context, server_context

import zloop


def run(loop, coroutine):
    return loop.run_until_complete(asyncio.wait_for(coroutine, LIMIT))


@pytest.fixture(params=ENGINES)
def engine(request):
    """A `zloop.SSLContext` that is told such things is served by `ssl` too."""
    return ENGINES[request.param]


async def visit(context, name):
    """What a client that asks for a name sees: the names of the certificate, and the end."""
    served = asyncio.get_running_loop().create_future()

    def serve(reader, writer):
        served.set_result(
            (writer.get_extra_info("ssl_object"), writer.get_extra_info("sslcontext"))
        )
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        reader, writer = await asyncio.open_connection(
            *server.sockets[0].getsockname(), ssl=client_context(), server_hostname=name
        )
        shown = writer.get_extra_info("peercert")["subjectAltName"]
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
    return shown, *await served


def test_a_callback_chooses_a_context_by_name(loop, engine):
    context, chosen = server_context(engine), server_context(cert=OTHER_NAME)
    asked = []

    def choose(ssl_object, name, context):
        asked.append((name, context))
        if name == "elsewhere.example":
            ssl_object.context = chosen

    context.sni_callback = choose

    async def main():
        shown, ssl_object, told = await visit(context, "elsewhere.example")
        assert shown == (("DNS", "elsewhere.example"),)
        assert ssl_object.context is chosen
        assert told is context
        shown, ssl_object, told = await visit(context, "localhost")
        assert shown[0] == ("DNS", "localhost")
        assert ssl_object.context is told is context
        assert asked == [("elsewhere.example", context), ("localhost", context)]

    run(loop, main())


def fail(*_):
    raise RuntimeError("no")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("callback", "reason"),
    [
        (lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME, "TLSV1_UNRECOGNIZED_NAME"),
        (fail, "SSLV3_ALERT_HANDSHAKE_FAILURE"),
    ],
    ids=["refuses", "fails"],
)
def test_a_callback_refuses_a_name(loop, engine, callback, reason):
    context = server_context(engine)
    context.sni_callback = callback

    async def main():
        # asyncio's server tells the client nothing and goes.
        with pytest.raises((ssl.SSLError, ConnectionResetError)) as raised:
            await visit(context, "localhost")
        if isinstance(asyncio.get_running_loop(), zloop.Loop):
            assert raised.value.reason == reason

    run(loop, main())


@pytest.mark.parametrize("shown", [CLIENT, None], ids=["certificate", "none"])
def test_a_certificate_is_asked_for_after_the_handshake(loop, engine, shown):
    server_side, client_side = server_context(engine), client_context(engine)
    server_side.verify_mode = ssl.CERT_REQUIRED
    CA.configure_trust(server_side)
    server_side.post_handshake_auth = client_side.post_handshake_auth = True
    if shown is not None:
        shown.configure_cert(client_side)

    async def main():
        seen = asyncio.get_running_loop().create_future()

        async def serve(reader, writer):
            ssl_object = writer.get_extra_info("ssl_object")
            assert ssl_object.getpeercert() is None
            assert await reader.readline() == b"secrets, please\n"
            ssl_object.verify_client_post_handshake()
            writer.write(b"who are you?\n")
            try:
                assert await reader.readline() == b"me\n"
                seen.set_result(ssl_object.getpeercert()["subjectAltName"])
            except Exception as error:
                seen.set_result(error)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_side)
        async with server:
            reader, writer = await asyncio.open_connection(
                *server.sockets[0].getsockname(), ssl=client_side, server_hostname="localhost"
            )
            writer.write(b"secrets, please\n")
            assert await reader.readline() == b"who are you?\n"
            writer.write(b"me\n")
            outcome = await seen
            writer.transport.abort()
        if shown is None:
            assert isinstance(outcome, ssl.SSLError)
            assert outcome.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
        else:
            assert outcome == (("email", "client@example.org"),)

    run(loop, main())
